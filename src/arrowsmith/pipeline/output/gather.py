"""Cutting a stream into the files of its partitions, in bounded memory and with few open files.

Rows are collected, sorted by partition now and then, and wait until a partition has enough for a
chunk; what takes too much memory waits in scratch files. A chunk's bounds follow from the rows of
its partition alone, so that when rows are sorted, spooled or written changes no output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pyarrow as pa

from arrowsmith.context import Context
from arrowsmith.pipeline.chunks import BatchSizes
from arrowsmith.pipeline.output.cuts import Cut, Part
from arrowsmith.pipeline.output.partitions import Codes, Partitioning
from arrowsmith.pipeline.output.shards import FileBounds, ShardCutter
from arrowsmith.pipeline.output.spool import SortedRows, sort_rows
from arrowsmith.plugin.protocols import Chunk

_COLLECT = 32  # a part of the budget's bytes is collected before it is sorted
_HOLD = 16  # and such a part of it, sorted, may wait in memory
_LEAST, _MOST = 256 << 10, 64 << 20
_MOST_OPEN = 32  # files that are written at once


class PartitionCutter:
    """Implements ``Cutter`` for ``partition_by``.

    Args:
        partitioning: numbers the partitions.
        chunk: the sizes in which the sink wants its rows.
        bounds: where a file ends and the next of its partition begins.
        new_part: makes a file, by its directory and its number there.
        context: lends the budget and scratch files.
    """

    def __init__(
        self,
        partitioning: Partitioning,
        chunk: Chunk,
        bounds: FileBounds,
        new_part: Callable[[str, int], Part],
        context: Context,
    ) -> None:
        self._partitioning = partitioning
        self._chunk = chunk
        self._bounds = bounds
        self._new_part = new_part
        self._context = context
        self._sizes = BatchSizes(partitioning.rest)
        self._collect = max(_LEAST, min(_MOST, context.memory_limit // _COLLECT))
        self._hold = max(_LEAST, min(2 * _MOST, context.memory_limit // _HOLD))
        self._buffer: list[pa.RecordBatch] = []
        self._buffered = 0
        self._memory: SortedRows | None = None
        self._memory_bytes = 0
        self._spooled: list[SortedRows] = []
        self._rows = np.zeros(0, np.int64)  # that wait, by partition
        self._bytes = np.zeros(0, np.float64)  # about
        self._cutters: dict[int, ShardCutter] = {}

    @property
    def held(self) -> int:
        return self._buffered + self._memory_bytes

    def push(self, batch: pa.RecordBatch) -> Iterator[Cut]:
        self._buffer.append(batch)
        self._buffered += batch.nbytes
        if self._buffered >= self._collect:
            self._sort()
            yield from self._cut_full()
            self._settle()

    def flush(self) -> Iterator[Cut]:
        self._sort()
        for low, high in self._ranges():
            self._context.check_cancelled()
            if high == low + 1:
                yield from self._offer(low, self._cutter(low))
                yield from self._cutters.pop(low).end()
            else:
                yield from self._cut_range(low, high)
        self._memory, self._memory_bytes = None, 0
        self._spooled.clear()

    # --- collecting ------------------------------------------------------------------------------

    def _sort(self) -> None:
        """Sort what was collected into what waits in memory."""
        if not self._buffer:
            return
        collected = pa.concat_batches(self._buffer) if len(self._buffer) > 1 else self._buffer[0]
        self._buffer, self._buffered = [], 0
        rows, codes = self._partitioning.split(collected)
        self._count(rows, codes)
        batches, numbers = [rows], [codes]
        if self._memory is not None and self._memory.live:
            before, before_codes = self._memory.everything()
            batches, numbers = [before, rows], [before_codes, codes]
        self._memory = sort_rows(batches, numbers)
        self._memory_bytes = sum(batch.nbytes for batch in batches)

    def _count(self, rows: pa.RecordBatch, codes: Codes) -> None:
        partitions = len(self._partitioning.folders)
        more = partitions - len(self._rows)
        self._rows = np.concatenate([self._rows, np.zeros(more, np.int64)])
        self._bytes = np.concatenate([self._bytes, np.zeros(more, np.float64)])
        counts = np.bincount(codes, minlength=partitions)
        self._rows += counts
        self._bytes += counts * (rows.nbytes / max(1, rows.num_rows))

    def _settle(self) -> None:
        """Let go of rows that are used up; to disk with the rest if that is much."""
        if self._memory is None:
            return
        live = self._memory.live
        total = self._memory_bytes * live // max(1, self._memory.total)
        if not live:
            self._memory = None
        elif total > self._hold:
            self._spooled.append(self._memory.spooled(self._context))
            self._memory = None
        elif live < self._memory.total // 2:
            self._memory = sort_rows(*([one] for one in self._memory.everything()))
        self._memory_bytes = total if self._memory is not None else 0
        self._spooled = [one for one in self._spooled if one.live]

    # --- cutting ---------------------------------------------------------------------------------

    def _cut_full(self) -> Iterator[Cut]:
        """Chunks of the partitions that have enough for one, as far as files may be open."""
        rows = min(self._chunk.rows, self._bounds.rows)
        nbytes = min(self._chunk.nbytes, self._bounds.nbytes)
        full = np.flatnonzero((self._rows >= rows) | (self._bytes > nbytes))
        for code in full.tolist():
            cutter = self._cutter(code)
            if cutter.is_open or self._open < _MOST_OPEN:
                yield from self._cut_one(code)
            if not cutter.is_open and not cutter.number:
                del self._cutters[code]

    @property
    def _open(self) -> int:
        return sum(cutter.is_open for cutter in self._cutters.values())

    def _cut_one(self, code: int) -> Iterator[Cut]:
        """The whole chunks of a partition; what is left goes on waiting."""
        cutter = self._cutter(code)
        yield from self._offer(code, cutter)
        used = int(self._rows[code]) - cutter.drop_pending()
        if used:
            self._bytes[code] *= 1 - used / self._rows[code]
            self._rows[code] -= used
        for place in self._places():
            used -= place.use(code, used)

    def _offer(self, code: int, cutter: ShardCutter) -> Iterator[Cut]:
        for place in self._places():
            rows = place.rows_of(code)
            if rows is not None:
                yield from cutter.push(rows)

    def _cut_range(self, low: int, high: int) -> Iterator[Cut]:
        """All that is left of some partitions that have little."""
        found = [place.between(low, high) for place in self._places()]
        rows = sort_rows([rows for rows, _ in found], [codes for _, codes in found])
        for code in range(low, high):
            mine = rows.rows_of(code)
            if mine is not None:
                yield from self._cutter(code).push(mine)
            if code in self._cutters:
                yield from self._cutters.pop(code).end()

    def _ranges(self) -> Iterator[tuple[int, int]]:
        """Partitions that follow one another and have no more than is collected at a time."""
        low, total = 0, 0.0
        for code, nbytes in enumerate(self._bytes.tolist()):
            if code > low and total + nbytes > self._collect:
                yield low, code
                low, total = code, 0.0
            total += nbytes
        if low < len(self._bytes):
            yield low, len(self._bytes)

    def _places(self) -> list[SortedRows]:
        """Where rows wait, the oldest first."""
        return [*self._spooled, *([self._memory] if self._memory is not None else [])]

    def _cutter(self, code: int) -> ShardCutter:
        if code not in self._cutters:
            folder = self._partitioning.folders[code]
            self._cutters[code] = ShardCutter(
                self._chunk, self._sizes, self._bounds, partial(self._new_part, folder)
            )
        return self._cutters[code]
