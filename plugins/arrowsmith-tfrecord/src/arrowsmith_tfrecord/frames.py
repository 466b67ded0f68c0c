"""Cuts a source into runs of whole frames.

A frame is the payload's length (8 bytes), its checksum (4), the payload, its checksum (4). Where
the next frame begins is known from the length alone, so that lengths are checked here, in order,
and payloads by whoever decodes a run.

Source of the format: https://www.tensorflow.org/tutorials/load_data/tfrecord
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from arrowsmith.errors import BudgetExceeded, DataError
from arrowsmith.plugin import RunContext, Source
from arrowsmith.plugin.feed import Buffers, Feed
from arrowsmith_tfrecord import crc
from arrowsmith_tfrecord.crc import length_crcs, masked_crc
from arrowsmith_tfrecord.wire import PAD, Flags, Ints, Octets

HEADER = 12
FOOTER = 4
AROUND = HEADER + FOOTER
ROWS = 8192
"""Records of a run at most."""
_RECORD_COST = 8  # what a whole run takes per byte of a single long record
_RUN_COST = 24 << 20  # and beside it
_SHOWN = 1 << 10
_length = struct.Struct("<Q").unpack_from


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one record.

    Attributes:
        record: its number in the file, from 0.
        offset: where its frame begins in the file.
        raw: the frame, or the payload, or the first of what is left of them.
        column: the feature that is wrong, None where the record is.
    """

    record: int
    offset: int
    reason: str
    raw: bytes
    column: str | None = None


@dataclass(slots=True)
class Run:
    """Whole frames.

    Attributes:
        buffer: the frames are its first ``size`` bytes, ``PAD`` bytes are behind them.
        offset: of the first frame in the file.
        record: the number of the first record in the file.
        starts, stops: of the payloads in the buffer, int64.
        tail: what is wrong behind the last frame, where nothing more can be read.
    """

    buffer: bytearray
    size: int
    offset: int
    record: int
    starts: Ints
    stops: Ints
    tail: Fault | None = None

    @property
    def rows(self) -> int:
        return len(self.starts)

    def payload(self, number: int) -> bytes:
        return bytes(self.buffer[int(self.starts[number]) : int(self.stops[number])])

    def frame(self, number: int) -> bytes:
        start, stop = int(self.starts[number]) - HEADER, int(self.stops[number]) + FOOTER
        return bytes(self.buffer[start:stop])

    def place(self, number: int) -> int:
        """Where a frame begins in the file."""
        return self.offset + int(self.starts[number]) - HEADER


@dataclass(frozen=True, slots=True)
class Limits:
    """How frames are read.

    Attributes:
        verify: check the lengths' checksums.
        rows: of a run at most.
        most: bytes of a record at most.
    """

    verify: bool
    rows: int
    most: int


def cut(
    source: Source,
    ctx: RunContext,
    buffers: Buffers,
    limits: Limits,
    *,
    start: int = 0,
    stop: int | None = None,
    record: int = 0,
    first_size: int | None = None,
) -> Iterator[Run]:
    """Runs of about ``buffers.size`` bytes, from the frame at ``start`` to the one at ``stop``.

    With ``first_size`` the first is of about so many bytes, each next one four times as long.

    Raises:
        DataError: a record is longer than ``limits.most``.
        BudgetExceeded: a record is longer than memory allows.
    """
    feed = Feed(source, start, stop)
    last = source.size if stop is None else stop
    carry, offset = b"", start
    whole = buffers.size - PAD
    want = min(first_size or whole, whole)
    try:
        while True:
            ctx.check_cancelled()
            buffer = buffers.take()
            if len(carry) >= want:
                buffer = bytearray(len(carry) + want + PAD)
            buffer[: len(carry)] = carry
            size, limit = len(carry), max(want, len(carry) + 1)
            while True:
                with memoryview(buffer) as view:
                    got = feed.fill(view[size:limit])
                ended = got < limit - size
                size += got
                starts, end = _frames(buffer, size, limits.rows)
                if starts or ended:
                    break
                if size >= HEADER:
                    needed = AROUND + _length(buffer)[0]
                    if _wrong_length(buffer, 0, limits) or (last and needed > last - offset):
                        ended = True  # nothing behind this place can be read
                        break
                    _check_length(needed, offset, record, source, ctx, limits)
                    # the buffer grows with what is there, not with what the length claims
                    limit = min(needed, size + max(whole, size))
                else:
                    limit += HEADER
                if limit + PAD > len(buffer):
                    buffer.extend(bytes(limit + PAD - len(buffer)))
            run = _run(buffer, starts, end, offset, record)
            if limits.verify:
                _check_lengths(run)
            if run.tail is None and ended and end < size and run.rows < limits.rows:
                run.tail = _tail(run, size, last, limits)
            carry = bytes(memoryview(buffer)[end:size])
            if not run.rows and run.tail is None:
                buffers.give(buffer)
                return
            over = run.tail is not None or (ended and not carry)
            offset, record = offset + end, record + run.rows
            yield run
            want = min(want * 4, whole)
            if over:
                return
    finally:
        feed.close()


