from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.errors import SchemaMismatch

OUTPUT = pa.schema([("n", pa.int64())])


class Double:
    """The one that is right: doubles the column n, the only one there may be."""

    kind = "stateless"
    schema = OUTPUT

    def __init__(self, options: Any, ctx: Any) -> None:
        pass

    def bind(self, schema: pa.Schema) -> Any:
        if not schema.equals(OUTPUT):
            raise SchemaMismatch("double takes a column n of int64")
        return self

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return pa.RecordBatch.from_arrays([pc.multiply(batch.column(0), 2)], schema=OUTPUT)


class OtherOutput(Double):
    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return super().__call__(batch).rename_columns(["doubled"])


class CountsPerBatch(Double):
    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return pa.RecordBatch.from_arrays(
            [pa.array(range(batch.num_rows), pa.int64())], schema=OUTPUT
        )


class FailsOnNoRows(Double):
    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return super().__call__(batch) if batch.column(0)[0].is_valid else batch


class TakesAnything(Double):
    def bind(self, schema: pa.Schema) -> Any:
        return self


class Ordered(Double):
    kind = "ordered"
