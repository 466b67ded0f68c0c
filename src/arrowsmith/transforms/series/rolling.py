"""``rolling``: what the last rows of a series come to, as pandas' ``rolling(rows)`` has it.

Sums are added up in the same order for every row, from the row itself back, so that they do not
depend on where batches begin.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from arrowsmith.kernels.arrays import numpy_view
from arrowsmith.plugin import BoundTransform, RunContext
from arrowsmith.transforms.moments import to_floats
from arrowsmith.transforms.series.adding import AddingStep
from arrowsmith.transforms.series.options import RollingOptions

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Rolling:
    """Adds ``VALUE_mean7`` ... over so many rows; nulls and NaN are left out."""

    def __init__(self, options: RollingOptions, ctx: RunContext) -> None:
        self._options = options

    def bind(self, schema: pa.Schema) -> BoundTransform:
        return BoundRolling.bound(schema, self._options, self._options.rows - 1)


class BoundRolling(AddingStep):
    """The step for one run."""

    _options: RollingOptions

    def fields(self, field: pa.Field) -> list[pa.Field]:
        rows = self._options.rows
        return [
            pa.field(f"{field.name}_{function}{rows}", pa.float64())
            for function in self._options.functions
        ]

    def compute(self, whole: pa.Array, at: Ints, places: Ints) -> list[pa.Array]:
        options = self._options
        values = floats_of(whole)
        least = options.min_rows or options.rows
        seen = np.zeros(len(at), np.int64)
        total = np.zeros(len(at))
        low, high = np.full(len(at), np.inf), np.full(len(at), -np.inf)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for back in range(options.rows):
                value, valid = _at(values, at, places, back)
                seen += valid
                total += np.where(valid, value, 0.0)
                np.minimum(low, value, out=low, where=valid)
                np.maximum(high, value, out=high, where=valid)
            mean = total / seen
            found = {"mean": mean, "sum": total, "min": low, "max": high}
            enough = seen >= least
            if "std" in options.functions:
                squares = np.zeros(len(at))
                for back in range(options.rows):
                    value, valid = _at(values, at, places, back)
                    squares += np.where(valid, (value - mean) ** 2, 0.0)
                found["std"] = np.sqrt(squares / (seen - 1))
        made = []
        for function in options.functions:
            kept = enough & (seen > 0) & ((seen > 1) | (function != "std"))
            made.append(masked_floats(found[function], kept))
        return made


def _at(values: Floats, at: Ints, places: Ints, back: int) -> tuple[Floats, NDArray[np.bool_]]:
    """The values so many rows back, and which of them there are."""
    value = values[np.maximum(at - back, 0)]
    return value, (places >= back) & ~np.isnan(value)


def floats_of(column: pa.Array) -> Floats:
    """As float64, NaN where null."""
    values = numpy_view(to_floats(column)).astype(np.float64)
    if column.null_count:
        values[numpy_view(column.is_null().cast(pa.uint8())) == 1] = np.nan
    return values


def masked_floats(values: Floats, valid: NDArray[np.bool_]) -> pa.DoubleArray:
    """An Arrow array, null where not ``valid``."""
    data = np.where(valid, values, 0.0)
    bits = pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(pa.float64(), len(data), [bits, pa.py_buffer(data)])
