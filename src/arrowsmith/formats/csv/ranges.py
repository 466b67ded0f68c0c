"""Cuts a source into ranges of whole records.

A range never ends at a line end within quotes. Quotes are looked for with memchr; a range that has
none is cut at its last line end, others by the parity of their quotes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from arrowsmith.errors import BudgetExceeded, DataError
from arrowsmith.formats.csv.dialect import CR, LF, Dialect
from arrowsmith.formats.csv.quotes import (
    BLOCK,
    Bytes,
    Positions,
    positions,
    quoted_spans,
    well_formed,
)
from arrowsmith.plugin.feed import Buffers, Feed
from arrowsmith.plugin.protocols import RunContext, Source

COST_PER_BYTE = 4
"""Memory that parsing takes per byte of text, beside the text: the parser's copy, the columns."""
_RECORD_COST = 10  # what a whole run takes per byte of a single long record: it is encoded as well
_RUN_COST = 24 << 20  # and beside it
_LOOK = "look for a quote that is never closed"


@dataclass(slots=True)
class Range:
    """Whole records.

    Attributes:
        buffer, size: the text is the first ``size`` bytes.
        offset: of the text in the file.
        quoted: it has quotes.
        faulty: text follows a closing quote, or a quote is never closed.
    """

    buffer: bytearray
    size: int
    offset: int
    quoted: bool
    faulty: bool

    @property
    def text(self) -> memoryview:
        return memoryview(self.buffer)[: self.size]


