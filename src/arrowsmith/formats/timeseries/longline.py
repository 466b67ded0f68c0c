"""Series whose line does not fit a range: read piece by piece, so that no series is too large.

The dimensions of such a series stand far apart in its line. Where each begins and ends is found by
one look over the line; then as many values of each are cut out as make a short line, which is
parsed like any other. Only ``layout="long"`` needs no more of a series at a time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from arrowsmith.formats.timeseries.header import Header
from arrowsmith.plugin.feed import Feed
from arrowsmith.plugin.protocols import RunContext, Source

_BLOCK = 1 << 20
_VALUES = 1 << 13  # of all dimensions together, in one piece
_LONGEST = 1 << 16  # bytes of a value, an attribute or a label
_KEPT = 1 << 16  # bytes of a bad line that go to the rejects
_LF, _COLON, _COMMA, _OPEN, _CLOSE = b"\n:,()"

Read = Callable[[int, int], bytes]


def streams(header: Header, layout: str) -> bool:
    """Whether lines of such a file can be read piece by piece."""
    return layout == "long" and header.kind != "arff"


@dataclass(slots=True)
class LongLine:
    """A line that is longer than a range.

    Attributes:
        offset, size: of the line with its end, in its source.
        start, stop: where the series stands in it: without blanks and line end; equal for none.
        line, record: its number, and that of its series.
        marks: where fields end, as far as they are as many as the header has.
        read: gives bytes from a place in the source, on any thread.
    """

    offset: int
    size: int
    line: int
    record: int
    start: int
    stop: int
    marks: list[int]
    read: Read
    scratch: AbstractContextManager[BinaryIO] | None = field(default=None, repr=False)
    line_count: int = 1

    @property
    def records(self) -> int:
        """How many series it has: a comment has none."""
        return int(self.stop > self.start)

    @property
    def raw(self) -> bytes:
        """The first bytes of it."""
        return self.read(self.start, min(_KEPT, self.stop - self.start))

    def close(self) -> None:
        """Let the scratch file go."""
        if self.scratch is not None:
            scratch, self.scratch = self.scratch, None
            scratch.__exit__(None, None, None)


def follow(
    feed: Feed,
    source: Source,
    ctx: RunContext,
    header: Header,
    begun: bytes,
    offset: int,
    line: int,
    record: int,
) -> tuple[LongLine, bytes, bool]:
    """The line that begins with ``begun``, what was read behind it, and whether the file ends.

    What cannot be read twice is put into a scratch file.
    """
    scratch = file = None
    if not source.seekable:
        scratch = ctx.scratch()
        file = scratch.__enter__()
    marks: list[int] = []
    looker = _Looker(header, marks)
    block, at, ended = begun, offset, False
    scrap = bytearray(_BLOCK)
    try:
        while True:
            end = block.find(b"\n")
            part = block if end < 0 else block[:end]
            looker.look(part, at)
            if file is not None:
                file.write(part)
            at += len(part)
            if end >= 0 or ended:
                break
            ctx.check_cancelled()
            got = feed.fill(memoryview(scrap))
            ended = got < len(scrap)
            block = bytes(memoryview(scrap)[:got])
    except BaseException:
        if scratch is not None:
            scratch.__exit__(None, None, None)
        raise
    rest = block[end + 1 :] if end >= 0 else b""
    read: Read = source.read_at
    if file is not None:
        file.flush()
        read = _spooled(file, offset)
    start, stop = _trimmed(read, offset, at)
    if read(start, 1) == header.comment:
        stop = start
    found = LongLine(
        offset, at - offset + (end >= 0), line, record, start, stop, marks, read, scratch
    )
    return found, rest, ended and end < 0


def _spooled(file: BinaryIO, offset: int) -> Read:
    number = file.fileno()
    return lambda at, size: os.pread(number, size, at - offset)


def _trimmed(read: Read, start: int, stop: int) -> tuple[int, int]:
    """Where the text begins and ends, blanks left out."""
    while start < stop and (head := read(start, min(_BLOCK, stop - start))):
        text = head.lstrip()
        start += len(head) - len(text)
        if text:
            break
    while start < stop:
        size = min(_BLOCK, stop - start)
        text = read(stop - size, size).rstrip()
        stop -= size - len(text)
        if text:
            break
    return start, stop


class _Looker:
    """Finds the separators of a line's fields, block by block; those in parentheses are none."""

    def __init__(self, header: Header, marks: list[int]) -> None:
        self._marks = marks
        self._most = 1 if header.kind == "ucr" else header.fields
        self._mark = (header.separator or ":").encode()
        self._nested = header.timestamps
        self._depth = 0

    def look(self, block: bytes, at: int) -> None:
        if self._mark == b" ":
            return  # blanks may stand before the first field: it is cut off later
        if not self._nested and (len(self._marks) >= self._most or self._mark not in block):
            return
        data = np.frombuffer(block, np.uint8)
        found = data == self._mark[0]
        if self._nested:
            steps = (data == _OPEN).astype(np.int8) - (data == _CLOSE).astype(np.int8)
            depth = np.cumsum(steps, dtype=np.int64) + self._depth
            found &= depth <= 0
            self._depth = int(depth[-1]) if len(depth) else self._depth
        left = self._most - len(self._marks)
        if left > 0:
            self._marks.extend((np.flatnonzero(found)[:left] + at).tolist())


