"""Arrow columns as NumPy values, in two steps.

How wide texts are is known after the last row only. So :meth:`Node.encode` turns each chunk into
parts that can be put aside, and :meth:`Node.values` makes arrays of them at the end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from arrowsmith.formats.numpy.text import bytes_from_binary, utf32_from_texts

DAY = 86_400_000  # milliseconds
NAT = np.iinfo(np.int64).min


class UnwritableError(ValueError):
    """A type or value has no place in a NumPy array."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.hint = hint


@dataclass(slots=True)
class Encoded:
    """A chunk, put into parts.

    Attributes:
        rows: how many there are.
        parts: bytes, in the order in which the nodes take them.
        widths: of each text node, characters or bytes of the longest.
        sizes: of each text node, bytes of all.
        nulls: of each column, how many of its rows are null.
        filled: of each column, whether NaN or NaT was put in place of a null.
    """

    rows: int
    parts: list[Any] = field(default_factory=list)
    widths: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    nulls: list[int] = field(default_factory=list)
    filled: bool = False

    @property
    def nbytes(self) -> int:
        return sum(memoryview(part).nbytes for part in self.parts)


@dataclass(frozen=True, slots=True)
class Present:
    """Which values there are.

    Attributes:
        valid: False where a value, or what it is part of, is null; None for no null.
        seen: False where nobody looks, since a mask says so; None for nowhere.
    """

    valid: np.ndarray | None = None
    seen: np.ndarray | None = None

    def within(self, array: pa.Array) -> Present:
        """For the values of ``array``, some of which are null themselves."""
        own = validity(array)
        if own is None or self.valid is None:
            return Present(own if self.valid is None else self.valid, self.seen)
        return Present(own & self.valid, self.seen)

    def times(self, size: int) -> Present:
        """For the elements of lists of a fixed size."""
        repeated = [None if one is None else one.repeat(size) for one in (self.valid, self.seen)]
        return Present(*repeated)

    def hurts(self) -> bool:
        """Somebody looks at a null."""
        if self.valid is None:
            return False
        missing = ~self.valid
        return bool((missing if self.seen is None else missing & self.seen).any())


def validity(array: pa.Array) -> np.ndarray | None:
    """False where the array is null; None where it is not anywhere."""
    if not array.null_count:
        return None
    if pt.is_null(array.type):
        return np.zeros(len(array), bool)
    return _bits(array.buffers()[0], array)


def _bits(buffer: pa.Buffer, array: pa.Array) -> np.ndarray:
    raw = np.frombuffer(buffer, np.uint8)
    bits = np.unpackbits(raw, count=array.offset + len(array), bitorder="little")
    return bits[array.offset :].view(bool)


class Node:
    """One type. Its values have the shape ``inner`` and, once widths are known, a dtype.

    Attributes:
        inner: the shape of a value.
        pieces: how many parts each chunk has.
        texts: how many widths it takes.
    """

    inner: tuple[int, ...] = ()
    pieces: int = 1
    texts: int = 0

    def encode(self, array: pa.Array, present: Present, out: Encoded) -> None:
        """Append the parts of an array to ``out``.

        Raises:
            UnwritableError: a value has no place.
        """
        raise NotImplementedError

    def dtype(self, widths: Iterator[int]) -> np.dtype[Any]:
        """The element's type; takes the widths of its texts."""
        raise NotImplementedError

    def values(
        self, parts: Iterator[bytes], widths: Iterator[int], rows: tuple[int, int]
    ) -> np.ndarray:
        """Some rows of a chunk, of the shape ``(rows, *inner)``; takes its parts."""
        raise NotImplementedError


