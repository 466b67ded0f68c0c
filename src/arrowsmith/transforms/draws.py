"""Random numbers by the number of a row: the same for any batches and threads.

SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014),
used as a counter-based generator: its n-th number is a bijection of n, so that no two rows of a
stream draw the same one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def draws(seed: int, start: int, count: int) -> NDArray[np.uint64]:
    """The numbers of ``count`` rows from row ``start``, uint64, shape ``(count,)``.

    Example:
        >>> bool((draws(7, 0, 9)[4:] == draws(7, 4, 5)).all())
        True
    """
    begin = _mixed(np.array([seed], np.uint64))
    counters = np.arange(start, start + count, dtype=np.uint64)
    with np.errstate(over="ignore"):
        return _mixed(begin + (counters + np.uint64(1)) * _GAMMA)


def _mixed(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        state = (state ^ (state >> np.uint64(30))) * _FIRST
        state = (state ^ (state >> np.uint64(27))) * _SECOND
    return state ^ (state >> np.uint64(31))
