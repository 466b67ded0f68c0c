"""Memory: how much there is, how much the process holds, and the budget of a run.

Anonymous memory is what counts: pages of mapped files can be dropped by the kernel, so that they
cost nothing when memory gets short. Arrow's own counters leave out parsers, compressors and what
the allocator keeps, and understate it several-fold.
"""

from __future__ import annotations

from arrowsmith.memory.budget import (
    MemoryBudget,
    budget_exceeded,
    machine_memory,
    run_overhead,
)
from arrowsmith.memory.cgroups import Cgroup, memory_cgroups
from arrowsmith.memory.gauge import MemoryGauge, anonymous_memory, release_unused
from arrowsmith.memory.surroundings import Room, Surroundings

__all__ = [
    "Cgroup",
    "MemoryBudget",
    "MemoryGauge",
    "Room",
    "Surroundings",
    "anonymous_memory",
    "budget_exceeded",
    "machine_memory",
    "memory_cgroups",
    "release_unused",
    "run_overhead",
]
