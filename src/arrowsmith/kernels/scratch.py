"""Arrays for intermediate results, used again instead of asked for anew: the C library gets long
ones from the kernel page by page, which takes longer than what is computed in them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Scratch:
    """Arrays by name. For one thread; what it gave is overwritten when the name is used again.

    Example:
        >>> scratch = Scratch()
        >>> first = scratch.array("sums", 3, np.int64)
        >>> np.shares_memory(first, scratch.array("sums", 2, np.int64))
        True
    """

    def __init__(self) -> None:
        self._kept: dict[str, NDArray[np.uint8]] = {}

    def array(self, name: str, size: int, dtype: DTypeLike) -> NDArray[Any]:
        """An array of any content, shape ``(size,)``."""
        kind = np.dtype(dtype)
        nbytes = size * kind.itemsize
        kept = self._kept.get(name)
        if kept is None or len(kept) < nbytes:
            kept = self._kept[name] = np.empty(nbytes, np.uint8)
        return kept[:nbytes].view(kind)
