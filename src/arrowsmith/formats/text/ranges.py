"""Cuts a stream of text into ranges of whole rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

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
from arrowsmith.plugin.feed import Buffers
from arrowsmith.plugin.protocols import RunContext

Fill = Callable[[memoryview], int]
"""Fills a buffer from a stream; the number of bytes, short only at its end."""

RECORD_COST = 8
"""What a whole run takes per byte of a single long row: it is split, put in order and encoded."""
_RUN_COST = 24 << 20  # and beside it
_BLOCK = 1 << 20


@dataclass(slots=True)
class Range:
    """Whole rows.

    Attributes:
        source: the file, or member of an archive, as the column ``source`` has it.
        coding, ends: how it is read.
        buffer, size: the text is the first ``size`` bytes.
        offset: of the text in its source.
        line: the number of its first line, or block.
        lines: how many line ends, or blocks, it has.
        lead: so many bytes of its first block were due to the one before.
    """

    source: str
    coding: Coding
    ends: Ends
    buffer: bytearray
    size: int
    offset: int
    line: int
    lines: int
    lead: int = 0

    @property
    def data(self) -> Bytes:
        """The text as NumPy has bytes."""
        return np.frombuffer(self.buffer, np.uint8, self.size)


@dataclass(frozen=True, slots=True)
class Text:
    """A stream of text to be cut.

    Attributes:
        source: its name, for the column and for messages.
        fill: reads on from ``offset``.
        coding, ends: how it is read.
        offset: where it begins, behind a byte order mark.
        line: the number of the first line, or block.
    """

    source: str
    fill: Fill
    coding: Coding
    ends: Ends
    offset: int
    line: int


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
    carry, offset, line = b"", text.offset, text.line
    least = block + 8 if unit == "blocks" else 1
    want = max(min(first or buffers.size, buffers.size), least)
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
        if unit == "blocks":
            count = max(-(-(end - lead) // block), 1)
        else:
            count = count_lines(np.frombuffer(buffer, np.uint8, end), text.coding, text.ends)
        yield Range(text.source, text.coding, text.ends, buffer, end, offset, line, count, lead)
        offset += end
        line += count
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
