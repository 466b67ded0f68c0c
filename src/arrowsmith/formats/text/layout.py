"""Where lines, paragraphs and blocks begin and end in a stretch of bytes; NumPy throughout.

Each call of NumPy lets another thread have the interpreter, and waits to get it back. So the way of
plain lines has as few as possible.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arrowsmith.formats.text.encodings import Coding

LF, CR = 10, 13
_TAB, _SPACE = 9, 32  # blanks are all from TAB to CR, and the space
_WORD = 32
_SPARSE = 16  # units that a line has at least where words without a mark are passed over

Bytes = NDArray[np.uint8]
Numbers = NDArray[np.int64]
Places = NDArray[np.int32]


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
class Marks:
    """The code units of a stretch of text that end a line.

    Attributes:
        words: uint32, a bit for each unit, the lowest first.
        count: how many bits are set.
    """

    words: NDArray[np.uint32]
    count: int


@dataclass(frozen=True, slots=True)
class Spans:
    """Stretches of text, and the line of each.

    Attributes:
        bounds: int32, ascending: where the first begins and ends, the second begins and so on.
        numbers: int64, of the line, or block, that each begins with.
        total: the number of lines in all.
    """

    bounds: Places
    numbers: Numbers
    total: int

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def starts(self) -> Places:
        return self.bounds[0::2]

    @property
    def ends(self) -> Places:
        return self.bounds[1::2]

    def kept(self, keep: NDArray[np.bool_]) -> Spans:
        """Some of them."""
        bounds = self.bounds.reshape(-1, 2)[keep].reshape(-1)
        return Spans(bounds, self.numbers[keep], self.total)


def units_of(data: Bytes, coding: Coding) -> NDArray[np.unsignedinteger]:
    """The code units; what is left over at the end is not among them."""
    if coding.unit == 1:
        return data
    return data[: len(data) // coding.unit * coding.unit].view(coding.dtype)


def count_lines(data: Bytes, coding: Coding, ends: Ends) -> int:
    """How many lines end in ``data``."""
    return int(np.count_nonzero(units_of(data, coding) == ends.mark))


def marks_of(data: Bytes, coding: Coding, ends: Ends) -> Marks:
    """Which code units of ``data`` end a line."""
    units = units_of(data, coding)
    flags = units == ends.mark
    words = np.zeros(-(-len(units) // _WORD), np.uint32)
    packed = np.packbits(flags, bitorder="little")
    words.view(np.uint8)[: len(packed)] = packed
    return Marks(words, int(np.count_nonzero(flags)))


def places(marks: Marks) -> Numbers:
    """The numbers of the units that are marked, ascending.

    Words without a mark are passed over. Of the others one bit after the other is taken, lowest
    first, which is one round unless lines are short.
    """
    if marks.count * _SPARSE > len(marks.words) * _WORD:
        every = np.unpackbits(marks.words.view(np.uint8), bitorder="little")
        return np.flatnonzero(every.view(np.bool_))
    word = np.flatnonzero(marks.words != 0)
    bits = marks.words[word]
    if len(word) == marks.count:
        return word * _WORD + _exponent(bits)
    found = np.empty(marks.count, np.int64)
    counts = np.bitwise_count(bits)
    at = np.cumsum(counts, dtype=np.int64) - counts
    while len(word):
        lowest = bits & (~bits + np.uint32(1))
        found[at] = word * _WORD + _exponent(lowest)
        bits ^= lowest
        more = np.flatnonzero(bits)
        word, bits, at = word[more], bits[more], at[more] + 1
    return found


def _exponent(powers: NDArray[np.uint32]) -> NDArray[np.int32]:
    """Of powers of two, as floats have it."""
    exponents = powers.astype(np.float32).view(np.int32)
    exponents >>= 23
    exponents -= 127
    return exponents


def lines(data: Bytes, coding: Coding, ends: Ends, first: int, marks: Marks | None = None) -> Spans:
    """All lines; one that does not end is the last.

    Args:
        first: the number of the first.
        marks: of the data, if they are known.
    """
    if marks is None:
        marks = marks_of(data, coding, ends)
    stops = places(marks)
    if coding.unit > 1:
        stops *= coding.unit
    bounds = np.empty(2 * len(stops) + 2, np.int32)
    bounds[0], bounds[-1] = 0, len(data)
    bounds[1:-1:2] = stops
    np.add(stops, coding.unit, out=bounds[2::2], casting="unsafe")
    if bounds[-2] == len(data):
        bounds = bounds[:-2]
    if ends.trim and len(stops):
        units = units_of(data, coding)
        before = units[np.maximum(stops // coding.unit - 1, 0)] == CR
        before[0] &= stops[0] > 0
        bounds[1 : 2 * len(stops) : 2] -= before * np.int32(coding.unit)
    count = len(bounds) // 2
    return Spans(bounds, np.arange(first, first + count), count)


def filled(data: Bytes, spans: Spans, coding: Coding) -> NDArray[np.bool_]:
    """Which lines hold more than blanks; ``spans`` are all lines of the data."""
    if not len(spans):
        return np.empty(0, np.bool_)
    units = units_of(data, coding)
    blank = units - units.dtype.type(_TAB) <= CR - _TAB
    blank |= units == _SPACE
    if len(units) * coding.unit < len(data):
        blank = np.append(blank, False)
    return np.logical_or.reduceat(~blank, spans.starts // coding.unit)


def paragraphs(
    data: Bytes, coding: Coding, ends: Ends, first: int, marks: Marks | None = None
) -> Spans:
    """Runs of lines that are not blank."""
    found = lines(data, coding, ends, first, marks)
    full = filled(data, found, coding)
    if not len(full):
        return found
    opens, closes = full.copy(), full.copy()
    opens[1:] &= ~full[:-1]
    closes[:-1] &= ~full[1:]
    bounds = np.stack((found.starts[opens], found.ends[closes]), axis=1).reshape(-1)
    return Spans(bounds, found.numbers[opens], found.total)


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
        found = lines(data, coding, ends, 0)
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


def blocks(data: Bytes, size: int, coding: Coding, lead: int, first: int) -> Spans:
    """Blocks of ``size`` bytes, numbered from ``first``: see :func:`block_bounds`."""
    starts = block_bounds(data, size, coding, lead)
    bounds = np.stack((starts, np.append(starts[1:], len(data))), axis=1).reshape(-1)
    numbers = np.arange(first, first + len(starts))
    return Spans(bounds.astype(np.int32), numbers, len(starts))


def block_bounds(data: Bytes, size: int, coding: Coding, lead: int) -> Numbers:
    """Where blocks of ``size`` bytes begin in ``data``: at its front, and where they are due, each
    moved before the character that would be cut.

    Args:
        lead: so many bytes of the first block were due to the one before.
    """
    found = np.arange(lead, len(data), size, dtype=np.int64)
    found[:1] = 0
    inner = found[1:]
    if coding.is_utf8:
        moved = inner.copy()
        for _ in range(3):
            moved -= data[moved] & 0xC0 == 0x80
        inner[:] = np.where(data[moved] & 0xC0 == 0x80, inner, moved)
    elif coding.unit == 2:
        units = units_of(data, coding)
        found = found[found // 2 < len(units)]
        inner = found[1:]
        inner -= 2 * (units[inner // 2] & 0xFC00 == 0xDC00)
    return found if len(found) else np.zeros(min(len(data), 1), np.int64)
