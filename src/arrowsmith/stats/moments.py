"""Mean and standard deviation, and bounds.

Chunks are added up by the pairwise update of Chan, Golub and LeVeque ("Updating Formulae and a
Pairwise Algorithm for Computing Sample Variances", 1979), which does not cancel as sums of squares
do.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from arrowsmith.kernels.arrays import arrow_view

_SAFE = 2**63


class Part(NamedTuple):
    """Number, mean and sum of squared distances from the mean."""

    number: int
    mean: float
    squares: float


class Moments:
    """Mean and standard deviation of numbers.

    Example:
        >>> moments = Moments()
        >>> for part in ([1.0, 2.0], [3.0]):
        ...     moments.merge(moments.partial(np.array(part), (1.0, 3.0)))
        >>> moments.mean, moments.std
        (2.0, 1.0)
    """

    def __init__(self) -> None:
        self._count = 0
        self._mean = 0.0
        self._squares = 0.0

    @staticmethod
    def partial(values: NDArray[Any], extremes: tuple[Any, Any], *, squares: bool = True) -> Part:
        """What numbers, of which there is one at least, tell.

        Args:
            values: without NaN.
            extremes: the smallest and the largest where they are integers.
            squares: whether the deviation is asked for.
        """
        if values.dtype == np.float16:
            values = values.astype(np.float64)
        array = arrow_view(values)
        variance = pc.variance(array).as_py() if squares else 0.0
        return Part(len(values), _mean(values, array, extremes), variance * len(values))

    def merge(self, part: Part) -> None:
        if not part.number:
            return
        total = self._count + part.number
        apart = part.mean - self._mean
        if self._count:
            self._squares += part.squares + apart * apart * self._count * part.number / total
            self._mean += apart * part.number / total
        else:
            self._mean, self._squares = part.mean, part.squares
        self._count = total

    @property
    def mean(self) -> float | None:
        return self._mean if self._count else None

    @property
    def std(self) -> float | None:
        """Of a sample (divided by n - 1), as pandas and Polars give it."""
        if self._count < 2:
            return None
        return math.sqrt(self._squares / (self._count - 1))


def _mean(values: NDArray[Any], array: pa.Array, extremes: tuple[Any, Any]) -> float:
    low, high = extremes
    if values.dtype.kind != "f" and max(-low, high) < _SAFE // len(values):  # no overflow
        return float(pc.sum(array).as_py() / len(values))
    with np.errstate(invalid="ignore", over="ignore"):  # infinities among them
        return float(values.mean(dtype=np.float64))


class Extremes:
    """The smallest and the largest value, as Arrow scalars."""

    def __init__(self) -> None:
        self.low: pa.Scalar | None = None
        self.high: pa.Scalar | None = None

    @staticmethod
    def partial(values: pa.Array) -> tuple[pa.Scalar, pa.Scalar] | None:
        """Of an array without nulls; NaN is larger than nothing and smaller than nothing."""
        if not len(values):
            return None
        found = pc.min_max(values)
        return found["min"], found["max"]

    def merge(self, part: tuple[pa.Scalar, pa.Scalar] | None) -> None:
        if part is None:
            return
        low, high = part
        if self.low is None or _less(low, self.low):
            self.low = low
        if self.high is None or _less(self.high, high):
            self.high = high


def _less(left: pa.Scalar, right: pa.Scalar) -> bool:
    return bool(pc.less(left, right).as_py())
