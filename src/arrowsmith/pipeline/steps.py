"""The runner's own bound transforms: select, rename, cast, filter, limit, map."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import pyarrow as pa

from arrowsmith.errors import DataError, OptionError, SchemaMismatch
from arrowsmith.plugin.protocols import Predicate


def check_columns(schema: pa.Schema, names: Iterable[str]) -> None:
    """Raise ``OptionError`` with the nearest name for a name that is no column."""
    for name in names:
        if name not in schema.names:
            near = difflib.get_close_matches(name, schema.names, n=1)
            hint = f"did you mean '{near[0]}'?" if near else None
            shown = ", ".join(schema.names[:20]) + (", ..." if len(schema.names) > 20 else "")
            raise OptionError(f"no column '{name}' among: {shown}", hint=hint)


class Select:
    """Keeps the named columns in the order given."""

    kind: Literal["stateless"] = "stateless"

    def __init__(self, schema: pa.Schema, columns: Sequence[str]) -> None:
        if not columns:
            raise OptionError("select needs at least one column")
        check_columns(schema, columns)
        repeated = next((name for name in columns if columns.count(name) > 1), None)
        if repeated is not None:
            raise OptionError(f"column '{repeated}' is selected twice")
        self.columns = list(columns)
        self.schema = pa.schema([schema.field(name) for name in columns], metadata=schema.metadata)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch if batch.schema.names == self.columns else batch.select(self.columns)


class Rename:
    """Gives columns other names; ``names`` maps old to new."""

    kind: Literal["stateless"] = "stateless"

    def __init__(self, schema: pa.Schema, names: Mapping[str, str]) -> None:
        check_columns(schema, names)
        self.names = dict(names)
        renamed = [names.get(name, name) for name in schema.names]
        repeated = next((name for name in renamed if renamed.count(name) > 1), None)
        if repeated is not None:
            raise OptionError(f"two columns would be named '{repeated}'")
        self.schema = pa.schema(
            [field.with_name(name) for field, name in zip(schema, renamed, strict=True)],
            metadata=schema.metadata,
        )

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return pa.RecordBatch.from_arrays(batch.columns, schema=self.schema)


class Cast:
    """Converts columns to other types; a value that the type cannot hold is an error."""

    kind: Literal["stateless"] = "stateless"

    def __init__(self, schema: pa.Schema, columns: Mapping[str, pa.DataType]) -> None:
        check_columns(schema, columns)
        self.columns = frozenset(columns)
        self.schema = schema
        for name, kind in columns.items():
            index = schema.get_field_index(name)
            try:
                pa.nulls(0, schema.field(name).type).cast(kind)
            except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
                raise SchemaMismatch(
                    f"column '{name}' of type {schema.field(name).type} cannot be cast to {kind}"
                ) from None
            self.schema = self.schema.set(index, schema.field(name).with_type(kind))

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        arrays = [
            self._cast(column, field)
            for column, field in zip(batch.columns, self.schema, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    @staticmethod
    def _cast(column: pa.Array, field: pa.Field) -> pa.Array:
        if column.type.equals(field.type):
            return column
        try:
            return column.cast(field.type)
        except pa.ArrowInvalid as error:
            raise DataError(
                f"column '{field.name}' cannot be cast to {field.type}: {error}",
                hint="cast to a wider type, or filter such rows out before",
            ) from None


class Filter:
    """Keeps the rows for which a predicate is true."""

    kind: Literal["stateless"] = "stateless"

    def __init__(self, schema: pa.Schema, predicate: Predicate) -> None:
        self.schema = schema
        self.predicate = predicate

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        mask = self.predicate.mask(batch)
        if mask.null_count == 0 and mask.true_count == batch.num_rows:
            return batch
        return batch.filter(mask)


class Limit:
    """Lets the first ``count`` rows pass; the run ends when ``left`` is 0."""

    kind: Literal["ordered"] = "ordered"

    def __init__(self, schema: pa.Schema, count: int) -> None:
        if count < 0:
            raise OptionError(f"limit must be at least 0, not {count}")
        self.schema = schema
        self.left = count

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        batch = batch.slice(0, self.left)
        self.left -= batch.num_rows
        return batch


class Map:
    """Applies a function from batch to batch, on any worker.

    Its output schema is what it gives for an empty batch, or ``output``.
    """

    kind: Literal["stateless"] = "stateless"

    def __init__(
        self,
        schema: pa.Schema,
        function: Callable[[pa.RecordBatch], pa.RecordBatch],
        output: pa.Schema | None,
    ) -> None:
        self._function = function
        self._name = getattr(function, "__name__", repr(function))
        self.schema = output if output is not None else self._probe(schema)

    def _probe(self, schema: pa.Schema) -> pa.Schema:
        empty = pa.RecordBatch.from_arrays([pa.nulls(0, f.type) for f in schema], schema=schema)
        try:
            return self._as_batch(self._function(empty)).schema
        except Exception as error:
            raise SchemaMismatch(
                f"map function '{self._name}' fails on an empty batch: {error}",
                hint="give its output schema: map(function, schema=...)",
            ) from error

    def _as_batch(self, result: object) -> pa.RecordBatch:
        if isinstance(result, pa.RecordBatch):
            return result
        raise SchemaMismatch(
            f"map function '{self._name}' gave {type(result).__name__}, not a pyarrow.RecordBatch"
        )

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        result = self._as_batch(self._function(batch))
        if not result.schema.equals(self.schema):
            raise SchemaMismatch(
                f"map function '{self._name}' gave columns {_columns(result.schema)}"
                f" where its schema has {_columns(self.schema)}",
                hint="give its output schema: map(function, schema=...)",
            )
        return result.replace_schema_metadata(self.schema.metadata)


def _columns(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name}: {field.type}" for field in schema)
