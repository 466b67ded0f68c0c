"""``standard_scale`` and ``min_max_scale``, as scikit-learn's StandardScaler and MinMaxScaler.

Where all values are the same, they are only shifted. Nulls and NaN are left out of the fit and stay
what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.kernels.scalars import float_scalar
from arrowsmith.plugin import RunContext
from arrowsmith.transforms.columns import ReplaceColumns, Replacement
from arrowsmith.transforms.moments import (
    Moments,
    MomentsFitter,
    check_numbers,
    learned_moments,
    to_floats,
)
from arrowsmith.transforms.options import ColumnsOptions, MinMaxOptions

_EPSILON = float(np.finfo(np.float64).eps)

Scale = Callable[[pa.DoubleArray], pa.DoubleArray]


class StandardScale:
    """Subtracts the mean and divides by the standard deviation of the population."""

    def __init__(self, options: ColumnsOptions, ctx: RunContext) -> None:
        self._columns = options.columns

    def fitter(self, schema: pa.Schema) -> MomentsFitter:
        check_numbers(schema, self._columns)
        return MomentsFitter(self._columns)

    def bind(self, schema: pa.Schema, state: Mapping[str, Any]) -> ReplaceColumns:
        return _scaled(schema, self._columns, state, _standard)


class MinMaxScale:
    """Maps the least value to ``low`` and the greatest to ``high``."""

    def __init__(self, options: MinMaxOptions, ctx: RunContext) -> None:
        self._options = options

    def fitter(self, schema: pa.Schema) -> MomentsFitter:
        check_numbers(schema, self._options.columns)
        return MomentsFitter(self._options.columns)

    def bind(self, schema: pa.Schema, state: Mapping[str, Any]) -> ReplaceColumns:
        return _scaled(schema, self._options.columns, state, self._min_max)

    def _min_max(self, found: Moments) -> Scale:
        low, high = self._options.low, self._options.high
        width = found.max - found.min
        width = 1.0 if width < 10 * _EPSILON else width
        factor = (high - low) / width
        shift = float_scalar(low - found.min * factor)
        return lambda array: pc.add(pc.multiply(array, float_scalar(factor)), shift)


def _standard(found: Moments) -> Scale:
    # as scikit-learn has it: below the error of its own computation, a variance is none
    lost = found.count * found.mean * _EPSILON
    error = found.count * _EPSILON * found.variance + lost * lost
    deviation = 1.0 if found.variance <= error else found.variance**0.5
    mean, scale = float_scalar(found.mean), float_scalar(deviation)
    return lambda array: pc.divide(pc.subtract(array, mean), scale)


def _scaled(
    schema: pa.Schema,
    names: Sequence[str],
    state: Mapping[str, Any],
    scale_of: Callable[[Moments], Scale],
) -> ReplaceColumns:
    check_numbers(schema, names)
    replaced = {}
    for name in names:
        found = learned_moments(state, name)
        scale = scale_of(found) if found.count else _unknown
        replaced[name] = _replacement(schema.field(name), scale)
    return ReplaceColumns(schema, replaced)


def _unknown(array: pa.DoubleArray) -> pa.DoubleArray:
    """The values of a column that had none in the fit: nothing can be said of them."""
    return pa.nulls(len(array), pa.float64())


def _replacement(field: pa.Field, scale: Scale) -> Replacement:
    def make(array: pa.Array) -> Sequence[pa.Array]:
        return (scale(to_floats(array)),)

    return Replacement((pa.field(field.name, pa.float64(), metadata=field.metadata),), make)
