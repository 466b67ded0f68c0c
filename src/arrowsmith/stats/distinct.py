"""The number of distinct values, from the smallest of their hashes.

A bottom-k sketch (Bar-Yossef et al., "Counting Distinct Elements in a Data Stream", 2002; Beyer et
al., "On Synopses for Distinct-Value Estimation Under Multiset Operations", 2007): exact up to
``size`` values, beyond with a standard error of ``1 / sqrt(size - 2)``, 0.8 % for 16,384.

Once it is full, nearly all values are passed over, so that it counts how fast that is found out:
the upper halves of their hashes, mixed once more, are compared with that of the largest one kept.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arrowsmith.kernels.hashing import Hashes
from arrowsmith.kernels.scratch import Scratch

_SPACE = 2.0**64
_NONE: Hashes = np.empty(0, np.uint64)
_UPPER = 1 if sys.byteorder == "little" else 0
_HALF = np.uint64(32)
_LOWER = np.uint64(2**32 - 1)
_FACTOR = np.uint32(0x85EBCA6B)  # those of MurmurHash3, for 32 bits and for 64
_WIDE_FACTOR = np.uint64(0xFF51AFD7ED558CCD)


class Distinct:
    """Counts distinct values by their 64-bit hashes.

    What workers leave out by an older threshold than the last could not have stayed in, so that
    the count does not depend on who was first.

    Args:
        size: how many hashes are kept, eight bytes each.

    Example:
        >>> distinct = Distinct(100)
        >>> distinct.merge(distinct.partial(np.array([7, 9, 7], np.uint64), Scratch()))
        >>> distinct.count, distinct.exact
        (2, True)
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._parts: list[Hashes] = []
        self._held = 0
        self._threshold = np.uint64(2**64 - 1)

    def partial(self, hashes: Hashes, scratch: Scratch) -> Hashes:
        """The smallest of the hashes, sorted.

        Args:
            hashes: of which the upper halves are mixed somewhat at least.
            scratch: not where the hashes stand under one of the names used here.
        """
        upper = scratch.array("upper", len(hashes), np.uint32)
        np.multiply(hashes.view(np.uint32)[_UPPER::2], _FACTOR, out=upper)
        small = scratch.array("small", len(hashes), np.bool_)
        np.less_equal(upper, np.uint32(self._threshold >> _HALF), out=small)
        places = np.flatnonzero(small)
        chosen = (upper[places].astype(np.uint64) << _HALF) | (hashes[places] & _LOWER)
        return _sorted_unique(chosen)[: self._size]

    def merge(self, hashes: Hashes) -> None:
        self._parts.append(hashes)
        self._held += len(hashes)
        if self._held > 2 * self._size:
            self._gather()

    def _gather(self) -> Hashes:
        """The smallest hashes so far."""
        kept = _sorted_unique(np.concatenate([_NONE, *self._parts]))[: self._size]
        self._parts, self._held = [kept], len(kept)
        if len(kept) == self._size:
            self._threshold = kept[-1]
        return kept

    @property
    def exact(self) -> bool:
        return len(self._gather()) < self._size

    @property
    def count(self) -> int:
        kept = self._gather()
        if len(kept) < self._size:
            return len(kept)
        return round((self._size - 1) * (_SPACE / (float(kept[-1]) + 1.0)))


def hash_numbers(numbers: NDArray[Any], scratch: Scratch) -> Hashes:
    """Hashes for ``Distinct`` of integers, or of floats without NaN; no two numbers share one."""
    hashes: Hashes = scratch.array("mixed", len(numbers), np.uint64)
    if numbers.dtype.kind == "f":
        # zero has no sign, and round numbers differ in the upper bits alone
        floats = hashes.view(np.float64)
        np.add(numbers, 0.0, out=floats, dtype=np.float64)
        shifted = scratch.array("shifted", len(numbers), np.uint64)
        np.right_shift(hashes, _HALF, out=shifted)
        hashes ^= shifted
        hashes *= _WIDE_FACTOR
    else:
        whole = numbers.view(f"u{numbers.dtype.itemsize}")
        np.multiply(whole, _WIDE_FACTOR, out=hashes, dtype=np.uint64)
    return hashes


def _sorted_unique(hashes: Hashes) -> Hashes:
    """As ``np.unique``, which puts them into a hash table first: several times slower here."""
    hashes.sort()
    if len(hashes) < 2:
        return hashes
    return np.concatenate([hashes[:1], hashes[1:][hashes[1:] != hashes[:-1]]])
