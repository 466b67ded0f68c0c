"""Values of features: integers, floats and bytes of all features of a batch at once.

A list of numbers is packed (one field, the values behind one another) or not (a tag before each
value). A varint ends at the first byte below 128, so that all of them are found at once.

Source of the format: https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arrowsmith_tfrecord.kinds import BYTES, FLOAT, INT
from arrowsmith_tfrecord.structure import FIRST
from arrowsmith_tfrecord.wire import (
    FAR,
    LEN,
    PAD,
    Flags,
    Ints,
    Octets,
    copy_ragged,
    offsets_of,
    short_varints,
    spread,
    varints,
    walk,
)

_VARINT, _FIXED32 = 0x08, 0x0D
"""The tags of a number that is not packed."""
_LONGEST = 10
_WORD = 8
_SPARSE = 64  # bytes of a list, of which looking its end up is cheap


@dataclass(frozen=True, slots=True)
class Located:
    """Where the lists of features stand.

    Attributes:
        tag: the kind of each; 0 without one.
        start, stop: of the list.
    """

    tag: Ints
    start: Ints
    stop: Ints


@dataclass(frozen=True, slots=True)
class Values:
    """The values of features, behind one another.

    Attributes:
        counts: how many each feature has, int64.
        numbers: int64 or float32.
        starts, stops: of bytes, where they stand.
    """

    counts: Ints
    numbers: NDArray[np.int64] | NDArray[np.float32] | None = None
    starts: Ints | None = None
    stops: Ints | None = None


def lists_of(octets: Octets, starts: Ints, stops: Ints, wrong: Flags) -> Located:
    """Kinds and lists of features that stand at ``starts`` to ``stops``.

    Args:
        wrong: one a feature, set where it has several kinds or is none.
    """
    count = len(starts)
    word = octets.view("<i8")[starts]
    size, width = short_varints(word >> 8)
    begin = starts + (width + 1)
    kind = word & 0xFF
    usual = (kind & 0x87 == LEN) & (kind >= 8) & (kind <= INT << 3 | LEN) & (begin + size == stops)
    if np.count_nonzero(usual) == count:  # one field each
        return Located(kind >> 3, begin, stops)
    fields = walk(octets, starts, stops, wrong)
    known = (fields.tag == 0x0A) | (fields.tag == 0x12) | (fields.tag == 0x1A)
    fields = fields.where(known)
    wrong |= np.bincount(fields.owner, minlength=count) > 1
    tag, start, stop = (np.zeros(count, np.int64) for _ in range(3))
    tag[fields.owner] = fields.tag >> 3
    start[fields.owner] = fields.start
    stop[fields.owner] = fields.stop
    return Located(tag, start, stop)


def values_of(
    kind: int, octets: Octets, starts: Ints, stops: Ints, wrong: Flags, *, single: bool = False
) -> Values:
    """The values of lists of one kind.

    Args:
        wrong: one a list, set where only the reference implementation may judge.
        single: most lists have one value, which is only a hint.
    """
    if kind == BYTES:
        return _bytes(octets, starts, stops, wrong)
    packed, begin = _packed(octets, starts, stops)
    if kind == FLOAT:
        return _floats(octets, packed, begin, stops, wrong)
    if single and (values := _single_integers(octets, packed, begin, stops)) is not None:
        return values
    return _integers(octets, packed, begin, stops, wrong)


def _packed(octets: Octets, starts: Ints, stops: Ints) -> tuple[Flags, Ints]:
    """Which lists are one packed field, and where values, or the first of their tags, begin."""
    if not len(starts):
        return np.zeros(0, np.bool_), starts
    word = octets.view("<i8")[starts]
    size, width = short_varints(word >> 8)
    begin = starts + (width + 1)
    if int(size.max()) == FAR:
        size, begin, good = varints(octets.bytes, starts + 1)
        size[~good] = -1
    packed = (word & 0xFF == FIRST) & (begin + size == stops) & (starts < stops)
    if np.count_nonzero(packed) == len(packed):
        return packed, begin
    begin = np.where(packed, begin, starts)
    return packed | (starts == stops), begin


def _floats(octets: Octets, packed: Flags, begin: Ints, stops: Ints, wrong: Flags) -> Values:
    size = stops - begin
    step = np.where(packed, 4, 5)
    counts = size // step
    off = counts * step != size
    if off.any():
        wrong |= off
        counts[off] = 0
    view = octets.view("<f4")
    if packed.all():
        longest = int(counts.max(initial=0))
        if longest and longest == int(counts.min()):
            found = octets.view(f"V{4 * longest}")[begin]
            return Values(counts, found.view("<f4"))
        return Values(counts, view[spread(begin, counts, 4)])
    bare = np.flatnonzero(~packed)
    tags = octets.bytes[spread(begin[bare], counts[bare], 5)] != _FIXED32
    if tags.any():
        owners = np.repeat(bare, counts[bare])[tags]
        wrong[owners] = True
    if len(bare) == len(packed):
        return Values(counts, view[spread(begin + 1, counts, 5)])
    first = np.where(packed, begin, begin + 1)
    places = np.repeat(first, counts)
    inner = spread(np.zeros(len(counts), np.int64), counts)
    return Values(counts, view[places + inner * np.repeat(step, counts)])


def _single_integers(octets: Octets, packed: Flags, begin: Ints, stops: Ints) -> Values | None:
    """The values of lists of one value each; None if not all are."""
    if np.count_nonzero(packed) < len(packed):
        if (octets.bytes[begin[~packed]] != _VARINT).any():
            return None
        begin = begin + ~packed
    width = stops - begin
    if not len(width):
        return None
    if int(width.min()) < 1 or int(width.max()) > _LONGEST:
        return None
    more = octets.view("<u8")[begin] & _MORE[width]
    if np.count_nonzero(more != _ALL_BUT_LAST[width]):
        return None
    long = np.flatnonzero(width > _WORD)
    if len(long):
        last, before = octets.bytes[stops[long] - 1], octets.bytes[stops[long] - 2]
        if (last > np.where(width[long] == _LONGEST, 1, 0x7F)).any() or (before < 0x80).any():
            return None
    return Values(np.ones(len(width), np.int64), _decoded(octets, begin, width))


def _integers(octets: Octets, packed: Flags, begin: Ints, stops: Ints, wrong: Flags) -> Values:
    lengths = stops - begin
    bounds = offsets_of(lengths)
    total = int(bounds[-1])
    text = bytearray(total + PAD)
    copy_ragged(octets.buffer, begin, text, bounds[:-1], lengths)
    data = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(data[:total] < 0x80)
    if len(ends) == total:  # one byte each
        counts, first, width = lengths, ends, None
    else:
        if len(lengths) > total // _SPARSE:
            before = np.zeros(total + 1, np.int64)
            np.cumsum(data[:total] < 0x80, out=before[1:])
            counts = np.diff(before[bounds])
        else:  # few long lists, for which that would take much memory
            counts = np.diff(np.searchsorted(ends, bounds))
        full = lengths > 0
        wrong[full] |= data[bounds[1:][full] - 1] >= 0x80
        first = np.zeros(len(ends), np.int64)
        first[1:] = ends[:-1] + 1
        width = ends - first + 1
        long = (width > _LONGEST) | ((width == _LONGEST) & (data[ends] > 1))
        if long.any():
            wrong[np.searchsorted(bounds, ends[long], "right") - 1] = True
            width = np.minimum(width, _LONGEST)
    if not packed.all():
        counts, kept = _tagged(data, ~packed, counts, first, ends, wrong)
        first = first[kept]
        width = None if width is None else width[kept]
    if width is None:
        return Values(counts, data[first].astype(np.int64))
    return Values(counts, _decoded(Octets(text), first, width))


def _tagged(
    data: NDArray[np.uint8], bare: Flags, counts: Ints, first: Ints, ends: Ints, wrong: Flags
) -> tuple[Ints, Flags]:
    """How many values there are without the tags of lists not packed, and which they are."""
    owner = np.repeat(np.arange(len(counts)), counts)[: len(first)]
    place = np.arange(len(owner)) - (np.cumsum(counts) - counts)[owner]
    tag = bare[owner] & (place % 2 == 0)
    broken = tag & ((data[first[: len(owner)]] != _VARINT) | (first != ends)[: len(owner)])
    wrong[owner[broken]] = True
    wrong |= bare & (counts % 2 == 1)
    kept = np.ones(len(first), np.bool_)
    kept[: len(owner)] = ~tag
    return np.where(bare, counts // 2, counts), kept


def _decoded(octets: Octets, first: Ints, width: Ints) -> NDArray[np.int64]:
    """The numbers of varints: seven bits a byte, put together in three steps."""
    word = octets.view("<u8")[first]
    word &= _KEEP[np.minimum(width, _WORD)]
    for shift, low in ((1, 0x007F007F007F007F), (2, 0x00003FFF00003FFF), (4, 0x000000000FFFFFFF)):
        high = word & _U(low << 8 * shift)
        high >>= _U(shift)
        word &= _U(low)
        word |= high
    long = np.flatnonzero(width > _WORD)
    if len(long):
        at = first[long] + _WORD
        word[long] |= (octets.bytes[at] & 0x7F).astype(np.uint64) << _U(56)
        longest = long[width[long] > _WORD + 1]
        at = first[longest] + _WORD + 1
        word[longest] |= octets.bytes[at].astype(np.uint64) << _U(63)
    return word.view(np.int64)


_U = np.uint64
_SIGNS = 0x8080808080808080
_MORE = np.array([_SIGNS & ((1 << 8 * min(size, _WORD)) - 1) for size in range(_LONGEST + 1)], _U)
"""Of a word whose first bytes are a varint of so many, the bits that tell whether more follow."""
_ALL_BUT_LAST = np.array(
    [_SIGNS & ((1 << 8 * min(max(size - 1, 0), _WORD)) - 1) for size in range(_LONGEST + 1)], _U
)
_KEEP = np.array([0x7F7F7F7F7F7F7F7F & ((1 << 8 * size) - 1) for size in range(_WORD + 1)], _U)


def _bytes(octets: Octets, starts: Ints, stops: Ints, wrong: Flags) -> Values:
    one, begin = _packed(octets, starts, stops)  # a single value reaches to the end like these
    if np.count_nonzero(one) == len(one):
        full = starts < stops
        counts = full.astype(np.int64)
        if np.count_nonzero(full) == len(full):
            return Values(counts, None, begin, stops)
        return Values(counts, None, begin[full], stops[full])
    fields = walk(octets, starts, stops, wrong)
    plain = fields.tag == FIRST
    if not plain.all():
        fields = fields.where(plain)
    counts = np.bincount(fields.owner, minlength=len(starts)).astype(np.int64)
    if len(fields.owner) and bool((np.diff(fields.owner) < 0).any()):
        order = np.argsort(fields.owner, kind="stable")
        return Values(counts, None, fields.start[order], fields.stop[order])
    return Values(counts, None, fields.start, fields.stop)
