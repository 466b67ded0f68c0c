"""Which files a condition rules out before they are opened, and what is left of it for the rest."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from arrowsmith.plugin.protocols import ColumnStats, Predicate

Constants = Mapping[str, pa.Scalar]


def ruled_in(facts: pa.RecordBatch, predicate: Predicate | None) -> list[bool]:
    """Whether each file may have rows that match.

    Args:
        facts: a row for each file: columns that have one value in all of it.
        predicate: conditions on these columns and on others.
    """
    kept = [True] * facts.num_rows
    if predicate is None:
        return kept
    from arrowsmith.predicate import And

    names = set(facts.schema.names)
    mixed = []
    for part in predicate.predicates if isinstance(predicate, And) else (predicate,):
        if part.columns and part.columns <= names:
            mask = part.mask(facts).to_pylist()
            kept = [before and bool(now) for before, now in zip(kept, mask, strict=True)]
        elif part.columns & names:
            mixed.append(part)
    if mixed:
        for row in range(facts.num_rows):
            if kept[row]:
                known = stats_of(constants_of(facts, row))
                kept[row] = all(part.may_match(known) for part in mixed)
    return kept


def constants_of(facts: pa.RecordBatch, row: int) -> dict[str, pa.Scalar]:
    """The facts of one file by column."""
    return {name: facts.column(i)[row] for i, name in enumerate(facts.schema.names)}


def stats_of(constants: Constants) -> dict[str, ColumnStats]:
    """What a reader's statistics would say of columns of one value."""
    return {
        name: ColumnStats(value, value, 0, 1) if value.is_valid else ColumnStats(None, None, 1, 1)
        for name, value in constants.items()
    }


class Within:
    """A predicate in a file in which some of its columns have one value.

    Implements :class:`arrowsmith.plugin.protocols.Predicate` over the other columns.
    """

    def __init__(self, whole: Predicate, constants: Constants) -> None:
        self._whole = whole
        self._constants = constants
        self._stats = stats_of(constants)

    @property
    def columns(self) -> frozenset[str]:
        return self._whole.columns - self._constants.keys()

    def mask(self, batch: pa.RecordBatch) -> pa.BooleanArray:
        """One boolean a row; null counts as false."""
        names = [name for name in batch.schema.names if name not in self._constants]
        arrays = [batch.column(name) for name in names]
        arrays += [pa.repeat(value, batch.num_rows) for value in self._constants.values()]
        whole = pa.RecordBatch.from_arrays(arrays, names=[*names, *self._constants])
        return self._whole.mask(whole)

    def may_match(self, stats: Mapping[str, ColumnStats]) -> bool:
        """False only when no row of a group with these statistics can match."""
        return self._whole.may_match({**stats, **self._stats})

    def __str__(self) -> str:
        return str(self._whole)