def _frames(buffer: bytearray, size: int, rows: int) -> tuple[list[int], int]:
    """Where the frames that are whole within ``buffer[:size]`` begin, and where the last ends."""
    starts: list[int] = []
    add, last = starts.append, size - AROUND
    if last < 0:
        return starts, 0
    at, length = 0, Octets(buffer).view("<u8").item
    for _ in range(rows):  # the only turn that each record takes
        if at > last:
            break
        add(at)
        at += AROUND + length(at)
    if at > size:  # the last is not whole
        at = starts.pop()
    return starts, at


def _run(buffer: bytearray, starts: list[int], end: int, offset: int, record: int) -> Run:
    places: Ints = np.array([*starts, end], np.int64)
    return Run(buffer, end, offset, record, places[:-1] + HEADER, places[1:] - FOOTER)


def _check_lengths(run: Run) -> None:
    """End the run before the first frame whose length has another checksum."""
    if not run.rows:
        return
    stored = Octets(run.buffer).view("<u4")[run.starts - 4]
    wrong = np.flatnonzero(stored != length_crcs(run.stops - run.starts))
    if len(wrong):
        first = int(wrong[0])
        place = int(run.starts[first]) - HEADER
        run.tail = Fault(
            run.record + first,
            run.offset + place,
            "the checksum of the record's length does not match: what follows cannot be read",
            bytes(run.buffer[place : min(run.size, place + _SHOWN)]),
        )
        run.starts, run.stops, run.size = run.starts[:first], run.stops[:first], place


def _tail(run: Run, size: int, last: int | None, limits: Limits) -> Fault:
    """What is wrong with the frame behind a run, which is not whole."""
    left = size - run.size
    there = left if last is None else max(left, last - run.offset - run.size)
    if left < HEADER:
        reason = f"the record is cut off: {left} bytes are left of a header of {HEADER}"
    elif _wrong_length(run.buffer, run.size, limits):
        reason = "the checksum of the record's length does not match: what follows cannot be read"
    else:
        needed = AROUND + _length(run.buffer, run.size)[0]
        reason = f"the record is cut off: it takes {needed} bytes, of which {there} are there"
    raw = bytes(run.buffer[run.size : min(size, run.size + _SHOWN)])
    return Fault(run.record + run.rows, run.offset + run.size, reason, raw)


def _wrong_length(buffer: bytearray, at: int, limits: Limits) -> bool:
    header = bytes(buffer[at : at + HEADER])
    return limits.verify and masked_crc(header[:8]) != int.from_bytes(header[8:], "little")


def _check_length(
    needed: int, offset: int, record: int, source: Source, ctx: RunContext, limits: Limits
) -> None:
    place = f"record {record}, byte {offset}"
    if needed - AROUND > limits.most:
        raise DataError(
            f"the record has {needed - AROUND} bytes, more than max_record_bytes={limits.most}",
            path=source.path,
            place=place,
            hint="raise it with -r max_record_bytes=N",
        )
    memory = _RECORD_COST * needed + _RUN_COST
    if needed * _RECORD_COST > ctx.memory_limit:
        enough = f"{(memory >> 20) + 1}MB"
        raise BudgetExceeded(
            f"there is a record of {needed - AROUND} bytes, which needs about {memory >> 20} MB, "
            f"more than the memory budget of {ctx.memory_limit >> 20} MB",
            needed=memory,
            path=source.path,
            place=place,
            hint=f"give it more: --memory {enough} or budget=MemoryBudget('{enough}')",
        )


def wrong_payloads(run: Run) -> Flags:
    """Which records have another checksum than their frame says."""
    with memoryview(run.buffer) as view:
        return crc.wrong_payloads(view, run.starts, run.stops)
