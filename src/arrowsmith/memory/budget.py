"""The budget of a run, and the error of what does not fit into it."""

from __future__ import annotations

import os

from arrowsmith.errors import BudgetExceeded, OptionError
from arrowsmith.memory.cgroups import memory_cgroups
from arrowsmith.plugin.options import parse_size

DEFAULT_SHARE = 0.25
_OVERHEAD = 4 << 20  # of a run: what is imported late, pages yet to be given back
_THREAD_OVERHEAD = 3 << 20  # of each thread: its stack, codecs and caches of the allocators
_LEAST = 16  # MB to advise: the next piece would not fit into much less either


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


def run_overhead(threads: int) -> int:
    """Bytes of a budget that a run of so many threads takes beside the data that it holds."""
    return _OVERHEAD + threads * _THREAD_OVERHEAD


def machine_memory() -> int:
    """Bytes of memory that this process may use: the machine's, or its cgroup's limit if lower."""
    limits = [group.limit() for group in memory_cgroups()]
    return min([_physical_memory(), *(limit for limit in limits if limit is not None)])


def _physical_memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        import psutil

        return int(psutil.virtual_memory().total)


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