class Pieces:
    """Cuts a long line into short ones of the same attributes.

    Args:
        found: the line, with as many fields as the header has.
        header: of the file.
        values: how many values of all dimensions a piece has at most.

    Raises:
        ValueError: a value, an attribute or a label is longer than any can be.
    """

    def __init__(self, found: LongLine, header: Header, values: int) -> None:
        self._read = found.read
        self._timed = header.timestamps
        self._mark = b":"
        starts = [found.start, *(mark + 1 for mark in found.marks)]
        stops = [*found.marks, found.stop]
        fields = list(zip(starts, stops, strict=True))
        blank = header.separator == " "
        after: list[tuple[int, int]] = []
        if header.kind == "ucr":
            self._mark = header.separator.encode()
            fields = _after_blanks(found) if blank else [fields[0], (starts[1], found.stop)]
            before, inner = fields[:1], fields[1:]
        elif header.kind == "tsf":
            before, inner = fields[:-1], fields[-1:]
        else:
            before, inner, after = [], fields[: header.dimensions], fields[header.dimensions :]
        self._before = [self._text(*one) for one in before]
        self._after = [self._text(*one) for one in after]
        mark = self._mark if header.kind == "ucr" else b","
        share = max(1, values // len(inner))
        block = max(64, min(_BLOCK, 16 * share))
        self._cursors = [
            _Cursor(found.read, start, stop, mark, self._timed, block, share)
            for start, stop in inner
        ]

    def __iter__(self) -> Iterator[pa.BinaryArray]:
        """Lines, one by one, the first in any case."""
        first = True
        while first or any(cursor.left for cursor in self._cursors):
            first = False
            parts = [*self._before, *(cursor.take() for cursor in self._cursors), *self._after]
            text = self._mark.join(parts)
            offsets = np.array([0, len(text)], np.int32)
            buffers = [None, pa.py_buffer(offsets), pa.py_buffer(text)]
            yield pa.Array.from_buffers(pa.binary(), 1, buffers)

    def _text(self, start: int, stop: int) -> bytes:
        if stop - start > _LONGEST:
            raise ValueError(f"an attribute or label is longer than {_LONGEST} bytes")
        return self._read(start, stop - start)


def _after_blanks(found: LongLine) -> list[tuple[int, int]]:
    """The first field of a line with blanks between fields, and the others."""
    head = found.read(found.start, _LONGEST)
    label = head.split(None, 1)[0]
    rest = found.start + len(label)
    return [(found.start, rest), (rest, found.stop)]


class _Cursor:
    """Gives the values of one dimension, so many at a time."""

    def __init__(
        self, read: Read, start: int, stop: int, mark: bytes, timed: bool, block: int, count: int
    ) -> None:
        self._read, self._at, self._stop = read, start, stop
        self._timed, self._block, self._count = timed, block, count
        self._mark = _CLOSE if timed else mark[0]
        self._blank = mark == b" "
        self._held = b""

    @property
    def left(self) -> bool:
        """Whether there is more."""
        return bool(self._held) or self._at < self._stop

    def take(self) -> bytes:
        """The text of the next values, without the separator behind them."""
        while True:
            if self._blank:
                self._held = self._held.lstrip()
            ends = np.flatnonzero(self._marked())
            if len(ends) >= self._count and self._cut(int(ends[self._count - 1])):
                return self._given
            if self._at >= self._stop:
                text, self._held = self._held, b""
                return text
            longest = len(self._held) - (int(ends[-1]) if len(ends) else 0)
            if longest > _LONGEST + self._block:
                raise ValueError(f"a value is longer than {_LONGEST} bytes")
            want = min(self._block, self._stop - self._at)
            got = self._read(self._at, want)
            if not got:
                raise ValueError("the file was cut short while it was read")
            self._held += got
            self._at += len(got)

    def _marked(self) -> np.ndarray:
        data = np.frombuffer(self._held, np.uint8)
        if not self._blank:
            found: np.ndarray = data == self._mark
            return found
        blank = (data == 32) | (data == 9)
        return blank & ~np.concatenate(([False], blank[:-1]))

    def _cut(self, end: int) -> bool:
        """Whether it is clear that more values follow; then what stands up to ``end`` is given."""
        if not self._timed:
            if end + 1 == len(self._held):
                # a separator at the very end is an empty value, which the parser has to see
                return False
            self._given, self._held = self._held[:end], self._held[end + 1 :]
            return True
        rest = self._held[end + 1 :].lstrip()
        if not rest.startswith(b","):
            if rest:
                raise ValueError("the points are not (time,value), in a row")
            return False
        rest = rest[1:].lstrip()
        if not rest:
            return False
        self._given, self._held = self._held[: end + 1], rest
        return True

    _given = b""


def values_in_piece(range_bytes: int) -> int:
    """How many values of a long line are parsed at once."""
    return max(4, min(_VALUES, range_bytes // 32))
