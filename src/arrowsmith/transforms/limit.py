"""``limit``: keep the first rows."""

from __future__ import annotations

from typing import Literal

import pyarrow as pa

from arrowsmith.plugin import RunContext
from arrowsmith.transforms.options import LimitOptions


class Limit:
    """Lets the first rows pass; nothing behind them is read."""

    def __init__(self, options: LimitOptions, ctx: RunContext) -> None:
        self._rows = options.rows

    def bind(self, schema: pa.Schema) -> BoundLimit:
        return BoundLimit(schema, self._rows)


class BoundLimit:
    """The step for one run: it counts."""

    kind: Literal["ordered"] = "ordered"

    def __init__(self, schema: pa.Schema, rows: int) -> None:
        self.schema = schema
        self.rows_left = rows

    def needed(self, outputs: frozenset[str]) -> frozenset[str]:
        return outputs

    def narrowed(self, schema: pa.Schema) -> BoundLimit:
        return BoundLimit(schema, self.rows_left)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        batch = batch.slice(0, self.rows_left)
        self.rows_left -= batch.num_rows
        return batch
