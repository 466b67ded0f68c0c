"""Quantiles and a histogram, from a sample of each chunk.

Of each sixteen neighbours in a large chunk one is taken, and of those in order every fourth is kept
and stands for 64 values. When more are kept than there is room for, every second of all of them in
order is dropped and the others weigh double, as in the sketches of Manku, Rajagopalan and Lindsay
("Approximate Medians and other Quantiles in One Pass and with Limited Memory", 1998).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from arrowsmith.stats import sampling

Values = NDArray[Any]

_NTH = 4


class Part(NamedTuple):
    """Sorted values, each of which stands for ``weight`` values."""

    values: Values
    weight: int


class Quantiles:
    """Keeps about ``size`` values of all.

    Args:
        size: how many are kept, eight bytes each and eight for their weights.

    Example:
        >>> quantiles = Quantiles(size=1000)
        >>> quantiles.merge(quantiles.partial(np.arange(101.0), 101))
        >>> quantiles.at([0.5, 0.99]), quantiles.exact
        ([50.0, 99.0], True)
    """

    def __init__(self, size: int) -> None:
        self._size = max(size, 2)
        self._parts: list[Part] = []
        self._held = 0
        self._weights: NDArray[np.int64] | None = None
        self._odd = 0
        self._values: Values | None = None

    @property
    def exact(self) -> bool:
        """Every value is kept."""
        _, weights = self._gathered()
        return bool((weights == 1).all())

    @staticmethod
    def partial(sample: Values, of: int) -> Part:
        """What is kept of a chunk.

        Args:
            sample: of its values, sorted, without NaN; all of them where they are few.
            of: how many values there are.
        """
        if len(sample) == of:
            return Part(sample, 1)
        return Part(sample[_NTH // 2 :: _NTH].copy(), sampling.STEP * _NTH)

    def merge(self, part: Part) -> None:
        self._parts.append(part)
        self._held += len(part.values)
        if self._held > 2 * self._size:
            self._compact()

    def _gathered(self) -> tuple[Values, NDArray[np.int64]]:
        """All that is kept in one sorted array, and what each stands for."""
        if self._parts:
            arrays = [part.values for part in self._parts]
            weights = [np.full(len(p.values), p.weight, np.int64) for p in self._parts]
            if self._values is not None and self._weights is not None:
                arrays.insert(0, self._values)
                weights.insert(0, self._weights)
            values, weight = np.concatenate(arrays), np.concatenate(weights)
            order = np.argsort(values, kind="stable")
            self._values, self._weights = values[order], weight[order]
            self._parts = []
        if self._values is None or self._weights is None:
            return np.empty(0), np.empty(0, np.int64)
        return self._values, self._weights

    def _compact(self) -> None:
        """Halve what is kept: of each two neighbours one goes and leaves the other its weight."""
        values, weights = self._gathered()
        while len(values) > self._size:
            even = len(values) // 2 * 2
            pairs = weights[:even].reshape(-1, 2).sum(axis=1)
            kept = values[self._odd : even : 2]
            self._odd = 1 - self._odd
            values = np.concatenate([kept, values[even:]])
            weights = np.concatenate([pairs, weights[even:]])
        self._values, self._weights, self._held = values, weights, len(values)

    def at(self, shares: Sequence[float]) -> list[Any]:
        """The values at these shares (0 to 1) of all: interpolated between neighbours where all
        are kept, as NumPy does, else the nearest that is."""
        values, weights = self._gathered()
        if not len(values):
            return [None for _ in shares]
        if self.exact and values.dtype.kind == "f":
            with np.errstate(invalid="ignore"):
                between = np.quantile(values, shares)
            places = np.asarray(shares) * (len(values) - 1)
            low, high = values[np.floor(places).astype(int)], values[np.ceil(places).astype(int)]
            # beside an infinity there is nothing to interpolate
            finite = np.isfinite(low) & np.isfinite(high) & np.isfinite(between)
            return [float(value) for value in np.where(finite, between, low)]
        ranks = np.cumsum(weights)
        places = np.searchsorted(ranks, np.asarray(shares) * ranks[-1], side="left")
        return values[places.clip(0, len(values) - 1)].tolist()

    def histogram(self, bins: int) -> tuple[list[float], list[int]]:
        """``bins + 1`` edges and about how many values lie between them, infinities left out.

        Fewer where floats are not as close; two edges that are the same for a single value.
        """
        values, weights = self._gathered()
        numbers = values.astype(np.float64)
        finite = np.isfinite(numbers)
        numbers, weights = numbers[finite], weights[finite]
        if not len(numbers):
            return [], []
        low, high = float(numbers[0]), float(numbers[-1])
        if not np.isfinite(high - low):
            return [], []
        if low == high:
            return [low, high], [int(weights.sum())]
        edges = np.unique(np.linspace(low, high, bins + 1))
        counts, _ = np.histogram(numbers, edges, weights=weights)
        return edges.tolist(), [round(count) for count in counts.tolist()]