def cut(
    source: Source,
    ctx: RunContext,
    dialect: Dialect,
    buffers: Buffers,
    *,
    start: int,
    stop: int | None = None,
    first: int | None = None,
    max_record: int,
) -> Iterator[Range]:
    """Ranges of about ``buffers.size`` bytes from ``start``, where a record begins, to ``stop``.

    With ``first`` the first is of about so many bytes, and each next one four times as long.

    Raises:
        DataError: a record is longer than ``max_record``.
        BudgetExceeded: a record is longer than memory allows.
    """
    feed = Feed(source, start, stop)
    carry, offset = b"", start
    want = min(first or buffers.size, buffers.size)
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
                found = last_end(buffer, size, ended, dialect)
                if found.end or ended:
                    break
                if size >= max_record or size * _RECORD_COST > ctx.memory_limit:
                    inside = bool(dialect.quote) and buffer.count(dialect.quote_bytes, 0, size) % 2
                    raise too_long(
                        source,
                        dialect,
                        feed,
                        limit=ctx.memory_limit,
                        size=size,
                        inside=bool(inside),
                        most=max_record,
                    )
                step = min(max(buffers.size, size // 4), max(max_record - size, 1))
                if limit + step > len(buffer):
                    buffer.extend(bytes(limit + step - len(buffer)))
                limit += step
            if not size:
                buffers.give(buffer)
                return
            carry = bytes(memoryview(buffer)[found.end : size])
            yield Range(buffer, found.end, offset, found.quoted, found.faulty)
            offset += found.end
            want = min(want * 4, buffers.size)
            if ended:
                return
    finally:
        feed.close()


def too_long(
    source: Source, dialect: Dialect, feed: Feed, *, limit: int, size: int, inside: bool, most: int
) -> DataError | BudgetExceeded:
    """The error for a record that memory has no room for, which says how much would do.

    Args:
        feed: goes on reading where the record was given up.
        size: bytes of it before that.
        inside: a quote is open there.
        most: bytes of the longest record allowed.
    """
    begins = feed.at - size
    size, inside = _length(feed, dialect, size, inside, most)
    place = f"byte {begins}"
    if size >= most:
        return DataError(
            f"the record is longer than max_record_bytes={most}",
            path=source.path,
            place=place,
            hint=f"raise it with -r max_record_bytes=N, or {_LOOK}",
        )
    needed = _RECORD_COST * size + _RUN_COST
    enough = f"{(needed >> 20) + 1}MB"
    what = "a quote that is never closed makes" if inside else "there is"
    return BudgetExceeded(
        f"{what} a record of {size} bytes, which needs about {needed >> 20} MB, more than the "
        f"memory budget of {limit >> 20} MB",
        needed=needed,
        path=source.path,
        place=place,
        hint=f"give it more: --memory {enough} or budget=MemoryBudget('{enough}')",
    )


def _length(feed: Feed, dialect: Dialect, size: int, inside: bool, most: int) -> tuple[int, bool]:
    """Read on to the record's end without keeping it: its bytes, and whether a quote is open."""
    block = bytearray(BLOCK)
    while size < most and (got := feed.fill(memoryview(block)[: most - size])):
        data = np.frombuffer(block, np.uint8, got)
        ends = line_ends(data)
        if dialect.quote:
            quotes = positions(data, dialect.quote_byte)
            ends = ends[(np.searchsorted(quotes, ends) + inside) % 2 == 0]
            inside ^= len(quotes) % 2 == 1
        if len(ends):
            return size + int(ends[0]) + 1, False
        size += got
    return size, inside


@dataclass(frozen=True, slots=True)
class End:
    """Where the whole records of a text end, and what :class:`Range` says of them."""

    end: int
    quoted: bool
    faulty: bool


def last_end(buffer: bytearray, size: int, ended: bool, dialect: Dialect) -> End:
    """Where the last whole record ends, 0 if none does; at the end of the file all are whole."""
    if not dialect.quote or buffer.find(dialect.quote_bytes, 0, size) < 0:
        return End(size if ended else _line_end(buffer, size, dialect), False, False)
    data = np.frombuffer(buffer, np.uint8, size)
    quotes = positions(data, dialect.quote_byte)
    if well_formed(data, quotes, dialect):
        if ended:
            return End(size, True, len(quotes) % 2 == 1)
        return End(_outside(buffer, size, quotes, dialect), True, False)
    spans = quoted_spans(data, dialect)
    if ended:
        return End(size, True, len(spans.broken) > 0 or spans.unclosed >= 0)
    ends = line_ends(data)
    ends = ends[(ends < size - 1) | (data[ends] == LF)]
    ends = ends[~spans.inside(ends)]
    end = int(ends[-1]) + 1 if len(ends) else 0
    return End(end, True, bool((spans.broken < end).any()))


def _line_end(buffer: bytearray, size: int, dialect: Dialect) -> int:
    """Behind the last line end of ``buffer[:size]``, 0 without one.

    A CR at the very end may be half of a CRLF, and does not count.
    """
    end = buffer.rfind(b"\n", 0, size) + 1
    if end and dialect.line_end != "\r":
        return end
    lone = buffer.rfind(b"\r", 0, max(size - 1, 0)) + 1
    return max(end, lone + 1 if buffer[lone] == LF else lone) if lone else end


def _outside(buffer: bytearray, size: int, quotes: Positions, dialect: Dialect) -> int:
    """Behind the last line end that has an even number of quotes before it."""
    end = size
    for _ in range(16):
        end = _line_end(buffer, end, dialect)
        before = int(np.searchsorted(quotes, end))
        if not end or before % 2 == 0:
            return end
        end = int(quotes[before - 1])
    data = np.frombuffer(buffer, np.uint8, size)
    ends = line_ends(data)
    ends = ends[(ends < size - 1) | (data[ends] == LF)]
    ends = ends[np.searchsorted(quotes, ends) % 2 == 0]
    return int(ends[-1]) + 1 if len(ends) else 0


def line_ends(data: Bytes) -> Positions:
    """The last byte of each line end (LF, CRLF or CR), within quotes or not."""
    feeds = positions(data, LF)
    returns = positions(data, CR)
    if not len(returns):
        return feeds
    returns = returns[data[np.minimum(returns + 1, len(data) - 1)] != LF]
    return np.sort(np.concatenate((feeds, returns))) if len(returns) else feeds
