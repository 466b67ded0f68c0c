"""What this process holds, measured, and how to have the allocators give back."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path


def anonymous_memory() -> int:
    """Bytes of anonymous memory that this process holds, measured exactly (about a millisecond)."""
    try:
        rollup = Path("/proc/self/smaps_rollup").read_bytes()
    except OSError:
        return _unique_memory()
    found = re.search(rb"^Anonymous:\s+(\d+) kB", rollup, re.MULTILINE)
    return int(found[1]) << 10 if found else _unique_memory()


def _unique_memory() -> int:
    import psutil

    return int(psutil.Process().memory_full_info().uss)


class MemoryGauge:
    """Anonymous memory since the gauge was made, sampled often and cheaply.

    ``sample()`` reads the kernel's running counter (tens of microseconds; exact to a few hundred
    kilobytes) and at most once every ``interval`` seconds, so that hot paths may call it freely.
    """

    def __init__(self, interval: float = 0.005) -> None:
        self._interval = interval
        self._lock = threading.Lock()
        self._read = _quick_reader()
        self.baseline = self._read()
        self.growth = 0
        self.peak = 0
        self._next = 0.0

    def sample(self) -> int:
        """The growth in bytes since the start, as of the last sample."""
        now = time.monotonic()
        if now >= self._next and self._lock.acquire(blocking=False):
            try:
                self._next = now + self._interval
                self.growth = self._read() - self.baseline
                self.peak = max(self.peak, self.growth)
            finally:
                self._lock.release()
        return self.growth


def _quick_reader() -> Callable[[], int]:
    status = Path("/proc/self/status")
    pattern = re.compile(rb"RssAnon:\s+(\d+) kB")

    def read() -> int:
        found = pattern.search(status.read_bytes())
        return int(found[1]) << 10 if found else anonymous_memory()

    try:
        read()
    except OSError:
        return anonymous_memory
    return read


def release_unused() -> None:
    """Ask the allocators, Arrow's and the C library's, to give back what they hold without use."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@lru_cache(maxsize=1)
def _malloc_trim() -> Callable[[int], int] | None:
    """glibc's ``malloc_trim``; other C libraries have none."""
    import ctypes

    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
