"""Finds the records of a WARC stream.

Format: WARC 1.1 (ISO 28500), https://iipc.github.io/warc-specifications/. A record is a version
line, headers, an empty line, as many bytes as ``Content-Length`` says, and two line ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from arrowsmith.errors import BudgetExceeded
from arrowsmith.plugin.feed import Buffers, Feed
from arrowsmith.plugin.protocols import RunContext, Source

RECORD_COST = 8
"""What a whole run takes per byte of a single long record."""
_RUN_COST = 24 << 20
_LONGEST_HEAD = 256 << 10
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile(rb"^content-length:[ \t]*([0-9]{1,18})[ \t]*\r?$", re.I | re.M)
_NEXT = re.compile(rb"\nWARC/[01]\.")
_VERSION = re.compile(rb"WARC/[01]\.[0-9]+\r?\n")
_ENDS = b"\r\n"


@dataclass(frozen=True, slots=True)
class Record:
    """Where a record stands in a range: its headers, and its block."""

    start: int
    body: int
    end: int


@dataclass(frozen=True, slots=True)
class Flaw:
    """Bytes that are no record."""

    start: int
    end: int
    reason: str


@dataclass(slots=True)
class Records:
    """Whole records.

    Attributes:
        buffer: holds them, from its front.
        offset: of the buffer in the stream.
        number: of the first of them, flaws counted too.
    """

    buffer: bytearray
    offset: int
    number: int
    found: list[Record | Flaw] = field(default_factory=list)


def cut(source: Source, ctx: RunContext, buffers: Buffers, most: int) -> Iterator[Records]:
    """Ranges of about ``buffers.size`` bytes.

    Raises:
        BudgetExceeded: a record is longer than memory allows.
    """
    feed = Feed(source, 0, None)
    carry, offset, number = b"", 0, 0
    want = buffers.size
    try:
        while True:
            ctx.check_cancelled()
            buffer = buffers.take() if len(carry) < buffers.size else bytearray(len(carry) + want)
            buffer[: len(carry)] = carry
            with memoryview(buffer) as view:
                size = len(carry) + feed.fill(view[len(carry) :])
            ended = size < len(buffer)
            piece = Records(buffer, offset, number)
            at = 0
            while at < size:
                step = _record(buffer, at, size, most, ended=ended)
                if step is None and piece.found:
                    break
                if step is None:
                    _grow(buffer, source, offset, ctx)
                    with memoryview(buffer) as view:
                        got = feed.fill(view[size:])
                    ended = got < len(buffer) - size
                    size += got
                    continue
                piece.found.append(step)
                at = _behind(buffer, step.end, size)
            carry = bytes(memoryview(buffer)[at:size])
            if piece.found:
                yield piece
            offset += at
            number += len(piece.found)
            if ended and not carry:
                return
    finally:
        feed.close()


def _grow(buffer: bytearray, source: Source, offset: int, ctx: RunContext) -> None:
    size = len(buffer)
    if size * RECORD_COST > ctx.memory_limit:
        needed = 2 * size * RECORD_COST + _RUN_COST
        raise BudgetExceeded(
            f"a record of more than {size} bytes needs more than the memory budget of "
            f"{ctx.memory_limit >> 20} MB",
            needed=needed,
            path=source.path,
            place=f"byte {offset}",
            hint=f"give it more, such as --memory {(needed >> 20) + 1}MB",
        )
    buffer.extend(bytes(size))


def _record(
    buffer: bytearray, at: int, size: int, most: int, *, ended: bool
) -> Record | Flaw | None:
    """The record at ``at``, or what is wrong there; None where more bytes are needed."""
    if not _VERSION.match(buffer, at, size):
        if size - at < 16 and not ended:
            return None
        return _flaw(buffer, at, at, size, ended, "does not begin as a WARC record does")
    stop = min(size, at + _LONGEST_HEAD)
    head = _HEAD_END.search(buffer, at, stop)
    if head is None:
        if stop == size and not ended:
            return None
        return _flaw(buffer, at, at + 1, size, ended, "its headers have no end")
    length = _LENGTH.search(buffer, at, head.start())
    if length is None:
        return _flaw(buffer, at, head.end(), size, ended, "has no Content-Length")
    end = head.end() + int(length[1])
    if end - at > most:
        return _flaw(buffer, at, head.end(), size, ended, f"is longer than max_record_bytes={most}")
    if end + 4 > size and not ended:
        return None
    if end > size:
        return _flaw(buffer, at, head.end(), size, ended, "is cut off, or its length is wrong")
    behind = _behind(buffer, end, size)
    whole = buffer.startswith(_ENDS * 2, end)
    if not whole and behind < size and not buffer.startswith(b"WARC/", behind):
        if size - behind < 5 and not ended:
            return None
        return _flaw(buffer, at, head.end(), size, ended, "does not end where its length says")
    return Record(at, head.end(), end)


def _flaw(
    buffer: bytearray, start: int, after: int, size: int, ended: bool, reason: str
) -> Flaw | None:
    """All up to what looks like the next record."""
    following = _NEXT.search(buffer, max(after - 1, start), size)
    if following is not None:
        return Flaw(start, following.start() + 1, reason)
    return Flaw(start, size, reason) if ended else None


def _behind(buffer: bytearray, end: int, size: int) -> int:
    """Behind the line ends that follow a record, of which there should be two."""
    while end < size and buffer[end] in _ENDS:
        end += 1
    return end
