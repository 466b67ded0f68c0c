"""Finds records that no line end separates: in arrays, one after another, over many lines.

Whether a bracket stands in a string follows from the parity of the quotes before it (escaped ones
left out), and the depth is the running sum of the brackets outside strings, as in simdjson
(Langdale and Lemire, 2019). A record is where the depth leaves zero and comes back.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]

_BLOCK = 128 << 10  # temporaries of that size stay in the cache
_QUOTE, _BACKSLASH, _COMMA = 34, 92, 44
_OPEN, _CLOSE = 123, 125  # { and }; with bit 32 set [ and ] are the same
_BLANKS = np.zeros(256, np.bool_)
_BLANKS[[9, 10, 13, 32]] = True


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something that is no record, where a record or what separates two should be."""

    start: int
    raw: bytes
    reason: str


@dataclass(slots=True)
class Scan:
    """What was found in text that begins between two records.

    Attributes:
        starts, ends: of the records that are whole.
        opened: where the record begins that is not whole, or -1.
        closed: where the array ends, or -1.
    """

    starts: Positions
    ends: Positions
    opened: int
    closed: int


@dataclass(slots=True)
class _State:
    depth: int = 0
    inside: bool = False
    escaped: bool = False
    starts: list[Positions] = field(default_factory=list)
    ends: list[Positions] = field(default_factory=list)


def scan(data: Bytes) -> Scan:
    """Lay out the records in ``data``, up to the bracket that closes what is around them."""
    state = _State()
    closed = -1
    for at in range(0, len(data), _BLOCK):
        closed = _block(data[at : at + _BLOCK], at, state)
        if closed >= 0:
            break
    none = np.empty(0, np.int64)
    starts, ends = np.concatenate([none, *state.starts]), np.concatenate([none, *state.ends])
    opened = int(starts[-1]) if len(starts) > len(ends) else -1
    return Scan(starts[: len(ends)], ends, opened, closed)


def _block(block: Bytes, at: int, state: _State) -> int:
    """Take in one block; where the array closes, or -1."""
    low = block | 32
    places = np.flatnonzero((low == _OPEN) | (low == _CLOSE) | (block == _QUOTE))
    marks = block[places]
    quotes = marks == _QUOTE
    slashes = np.flatnonzero(block == _BACKSLASH)
    if len(slashes) or state.escaped:
        quotes &= ~_escaped(places, slashes, len(block), state)
    parity = np.cumsum(quotes)
    outside = (marks != _QUOTE) & ((parity + state.inside) & 1 == 0)
    if len(parity):
        state.inside ^= bool(parity[-1] & 1)
    places = places[outside]
    up = (marks[outside] | 32) == _OPEN
    depth = np.cumsum(np.where(up, 1, -1)) + state.depth
    below = np.flatnonzero(depth < 0)
    if len(below):
        last = int(below[0])
        places_, up, depth = places[:last], up[:last], depth[:last]
        _take(places_, up, depth, at, state)
        return at + int(places[last])
    _take(places, up, depth, at, state)
    return -1


def _take(
    places: Positions, up: npt.NDArray[np.bool_], depth: Positions, at: int, s: _State
) -> None:
    s.starts.append(places[up & (depth == 1)] + at)
    s.ends.append(places[~up & (depth == 0)] + (at + 1))
    if len(depth):
        s.depth = int(depth[-1])


def _escaped(
    places: Positions, slashes: Positions, size: int, state: _State
) -> npt.NDArray[np.bool_]:
    """Which of ``places`` have an odd run of backslashes before them."""
    if state.escaped:  # the block before ended within an escape
        begins = int(len(slashes) and slashes[0] == 0)
        hit = places == 0
        slashes = slashes[begins:]
        state.escaped = False
    else:
        hit = np.zeros(len(places), np.bool_)
    if not len(slashes):
        return hit
    first = np.flatnonzero(np.diff(slashes, prepend=-2) != 1)
    lengths = np.diff(first, append=len(slashes))
    odd = (lengths & 1) == 1
    behind = slashes[first] + lengths
    if odd[-1] and behind[-1] == size:
        state.escaped = True
    return hit | np.isin(places, behind[odd])


def flaws(data: Bytes, found: Scan, *, first: bool, array: bool, last: int | None) -> list[Flaw]:
    """What is wrong between the records of ``found``.

    Args:
        first: nothing stands before the first record, so no comma separates it from one.
        array: a comma separates records, else blanks alone.
        last: where what follows the last record ends, if that is to be looked at.
    """
    begins = np.concatenate(([0], found.ends))
    ends = np.append(found.starts, last) if last is not None else found.starts
    begins = begins[: len(ends)]
    lengths = ends - begins
    if not len(lengths):
        return []
    wanted = np.full(len(ends), int(array))
    wanted[0] = int(array and not first)
    if last is not None:
        wanted[-1] = 0
    gap = np.repeat(np.arange(len(ends)), lengths)
    inner = np.arange(len(gap)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    text = data[np.repeat(begins, lengths) + inner]
    commas = np.bincount(gap, text == _COMMA, len(ends))
    others = np.bincount(gap, ~(_BLANKS[text] | (text == _COMMA)), len(ends))
    bad = np.flatnonzero((commas != wanted) | (others > 0))
    return [
        flaw
        for place in bad.tolist()
        for flaw in _in_gap(
            data[begins[place] : ends[place]].tobytes(), int(begins[place]), int(wanted[place])
        )
    ]


def _in_gap(raw: bytes, at: int, wanted: int) -> list[Flaw]:
    found = []
    for piece in raw.split(b","):
        if stripped := piece.strip():
            start = at + len(piece) - len(piece.lstrip())
            shown = stripped[:40].decode("utf-8", "replace")
            found.append(Flaw(start, stripped, f"{shown!r} where an object should be"))
        at += len(piece) + 1
    at -= len(raw) + 1
    surplus = raw.count(b",") - wanted - len(found)
    if surplus > 0:
        found.append(Flaw(at + raw.rindex(b","), b",", "a comma without a record to it"))
    elif not found:
        found.append(Flaw(at + len(raw), b"", "a comma is missing before this record"))
    return found


def blank_separators(data: Bytes, found: Scan) -> None:
    """Write a blank over the commas between the records, in place."""
    if len(found.starts) < 1:
        return
    begins = np.concatenate(([0], found.ends[:-1]))
    lengths = found.starts - begins
    inner = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    places = np.repeat(begins, lengths) + inner
    data[places[data[places] == _COMMA]] = 32
