"""``sample_rows``: keep so many rows at random."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from arrowsmith.errors import SchemaMismatch
from arrowsmith.plugin import RunContext
from arrowsmith.transforms.draws import draws
from arrowsmith.transforms.options import SampleRowsOptions
from arrowsmith.transforms.sample import BoundSample


class SampleRows:
    """Keeps the rows with the lowest draws. One pass counts the rows, a second gives them."""

    def __init__(self, options: SampleRowsOptions, ctx: RunContext) -> None:
        self._options = options

    def fitter(self, schema: pa.Schema) -> LowestDraws:
        return LowestDraws(self._options.rows, self._options.seed)

    def bind(self, schema: pa.Schema, state: Mapping[str, Any]) -> BoundSample:
        most = state.get("most")
        if type(most) is not int or not -1 <= most < 2**64:
            raise SchemaMismatch(f"what sample_rows has learned is not usable: most is {most!r}")
        return BoundSample(schema, self._options.seed, most)


class LowestDraws:
    """Finds the greatest draw that is among the lowest ``rows``."""

    columns: frozenset[str] = frozenset()

    def __init__(self, rows: int, seed: int) -> None:
        self._rows = rows
        self._seed = seed
        self._seen = 0
        self._lowest = np.empty(0, np.uint64)

    def partial(self, rows: pa.RecordBatch) -> int:
        return rows.num_rows

    def merge(self, partial: int) -> None:
        found = draws(self._seed, self._seen, partial)
        self._seen += partial
        if len(self._lowest) == self._rows:  # no array of all but a few draws is joined in vain
            found = found[found < self._lowest.max()] if self._rows else found[:0]
        joined = np.concatenate([self._lowest, found])
        if len(joined) > self._rows:
            joined = np.partition(joined, self._rows - 1)[: self._rows]
        self._lowest = joined

    def state(self) -> Mapping[str, Any]:
        most = int(self._lowest.max()) if len(self._lowest) else -1
        return {"rows": self._seen, "most": most}
