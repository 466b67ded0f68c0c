"""Cuts a source into ranges of whole records.

A line end is never within a JSON string, so that JSON Lines is cut at the last line end, found by
memchr. Other shapes are cut behind the last record that :mod:`structure` finds whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import orjson

from arrowsmith.errors import BudgetExceeded, DataError
from arrowsmith.formats.json.gather import Positions
from arrowsmith.formats.json.outline import outline
from arrowsmith.formats.json.structure import Flaw, Scan, blank_separators, flaws, scan
from arrowsmith.plugin.feed import Buffers, Feed
from arrowsmith.plugin.protocols import RunContext, Source

Shape = Literal["lines", "array", "sequence"]
COST_PER_BYTE = 3
"""Memory that parsing takes per byte of text, beside the text: the parser's copy, the columns."""
_RECORD_COST = 10  # what a whole run takes per byte of a single long record: it is encoded as well
_RUN_COST = 24 << 20  # and beside it
_BLOCK = 1 << 20
_SHOWN = 1 << 10
_BLANKS = b" \t\r\n"
_LF, _CR, _SPACE = b"\n\r "
_NOTHING = memoryview(b"")


@dataclass(slots=True)
class Range:
    """Whole records.

    Attributes:
        buffer, size: the text is the first ``size`` bytes.
        offset: of the text in the file.
        scan: where the records stand, None for lines.
        flaws: what else stands there.
    """

    buffer: bytearray
    size: int
    offset: int
    scan: Scan | None = None
    flaws: list[Flaw] = field(default_factory=list)

    @property
    def text(self) -> memoryview:
        """The records, with what separates them."""
        if self.scan is None:
            return memoryview(self.buffer)[: self.size]
        starts, ends = self.scan.starts, self.scan.ends
        return memoryview(self.buffer)[int(starts[0]) : int(ends[-1])] if len(ends) else _NOTHING

    def records(self) -> tuple[Positions, Positions]:
        """Where records begin and where they end, blanks around them left out; flaws are none."""
        if self.scan is not None:
            return self.scan.starts, self.scan.ends
        data = np.frombuffer(self.buffer, np.uint8, self.size)
        ends = np.flatnonzero(data == _LF)
        if self.size and (not len(ends) or ends[-1] != self.size - 1):
            ends = np.append(ends, self.size)
        starts = np.concatenate(([0], ends[:-1] + 1))[: len(ends)]
        ends -= (ends > starts) & (data[ends - 1] == _CR)
        kept = starts < ends
        starts, ends = starts[kept], ends[kept]
        edges = (data[starts] <= _SPACE) | (data[ends - 1] <= _SPACE)
        for row in np.flatnonzero(edges).tolist():  # few, as a rule
            line = self.buffer[starts[row] : ends[row]].rstrip(_BLANKS)
            ends[row] = starts[row] + len(line)
            starts[row] += len(line) - len(line.lstrip(_BLANKS))
        kept = starts < ends
        return starts[kept], ends[kept]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where the records of a file, or of a piece of it, stand.

    Attributes:
        start: the first byte, between two records.
        stop: where to stop, between two records; None: where the records end.
        first: no record stands before ``start``.
        around: the text before an array's first record, up to where the file begins.
        sole: the array was chosen since the text before it has no other array of objects.
    """

    start: int
    stop: int | None = None
    first: bool = True
    around: bytes = b"["
    sole: bool = False


def cut(
    source: Source,
    ctx: RunContext,
    shape: Shape,
    buffers: Buffers,
    bounds: Bounds,
    *,
    most: int,
    first_size: int | None = None,
) -> Iterator[Range]:
    """Ranges of about ``buffers.size`` bytes.

    With ``first_size`` the first is of about so many bytes, each next one four times as long.

    Raises:
        DataError: a record is longer than ``most``.
        BudgetExceeded: a record is longer than memory allows.
    """
    feed = Feed(source, bounds.start, bounds.stop)
    carry, offset = b"", bounds.start
    want = min(first_size or buffers.size, buffers.size)
    begun = not bounds.first
    try:
        while True:
            ctx.check_cancelled()
            buffer = buffers.take()
            if len(carry) >= want:
                buffer = bytearray(len(carry) + want)
            buffer[: len(carry)] = carry
            size = len(carry)
            limit = max(want, size + 1) if len(buffer) == buffers.size else len(buffer)
            while True:
                with memoryview(buffer) as view:
                    got = feed.fill(view[size:limit])
                ended = got < limit - size
                size += got
                end, found = _last_end(buffer, size, shape)
                if size > buffers.size and end * _RECORD_COST > ctx.memory_limit:
                    raise too_long(source, feed, shape, size, ctx.memory_limit, most, end)
                if end or ended or (found is not None and found.closed >= 0):
                    break
                if size >= most or size * _RECORD_COST > ctx.memory_limit:
                    raise too_long(source, feed, shape, size, ctx.memory_limit, most)
                step = min(max(buffers.size, size // 4), max(most - size, 1))
                if limit + step > len(buffer):
                    buffer.extend(bytes(limit + step - len(buffer)))
                limit += step
            if found is None:
                end = size if ended else end
                piece = Range(buffer, end, offset)
            else:
                over = ended or found.closed >= 0
                whole = bounds.stop is None
                piece = _structured(
                    buffer, size, offset, found, not begun, shape == "array", over and whole
                )
                end = piece.size
                if found.closed >= 0 and whole and shape == "array":
                    rest = _rest(buffer, size, found.closed, feed, bounds.around, most)
                    piece.flaws += _tail_flaws(buffer, size, found.closed, bounds.around, rest)
                    if (
                        bounds.sole
                        and len(objects := outline(bounds.around + b"{}" + rest).objects) > 1
                    ):
                        others = ", ".join(objects[1:])
                        ctx.warn(
                            f"{source.path}: read the records in {objects[0]!r}; there are others "
                            f"in {others}: choose with -r records=PATH"
                        )
                ended = over
            carry = bytes(memoryview(buffer)[end:size])
            begun = begun or found is None or bool(len(found.starts))
            if not end and not piece.flaws:
                buffers.give(buffer)
                return
            yield piece
            offset += end
            want = min(want * 4, buffers.size)
            if ended:
                return
    finally:
        feed.close()


def _last_end(buffer: bytearray, size: int, shape: Shape) -> tuple[int, Scan | None]:
    """Where the last whole record of ``buffer[:size]`` ends, 0 without one."""
    if shape == "lines":
        return buffer.rfind(b"\n", 0, size) + 1, None
    found = scan(np.frombuffer(buffer, np.uint8, size))
    return int(found.ends[-1]) if len(found.ends) else 0, found


def _structured(
    buffer: bytearray,
    size: int,
    offset: int,
    found: Scan,
    first: bool,
    array: bool,
    over: bool,
) -> Range:
    """The range of the records found, and what is wrong between them.

    Args:
        over: no record comes after these, so that what follows them is looked at as well.
    """
    data = np.frombuffer(buffer, np.uint8, size)
    end = int(found.ends[-1]) if len(found.ends) else 0
    last = None
    if over:
        last = found.closed if found.closed >= 0 else found.opened if found.opened >= 0 else size
    between = flaws(data, found, first=first, array=array, last=last)
    if over and found.closed < 0 and found.opened >= 0:
        if array:  # the comma before the record that is cut off is right
            between = [flaw for flaw in between if flaw.raw != b","]
        raw = data[found.opened :].tobytes()
        between.append(Flaw(found.opened, raw, "the record is cut off"))
    elif over and array and found.closed < 0:
        between.append(Flaw(size, b"", "the array is never closed: a ']' is missing"))
    elif over and not array and found.closed >= 0:
        raw = data[found.closed : found.closed + 1].tobytes()
        between.append(Flaw(found.closed, raw, "a bracket closes nothing"))
    if over:
        end = size if found.closed < 0 else found.closed + 1
    blank_separators(data, found)
    return Range(buffer, end, offset, found, between)


def _rest(buffer: bytearray, size: int, closed: int, feed: Feed, around: bytes, most: int) -> bytes:
    """The text from the array's end on: up to ``most`` bytes, the first few if nothing is around.

    Args:
        around: the text of the file up to and with the bracket that opened the array.
    """
    rest = bytes(memoryview(buffer)[closed:size])
    nested = around.strip(_BLANKS) != b"["
    block = bytearray(_BLOCK)
    while len(rest) <= (most if nested else _SHOWN) and (got := feed.fill(memoryview(block))):
        rest += block[:got]
        if not nested:
            rest = rest[:1] + rest[1:].strip(_BLANKS)
    return rest


def _tail_flaws(
    buffer: bytearray, size: int, closed: int, around: bytes, rest: bytes
) -> list[Flaw]:
    """What is wrong with ``rest``, the text from the array's end on."""
    if around.strip(_BLANKS) != b"[":
        try:
            orjson.loads(around + rest)
        except orjson.JSONDecodeError:
            return [Flaw(closed, rest[:_SHOWN], "what follows the records is no JSON")]
        return []
    if not rest.startswith(b"]"):
        return [Flaw(closed, rest[:1], "a brace closes nothing")]
    behind = bytes(memoryview(buffer)[closed + 1 : size])
    if text := behind.strip(_BLANKS)[:_SHOWN]:
        where = closed + 1 + len(behind) - len(behind.lstrip(_BLANKS))
        return [Flaw(where, text, "text follows the end of the array")]
    if rest[1:].strip(_BLANKS):
        return [Flaw(size, b"", "text follows the end of the array")]
    return []


