"""Finds the features of all records of a batch: where each stands, of which kind, whose it is.

An Example is a map from names to features within two messages; all of these are walked level by
level, each level for all records at once (see :mod:`wire`). Of a name that a record has twice the
last counts, as the protobuf specification says of maps. What is not as every known writer writes
it is marked as odd, and left to the reference implementation (see :mod:`careful`).

Source of the format: tensorflow/core/example/example.proto and feature.proto.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from arrowsmith_tfrecord.kinds import Key
from arrowsmith_tfrecord.wire import (
    PAD,
    Fields,
    Flags,
    Ints,
    Octets,
    copy_ragged,
    offsets_of,
    short_varints,
    walk,
)

FIRST, SECOND = 0x0A, 0x12
"""The tags of the fields 1 and 2 that have a length."""
WORD = 8
_MIX = np.uint64(0x9E3779B97F4A7C15)
_TURN = np.uint64(29)


@dataclass(frozen=True, slots=True)
class Entries:
    """Entries of the maps of all records.

    Attributes:
        record: whose it is, its place in the batch.
        key_start, key_stop: of its name.
        start, stop: of its value: a Feature, or a FeatureList.
        sequence: it is of the map of feature lists.
        name: the place of its name among those that are known, or -1.
    """

    record: Ints
    key_start: Ints
    key_stop: Ints
    start: Ints
    stop: Ints
    sequence: Flags
    name: Ints

    def __len__(self) -> int:
        return len(self.record)


class Names:
    """Names that are looked for, as words of eight bytes.

    As many words go into their hashes as tell them apart; the others are compared. What is done for
    a name is in proportion to its length, however long others are.

    Example:
        >>> names = Names([(False, "label"), (False, "image")])
    """

    def __init__(self, keys: Sequence[Key]) -> None:
        encoded = [name.encode() for _, name in keys]
        ends = offsets_of(np.array([len(name) for name in encoded], np.int64))
        self._octets = Octets(bytearray().join([*encoded, bytes(PAD)]))
        self._starts, self._lengths = ends[:-1], np.diff(ends)
        self._longest = int(self._lengths.max(initial=0))
        self._sequence = np.array([sequence for sequence, _ in keys], np.bool_)
        self._hashed = 1
        while True:
            hashes = self._hashes(self._octets, self._starts, self._lengths, self._sequence)
            if WORD * self._hashed >= self._longest or len(np.unique(hashes)) == len(keys):
                break
            self._hashed *= 2
        self._order = np.argsort(hashes, kind="stable")
        self._sorted = hashes[self._order]

    def find(self, octets: Octets, starts: Ints, stops: Ints, sequence: Flags) -> Ints:
        """The place of each name, or -1."""
        if not len(self._sorted) or not len(starts):
            return np.full(len(starts), -1, np.int64)
        lengths = stops - starts
        short = lengths
        if int(lengths.max()) > self._longest:  # such are none of ours
            short = np.where(lengths > self._longest, 0, lengths)
        hashes = self._hashes(octets, starts, short, sequence)
        found = np.searchsorted(self._sorted, hashes)
        found[found == len(self._sorted)] = 0
        names = self._order[found]
        same = (self._lengths[names] == lengths) & (self._sequence[names] == sequence)
        lengths = np.where(same, lengths, 0)
        theirs = self._starts[names]
        for place, rest in _words(lengths, self._longest):
            one = _word(octets, starts, lengths, place, rest)
            other = _word(self._octets, theirs, lengths, place, rest)
            if rest is None:
                same &= one == other
            else:
                same[rest] &= one == other
        names[~same] = -1
        return names

    def _hashes(
        self, octets: Octets, starts: Ints, lengths: Ints, sequence: Flags
    ) -> NDArray[np.uint64]:
        hashes = lengths.astype(np.uint64) * np.uint64(2) + sequence.astype(np.uint64)
        for place, rest in islice(_words(lengths, self._longest), self._hashed):
            word = _word(octets, starts, lengths, place, rest)
            if rest is None:
                hashes = _mixed(hashes, word)
            else:
                hashes[rest] = _mixed(hashes[rest], word)
        return hashes


def _words(lengths: Ints, longest: int) -> Iterator[tuple[int, Ints | None]]:
    """The words of texts, each with the texts that have it; None for all.

    The first, then the last, since names often differ in one of these; then those between.
    """
    if not len(lengths):
        return
    yield 0, None
    rest: Ints | None = None
    places = [max(longest, WORD), *range(WORD, max(longest - WORD, 0), WORD)]
    for number, place in enumerate(places):
        longer = lengths if rest is None else lengths[rest]
        has = longer > (place + WORD if number else WORD)
        if np.count_nonzero(has) < len(has):
            rest = np.flatnonzero(has) if rest is None else rest[has]
            if not len(rest):
                return
        yield place, rest


def _word(
    octets: Octets, starts: Ints, lengths: Ints, place: int, rest: Ints | None
) -> NDArray[np.uint64]:
    """The word of texts at a place, or their last where they are not so long; of texts that are
    shorter than a word, zeros behind their end."""
    if rest is not None:
        starts, lengths = starts[rest], lengths[rest]
    if place:
        starts = starts + np.minimum(place, lengths - WORD)
    word: NDArray[np.uint64] = octets.view("<u8")[starts]
    if not place and int(lengths.min()) < WORD:
        word &= _KEEP[np.minimum(lengths, WORD)]
    return word


_KEEP = np.array([(1 << 8 * size) - 1 for size in range(WORD + 1)], np.uint64)


def _mixed(hashes: NDArray[np.uint64], words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    mixed = (hashes ^ words) * _MIX
    return mixed ^ (mixed >> _TURN)


def entries_of(
    octets: Octets, starts: Ints, stops: Ints, names: Names, odd: Flags, *, sequence: bool
) -> Entries:
    """The entries of the maps of Examples or SequenceExamples, in the order of each record.

    Args:
        starts, stops: of the records.
        odd: one a record, set where only the reference implementation may judge.
        sequence: they are SequenceExamples, whose second field are feature lists.
    """
    top = walk(octets, starts, stops, odd)
    first, second = top.tag == FIRST, top.tag == SECOND
    parts = [_entries(octets, top.where(first), odd)]
    lists = sequence and bool(second.any())
    if lists:
        parts.append(_entries(octets, top.where(second), odd))
    record, key_start, key_stop, start, stop = (
        np.concatenate(columns) if lists else columns[0] for columns in zip(*parts, strict=True)
    )
    of_lists = np.zeros(len(record), np.bool_)
    if lists:
        of_lists[len(parts[0][0]) :] = True
    name = names.find(octets, key_start, key_stop, of_lists)
    unknown = np.flatnonzero(name < 0)
    if len(unknown):
        _check_text(octets, key_start[unknown], key_stop[unknown], record[unknown], odd)
    return Entries(record, key_start, key_stop, start, stop, of_lists, name)


def _entries(octets: Octets, maps: Fields, odd: Flags) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """Records, names and values of the entries of maps.

    A record of several maps, which are to be merged, is odd: all are walked side by side, so that
    their entries do not come one map behind the other.
    """
    odd |= np.bincount(maps.owner, minlength=len(odd)) > 1
    wrong = np.zeros(len(maps.owner), np.bool_)
    fields = walk(octets, maps.start, maps.stop, wrong)
    odd[maps.owner[wrong]] = True
    plain = fields.tag == FIRST
    if not plain.all():
        fields = fields.where(plain)
    record = maps.owner[fields.owner]
    usual = _usual(octets, fields.start, fields.stop)
    if usual is not None:
        return record, *usual, fields.stop
    count = len(record)
    wrong = np.zeros(count, np.bool_)
    parts = walk(octets, fields.start, fields.stop, wrong)
    key, value = parts.tag == FIRST, parts.tag == SECOND
    keys = np.bincount(parts.owner[key], minlength=count)
    values = np.bincount(parts.owner[value], minlength=count)
    wrong |= (keys != 1) | (values != 1)
    odd[record[wrong]] = True
    bounds = np.zeros((4, count), np.int64)
    bounds[0, parts.owner[key]] = parts.start[key]
    bounds[1, parts.owner[key]] = parts.stop[key]
    bounds[2, parts.owner[value]] = parts.start[value]
    bounds[3, parts.owner[value]] = parts.stop[value]
    sound = ~wrong
    return record[sound], *(row[sound] for row in bounds)  # type: ignore[return-value]


def _usual(octets: Octets, starts: Ints, stops: Ints) -> tuple[Ints, Ints, Ints] | None:
    """Of entries that are a name and then a value, where the name begins and ends, and where the
    value begins; None if others are among them."""
    if not len(starts):
        return None
    words = octets.view("<i8")
    word = words[starts]
    size, width = short_varints(word >> 8)
    key_start = starts + (width + 1)
    key_stop = key_start + size
    if np.count_nonzero((word & 0xFF == FIRST) & (key_stop < stops)) < len(starts):
        return None
    word = words[key_stop]
    size, width = short_varints(word >> 8)
    begin = key_stop + (width + 1)
    if np.count_nonzero((word & 0xFF == SECOND) & (begin + size == stops)) < len(starts):
        return None
    return key_start, key_stop, begin


def _check_text(octets: Octets, starts: Ints, stops: Ints, records: Ints, odd: Flags) -> None:
    """Mark the records with a name that is no UTF-8."""
    lengths = stops - starts
    ends = offsets_of(lengths)
    data = bytearray(int(ends[-1]))
    copy_ragged(octets.buffer, starts, data, ends[:-1], lengths)
    if data.isascii():
        return
    offsets = pa.py_buffer(ends.astype(np.int32))
    names = pa.Array.from_buffers(pa.string(), len(lengths), [None, offsets, pa.py_buffer(data)])
    try:
        names.validate(full=True)
    except pa.ArrowInvalid:
        for record, start, stop in zip(records.tolist(), ends[:-1].tolist(), ends[1:].tolist(),
                                       strict=True):  # fmt: skip
            try:
                data[start:stop].decode()
            except UnicodeDecodeError:
                odd[record] = True
