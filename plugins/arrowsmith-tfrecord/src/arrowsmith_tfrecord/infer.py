"""Learns from records which features there are, of which kind, and how many values they have."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from arrowsmith.errors import DataError
from arrowsmith_tfrecord.decode import Group, grouped
from arrowsmith_tfrecord.frames import Run, wrong_payloads
from arrowsmith_tfrecord.kinds import BYTES, FLOAT, INT, NAMES, Key, Seen
from arrowsmith_tfrecord.rows import Rows
from arrowsmith_tfrecord.structure import Entries, Names, entries_of
from arrowsmith_tfrecord.values import lists_of, values_of
from arrowsmith_tfrecord.wire import Flags, offsets_of

MOST_FEATURES = 20_000
_SLOTS = 1 << 20  # features of all records that are looked at together


@dataclass(slots=True)
class Learner:
    """What was seen so far.

    Attributes:
        path: of the file, for errors.
        verify: leave records out whose checksum is wrong.
        sequence: they are SequenceExamples.
        closed: features of other names are passed over.
        given: the types are known, and only what the records are is to be learned.
        seen: by feature.
        order: the features as they follow one another in records.
        rows, entries, nbytes: how many records and features were looked at, and their bytes.
    """

    path: str
    verify: bool
    sequence: bool
    closed: bool = False
    given: bool = False
    seen: dict[Key, Seen] = field(default_factory=dict)
    order: list[Key] = field(default_factory=list)
    rows: int = 0
    entries: int = 0
    nbytes: int = 0

    def learn(self, run: Run) -> None:
        """Look at the records of a run; those that are none are passed over.

        Raises:
            DataError: a feature is of two kinds, or there are too many features.
        """
        rows = Rows.of(run)
        if self.verify:
            rows = rows.where(~wrong_payloads(run))
        self.rows += len(rows.starts)
        step = max(1, _SLOTS // max(len(self.seen), 1))
        for first in range(0, len(rows.starts), step):
            self._look(rows.where(np.s_[first : first + step]), run)
        self.nbytes += run.size

    def _look(self, rows: Rows, run: Run) -> None:
        anew: set[int] = set()  # the rows that the reference implementation wrote
        while (odd := self._features(rows, run)).any():
            places = np.flatnonzero(odd).tolist()
            again = [int(rows.source[place]) in anew for place in places]
            if any(again):
                odd[[place for place, old in zip(places, again, strict=True) if not old]] = False
                rows = rows.where(~odd)
            else:
                anew.update(rows.source[places].tolist())
                rows, _ = rows.rewritten(places, sequence=self.sequence)

    def _features(self, rows: Rows, run: Run) -> Flags:
        """Learn of each feature; which rows are odd, without learning if any are."""
        count = len(rows.starts)
        odd = np.zeros(count, np.bool_)
        known = sorted(self.seen)
        entries = self._entries(rows, known, odd)
        if odd.any():
            return odd
        if new := self._unknown(rows, entries, run):
            known = sorted([*known, *new])
            step = max(1, _SLOTS // len(known))
            if count > step:
                parts = range(0, count, step)
                found = [self._features(rows.where(np.s_[at : at + step]), run) for at in parts]
                return np.concatenate(found)
            entries = self._entries(rows, known, odd)
        middle = sum(not sequence for sequence, _ in known)
        seen: list[tuple[Key, Seen]] = []
        for first, last in ((0, middle), (middle, len(known))):
            if first < last:
                group = grouped(rows.octets, entries, count, first, last, first == middle, odd)
                seen += self._of_group(rows, run, known[first:last], group, odd)
        if not odd.any():
            self.entries += len(entries)
            for key, one in seen:
                self._add(key, one)
        return odd

    def _entries(self, rows: Rows, known: list[Key], odd: Flags) -> Entries:
        return entries_of(
            rows.octets, rows.starts, rows.stops, Names(known), odd, sequence=self.sequence
        )

    def _unknown(self, rows: Rows, entries: Entries, run: Run) -> set[Key]:
        """Features of other names than those known."""
        if self.closed:
            return set()
        places = np.flatnonzero(entries.name < 0)
        places = places[np.argsort(entries.record[places], kind="stable")]
        first: dict[Key, int] = {}
        for place in places.tolist():
            first.setdefault(_key(rows, entries, place), int(entries.record[place]))
        if len(first) + len(self.seen) > MOST_FEATURES and not self.given:
            raise DataError(
                f"there are more than {MOST_FEATURES} features",
                path=self.path,
                place=f"record {run.record}, byte {run.offset}",
                hint="name those to read: features=",
            )
        for record in dict.fromkeys(first.values()):
            inside = np.flatnonzero(entries.record == record).tolist()
            self._insert([_key(rows, entries, place) for place in inside])
        return set(first)

    def _insert(self, keys: list[Key]) -> None:
        """Put names that are new behind those that they follow in a record."""
        at, known = 0, set(self.order)
        for key in keys:
            if key in known:
                at = self.order.index(key) + 1
            else:
                self.order.insert(at, key)
                known.add(key)
                at += 1

    def _of_group(
        self, rows: Rows, run: Run, keys: list[Key], group: Group, odd: Flags
    ) -> list[tuple[Key, Seen]]:
        """What the features of one map are."""
        record, bounds = group.rows, group.bounds
        if group.steps is not None:
            bounds = offsets_of(group.steps)[bounds]
            record = np.repeat(record, group.steps)
        wrong = np.zeros(len(record), np.bool_)
        located = lists_of(rows.octets, group.start, group.stop, wrong)
        counts = np.zeros(len(record), np.int64)
        for tag in (BYTES, FLOAT, INT):
            chosen = np.flatnonzero(located.tag == tag)
            off = np.zeros(len(chosen), np.bool_)
            start, stop = located.start[chosen], located.stop[chosen]
            counts[chosen] = values_of(tag, rows.octets, start, stop, off).counts
            wrong[chosen] |= off
        odd[record[wrong]] = True
        if wrong.any():
            return []
        found = []
        for place, key in enumerate(keys):
            part = slice(int(bounds[place]), int(bounds[place + 1]))
            if not group.present[place].any():
                continue
            number, offset = self._place(rows, run, int(np.argmax(group.present[place])))
            found.append((key, Seen(None, 0, 0, number, offset)))
            for tag in np.unique(located.tag[part]).tolist():
                if tag:
                    here = np.flatnonzero(located.tag[part] == tag)
                    some = counts[part][here]
                    place_of = self._place(rows, run, int(record[part][here[0]]))
                    low, high = int(some.min()), int(some.max())
                    found.append((key, Seen(tag, low, high, *place_of)))
        return found

    def _place(self, rows: Rows, run: Run, row: int) -> tuple[int, int]:
        """Number and offset of a record in the file."""
        source = int(rows.source[row])
        return run.record + source, run.place(source)

    def features(self) -> dict[Key, Seen]:
        """What was seen, those of the context first, in the order of records."""
        keys = sorted(self.order, key=lambda key: key[0])
        return {key: self.seen[key] for key in keys if key in self.seen}

    def _add(self, key: Key, found: Seen) -> None:
        known = self.seen.get(key)
        if known is not None and None not in (known.tag, found.tag) and known.tag != found.tag:
            if self.given:
                return
            raise two_kinds(self.path, key[1], known, found)
        self.seen[key] = found if known is None else known.join(found)


def _key(rows: Rows, entries: Entries, place: int) -> Key:
    start, stop = int(entries.key_start[place]), int(entries.key_stop[place])
    return bool(entries.sequence[place]), bytes(rows.octets.buffer[start:stop]).decode()


def two_kinds(path: str, name: str, one: Seen, other: Seen) -> DataError:
    """The error for a feature of two kinds, which shows both records."""
    one, other = sorted((one, other), key=lambda seen: seen.record)
    assert one.tag is not None
    assert other.tag is not None
    return DataError(
        f"feature {name!r} is of two kinds: {NAMES[one.tag]} in record {one.record} (byte "
        f"{one.offset}), {NAMES[other.tag]} in record {other.record} (byte {other.offset})",
        path=path,
        place=f"record {other.record}, byte {other.offset}",
        hint="say which it is, so that others are bad records: features=",
    )