def too_long(
    source: Source,
    feed: Feed,
    shape: Shape,
    size: int,
    limit: int,
    most: int,
    length: int = 0,
) -> DataError | BudgetExceeded:
    """The error for a record that memory has no room for, which says how much would do.

    Args:
        feed: goes on reading where the record was given up.
        size: bytes since the record's beginning before that.
        limit: the run's memory.
        most: bytes of the longest record allowed.
        length: of the record, where it is known.
    """
    begins = feed.at - size
    size = length or _length(feed, shape, size, most)
    place = f"byte {begins}"
    look = "look for a quote or bracket that is never closed"
    if size >= most:
        return DataError(
            f"the record is longer than max_record_bytes={most}",
            path=source.path,
            place=place,
            hint=f"raise it with -r max_record_bytes=N, or {look}",
        )
    needed = _RECORD_COST * size + _RUN_COST
    enough = f"{(needed >> 20) + 1}MB"
    return BudgetExceeded(
        f"there is a record of {size} bytes, which needs about {needed >> 20} MB, more than the "
        f"memory budget of {limit >> 20} MB",
        needed=needed,
        path=source.path,
        place=place,
        hint=f"give it more: --memory {enough} or budget=MemoryBudget('{enough}')",
    )


def _length(feed: Feed, shape: Shape, size: int, most: int) -> int:
    """Read on to the record's end without keeping it; its bytes.

    Where only the brackets tell, that is about the whole of what was read and what is left.
    """
    block = bytearray(_BLOCK)
    while size < most and (got := feed.fill(memoryview(block)[: most - size])):
        end = block.find(b"\n", 0, got)
        if shape == "lines" and end >= 0:
            return size + end + 1
        size += got
    return size
