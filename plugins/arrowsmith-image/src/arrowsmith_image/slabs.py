"""Memory for tensors that is used again when a batch is done with.

A batch of tensors is megabytes, which an allocator takes from the kernel and gives back each time:
the kernel then clears every page anew, which costs as much as a tenth of the decoding.
"""

from __future__ import annotations

import threading
import weakref

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_IDLE = 2  # slabs that are kept while nobody uses them
_MOST = 4 << 20  # bytes of one: larger ones take so long to fill that clearing is no matter


class Slabs:
    """Gives memory as an Arrow buffer and as an array over it. Thread-safe.

    The memory comes back when the last Arrow array over it has gone, wherever that happens.

    Example:
        >>> slabs = Slabs()
        >>> buffer, pixels = slabs.take(6)
        >>> pixels[:] = 7
        >>> buffer.to_pybytes()
        b'\\x07\\x07\\x07\\x07\\x07\\x07'
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a collection may give back while this thread holds it
        self._idle: list[NDArray[np.uint8]] = []

    def take(self, nbytes: int) -> tuple[pa.Buffer, NDArray[np.uint8]]:
        """``nbytes`` of memory, whose content means nothing."""
        with self._lock:
            fits = [one for one in self._idle if nbytes <= len(one) <= 2 * nbytes]
            if fits:
                slab = min(fits, key=len)
                self._idle = [one for one in self._idle if one is not slab]
            else:
                slab = np.empty(nbytes, np.uint8)
        pixels = slab[:nbytes]
        view = _Lent(slab)
        if len(slab) <= _MOST:
            weakref.finalize(view, self._back, slab).atexit = False
        return pa.foreign_buffer(slab.ctypes.data, nbytes, base=view), pixels

    def _back(self, slab: NDArray[np.uint8]) -> None:
        with self._lock:
            self._idle = [*self._idle, slab][-_IDLE:]


class _Lent:
    """What an Arrow buffer holds as long as it lives."""

    __slots__ = ("__weakref__", "slab")

    def __init__(self, slab: NDArray[np.uint8]) -> None:
        self.slab = slab
