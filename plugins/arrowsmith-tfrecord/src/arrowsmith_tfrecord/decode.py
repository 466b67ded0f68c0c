"""Decodes the records of a run: all features of all records into columns.

Only what follows the usual way of writing is decoded here. A record that does not is written anew
by the reference implementation (see :mod:`careful`), or found bad by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise

import numpy as np
import pyarrow as pa

from arrowsmith_tfrecord.arrays import built
from arrowsmith_tfrecord.kinds import NAMES, SCALAR, Column, Key
from arrowsmith_tfrecord.regular import Due, Found, can_be_due, in_order
from arrowsmith_tfrecord.structure import FIRST, Entries, Names, entries_of
from arrowsmith_tfrecord.values import Located, Values, lists_of, values_of
from arrowsmith_tfrecord.wire import Flags, Ints, Octets, offsets_of, walk

_MOST_DUE = 64  # features, of which going through their order is sooner done than the long way


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns are decoded, and how their features are found.

    Attributes:
        columns: in an order in which those of one kind and shape, which are decoded together, are
            neighbours.
        order: the place in ``columns`` of each column asked for.
        names: of the columns, and behind them of features that are known but not asked for.
        due: the order in which Examples usually have all of these; empty where that does not help.
        sequence: the records are SequenceExamples.
        strict: a feature of another name contradicts what was inferred.
        schema: of the columns asked for.
    """

    columns: tuple[Column, ...]
    order: tuple[int, ...]
    names: Names
    due: tuple[Due, ...]
    sequence: bool
    strict: bool
    schema: pa.Schema

    @classmethod
    def of(
        cls, wanted: Sequence[Column], known: Sequence[Key], schema: pa.Schema,
        *, usual: Sequence[Key], sequence: bool, strict: bool,
    ) -> Layout:  # fmt: skip
        """The layout for columns that are asked for, of those whose keys are known.

        Args:
            usual: the order in which records have their features.
        """
        columns = sorted(set(wanted), key=_alike)
        keys = [column.key for column in columns]
        others = [key for key in known if key not in set(keys)]
        order = tuple(columns.index(column) for column in wanted)
        names = Names([*keys, *others])
        due = () if sequence else _due(columns, usual)
        return cls(tuple(columns), order, names, due, sequence, strict, schema)


def _alike(column: Column) -> tuple[bool, int, int, str]:
    shape = -1 if column.shape is None else column.shape
    return column.key[0], column.tag or 0, shape, column.name


def _due(columns: Sequence[Column], usual: Sequence[Key]) -> tuple[Due, ...]:
    if len(usual) > _MOST_DUE or not all(can_be_due(name) for _, name in usual):
        return ()
    places = {column.key: place for place, column in enumerate(columns)}
    return tuple(
        Due(key[1], place, 0 if place is None else columns[place].tag or 0)
        for key, place in ((key, places.get(key)) for key in usual)
    )


@dataclass(frozen=True, slots=True)
class Misfit:
    """A feature that is not as its column says.

    Attributes:
        row: of the record.
        column: what was expected, None for a feature that is not known.
        name: of the feature.
        tag, count: what was found: the kind, and how many values.
        reason: what is wrong.
    """

    row: int
    column: Column | None
    name: str
    tag: int | None
    count: int
    reason: str


@dataclass(slots=True)
class Decoded:
    """What became of records.

    Attributes:
        odd: which rows are left to the reference implementation.
        misfits: features that do not fit, by row.
        batch: the rows; None where there are others.
    """

    odd: Flags
    misfits: list[Misfit] = field(default_factory=list)
    batch: pa.RecordBatch | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """The features of columns, behind one another by column, of each in the order of the rows.

    Attributes:
        rows: of the features, or of the lists of them.
        bounds: where each column begins in ``rows``, and where the last ends.
        present: which rows have a feature, one row of it for each column.
        start, stop: of the features.
        steps: of feature lists, how many features each has.
    """

    rows: Ints
    bounds: Ints
    present: Flags
    start: Ints
    stop: Ints
    steps: Ints | None


@dataclass(frozen=True, slots=True)
class Features:
    """The lists of columns, behind one another by column, of each in the order of the rows.

    Attributes:
        rows: of the lists.
        bounds: where each column begins in ``rows``, and where the last ends.
        present: of each column, which rows have it; None for all.
        start, stop: of the lists.
        steps: of feature lists, for each column and row that has one, how many lists are in it.
    """

    rows: Ints
    bounds: Ints
    present: Sequence[Flags | None]
    start: Ints
    stop: Ints
    steps: Sequence[Ints] | None


