"""``sample``: keep a random share of the rows."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa

from arrowsmith.kernels.arrays import int64_array
from arrowsmith.kernels.rows import taken
from arrowsmith.plugin import RunContext
from arrowsmith.transforms.draws import draws
from arrowsmith.transforms.options import SampleOptions


class Sample:
    """Draws for each row, by its number and the seed, whether it is kept."""

    def __init__(self, options: SampleOptions, ctx: RunContext) -> None:
        self._seed = options.seed
        # the greatest draw that is kept; -1 for none
        self._most = min(int(options.fraction * 2.0**64), 2**64) - 1

    def bind(self, schema: pa.Schema) -> BoundSample:
        return BoundSample(schema, self._seed, self._most)


class BoundSample:
    """The step for one run: it counts rows, and keeps those that draw ``most`` or less."""

    kind: Literal["ordered"] = "ordered"

    def __init__(self, schema: pa.Schema, seed: int, most: int) -> None:
        self.schema = schema
        self._seed = seed
        self._most = most
        self._seen = 0

    def needed(self, outputs: frozenset[str]) -> frozenset[str]:
        return outputs

    def narrowed(self, schema: pa.Schema) -> BoundSample:
        return BoundSample(schema, self._seed, self._most)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        start, self._seen = self._seen, self._seen + batch.num_rows
        if self._most < 0:
            return batch.slice(0, 0)
        kept = draws(self._seed, start, batch.num_rows) <= np.uint64(self._most)
        return batch if kept.all() else taken(batch, int64_array(np.flatnonzero(kept)))
