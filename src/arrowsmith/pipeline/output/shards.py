"""Cutting a stream into files of a fixed number of rows, or of bytes of Arrow data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pyarrow as pa

from arrowsmith.pipeline.chunks import BatchSizes, fitting
from arrowsmith.pipeline.output.cuts import Cut, Part
from arrowsmith.plugin.protocols import Chunk

ENDLESS = 1 << 62


class FileBounds(NamedTuple):
    """Where a file ends: at ``rows`` rows, or before the row that takes it over ``nbytes``."""

    rows: int = ENDLESS
    nbytes: int = ENDLESS


class ShardCutter:
    """Cuts rows into files one after the other, and each file into chunks.

    A chunk never holds rows of two files. A file has at least one row, a chunk as well.

    Args:
        chunk: the sizes of a chunk.
        sizes: counts the bytes of rows.
        bounds: where a file ends.
        new_part: makes the file of a number, from 0.
    """

    def __init__(
        self,
        chunk: Chunk,
        sizes: BatchSizes,
        bounds: FileBounds,
        new_part: Callable[[int], Part],
    ) -> None:
        self._chunk = chunk
        self._bounds = bounds
        self._sizes = sizes
        self._new_part = new_part
        self._part: Part | None = None
        self._number = 0  # of the file that is open, or of the next
        self._file_rows = self._file_bytes = 0  # of the open file, the open chunk included
        self._parts: list[pa.RecordBatch] = []
        self._rows = self._nbytes = 0  # of the open chunk
        self._begun = False

    @property
    def held(self) -> int:
        return self._nbytes

    @property
    def number(self) -> int:
        """The number of the file that is open, or of the next."""
        return self._number

    @property
    def is_open(self) -> bool:
        """A file is begun and not ended."""
        return self._part is not None

    def push(self, batch: pa.RecordBatch) -> Iterator[Cut]:
        size = self._sizes.of(batch)
        start, stop = 0, batch.num_rows
        while start < stop:
            most = min(
                stop - start,
                self._chunk.rows - self._rows,
                self._bounds.rows - self._file_rows,
            )
            left = self._bounds.nbytes - self._file_bytes
            taken = fitting(size, start, most, min(left, self._chunk.nbytes - self._nbytes))
            if not taken and not self._rows:
                if self._file_rows and size(start, start + 1) > left:
                    yield from self._end_file()
                    continue
                taken = 1  # a row larger than a chunk, or than a file, is one of its own
            if taken:
                self._take(batch.slice(start, taken), size(start, start + taken))
                start += taken
            if self._file_rows == self._bounds.rows:
                yield from self._end_file()
            elif start < stop or self._rows == self._chunk.rows:
                yield self._end_chunk()

    def flush(self) -> Iterator[Cut]:
        if self._rows:
            yield self._end_chunk()

    def end(self) -> Iterator[Cut]:
        """What is left, and the end of the open file."""
        if self._file_rows:
            yield from self._end_file()

    def drop_pending(self) -> int:
        """Forget the rows that are in no chunk yet, which come again; how many they are."""
        rows = self._rows
        self._file_rows -= rows
        self._file_bytes -= self._nbytes
        self._parts, self._rows, self._nbytes = [], 0, 0
        return rows

    def _take(self, rows: pa.RecordBatch, nbytes: int) -> None:
        self._parts.append(rows)
        self._rows += rows.num_rows
        self._nbytes += nbytes
        self._file_rows += rows.num_rows
        self._file_bytes += nbytes

    def _end_chunk(self) -> Cut:
        first = self._part is None
        if self._part is None:
            self._part = self._new_part(self._number)
        cut = Cut(self._parts, self._nbytes, self._part, first)
        self._parts, self._rows, self._nbytes = [], 0, 0
        return cut

    def _end_file(self) -> Iterator[Cut]:
        if self._rows:
            yield self._end_chunk()
        assert self._part is not None
        part, self._part = self._part, None
        self._number += 1
        self._file_rows = self._file_bytes = 0
        yield Cut([], 0, part)
