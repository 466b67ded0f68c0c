"""Steps that put columns behind the others, computed from earlier rows of the same series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from arrowsmith.errors import SchemaMismatch
from arrowsmith.transforms.columns import first_repeated
from arrowsmith.transforms.series.options import SeriesOptions
from arrowsmith.transforms.series.order import Runs, SeriesOrder, copied, value_columns

Ints = NDArray[np.int64]


class History:
    """The last rows of columns, in front of the next ones.

    Args:
        rows: how many are kept.
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._kept: dict[str, pa.Array] = {}

    def before(self, name: str, column: pa.Array) -> tuple[pa.Array, int]:
        """The column with what is kept before it, and how many rows that is."""
        kept = self._kept.get(name, column.slice(0, 0))
        whole = pa.concat_arrays([kept, column]) if len(kept) else column
        self._kept[name] = copied(whole.slice(max(len(whole) - self._rows, 0)))
        return whole, len(kept)


class AddingStep:
    """A bound step that adds columns.

    Args:
        schema: of its input.
        options: which columns are what.
        rows: how many earlier rows it looks at.

    Raises:
        SchemaMismatch: two columns of one name would come out.
    """

    kind: Literal["ordered"] = "ordered"

    def __init__(
        self, schema: pa.Schema, options: SeriesOptions, values: Sequence[str], rows: int
    ) -> None:
        self._options = options
        self._values = tuple(values)
        self._order = SeriesOrder(schema, options.time, options.by)
        self._history = History(rows)
        self._rows = rows
        self._made = {name: self.fields(schema.field(name)) for name in self._values}
        fields = [*schema, *(field for made in self._made.values() for field in made)]
        repeated = first_repeated([field.name for field in fields])
        if repeated is not None:
            raise SchemaMismatch(f"two columns would be named '{repeated}'")
        self.schema = pa.schema(fields, metadata=schema.metadata)
        self.unchanged = frozenset(schema.names)

    @classmethod
    def bound(cls, schema: pa.Schema, options: SeriesOptions, rows: int) -> AddingStep:
        """The step for all columns of values."""
        SeriesOrder(schema, options.time, options.by)
        values = value_columns(schema, options.time, options.by, options.values)
        return cls(schema, options, values, rows)

    def fields(self, field: pa.Field) -> list[pa.Field]:
        """Of the columns made from one."""
        raise NotImplementedError

    def compute(self, whole: pa.Array, at: Ints, places: Ints) -> list[pa.Array]:
        """The columns made from one.

        Args:
            whole: the column with earlier rows before it.
            at: where the rows stand in it.
            places: of the rows in their series.
        """
        raise NotImplementedError

    def needed(self, outputs: frozenset[str]) -> frozenset[str]:
        made = {
            name
            for name, fields in self._made.items()
            if any(field.name in outputs for field in fields)
        }
        return (outputs & self.unchanged) | made | {self._options.time, *self._options.by}

    def narrowed(self, schema: pa.Schema) -> AddingStep:
        values = [name for name in self._values if name in schema.names]
        return type(self)(schema, self._options, values, self._rows)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        runs: Runs = self._order.follow(batch)
        arrays = batch.columns
        for name in self._values:
            whole, skipped = self._history.before(name, batch.column(name))
            at = np.arange(skipped, skipped + batch.num_rows)
            arrays += self.compute(whole, at, runs.places)
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)
