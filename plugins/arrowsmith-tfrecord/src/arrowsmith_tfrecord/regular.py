"""The short way to the features of records that are all written alike, as one program writes them.

The sample tells in which order records have their features. So all records of a run are taken
through that order in lockstep: an entry whose first bytes are those of the feature that is due is
that feature, and where others come, the record does not have it. A record that is not at its end
when the order is, or has anything that is not written in the usual way, sends the whole run the
long way (see :mod:`structure`), which gives the same where both succeed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arrowsmith_tfrecord.wire import LEN, Ints, Octets, short_varints

_FIRST, _SECOND = 0x0A, 0x12
_WORD = 8
_SHORT = 128  # names of fewer bytes have a length of one byte
_TRIED = 32  # records, before all are


class Due:
    """A feature as the order of a file has it.

    Args:
        name: of the feature.
        column: its place among the columns that are decoded; None of one that is not.
        tag: its kind.

    Attributes:
        head: how many bytes come before the size of its value: a tag, the name's size, the name, a
            tag.
        least: bytes of an entry at least.
        words: places in these, what of the eight bytes there counts, and what they are.
    """

    def __init__(self, name: str, column: int | None, tag: int) -> None:
        text = name.encode()
        head = bytes([_FIRST, len(text) % _SHORT]) + text + bytes([_SECOND])
        self.column = column
        self.tag = tag << 3 | LEN
        self.head = len(head)
        self.least = len(head) + 1
        places = [*range(0, len(head) - _WORD, _WORD), max(len(head) - _WORD, 0)]
        keep = -1 if len(head) >= _WORD else (1 << 8 * len(head)) - 1
        self.words = [
            (place, keep, int.from_bytes(head[place : place + _WORD], "little", signed=keep < 0))
            for place in places
        ]


@dataclass(frozen=True, slots=True)
class Found:
    """Where the lists of a column stand.

    Attributes:
        rows: that have one; None for all.
        start, stop: of the list.
    """

    rows: Ints | None
    start: Ints
    stop: Ints


def can_be_due(name: str) -> bool:
    return len(name.encode()) < _SHORT


def in_order(
    octets: Octets, starts: Ints, stops: Ints, order: Sequence[Due]
) -> dict[int, Found] | None:
    """The lists of columns, by their place; None where a record is not written in that order."""
    if not len(order) or not len(starts):
        return None
    if (
        len(starts) > 2 * _TRIED
        and _in_order(octets, starts[:_TRIED], stops[:_TRIED], order) is None
    ):
        return None
    return _in_order(octets, starts, stops, order)


def _in_order(
    octets: Octets, starts: Ints, stops: Ints, order: Sequence[Due]
) -> dict[int, Found] | None:
    words: NDArray[np.int64] = octets.view("<i8")
    word = words[starts]
    size, width = short_varints(word >> 8)
    at = starts + (width + 1)
    if np.count_nonzero((word & 0xFF != _FIRST) | (at + size != stops)):
        return None
    found: dict[int, Found] = {}
    for due in order:
        rows, begin, end = _entries(words, at, stops, due)
        lists = _lists(words, begin, end, due)
        if lists is None:
            return None
        if due.column is not None:
            found[due.column] = Found(rows, lists, end)
        if rows is None:
            at = end
        else:
            at = at.copy()
            at[rows] = end
    return found if np.array_equal(at, stops) else None


def _entries(
    words: NDArray[np.int64], at: Ints, stops: Ints, due: Due
) -> tuple[Ints | None, Ints, Ints]:
    """The rows that have the entry, None for all; of each the place of its value's size, and where
    it ends."""
    word = words[at]
    size, width = short_varints(word >> 8)
    place = at + (width + 1)
    end = place + size
    same = (word & 0xFF == _FIRST) & (end <= stops) & (size >= due.least)
    rows: Ints | None = None
    for number in range(len(due.words) + 1):
        if np.count_nonzero(same) < len(same):
            chosen = same.nonzero()[0]
            rows = chosen if rows is None else rows[chosen]
            place, end = place[chosen], end[chosen]
        if number == len(due.words):
            break
        shift, keep, text = due.words[number]
        word = words[place + shift]
        same = word == text if keep < 0 else word & keep == text
    return rows, place + due.head, end


def _lists(words: NDArray[np.int64], at: Ints, end: Ints, due: Due) -> Ints | None:
    """Where lists begin that are all there is in features of the kind that is due."""
    word = words[at]
    size, width = short_varints(word)
    feature = at + width
    usual = feature + size == end
    if due.column is None:
        return feature if np.count_nonzero(usual) == len(at) else None
    word >>= 8 * width
    length, more = short_varints(word >> 8)
    begin = feature + (more + 1)
    usual &= (word & 0xFF == due.tag) & (begin + length == end)
    return begin if np.count_nonzero(usual) == len(at) else None