def decode(octets: Octets, starts: Ints, stops: Ints, layout: Layout) -> Decoded:
    """Columns of the records that stand at ``starts`` to ``stops``."""
    rows = len(starts)
    result = Decoded(np.zeros(rows, np.bool_))
    found = in_order(octets, starts, stops, layout.due) if layout.due else None
    if found is not None:
        features = _in_columns(found, layout.columns, rows)
        arrays = _arrays(octets, layout.columns, features, rows, result)
    else:
        arrays = _any_order(octets, starts, stops, layout, result)
    if result.odd.any() or result.misfits:
        return result
    chosen = [arrays[place] for place in layout.order]
    result.batch = (
        pa.RecordBatch.from_arrays(chosen, schema=layout.schema)
        if chosen
        else _without_columns(rows, layout.schema)
    )
    return result


def _any_order(
    octets: Octets, starts: Ints, stops: Ints, layout: Layout, result: Decoded
) -> list[pa.Array]:
    """The arrays of records that have their features in any order."""
    rows = len(starts)
    entries = entries_of(octets, starts, stops, layout.names, result.odd, sequence=layout.sequence)
    if result.odd.any():
        return []
    if layout.strict:
        _find_unknown(octets, entries, result)
    arrays: list[pa.Array] = []
    lists = [column.key[0] for column in layout.columns]
    middle = lists.index(True) if True in lists else len(lists)
    for first, last, sequence in ((0, middle, False), (middle, len(lists), True)):
        if first < last:
            group = grouped(octets, entries, rows, first, last, sequence, result.odd)
            if not result.odd.any():
                columns = layout.columns[first:last]
                features = _located(octets, columns, group, rows, result)
                if features is not None:
                    arrays += _arrays(octets, columns, features, rows, result)
    return arrays


def _in_columns(found: dict[int, Found], columns: Sequence[Column], rows: int) -> Features:
    """What was found of each column, one behind the other."""
    every, none = np.arange(rows), Found(np.zeros(0, np.int64), *[np.zeros(0, np.int64)] * 2)
    parts = [found.get(place, none) for place in range(len(columns))]
    present: list[Flags | None] = []
    for part in parts:
        flags = None
        if part.rows is not None:
            flags = np.zeros(rows, np.bool_)
            flags[part.rows] = True
        present.append(flags)
    if not parts:
        parts = [none]
    return Features(
        np.concatenate([every if part.rows is None else part.rows for part in parts]),
        offsets_of(np.array([len(part.start) for part in parts[: len(columns)]], np.int64)),
        present,
        np.concatenate([part.start for part in parts]),
        np.concatenate([part.stop for part in parts]),
        None,
    )


def _without_columns(rows: int, schema: pa.Schema) -> pa.RecordBatch:
    empty = pa.Array.from_buffers(pa.struct([]), rows, [None])
    return pa.RecordBatch.from_struct_array(empty).replace_schema_metadata(schema.metadata)


def _find_unknown(octets: Octets, entries: Entries, result: Decoded) -> None:
    unknown = np.flatnonzero(entries.name < 0)
    if len(unknown):
        first = unknown[np.argmin(entries.record[unknown])]
        start, stop = int(entries.key_start[first]), int(entries.key_stop[first])
        name = bytes(octets.buffer[start:stop]).decode()
        row = int(entries.record[first])
        result.misfits.append(
            Misfit(row, None, name, None, 0, "is not among the features of the sample")
        )


def grouped(
    octets: Octets, entries: Entries, rows: int, first: int, last: int, sequence: bool, odd: Flags
) -> Group:
    """The entries of columns ``first`` to ``last``; of a name that comes twice, the last."""
    count = last - first
    name = entries.name - first
    chosen = np.flatnonzero((name >= 0) & (name < count))
    slots = np.full(count * rows, -1, np.int64)
    slots[name[chosen] * rows + entries.record[chosen]] = chosen
    filled = slots >= 0
    present = filled.reshape(count, rows)
    found = slots[filled]
    bounds = offsets_of(np.count_nonzero(present, axis=1))
    record, start, stop = entries.record[found], entries.start[found], entries.stop[found]
    if not sequence:
        return Group(record, bounds, present, start, stop, None)
    wrong = np.zeros(len(found), np.bool_)
    steps = walk(octets, start, stop, wrong)
    odd[record[wrong]] = True
    steps = steps.where(steps.tag == FIRST)
    order = np.argsort(steps.owner, kind="stable")
    counts = np.bincount(steps.owner, minlength=len(found)).astype(np.int64)
    return Group(record, bounds, present, steps.start[order], steps.stop[order], counts)


