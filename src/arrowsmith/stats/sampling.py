"""One of each sixteen neighbours, at a place drawn in advance."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

STEP = 16
"""A value of a sample stands for so many."""
WHOLE = 60_000
"""Chunks of fewer values are taken whole."""
_SEED = 7
_DRAWN = 8192  # groups of neighbours for which places are drawn; then they come again


def places(values: int) -> NDArray[np.int64]:
    """Which of ``values`` values are in the sample, in ascending order.

    Not always the same one of its neighbours, or periods in the data would mislead.
    """
    groups = values // STEP
    return _places(max(1, -(-groups // _DRAWN)))[:groups]


@lru_cache(maxsize=4)
def _places(times: int) -> NDArray[np.int64]:
    within = np.random.default_rng(_SEED).integers(0, STEP, _DRAWN)
    return np.arange(times * _DRAWN) * STEP + np.tile(within, times)
