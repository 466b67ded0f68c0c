"""``filter``: keep the rows that meet a condition."""

from __future__ import annotations

from typing import Literal

import pyarrow as pa

from arrowsmith.kernels.rows import filtered
from arrowsmith.plugin import Predicate, RunContext
from arrowsmith.transforms.options import FilterOptions


class Filter:
    """Keeps the rows for which the condition is true, and not those for which it is null."""

    def __init__(self, options: FilterOptions, ctx: RunContext) -> None:
        self._condition = options.condition
        self._ctx = ctx

    def bind(self, schema: pa.Schema) -> BoundFilter:
        return BoundFilter(schema, self._ctx.predicate(self._condition, schema))


class BoundFilter:
    """The step for one schema."""

    kind: Literal["stateless"] = "stateless"

    def __init__(self, schema: pa.Schema, predicate: Predicate) -> None:
        self.schema = schema
        self.predicate = predicate

    def needed(self, outputs: frozenset[str]) -> frozenset[str]:
        return outputs | self.predicate.columns

    def narrowed(self, schema: pa.Schema) -> BoundFilter:
        return BoundFilter(schema, self.predicate)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        mask = self.predicate.mask(batch)
        if mask.null_count == 0 and mask.true_count == batch.num_rows:
            return batch
        return filtered(batch, mask)
