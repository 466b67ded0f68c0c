"""A predicate to test readers with: comparisons by sorted rank, for columns of any ordered type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.plugin.protocols import ColumnStats


@dataclass(frozen=True, slots=True)
class Above:
    """``column >= bound``. Implements :class:`arrowsmith.plugin.Predicate`."""

    column: str
    bound: pa.Scalar

    @property
    def columns(self) -> frozenset[str]:
        return frozenset({self.column})

    def mask(self, batch: pa.RecordBatch) -> pa.BooleanArray:
        held = pc.greater_equal(batch.column(batch.schema.get_field_index(self.column)), self.bound)
        return held.fill_null(False)

    def may_match(self, stats: Mapping[str, ColumnStats]) -> bool:
        known = stats.get(self.column)
        if known is None:
            return True
        if known.null_count is not None and known.null_count == known.rows:
            return False
        if known.max is None:
            return True
        return bool(pc.greater_equal(known.max, self.bound).as_py())

    def __str__(self) -> str:
        return f"{self.column} >= {self.bound}"


def conditions(table: pa.Table) -> Iterator[Above]:
    """For each column of an ordered type: its least, middle and greatest value as bound."""
    for name, column in zip(table.column_names, table.columns, strict=True):
        if not _is_ordered(column.type):
            continue
        known = column.drop_null()
        if not len(known):
            continue
        order = pc.array_sort_indices(known.combine_chunks())
        for place in sorted({0, len(order) // 2, len(order) - 1}):
            yield Above(name, known[order[place].as_py()])


def _is_ordered(kind: pa.DataType) -> bool:
    types = pa.types
    plain = types.is_integer(kind) or types.is_float64(kind) or types.is_string(kind)
    return plain or types.is_timestamp(kind) or types.is_date(kind)