def _located(
    octets: Octets, columns: Sequence[Column], group: Group, rows: int, result: Decoded
) -> Features | None:
    """The lists of a group's features; None where something does not fit."""
    steps = group.steps
    bounds = group.bounds
    record = group.rows
    if steps is not None:  # from lists of features to features
        bounds = offsets_of(steps)[group.bounds]
        record = np.repeat(record, steps)
    wrong = np.zeros(len(record), np.bool_)
    located = lists_of(octets, group.start, group.stop, wrong)
    result.odd[record[wrong]] = True
    expected = np.repeat(np.array([column.tag or 0 for column in columns]), np.diff(bounds))
    without = located.tag == 0
    other = (located.tag != expected) & ~without
    if other.any():
        _find_kinds(columns, bounds, record, located, other, result)
    if result.odd.any() or result.misfits:
        return None
    present = [row if not row.all() else None for row in group.present]
    if steps is not None:
        lists = [steps[low:high] for low, high in pairwise(group.bounds.tolist())]
        return Features(record, bounds, present, located.start, located.stop, lists)
    if not without.any():
        return Features(record, bounds, present, located.start, located.stop, None)
    kept = ~without  # a feature without a kind is none
    present = [
        _less(group.present[place], record[low:high], kept[low:high])
        for place, (low, high) in enumerate(pairwise(bounds.tolist()))
    ]
    return Features(
        record[kept], offsets_of(kept)[bounds], present,
        located.start[kept], located.stop[kept], None,
    )  # fmt: skip


def _arrays(
    octets: Octets, columns: Sequence[Column], features: Features, rows: int, result: Decoded
) -> list[pa.Array]:
    """The arrays of columns, unless something does not fit."""
    bounds, record = features.bounds, features.rows
    arrays: list[pa.Array | None] = []
    for (kind, shape), alike in groupby(columns, lambda one: (one.tag or 0, one.shape)):
        inside = range(len(arrays), len(arrays) + len(list(alike)))
        if kind == 0:
            arrays += [pa.nulls(rows)] * len(inside)
            continue
        start, stop = int(bounds[inside[0]]), int(bounds[inside[-1] + 1])
        wrong = np.zeros(stop - start, np.bool_)
        lists = features.start[start:stop], features.stop[start:stop]
        values = values_of(kind, octets, *lists, wrong, single=shape == SCALAR)
        result.odd[record[start:stop][wrong]] = True
        if wrong.any():
            return []
        ends = offsets_of(values.counts)
        for place in inside:
            low, high = int(bounds[place]) - start, int(bounds[place + 1]) - start
            part = _part(values, low, high, int(ends[low]), int(ends[high]))
            column = columns[place]
            if not _fits(column, part, record[start + low : start + high], result):
                arrays.append(None)  # the rows are decoded again, without those that do not fit
                continue
            steps = None if features.steps is None else features.steps[place]
            array = built(column, octets, rows, features.present[place], steps, part)
            if column.text and not _is_text(array):
                _find_text(column, octets, part, record[start + low : start + high], result)
            arrays.append(array)
    return arrays


def _less(present: Flags, record: Ints, kept: Flags) -> Flags | None:
    """The rows that have a feature, without those whose feature has no kind."""
    less = present.copy()
    less[record[~kept]] = False
    return None if less.all() else less


def _part(values: Values, low: int, high: int, first: int, last: int) -> Values:
    return Values(
        values.counts[low:high],
        None if values.numbers is None else values.numbers[first:last],
        None if values.starts is None else values.starts[first:last],
        None if values.stops is None else values.stops[first:last],
    )


def _find_kinds(
    columns: Sequence[Column], bounds: Ints, record: Ints, located: Located, other: Flags,
    result: Decoded,
) -> None:  # fmt: skip
    """The first record of each column whose feature is of another kind."""
    places = np.flatnonzero(other)
    owner = np.searchsorted(bounds, places, "right") - 1
    found, first = np.unique(record[places], return_index=True)
    for row, place in zip(found.tolist(), first.tolist(), strict=True):
        column = columns[int(owner[place])]
        tag = int(located.tag[places[place]])
        reason = f"is a {NAMES[tag]}"
        result.misfits.append(Misfit(row, column, column.key[1], tag, 0, reason))


def _fits(column: Column, values: Values, record: Ints, result: Decoded) -> bool:
    """Whether each feature has as many values as the column asks for."""
    wanted = column.count
    if wanted is None:
        return True
    off = values.counts != wanted
    if not off.any():
        return True
    for place in np.flatnonzero(off).tolist():
        count = int(values.counts[place])
        reason = f"has {count} value{'s' * (count != 1)}, not {wanted}"
        row = int(record[place])
        result.misfits.append(Misfit(row, column, column.key[1], column.tag, count, reason))
    return False


def _is_text(array: pa.Array) -> bool:
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _find_text(
    column: Column, octets: Octets, values: Values, record: Ints, result: Decoded
) -> None:
    """The records with a value that is no UTF-8: one by one, since there are some."""
    assert values.starts is not None
    assert values.stops is not None
    rows = np.repeat(record, values.counts)
    spans = zip(rows.tolist(), values.starts.tolist(), values.stops.tolist(), strict=True)
    for row, start, stop in spans:
        try:
            bytes(octets.buffer[start:stop]).decode()
        except UnicodeDecodeError:
            result.misfits.append(Misfit(row, column, column.key[1], column.tag, 1, "is no UTF-8"))
