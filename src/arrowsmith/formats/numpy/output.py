"""The arrays of a file to be written: their types, and their values chunk by chunk."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from arrowsmith.formats.numpy.encode import Node
from arrowsmith.formats.numpy.header import write_header
from arrowsmith.formats.numpy.spool import Spool

_BLOCK = 1 << 20

Rows = Callable[[int, int], np.ndarray]


class Output:
    """One array.

    Attributes:
        dtype: of an element.
        inner: the shape of a row.
    """

    dtype: np.dtype[Any]
    inner: tuple[int, ...] = ()

    def chunk(self, spool: Spool, number: int) -> Rows:
        """What gives rows of a chunk by their first and last."""
        raise NotImplementedError

    @property
    def row_bytes(self) -> int:
        return self.dtype.itemsize * math.prod(self.inner)

    def header(self, spool: Spool) -> bytes:
        """What stands before the values."""
        return write_header(self.dtype, (spool.total, *self.inner))

    def write(self, spool: Spool, write: Callable[[Any], Any], check: Callable[[], None]) -> None:
        """Write header and values, a block of rows at a time."""
        write(self.header(spool))
        step = max(1, _BLOCK // max(1, self.row_bytes))
        for number, rows in enumerate(spool.rows if self.row_bytes else ()):
            values = self.chunk(spool, number)
            for start in range(0, rows, step):
                check()
                block = np.ascontiguousarray(values(start, min(start + step, rows)))
                write(block.reshape(-1).view(np.uint8))


@dataclass(frozen=True)
class ColumnOutput(Output):
    """A column.

    Attributes:
        node: how its values are made.
        first: number of its first part in a chunk.
        widths: of its texts.
    """

    node: Node
    first: int
    widths: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        return self.node.dtype(iter(self.widths))

    @property
    def inner(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.node.inner

    def chunk(self, spool: Spool, number: int) -> Rows:
        parts = spool.read(number, self.first, self.node.pieces)

        def values(start: int, stop: int) -> np.ndarray:
            return self.node.values(iter(parts), iter(self.widths), (start, stop))

        return values


@dataclass(frozen=True)
class MaskOutput(Output):
    """Where a column is not null; chunks without a null have kept nothing of it."""

    first: int

    dtype = np.dtype(bool)

    def chunk(self, spool: Spool, number: int) -> Rows:
        part = spool.read(number, self.first, 1)[0]
        there = np.frombuffer(part, bool) if part else np.ones(spool.rows[number], bool)
        return lambda start, stop: there[start:stop]


@dataclass(frozen=True)
class StructuredOutput(Output):
    """Several arrays as the fields of one."""

    fields: Sequence[tuple[str, Output]]

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        return np.dtype([(name, one.dtype, one.inner) for name, one in self.fields])

    def chunk(self, spool: Spool, number: int) -> Rows:
        chunks = [(name, one.chunk(spool, number)) for name, one in self.fields]
        dtype = self.dtype

        def values(start: int, stop: int) -> np.ndarray:
            found = np.zeros(stop - start, dtype)
            for name, one in chunks:
                found[name] = one(start, stop)
            return found

        return values


@dataclass(frozen=True)
class MatrixOutput(Output):
    """Columns of one type side by side."""

    columns: Sequence[Output]

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        return self.columns[0].dtype

    @property
    def inner(self) -> tuple[int, ...]:  # type: ignore[override]
        return (len(self.columns),)

    def chunk(self, spool: Spool, number: int) -> Rows:
        chunks = [one.chunk(spool, number) for one in self.columns]
        return lambda start, stop: np.stack([one(start, stop) for one in chunks], axis=1)
