"""``with_column``: compute a column from others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pyarrow as pa

from arrowsmith.errors import OptionError, SchemaMismatch
from arrowsmith.plugin import Expression, RunContext
from arrowsmith.transforms.options import WithColumnOptions


class WithColumn:
    """Adds a column behind the others, or replaces the one of that name in its place."""

    def __init__(self, options: WithColumnOptions, ctx: RunContext) -> None:
        self._options = options
        self._ctx = ctx
        if not options.name:
            raise OptionError("with_column needs a name for the column")

    def bind(self, schema: pa.Schema) -> BoundWithColumn:
        name, value = self._options.name, self._options.expression
        if schema.names.count(name) > 1:
            raise SchemaMismatch(f"several columns are called '{name}'")
        if not isinstance(value, str) and callable(value) and not _is_expression(value):
            return BoundWithColumn(schema, name, FunctionOfBatch(value, schema))
        return BoundWithColumn(schema, name, self._ctx.expression(value, schema))


class BoundWithColumn:
    """The step for one schema."""

    kind: Literal["stateless"] = "stateless"

    def __init__(self, schema: pa.Schema, name: str, expression: Expression) -> None:
        self._name = name
        self._expression = expression
        # after narrowing, what it computes may not be wanted, nor be there what it needs
        self._wanted = expression.columns <= set(schema.names)
        field = pa.field(name, expression.type)
        self._place = schema.get_field_index(name)
        self.schema = schema
        if self._wanted:
            there = self._place >= 0
            self.schema = schema.set(self._place, field) if there else schema.append(field)
        self.unchanged = frozenset(schema.names) - ({name} if self._wanted else set())

    def needed(self, outputs: frozenset[str]) -> frozenset[str]:
        if self._name not in outputs or not self._wanted:
            return outputs
        return (outputs - {self._name}) | self._expression.columns

    def narrowed(self, schema: pa.Schema) -> BoundWithColumn:
        return BoundWithColumn(schema, self._name, self._expression)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if not self._wanted:
            return batch
        arrays = batch.columns
        place = self._place if self._place >= 0 else len(arrays)
        arrays[place : place + 1] = [self._expression.evaluate(batch)]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


class FunctionOfBatch:
    """A function from batch to array as an expression over all columns.

    Raises:
        SchemaMismatch: it fails on an empty batch, or gives something else.
    """

    def __init__(self, function: Callable[[pa.RecordBatch], pa.Array], schema: pa.Schema) -> None:
        self._function = function
        self._name = getattr(function, "__name__", repr(function))
        self.columns = frozenset(schema.names)
        empty = pa.RecordBatch.from_arrays([pa.nulls(0, f.type) for f in schema], schema=schema)
        try:
            result = function(empty)
        except Exception as error:
            what = f"with_column function '{self._name}' fails on an empty batch: {error}"
            raise SchemaMismatch(what) from error
        self.type = self._checked(result, 0).type

    def evaluate(self, batch: pa.RecordBatch) -> pa.Array:
        array = self._checked(self._function(batch), batch.num_rows)
        if not array.type.equals(self.type):
            raise SchemaMismatch(
                f"with_column function '{self._name}' gave {array.type}"
                f" where it gave {self.type} for an empty batch"
            )
        return array

    def _checked(self, result: object, rows: int) -> pa.Array:
        if isinstance(result, pa.ChunkedArray):
            result = result.combine_chunks()
        if not isinstance(result, pa.Array) or len(result) != rows:
            raise SchemaMismatch(
                f"with_column function '{self._name}' must give a pyarrow.Array"
                " with a value for each row"
            )
        return result


def _is_expression(value: object) -> bool:
    return type(value).__name__ == "Expression"