@dataclass(frozen=True)
class Plain(Node):
    """Values of a fixed width.

    Attributes:
        code: of the NumPy type.
        source: the NumPy type of Arrow's buffer.
        divisor: what Arrow's numbers are divided by.
        missing: what stands for null; None where nothing can.
    """

    code: str
    source: str
    divisor: int = 1
    missing: float | None = None

    def encode(self, array: pa.Array, present: Present, out: Encoded) -> None:
        present = present.within(array)
        values = self._raw(array)
        if present.valid is not None:
            hurts = present.hurts()
            if hurts and self.missing is None:
                raise _null()
            out.filled |= hurts and self.missing is not None and math.isnan(self.missing)
            values = values.copy()
            empty = np.zeros((), values.dtype)
            values[~present.valid] = empty if self.missing is None else self.missing
        out.parts.append(np.ascontiguousarray(values).view(np.uint8))

    def _raw(self, array: pa.Array) -> np.ndarray:
        width = np.dtype(self.code)
        if not len(array) or pt.is_null(array.type):
            return np.zeros(len(array), np.int64 if width.kind in "mM" else width)
        buffer = array.buffers()[1]
        if self.source == "bits":
            return _bits(buffer, array)
        start, stop = array.offset, array.offset + len(array)
        values = np.frombuffer(buffer, self.source, stop)[start:]
        if width.kind in "mM":
            values = values.astype(np.int64, copy=False)
            if not array.null_count and len(values) and int(values.min()) == NAT:
                raise UnwritableError(
                    "a time is the number that stands for NaT in NumPy", "make it null before"
                )
        if self.divisor == 1:
            return values
        if not array.null_count and (values % self.divisor).any():
            raise UnwritableError("a date has a time of day", "cast the column to timestamp before")
        return values // self.divisor

    def dtype(self, widths: Iterator[int]) -> np.dtype[Any]:
        return np.dtype(self.code)

    def values(
        self, parts: Iterator[bytes], widths: Iterator[int], rows: tuple[int, int]
    ) -> np.ndarray:
        part = next(parts)
        dtype = np.dtype(self.code)
        if not dtype.itemsize:
            return np.zeros(rows[1] - rows[0], dtype)
        return np.frombuffer(part, dtype)[rows[0] : rows[1]]


@dataclass(frozen=True)
class Text(Node):
    """Strings (``unicode``) or binary values, padded to the width of the longest."""

    unicode: bool

    pieces = 2
    texts = 1

    def encode(self, array: pa.Array, present: Present, out: Encoded) -> None:
        import pyarrow.compute as pc

        present = present.within(array)
        if present.hurts():
            raise _null()
        kind = pa.large_string() if self.unicode else pa.large_binary()
        kept = array.cast(kind)
        sizes = np.zeros(len(array), np.int64)
        there = slice(None) if present.valid is None else present.valid
        if present.valid is not None:
            bits = pa.py_buffer(np.packbits(present.valid, bitorder="little"))
            kept = kept.filter(pa.Array.from_buffers(pa.bool_(), len(array), [None, bits]))
        offsets = _offsets(kept)
        sizes[there] = np.diff(offsets)
        data = _sliced(kept, offsets)
        ends = (offsets[1:] - offsets[0])[np.diff(offsets) > 0]
        if len(ends) and not np.frombuffer(data, np.uint8)[ends - 1].all():
            raise UnwritableError(
                "a value ends in NUL, which NumPy takes for padding",
                "cut it off, or make all values of one length and cast them to fixed_size_binary",
            )
        lengths = np.diff(offsets)
        if self.unicode and len(kept):
            counted = pc.utf8_length(kept)
            lengths = np.frombuffer(counted.buffers()[1], np.int64)[counted.offset :][: len(kept)]
        out.widths.append(int(lengths.max()) if len(lengths) else 0)
        out.sizes.append(len(data))
        out.parts += [sizes, data]

    def dtype(self, widths: Iterator[int]) -> np.dtype[Any]:
        return np.dtype(f"{'<U' if self.unicode else '|S'}{max(1, next(widths))}")

    def values(
        self, parts: Iterator[bytes], widths: Iterator[int], rows: tuple[int, int]
    ) -> np.ndarray:
        sizes = np.frombuffer(next(parts), np.int64)
        data, width = next(parts), max(1, next(widths))
        begin = int(sizes[: rows[0]].sum())
        sizes = sizes[rows[0] : rows[1]]
        padded = utf32_from_texts if self.unicode else bytes_from_binary
        return padded(data[begin : begin + int(sizes.sum())], sizes, width)


def _null() -> UnwritableError:
    return UnwritableError(
        "a value is null, which NumPy has nothing for",
        "write a mask with nulls=mask, or fill the nulls before",
    )


def _offsets(array: pa.Array) -> np.ndarray:
    buffer = array.buffers()[1]
    if not len(array) or buffer is None:
        return np.zeros(1, np.int64)
    return np.frombuffer(buffer, np.int64)[array.offset : array.offset + len(array) + 1]


def _sliced(array: pa.Array, offsets: np.ndarray) -> bytes | memoryview:
    buffer = array.buffers()[2]
    if buffer is None:
        return b""
    return memoryview(buffer)[int(offsets[0]) : int(offsets[-1])]
