"""``lag`` and ``difference``: values of earlier rows of the series, and what was added since."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from arrowsmith.errors import DataError
from arrowsmith.kernels.arrays import int64_array
from arrowsmith.plugin import BoundTransform, RunContext
from arrowsmith.transforms.series.adding import AddingStep
from arrowsmith.transforms.series.options import LagOptions

Ints = NDArray[np.int64]


class Lag:
    """Adds ``VALUE_lag1`` ...: the value so many rows earlier in the series, null before it."""

    def __init__(self, options: LagOptions, ctx: RunContext) -> None:
        self._options = options

    def bind(self, schema: pa.Schema) -> BoundTransform:
        return BoundLag.bound(schema, self._options, max(self._options.lags))


class Difference:
    """Adds ``VALUE_diff1`` ...: the value less that of so many rows earlier in the series."""

    def __init__(self, options: LagOptions, ctx: RunContext) -> None:
        self._options = options

    def bind(self, schema: pa.Schema) -> BoundTransform:
        return BoundDifference.bound(schema, self._options, max(self._options.lags))


class BoundLag(AddingStep):
    """The step for one run."""

    _options: LagOptions

    def fields(self, field: pa.Field) -> list[pa.Field]:
        return [pa.field(f"{field.name}_lag{lag}", field.type) for lag in self._options.lags]

    def compute(self, whole: pa.Array, at: Ints, places: Ints) -> list[pa.Array]:
        return [_earlier(whole, at, places, lag) for lag in self._options.lags]


class BoundDifference(AddingStep):
    """The step for one run."""

    _options: LagOptions

    def fields(self, field: pa.Field) -> list[pa.Field]:
        kind = pa.int64() if pa.types.is_integer(field.type) else pa.float64()
        return [pa.field(f"{field.name}_diff{lag}", kind) for lag in self._options.lags]

    def compute(self, whole: pa.Array, at: Ints, places: Ints) -> list[pa.Array]:
        if pa.types.is_float16(whole.type):
            whole = whole.cast(pa.float32())
        kind = pa.int64() if pa.types.is_integer(whole.type) else pa.float64()
        try:
            whole = whole.cast(kind)
            now = whole.slice(len(whole) - len(at))
            return [
                pc.subtract_checked(now, _earlier(whole, at, places, lag))
                for lag in self._options.lags
            ]
        except pa.ArrowInvalid as error:
            raise DataError(f"a difference does not fit int64: {error}") from None


def _earlier(whole: pa.Array, at: Ints, places: Ints, lag: int) -> pa.Array:
    """The values so many rows earlier, null where the series had not begun."""
    there = places >= lag
    indices = int64_array(np.where(there, at - lag, 0))
    bits = pa.py_buffer(np.packbits(there, bitorder="little"))
    masked = pa.Array.from_buffers(pa.int64(), len(at), [bits, indices.buffers()[1]])
    return whole.take(masked)
