"""Cuts a stream of text into ranges of whole rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from arrowsmith.errors import BudgetExceeded, DataError
from arrowsmith.formats.text.encodings import Coding
from arrowsmith.formats.text.layout import (
    Bytes,
    Ends,
    block_bounds,
    count_lines,
    last_blank_line,
    last_line_end,
)
from arrowsmith.formats.text.options import Unit
from arrowsmith.formats.text.tally import Tally
from arrowsmith.plugin.feed import Buffers, Feed
from arrowsmith.plugin.protocols import RunContext, Source

Fill = Callable[[memoryview], int]
"""Fills a buffer from a stream; the number of bytes, short only at its end."""

RECORD_COST = 8
"""What a whole run takes per byte of a single long row: it is split, put in order and encoded."""
_RUN_COST = 24 << 20  # and beside it
_BLOCK = 1 << 20
_WINDOW, _WIDEST = 64 << 10, 4


@dataclass(slots=True)
class Range:
    """Whole rows.

    Attributes:
        source: the file, or member of an archive, as the column ``source`` has it.
        coding, ends: how it is read.
        buffer, size: the text is the first ``size`` bytes.
        offset: of the text in its source.
        line: the number of its first line, or block; of lines known once they are counted.
        lead: so many bytes of its first block were due to the one before.
        tally: numbers its lines; None where ``line`` is known.
        number: of it in the tally.
        fill: reads it from a file; None where it is read.
        density: lines of a byte, about.
    """

    source: str
    coding: Coding
    ends: Ends
    buffer: bytearray
    size: int
    offset: int
    line: int
    lead: int = 0
    tally: Tally | None = None
    number: int = 0
    fill: Callable[[int, memoryview], int] | None = None
    density: float = 0.0

    @property
    def data(self) -> Bytes:
        """The text as NumPy has bytes."""
        return np.frombuffer(self.buffer, np.uint8, self.size)

    def load(self, buffers: Buffers) -> None:
        """Read it, unless it is."""
        if self.fill is None:
            return
        self.buffer = buffers.take() if self.size <= buffers.size else bytearray(self.size)
        with memoryview(self.buffer) as view:
            self.size = self.fill(self.offset, view[: self.size])
        self.fill = None

    def counted(self, lines: int) -> None:
        """So many line ends are in it: learn the number of its first line."""
        if self.tally is not None:
            self.line = self.tally.tell(self.number, lines)
            self.tally.densest = max(self.tally.densest, lines / max(self.size, 1))

    def count(self) -> int:
        """Count its line ends, without keeping its text if it is not read yet."""
        buffer = self.buffer
        if self.fill is not None:
            buffer = bytearray(self.size)
            self.fill(self.offset, memoryview(buffer))
        return count_lines(np.frombuffer(buffer, np.uint8, self.size), self.coding, self.ends)


@dataclass(frozen=True, slots=True)
class Text:
    """A stream of text to be cut.

    Attributes:
        source: its name, for the column and for messages.
        fill: reads on from ``offset``.
        coding, ends: how it is read.
        offset: where it begins, behind a byte order mark.
        line: the number of the first line, or block.
        file: the file that it is, where workers can read its ranges themselves.
        stop: where it ends there.
        density: lines of a byte in its beginning.
    """

    source: str
    fill: Fill
    coding: Coding
    ends: Ends
    offset: int
    line: int
    file: Source | None = None
    stop: int = 0
    density: float = 0.0


def cut(
    text: Text,
    ctx: RunContext,
    buffers: Buffers,
    *,
    unit: Unit,
    block: int,
    most: int,
    first: int | None = None,
) -> Iterator[Range]:
    """Ranges of about ``buffers.size`` bytes.

    With ``first`` the first is of about so many bytes, each next one four times as long.

    Raises:
        DataError: a row is longer than ``most``.
        BudgetExceeded: a row is longer than memory allows.
    """
    tally = Tally(text.line) if unit in ("lines", "paragraphs") else None
    least = block + 8 if unit == "blocks" else 1
    want = max(min(first or buffers.size, buffers.size), least)
    found = (
        _places(text, text.file, ctx, buffers.size, want, most)
        if unit == "lines" and text.file is not None
        else _pieces(text, ctx, buffers, unit, block, most, want)
    )
    for piece in found:
        if tally is not None:
            piece.tally, piece.number = tally, tally.add(piece.count)
            piece.density = max(text.density, tally.densest)
        yield piece


def _places(
    text: Text, file: Source, ctx: RunContext, usual: int, want: int, most: int
) -> Iterator[Range]:
    """Ranges of whole lines of a file, which are not read yet but for where they end."""
    start = text.offset
    while start < text.stop:
        ctx.check_cancelled()
        stop, window = min(start + want, text.stop), _WINDOW
        while stop < text.stop:
            window = min(window, (stop - start) // _WIDEST * _WIDEST)
            tail = bytearray(window)
            stop -= (stop - start) % _WIDEST
            got = file.read_into(stop - window, tail)
            if end := last_line_end(tail, got, text.coding, text.ends):
                stop += end - window
                break
            if window < stop - start:
                window *= 8
                continue
            size = stop - start
            if size >= most or size * RECORD_COST > ctx.memory_limit:
                feed = Feed(file, stop, None)
                ahead = replace(text, fill=feed.fill)
                raise _too_long(ahead, start, size, ctx.memory_limit, most, "lines")
            stop, window = min(stop + max(usual, size // 4), text.stop), _WINDOW
        size = stop - start
        empty = bytearray()
        yield Range(
            *(text.source, text.coding, text.ends, empty, size, start, text.line),
            fill=file.read_into,
        )
        start = stop
        want = min(want * 4, usual)


def _pieces(
    text: Text, ctx: RunContext, buffers: Buffers, unit: Unit, block: int, most: int, want: int
) -> Iterator[Range]:
    """Ranges of a stream."""
    carry, offset, line = b"", text.offset, text.line
    least = want
    while True:
        ctx.check_cancelled()
        buffer = buffers.take() if max(want, len(carry) + 1) <= buffers.size else bytearray(0)
        if not len(buffer):
            buffer = bytearray(len(carry) + want)
        buffer[: len(carry)] = carry
        size, limit = len(carry), max(want, len(carry) + 1)
        lead = (text.coding.mark - offset) % block if unit == "blocks" else 0
        while True:
            with memoryview(buffer) as view:
                got = text.fill(view[size:limit])
            ended = got < limit - size
            size += got
            end = size if ended else _last_end(buffer, size, text, unit, block, lead)
            if end or ended:
                break
            if size >= most or size * RECORD_COST > ctx.memory_limit:
                raise _too_long(text, offset, size, ctx.memory_limit, most, unit)
            step = min(max(buffers.size, size // 4), max(most - size, 1))
            if limit + step > len(buffer):
                buffer.extend(bytes(limit + step - len(buffer)))
            limit += step
        if not size:
            buffers.give(buffer)
            return
        carry = bytes(memoryview(buffer)[end:size])
        yield Range(text.source, text.coding, text.ends, buffer, end, offset, line, lead)
        offset += end
        line += max(-(-(end - lead) // block), 1) if unit == "blocks" else 0
        want = max(min(want * 4, buffers.size), least)
        if ended:
            return


def _last_end(buffer: bytearray, size: int, text: Text, unit: Unit, block: int, lead: int) -> int:
    """Where the last whole row ends, 0 if none does."""
    if unit == "lines":
        return last_line_end(buffer, size, text.coding, text.ends)
    if unit == "paragraphs":
        return last_blank_line(buffer, size, text.coding, text.ends)
    if unit == "blocks":
        data = np.frombuffer(buffer, np.uint8, size)
        return int(block_bounds(data, block, text.coding, lead)[-1])
    return 0


def _too_long(
    text: Text, offset: int, size: int, limit: int, most: int, unit: Unit
) -> DataError | BudgetExceeded:
    """The error for a row that memory has no room for, which says how much would do."""
    scrap = bytearray(_BLOCK)
    mark = chr(text.ends.mark).encode(text.coding.name)
    while size < most and (got := text.fill(memoryview(scrap)[: most - size])):
        end = scrap.find(mark, 0, got) if unit == "lines" else -1
        size += got if end < 0 else end
        if end >= 0:
            break
    what = {"lines": "line", "paragraphs": "paragraph"}.get(unit, "document")
    place = f"byte {offset}"
    if size >= most:
        return DataError(
            f"the {what} is longer than max_record_bytes={most}",
            path=text.source,
            place=place,
            hint="raise it with -r max_record_bytes=N, or read pieces of it with -r unit=blocks",
        )
    needed = RECORD_COST * size + _RUN_COST
    enough = f"{(needed >> 20) + 1}MB"
    return BudgetExceeded(
        f"there is a {what} of at least {size} bytes, which needs about {needed >> 20} MB, more "
        f"than the memory budget of {limit >> 20} MB",
        needed=needed,
        path=text.source,
        place=place,
        hint=f"give it more: --memory {enough} or budget=MemoryBudget('{enough}')",
    )
