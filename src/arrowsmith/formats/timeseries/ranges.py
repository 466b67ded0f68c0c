"""Cuts a file into ranges of whole lines, and finds the series in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from arrowsmith.errors import BudgetExceeded, DataError
from arrowsmith.formats.timeseries.header import Header
from arrowsmith.formats.timeseries.longline import LongLine, follow
from arrowsmith.kernels.arrays import int64_array
from arrowsmith.plugin.feed import Buffers, Feed
from arrowsmith.plugin.protocols import RunContext, Source

RECORD_COST = 24
"""What a whole run takes per byte of a single long series: its text, values, times, and a copy."""
_RUN_COST = 24 << 20  # and beside it
_LF, _CR = 10, 13
_BLANKS = (9, 32, _CR)

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Range:
    """Whole lines.

    Attributes:
        buffer, size: the text is the first ``size`` bytes.
        offset: of the text in its source.
        line: the number of its first line.
        record: the number of its first series.
        starts, ends: where series stand in the text: blank lines and comments are none.
        lines: how many lines stand before each.
        line_count: how many lines it has.
        tokens: about how many values.
    """

    buffer: bytearray
    size: int
    offset: int
    line: int
    record: int
    starts: Ints
    ends: Ints
    lines: Ints
    line_count: int
    tokens: int

    @property
    def records(self) -> int:
        """How many series it has."""
        return len(self.starts)

    def texts(self) -> pa.BinaryArray:
        """The lines of the series."""
        count = len(self.starts)
        if not count:
            return pa.nulls(0, pa.binary())
        offsets = np.empty(2 * count + 1, np.int32)  # a series, then what stands before the next
        offsets[0:-1:2], offsets[1::2], offsets[-1] = self.starts, self.ends, self.ends[-1]
        data = np.frombuffer(self.buffer, np.uint8, self.size)
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
        everything = pa.Array.from_buffers(pa.binary(), 2 * count, buffers)
        return everything.take(int64_array(np.arange(0, 2 * count, 2)))


def cut(
    source: Source,
    ctx: RunContext,
    buffers: Buffers,
    header: Header,
    *,
    start: int,
    stop: int | None,
    line: int,
    record: int,
    most: int,
    piecewise: bool,
    first: int | None = None,
) -> Iterator[Range | LongLine]:
    """Ranges of about ``buffers.size`` bytes from ``start`` on.

    With ``piecewise`` a line that is longer stands for itself. With ``first`` the first range is of
    about so many bytes, each next one four times as long.

    Raises:
        DataError: a line is longer than ``most``.
        BudgetExceeded: a line is longer than memory allows.
    """
    feed = Feed(source, start, stop)
    carry, offset = b"", start
    want = min(first or buffers.size, buffers.size)
    try:
        while True:
            ctx.check_cancelled()
            longest = buffers.size if piecewise else None
            buffer, size, end, ended = _next(
                feed, buffers, carry, want, ctx, most, source, offset, longest
            )
            if not size:
                buffers.give(buffer)
                return
            if not end:
                begun = bytes(memoryview(buffer)[:size])
                buffers.give(buffer)
                found, carry, ended = follow(feed, source, ctx, header, begun, offset, line, record)
                line, record, offset = line + 1, record + found.records, offset + found.size
                yield found
                if ended:
                    return
                continue
            carry = bytes(memoryview(buffer)[end:size])
            piece = _laid_out(buffer, end, offset, line, record, header)
            line, record = line + piece.line_count, record + len(piece.starts)
            yield piece
            offset += end
            want = min(want * 4, buffers.size)
            if ended:
                return
    finally:
        feed.close()


def _next(
    feed: Feed,
    buffers: Buffers,
    carry: bytes,
    want: int,
    ctx: RunContext,
    most: int,
    source: Source,
    offset: int,
    longest: int | None,
) -> tuple[bytearray, int, int, bool]:
    """A buffer with at least one whole line: what is filled, where the last line ends, and
    whether the file ends here. No line ends in it where one is longer than ``longest``."""
    limit = max(want, len(carry) + 1)
    buffer = buffers.take() if limit <= buffers.size else bytearray(limit)
    buffer[: len(carry)] = carry
    size = len(carry)
    while True:
        with memoryview(buffer) as view:
            got = feed.fill(view[size:limit])
        ended = got < limit - size
        size += got
        end = size if ended else buffer.rfind(b"\n", 0, size) + 1
        if end or ended or (longest is not None and size >= longest):
            return buffer, size, end, ended
        if size >= most or size * RECORD_COST > ctx.memory_limit:
            raise _too_long(feed, source, offset, size, ctx.memory_limit, most)
        limit = size + min(max(buffers.size, size // 4), most - size)
        if limit > len(buffer):
            buffer.extend(bytes(limit - len(buffer)))


def _too_long(
    feed: Feed, source: Source, offset: int, size: int, limit: int, most: int
) -> DataError | BudgetExceeded:
    """The error for a line that memory has no room for, which says how much would do."""
    scrap = bytearray(1 << 20)
    while size < most and (got := feed.fill(memoryview(scrap)[: most - size])):
        end = scrap.find(b"\n", 0, got)
        size += got if end < 0 else end
        if end >= 0:
            break
    if size >= most:
        return DataError(
            f"the line is longer than max_record_bytes={most}",
            path=source.path,
            place=f"byte {offset}",
            hint="raise it with -r max_record_bytes=N",
        )
    needed = RECORD_COST * size + _RUN_COST
    enough = f"{(needed >> 20) + 1}MB"
    return BudgetExceeded(
        f"there is a series of {size} bytes in one line, which needs about {needed >> 20} MB, more "
        f"than the memory budget of {limit >> 20} MB",
        needed=needed,
        path=source.path,
        place=f"byte {offset}",
        hint=f"give it more: --memory {enough} or budget=MemoryBudget('{enough}')",
    )


def _laid_out(
    buffer: bytearray, size: int, offset: int, line: int, record: int, header: Header
) -> Range:
    data = np.frombuffer(buffer, np.uint8, size)
    marks = np.flatnonzero(data == _LF)
    starts = np.concatenate(([0], marks + 1))
    ends = np.append(marks, size)
    if starts[-1] == size:
        starts, ends = starts[:-1], ends[:-1]
    count = len(starts)
    numbers = np.arange(count)
    for _ in range(2):  # CR, and a blank before it
        filled = ends > starts
        last = data[np.maximum(ends - 1, 0)]
        ends = ends - (filled & np.isin(last, _BLANKS))
    first = data[np.minimum(starts, size - 1)]
    for row in np.flatnonzero((ends > starts) & np.isin(first, _BLANKS)).tolist():
        text = bytes(memoryview(buffer)[starts[row] : ends[row]])
        starts[row] += len(text) - len(text.lstrip())
        starts[row] = min(starts[row], ends[row])
    first = data[np.minimum(starts, size - 1)]
    kept = (ends > starts) & (first != header.comment[0])
    mark = header.separator.encode() if header.kind == "ucr" else b","
    tokens = int(np.count_nonzero(data == mark[0]))
    del data
    return Range(
        buffer,
        size,
        offset,
        line,
        record,
        starts[kept].astype(np.int64),
        ends[kept].astype(np.int64),
        numbers[kept],
        count,
        tokens + int(kept.sum()),
    )
