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

    What is done for a name is in proportion to its length, however long others are.

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
        hashes = _hashes(self._octets, self._starts, self._lengths, self._sequence)
        self._order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[self._order]

    def find(self, octets: Octets, starts: Ints, stops: Ints, sequence: Flags) -> Ints:
        """The place of each name, or -1."""
        if not len(self._hashes) or not len(starts):
            return np.full(len(starts), -1, np.int64)
        lengths = stops - starts
        short = lengths
        if int(lengths.max()) > self._longest:  # such are none of ours
            short = np.where(lengths > self._longest, 0, lengths)
        hashes = _hashes(octets, starts, short, sequence)
        found = np.searchsorted(self._hashes, hashes)
        found[found == len(self._hashes)] = 0
        names = self._order[found]
        same = (self._lengths[names] == lengths) & (self._sequence[names] == sequence)
        theirs = self._starts[names]
        for place, rest in _words(np.where(same, lengths, 0)):
            one = _word(octets, starts, lengths, place, rest)
            other = _word(self._octets, theirs, lengths, place, rest)
            if rest is None:
                same &= one == other
            else:
                same[rest] &= one == other
        names[~same] = -1
        return names


def _words(lengths: Ints) -> Iterator[tuple[int, Ints | None]]:
    """The words of texts one after another, each with the texts that have it; None for all."""
    rest: Ints | None = None
    for place in range(0, int(lengths.max(initial=0)), WORD):
        longer = lengths > place if rest is None else lengths[rest] > place
        if not longer.all():
            rest = np.flatnonzero(longer) if rest is None else rest[longer]
        yield place, rest


def _word(
    octets: Octets, starts: Ints, lengths: Ints, place: int, rest: Ints | None
) -> NDArray[np.uint64]:
    """The word of texts at a place, zeros behind their end."""
    if rest is not None:
        starts, lengths = starts[rest], lengths[rest]
    word: NDArray[np.uint64] = octets.view("<u8")[starts + place]
    word &= _KEEP[np.minimum(lengths - place, WORD)]
    return word


def _hashes(octets: Octets, starts: Ints, lengths: Ints, sequence: Flags) -> NDArray[np.uint64]:
    hashes = lengths.astype(np.uint64) * np.uint64(2) + sequence.astype(np.uint64)
    for place, rest in _words(lengths):
        word = _word(octets, starts, lengths, place, rest)
        if rest is None:
            hashes = _mixed(hashes, word)
        else:
            hashes[rest] = _mixed(hashes[rest], word)
    return hashes


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
    """Records, names and values of the entries of maps."""
    wrong = np.zeros(len(maps.owner), np.bool_)
    fields = walk(octets, maps.start, maps.stop, wrong)
    odd[maps.owner[wrong]] = True
    plain = fields.tag == FIRST
    if not plain.all():
        fields = fields.where(plain)
    record = maps.owner[fields.owner]
    wrong = np.zeros(len(record), np.bool_)
    parts = walk(octets, fields.start, fields.stop, wrong)
    # each entry has a name and a value; writers put the name first
    count = len(record)
    usual = len(parts.tag) == 2 * count
    if usual:
        usual = bool(
            (parts.tag[:count] == FIRST).all()
            and (parts.tag[count:] == SECOND).all()
            and (parts.owner[:count] == parts.owner[count:]).all()
        )
    if usual:
        odd[record[wrong]] = True
        return (
            record[parts.owner[:count]],
            parts.start[:count],
            parts.stop[:count],
            parts.start[count:],
            parts.stop[count:],
        )
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
