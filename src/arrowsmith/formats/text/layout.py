"""Where lines, paragraphs and blocks begin and end in a stretch of bytes; NumPy throughout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arrowsmith.formats.text.encodings import Coding

LF, CR = 10, 13
_BLANKS = np.zeros(256, np.bool_)
_BLANKS[[9, 11, 12, 13, 32]] = True
_COUNTED = 64 << 10  # bytes at once, so that what is compared stays in the processor's cache

Places = NDArray[np.int64]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Ends:
    """What ends a line.

    Attributes:
        mark: the character, LF or CR.
        trim: a CR before it belongs to it.
    """

    mark: int = LF
    trim: bool = True


@dataclass(frozen=True, slots=True)
class Spans:
    """Stretches of text: bytes ``starts[i]`` to ``ends[i]``, and the line of each.

    Attributes:
        starts, ends: int64, ascending.
        lines: the number of lines before each.
        total: the number of lines in all.
    """

    starts: Places
    ends: Places
    lines: Places
    total: int


def units_of(data: Bytes, coding: Coding) -> NDArray[np.unsignedinteger]:
    """The code units; what is left over at the end is not among them."""
    if coding.unit == 1:
        return data
    return data[: len(data) // coding.unit * coding.unit].view(coding.dtype)


def count_lines(data: Bytes, coding: Coding, ends: Ends) -> int:
    """How many lines end in ``data``."""
    units = units_of(data, coding)
    return sum(
        int(np.count_nonzero(units[at : at + _COUNTED] == ends.mark))
        for at in range(0, len(units), _COUNTED)
    )


def lines(data: Bytes, coding: Coding, ends: Ends) -> Spans:
    """All lines; one that does not end is the last."""
    units = units_of(data, coding)
    marks = np.flatnonzero(units == ends.mark).astype(np.int64)
    if ends.trim:
        before = units[np.maximum(marks - 1, 0)] == CR
        before &= marks > 0
    stops = marks * coding.unit
    starts = np.empty(len(stops) + 1, np.int64)
    starts[0] = 0
    np.add(stops, coding.unit, out=starts[1:])
    if ends.trim:
        stops -= before * np.int64(coding.unit)
    if starts[-1] < len(data):
        stops = np.append(stops, len(data))
    else:
        starts = starts[:-1]
    return Spans(starts, stops, np.arange(len(starts)), len(starts))


def filled(data: Bytes, spans: Spans, coding: Coding) -> NDArray[np.bool_]:
    """Which of the spans hold more than blanks."""
    units = units_of(data, coding)
    small = np.minimum(units, 255).astype(np.uint8) if coding.unit > 1 else units
    text = np.zeros(len(units) + 1, np.int64)
    np.cumsum(~_BLANKS[small] & (units != LF), out=text[1:])
    starts, ends = spans.starts // coding.unit, spans.ends // coding.unit
    odd = spans.ends > len(units) * coding.unit
    return (text[np.minimum(ends, len(units))] > text[starts]) | odd


def kept(spans: Spans, keep: NDArray[np.bool_]) -> Spans:
    """Some of the spans."""
    return Spans(spans.starts[keep], spans.ends[keep], spans.lines[keep], spans.total)


def paragraphs(data: Bytes, coding: Coding, ends: Ends) -> Spans:
    """Runs of lines that are not blank."""
    found = lines(data, coding, ends)
    full = filled(data, found, coding)
    if not len(full):
        return found
    first, last = full.copy(), full.copy()
    first[1:] &= ~full[:-1]
    last[:-1] &= ~full[1:]
    return Spans(found.starts[first], found.ends[last], found.lines[first], found.total)


def last_line_end(buffer: bytearray, size: int, coding: Coding, ends: Ends) -> int:
    """Behind the last line end in the first ``size`` bytes, 0 without one."""
    mark = chr(ends.mark).encode(coding.name)
    at = size
    while (at := buffer.rfind(mark, 0, at)) >= 0:
        if at % coding.unit == 0:
            return at + coding.unit
        at += len(mark) - 1
    return 0


def last_blank_line(buffer: bytearray, size: int, coding: Coding, ends: Ends) -> int:
    """Behind the last blank line in the first ``size`` bytes, 0 without one."""
    window = 64 << 10
    while True:
        start = max(size - window, 0) // 4 * 4
        data = np.frombuffer(buffer, np.uint8, size)[start:]
        found = lines(data, coding, ends)
        blank = ~filled(data, found, coding)
        if start:
            blank[:1] = False  # its beginning is not there
        if len(blank) and found.ends[-1] >= len(data):
            blank[-1:] = False  # its end is not there
        if blank.any():
            following = int(np.flatnonzero(blank)[-1]) + 1
            return start + int(found.starts[following] if following < len(blank) else len(data))
        if not start:
            return 0
        window *= 8


def block_bounds(data: Bytes, size: int, coding: Coding, lead: int) -> Places:
    """Where blocks of ``size`` bytes begin in ``data``: at its front, and where they are due, each
    moved before the character that would be cut.

    Args:
        lead: so many bytes of the first block were due to the one before.
    """
    places = np.arange(lead, len(data), size, dtype=np.int64)
    places[:1] = 0
    inner = places[1:]
    if coding.is_utf8:
        moved = inner.copy()
        for _ in range(3):
            moved -= data[moved] & 0xC0 == 0x80
        inner[:] = np.where(data[moved] & 0xC0 == 0x80, inner, moved)
    elif coding.unit == 2:
        units = units_of(data, coding)
        places = places[places // 2 < len(units)]
        inner = places[1:]
        inner -= 2 * (units[inner // 2] & 0xFC00 == 0xDC00)
    return places if len(places) else np.zeros(min(len(data), 1), np.int64)
