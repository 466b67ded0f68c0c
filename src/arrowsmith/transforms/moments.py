"""Count, mean, variance and range of columns, in one pass.

Chunks are summed in two passes each and joined by the formula of Chan, Golub and LeVeque, "Updating
Formulae and a Pairwise Algorithm for Computing Sample Variances" (1979). The chunks depend on the
data alone and are joined in order, so that the state is the same to the last bit for any threads
and batches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from arrowsmith.errors import DataError, SchemaMismatch
from arrowsmith.kernels.arrays import numpy_view
from arrowsmith.plugin import check_columns


@dataclass(frozen=True, slots=True)
class Moments:
    """Of the values of a column that are neither null nor NaN.

    Attributes:
        count: how many there are.
        mean: 0 where there are none.
        squares: sum of the squared distances from the mean.
        min, max: 0 where there are none.
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    min: float = 0.0
    max: float = 0.0

    @property
    def variance(self) -> float:
        """Of the population: divided by the count."""
        return self.squares / self.count if self.count else 0.0

    def joined(self, other: Moments) -> Moments:
        """The moments of both sets of values.

        Example:
            >>> both = Moments(1, 2.0, 0.0, 2.0, 2.0).joined(Moments(1, 4.0, 0.0, 4.0, 4.0))
            >>> (both.mean, both.variance)
            (3.0, 1.0)
        """
        if not self.count or not other.count:
            return self if self.count else other
        count = self.count + other.count
        delta = other.mean - self.mean
        return Moments(
            count,
            self.mean + delta * (other.count / count),
            self.squares + other.squares + delta * delta * (self.count * (other.count / count)),
            min(self.min, other.min),
            max(self.max, other.max),
        )


def check_numbers(schema: pa.Schema, names: Sequence[str]) -> None:
    """Raise ``SchemaMismatch`` unless the columns hold numbers."""
    check_columns(schema, names, fits=_is_number, wanted="numbers", hint="cast it first")


def _is_number(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def to_floats(array: pa.Array) -> pa.DoubleArray:
    """As float64, integers beyond its precision rounded."""
    if pa.types.is_float16(array.type):
        array = array.cast(pa.float32())
    return array.cast(pa.float64(), safe=False)


class MomentsFitter:
    """Learns the moments of columns of numbers."""

    def __init__(self, names: Sequence[str]) -> None:
        self.columns = frozenset(names)
        self._found = dict.fromkeys(names, Moments())

    def partial(self, rows: pa.RecordBatch) -> dict[str, Moments]:
        return {name: _moments(rows.column(name), name) for name in self._found}

    def merge(self, partial: dict[str, Moments]) -> None:
        for name, moments in partial.items():
            self._found[name] = self._found[name].joined(moments)

    def state(self) -> Mapping[str, Any]:
        for name, found in self._found.items():
            if not (math.isfinite(found.mean) and math.isfinite(found.squares)):
                raise DataError(
                    f"column '{name}' has values too large to be scaled",
                    hint="divide them, or filter such rows out before",
                )
        return {
            "columns": {
                name: {
                    "count": found.count,
                    "mean": found.mean,
                    "squares": found.squares,
                    "min": found.min,
                    "max": found.max,
                }
                for name, found in self._found.items()
            }
        }


def _moments(array: pa.Array, name: str) -> Moments:
    values: NDArray[np.float64] = numpy_view(to_floats(array.drop_null()))
    if pa.types.is_floating(array.type):
        values = values[~np.isnan(values)]
    if not len(values):
        return Moments()
    low, high = float(values.min()), float(values.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise DataError(
            f"column '{name}' has an infinite value, which cannot be scaled",
            hint="filter such rows out before",
        )
    with np.errstate(over="ignore", invalid="ignore"):
        mean = float(np.add.reduce(values) / len(values))
        distance = values - mean
        squares = float(np.add.reduce(distance * distance))
    return Moments(len(values), mean, squares, low, high)


def learned_moments(state: Mapping[str, Any], name: str) -> Moments:
    """What was learned of a column, from a state that may come from a file.

    Raises:
        SchemaMismatch: it is not what ``MomentsFitter`` gives.
    """
    wrong = SchemaMismatch(f"what was learned of column '{name}' is not usable")
    try:
        column = state["columns"][name]
        count = column["count"]
        figures = [column[key] for key in ("mean", "squares", "min", "max")]
    except (KeyError, TypeError):
        raise wrong from None
    if type(count) is not int or count < 0 or count >= 1 << 63:
        raise wrong
    if any(type(figure) not in (int, float) for figure in figures):
        raise wrong
    try:
        mean, squares, low, high = map(float, figures)
    except OverflowError:
        raise wrong from None
    if not all(map(math.isfinite, (mean, squares, low, high))) or squares < 0 or low > high:
        raise wrong
    return Moments(count, mean, squares, low, high)
