"""The rows of a run, put aside on disk until all have come."""

from __future__ import annotations

from array import array
from contextlib import ExitStack
from itertools import pairwise
from typing import BinaryIO

from arrowsmith.formats.numpy.encode import Encoded
from arrowsmith.plugin import RunContext


class Spool:
    """Chunks of parts in a scratch file, which any of them can be read from.

    Attributes:
        rows: of each chunk.
    """

    def __init__(self, ctx: RunContext, parts: int) -> None:
        self._ctx = ctx
        self._parts = parts
        self._release = ExitStack()
        self._file: BinaryIO | None = None
        self._starts = array("Q", [0])
        self.rows = array("Q")

    @property
    def total(self) -> int:
        """Rows of all chunks."""
        return sum(self.rows)

    def add(self, chunk: Encoded) -> None:
        """Write the parts of a chunk."""
        if self._file is None:
            self._file = self._release.enter_context(self._ctx.scratch())
        end = self._starts[-1]
        for part in chunk.parts:
            self._file.write(part)
            end += memoryview(part).nbytes
            self._starts.append(end)
        self.rows.append(chunk.rows)

    def read(self, chunk: int, first: int, count: int) -> list[bytes]:
        """Some parts of a chunk."""
        if self._file is None:
            return [b""] * count
        at = chunk * self._parts + first
        ends = self._starts[at : at + count + 1]
        self._file.seek(ends[0])
        data = self._file.read(ends[-1] - ends[0])
        return [data[one - ends[0] : two - ends[0]] for one, two in pairwise(ends)]

    def close(self) -> None:
        """Give the scratch file back."""
        self._release.close()
        self._file = None
