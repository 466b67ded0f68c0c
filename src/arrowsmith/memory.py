"""Memory: how much there is, how much the process holds, and the budget of a run.

Anonymous memory is what counts: pages of mapped files can be dropped by the kernel, so that they
cost nothing when memory gets short. Arrow's own counters leave out parsers, compressors and what
the allocator keeps, and understate it several-fold.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from arrowsmith.errors import BudgetExceeded, OptionError
from arrowsmith.plugin.options import parse_size

DEFAULT_SHARE = 0.25
_LEAST = 16  # MB to advise: the next piece would not fit into much less either
_NO_LIMIT = 1 << 60  # cgroup v1 reports a huge number where there is none


class MemoryBudget:
    """How many bytes of anonymous memory a run may add to what the process holds when it starts.

    Args:
        limit: bytes, a size such as ``"512MB"``, or None for a quarter of what the machine, or the
            cgroup if that has less, gives.

    Raises:
        OptionError: the size does not parse or is not positive.

    Example:
        >>> MemoryBudget("64MB").limit
        67108864
    """

    __slots__ = ("limit",)

    def __init__(self, limit: int | str | None = None) -> None:
        self.limit = int(machine_memory() * DEFAULT_SHARE) if limit is None else parse_size(limit)
        if self.limit < 1:
            raise OptionError("a memory budget must be at least one byte", hint="such as 512MB")

    def __repr__(self) -> str:
        return f"MemoryBudget({self.limit})"


def machine_memory() -> int:
    """Bytes of memory that this process may use: the machine's, or its cgroup's limit if lower."""
    return min([_physical_memory(), *_cgroup_limits()])


def _physical_memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        import psutil

        return int(psutil.virtual_memory().total)


def _cgroup_limits(root: Path = Path("/sys/fs/cgroup")) -> list[int]:
    """The memory limits of this process's cgroups, v2 and v1, from its own up to the root."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    limits = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, name = root, "memory.max"
        elif "memory" in controllers.split(","):
            base, name = root / "memory", "memory.limit_in_bytes"
        else:
            continue
        folder = base / path.lstrip("/")
        for level in [folder, *folder.parents]:
            limits += _read_limit(level / name)
            if level == base:
                break
    return limits


def _read_limit(path: Path) -> list[int]:
    try:
        text = path.read_text().strip()
    except OSError:
        return []
    return [int(text)] if text.isdigit() and 0 < int(text) < _NO_LIMIT else []


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


def budget_exceeded(what: str, needed: int, limit: int, path: str | None = None) -> BudgetExceeded:
    """The error for one piece that does not fit into the budget, naming a budget that would do."""
    enough = f"{max((needed >> 20) + 1, _LEAST)}MB"
    return BudgetExceeded(
        f"{what} needs about {_in_words(needed)}, more than the memory budget of"
        f" {_in_words(limit)}",
        needed=needed,
        path=path,
        hint=f"give it more: --memory {enough} or budget=MemoryBudget('{enough}')",
    )


def _in_words(nbytes: int) -> str:
    if nbytes >= 10 << 20:
        return f"{nbytes >> 20} MB"
    if nbytes >= 1 << 20:
        return f"{nbytes / (1 << 20):.1f} MB"
    return f"{nbytes / 1024:.0f} KB" if nbytes >= 1024 else f"{nbytes} B"
