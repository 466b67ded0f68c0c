"""The step that applies a function; the other verbs are transforms of the core."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pyarrow as pa

from arrowsmith.errors import SchemaMismatch


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
