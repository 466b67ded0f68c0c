"""The wire format of protocol buffers, many messages at a time.

All messages of a batch are walked in lockstep: one cursor each, one NumPy operation for all. When
only few are left (one of them is much longer than the others), they are walked one by one.

Source of the format: https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
PAD = 16
"""Bytes that must be there behind the last message: reading past an end stays in the buffer."""
LEN = 2
_LENGTH_BYTES = 5
_MOST = 1 << 31
FAR = 1 << 40
"""Stands for a length of more than three bytes."""
_LAST_TAG = (1 << 32) - 1
_FEW = 4  # cursors, below which a Python loop is quicker than whole-array operations


class Octets:
    """The bytes of a batch, and the wider values at every place.

    Attributes:
        bytes: uint8, with ``PAD`` bytes behind the last message.
    """

    def __init__(self, buffer: bytearray | memoryview) -> None:
        self.buffer = buffer
        self.bytes = np.frombuffer(buffer, np.uint8)

    def view(self, kind: str) -> NDArray[Any]:
        """The value of a fixed width that begins at each byte."""
        width = np.dtype(kind).itemsize
        return np.ndarray((len(self.bytes) - width + 1,), kind, self.buffer, strides=(1,))


@dataclass(frozen=True, slots=True)
class Fields:
    """Fields of messages, those of one message in their order.

    Attributes:
        owner: the place of the message that each field belongs to.
        tag: field number and wire type, as it is on the wire.
        start, stop: of the value; of a field with a length, of what the length counts.
    """

    owner: Ints
    tag: Ints
    start: Ints
    stop: Ints

    def where(self, chosen: Flags) -> Fields:
        return Fields(self.owner[chosen], self.tag[chosen], self.start[chosen], self.stop[chosen])


def walk(octets: Octets, starts: Ints, stops: Ints, odd: Flags) -> Fields:
    """The fields of messages that stand at ``starts`` to ``stops``.

    Args:
        odd: one a message, set where it does not follow the format, or in a way that only the
            reference implementation judges (groups, lengths of more than five bytes).
    """
    data = octets.bytes
    owner = np.flatnonzero(starts < stops)
    at, stop = starts[owner], stops[owner]
    found: list[tuple[Ints, Ints, Ints, Ints]] = []
    words = octets.view("<i8")
    while len(owner) > _FEW:
        word = words[at]
        tag = word & 0xFF
        size, width = short_varints(word >> 8)
        begin = at + (width + 1)
        end = begin + size
        fits = (tag & 0x87 == LEN) & (tag >= 8) & (end <= stop)
        if np.count_nonzero(fits) < len(fits):
            tag, begin, end = _fields(data, at, stop, owner, odd)
            fits = (end <= stop) & (tag >= 8) & (tag <= _LAST_TAG)
        if np.count_nonzero(fits) < len(fits):
            odd[owner[~fits]] = True
            owner, tag, begin, end, stop = (part[fits] for part in (owner, tag, begin, end, stop))
        found.append((owner, tag, begin, end))
        more = end < stop
        if np.count_nonzero(more) == len(more):
            at = end
        else:
            owner, at, stop = owner[more], end[more], stop[more]
    if len(owner):
        found.append(_one_by_one(octets, owner, at, stop, odd))
    if not found:
        none = np.empty(0, np.int64)
        return Fields(none, none, none, none)
    if len(found) == 1:
        return Fields(*found[0])
    return Fields(*map(np.concatenate, zip(*found, strict=True)))


def _fields(
    data: NDArray[np.uint8], at: Ints, stop: Ints, owner: Ints, odd: Flags
) -> tuple[Ints, Ints, Ints]:
    """Tags, beginnings and ends of fields with any tag."""
    tag, begin, good = varints(data, at)
    if not good.all():
        odd[owner[~good]] = True
        tag[~good] = LEN  # whatever: they are left out
    return tag, *_ends(data, begin, tag & 7, stop)


def varints(data: NDArray[np.uint8], at: Ints) -> tuple[Ints, Ints, Flags]:
    """The numbers at these places, where each ends, and which of them have up to five bytes."""
    first = data[at]
    value = first.astype(np.int64)
    stop = at + 1
    good = np.ones(len(at), np.bool_)
    rest = np.flatnonzero(first >= 0x80)
    value[rest] &= 0x7F
    for shift in range(7, 7 * _LENGTH_BYTES, 7):
        if not len(rest):
            break
        byte = data[stop[rest]]
        value[rest] |= (byte & 0x7F).astype(np.int64) << shift
        stop[rest] += 1
        rest = rest[byte >= 0x80]
    good[rest] = False
    return value, stop, good


def short_varints(word: NDArray[np.int64]) -> tuple[Ints, Ints | int]:
    """The numbers of up to three bytes that words begin with, and how many these are; of longer
    ones ``FAR``."""
    second = (word >> 7) & 1
    if not np.count_nonzero(second):
        return word & 0x7F, 1
    third = (word >> 15) & second
    value = (word & 0x7F) | (-second & (word >> 1) & 0x3F80) | (-third & (word >> 2) & 0x1FC000)
    value[((word >> 23) & third) != 0] = FAR
    return value, second + third + 1


def _ends(data: NDArray[np.uint8], at: Ints, kind: Ints, limit: Ints) -> tuple[Ints, Ints]:
    """Where values of several wire types begin and end; beyond the limit where they do not."""
    begin = at.copy()
    end = limit + 1
    end[kind == 1] = at[kind == 1] + 8
    end[kind == 5] = at[kind == 5] + 4
    sized = np.flatnonzero(kind == LEN)
    size, after, good = varints(data, at[sized])
    begin[sized] = after
    end[sized] = np.where(good, after + size, end[sized])
    rest, past = np.flatnonzero(kind == 0), at[kind == 0]
    for _ in range(10):
        rest, past = rest[past < limit[rest]], past[past < limit[rest]]
        over = data[past] < 0x80
        end[rest[over]] = past[over] + 1
        rest, past = rest[~over], past[~over] + 1
    return begin, end


def _one_by_one(
    octets: Octets, owners: Ints, at: Ints, stops: Ints, odd: Flags
) -> tuple[Ints, Ints, Ints, Ints]:
    view = octets.buffer
    found: list[tuple[int, int, int, int]] = []
    for owner, place, stop in zip(owners.tolist(), at.tolist(), stops.tolist(), strict=True):
        while place < stop:
            tag, begin = _varint(view, place)
            if not 8 <= tag <= _LAST_TAG:
                odd[owner] = True
                break
            kind = tag & 7
            if kind == LEN:
                size, begin = _varint(view, begin)
                end = begin + size if size >= 0 else stop + 1
            elif kind == 0:
                end = begin
                while end < stop and end - begin < 10 and view[end] >= 0x80:
                    end += 1
                end = end + 1 if end - begin < 10 else stop + 1
            else:
                end = begin + {1: 8, 5: 4}.get(kind, _MOST)
            if end > stop:
                odd[owner] = True
                break
            found.append((owner, tag, begin, end))
            place = end
    table = np.array(found, np.int64).reshape(-1, 4)
    return table[:, 0], table[:, 1], table[:, 2], table[:, 3]


def _varint(view: bytearray | memoryview, at: int) -> tuple[int, int]:
    """A number of up to five bytes, and where it ends; -1 for a longer one."""
    value = 0
    for place in range(_LENGTH_BYTES):
        byte = view[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    return -1, at + _LENGTH_BYTES


# --- bytes that lie in many places ---------------------------------------------------------------


def spread(starts: Ints, counts: Ints, step: int = 1) -> Ints:
    """The places ``start, start + step, ...``, as many for each start as it counts.

    Example:
        >>> spread(np.array([5, 20]), np.array([2, 1]), 4).tolist()
        [5, 9, 20]
    """
    total = int(counts.sum())
    before = np.cumsum(counts) - counts
    places = np.arange(total, dtype=np.int64)
    if step != 1:
        places *= step
    places += np.repeat(starts - before * step, counts)
    return places


def offsets_of(lengths: NDArray[np.integer[Any]]) -> Ints:
    """Where values of these lengths begin behind one another, and at last where they end."""
    ends = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=ends[1:])
    return ends


_WIDTHS = (1, 8, 64, 1024)
_LONG = 2048  # bytes, of which copying takes longer than a turn in Python


def copy_ragged(
    source: memoryview | bytearray | Any,
    starts: Ints,
    target: memoryview | bytearray | Any,
    places: Ints,
    lengths: Ints,
) -> None:
    """Copy a run of bytes for each start to its place, without a turn for each.

    Runs are copied in words, the last of a run over the end of the one before.
    """
    if not len(lengths):
        return
    shortest, longest = int(lengths.min()), int(lengths.max())
    if shortest >= _LONG:
        _copy_long(source, starts, target, places, lengths)
        return
    if shortest == longest:
        if longest:
            _copy_words(source, starts, target, places, longest)
        return
    for number, width in enumerate(_WIDTHS):
        over = _WIDTHS[number + 1] if number + 1 < len(_WIDTHS) else longest + 1
        if width > longest or over <= shortest:
            continue
        if width <= shortest and longest < over:
            begin, place, size = starts, places, lengths
        else:
            chosen = np.flatnonzero((lengths >= width) & (lengths < over))
            begin, place, size = starts[chosen], places[chosen], lengths[chosen]
        words = size // width
        steps = spread(np.zeros(len(size), np.int64), words, width)
        _copy_words(
            source, np.repeat(begin, words) + steps, target, np.repeat(place, words) + steps, width
        )
        rest = np.flatnonzero(words * width < size)
        if len(rest):
            last = size[rest] - width
            _copy_words(source, begin[rest] + last, target, place[rest] + last, width)


def _copy_words(source: Any, starts: Ints, target: Any, places: Ints, width: int) -> None:
    if not len(starts):
        return
    kind = {1: "u1", 2: "<u2", 4: "<u4", 8: "<u8"}.get(width, f"V{width}")
    words: NDArray[Any] = np.ndarray((_size(source) - width + 1,), kind, source, strides=(1,))
    there: NDArray[Any] = np.ndarray((_size(target) - width + 1,), kind, target, strides=(1,))
    there[places] = words[starts]


def _copy_long(source: Any, starts: Ints, target: Any, places: Ints, lengths: Ints) -> None:
    with memoryview(source).cast("B") as data, memoryview(target).cast("B") as there:
        for start, place, size in zip(
            starts.tolist(), places.tolist(), lengths.tolist(), strict=True
        ):
            there[place : place + size] = data[start : start + size]


def _size(buffer: Any) -> int:
    return memoryview(buffer).nbytes
