"""What the machine and the process's cgroups have left, whoever holds the rest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from arrowsmith.memory.cgroups import Cgroup, memory_cgroups

_MEMINFO = Path("/proc/meminfo")
_FIGURE = re.compile(r"^(MemTotal|MemAvailable):\s+(\d+) kB", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Room:
    """A place that limits this process.

    Attributes:
        total: bytes that it may hold.
        available: bytes that can still be had there without swapping.
        stalled: percent of the last ten seconds for which somebody there waited for memory.
    """

    total: int
    available: int
    stalled: float = 0.0


class Surroundings:
    """Reads what is left, in about a tenth of a millisecond.

    Args:
        meminfo: the kernel's figures of the machine.
        cgroups: of the process; those without a limit say nothing.

    Example:
        >>> all(room.available <= room.total for room in Surroundings().rooms())
        True
    """

    def __init__(self, meminfo: Path = _MEMINFO, cgroups: list[Cgroup] | None = None) -> None:
        self._meminfo = meminfo
        self._cgroups = memory_cgroups() if cgroups is None else cgroups

    def rooms(self) -> list[Room]:
        """The machine, and each cgroup that has a limit."""
        found = [self._machine(), *map(_room_of, self._cgroups)]
        return [room for room in found if room is not None]

    def _machine(self) -> Room | None:
        try:
            text = self._meminfo.read_text()
        except OSError:
            return _elsewhere()
        figures = {name: int(kilobytes) << 10 for name, kilobytes in _FIGURE.findall(text)}
        if len(figures) < 2:
            return None
        return Room(figures["MemTotal"], figures["MemAvailable"])


def _room_of(group: Cgroup) -> Room | None:
    limit = group.limit()
    used = group.used() if limit is not None else None
    if limit is None or used is None:
        return None
    return Room(limit, max(limit - used, 0), group.stalled())


def _elsewhere() -> Room:
    """The machine where there is no /proc."""
    import psutil

    memory = psutil.virtual_memory()
    return Room(int(memory.total), int(memory.available))
