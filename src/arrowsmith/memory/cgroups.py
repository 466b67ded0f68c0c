"""The memory cgroups of this process: what they limit, hold, and how they suffer.

Version 2: https://docs.kernel.org/admin-guide/cgroup-v2.html#memory, version 1:
https://docs.kernel.org/admin-guide/cgroup-v1/memory.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_NO_LIMIT = 1 << 60  # version 1 reports a huge number where there is none
_STALLED = re.compile(r"^some avg10=(\d+(?:\.\d+)?)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Cgroup:
    """A memory cgroup that this process is in, or one above it.

    What cannot be read, or is no limit, is None.

    Args:
        folder: where its files are.
        version: 1 or 2.
    """

    folder: Path
    version: int

    def limit(self) -> int | None:
        """Bytes that it may hold: ``memory.max``, or ``memory.high``, above which it is slowed."""
        names = ("memory.max", "memory.high") if self.version == 2 else ("memory.limit_in_bytes",)
        found = [value for name in names if (value := self._number(name)) is not None]
        return min((value for value in found if 0 < value < _NO_LIMIT), default=None)

    def used(self) -> int | None:
        """Bytes that it holds and the kernel cannot drop: all but clean pages of files."""
        name = "memory.current" if self.version == 2 else "memory.usage_in_bytes"
        held = self._number(name)
        return None if held is None else max(held - self._droppable(), 0)

    def stalled(self) -> float:
        """Percent of the last ten seconds for which a task of it waited for memory; 0 if unknown.

        Source: https://docs.kernel.org/accounting/psi.html
        """
        found = _STALLED.search(self._text("memory.pressure"))
        return float(found[1]) if found else 0.0

    def _droppable(self) -> int:
        words = self._text("memory.stat").split()
        stat = dict(zip(words[::2], words[1::2], strict=False))

        def figure(name: str) -> int:
            # of version 1, those with "total_" count the groups below as well, as the usage does
            text = stat.get(f"total_{name}", stat.get(name, "0"))
            return int(text) if text.isdigit() else 0

        files = figure("inactive_file") + figure("active_file")
        busy = [("file_dirty", "dirty"), ("file_writeback", "writeback")]
        return max(files - sum(figure(two) or figure(one) for two, one in busy), 0)

    def _number(self, name: str) -> int | None:
        text = self._text(name).strip()
        return int(text) if text.isdigit() else None

    def _text(self, name: str) -> str:
        try:
            with open(f"{self.folder}/{name}") as file:
                return file.read()
        except (OSError, ValueError):
            return ""


def memory_cgroups(root: Path = _ROOT, own: Path = _OWN) -> list[Cgroup]:
    """The memory cgroups of this process, from its own up to the root; none elsewhere than Linux.

    Args:
        root: where the trees are mounted.
        own: tells where in them the process is.
    """
    try:
        return list(_from_own_to_root(own.read_text(), root))
    except OSError:
        return []


@lru_cache(maxsize=16)
def _from_own_to_root(text: str, root: Path) -> tuple[Cgroup, ...]:
    found = []
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, version = root, 2
        elif "memory" in controllers.split(","):
            base, version = root / "memory", 1
        else:
            continue
        folder = base / path.lstrip("/")
        for level in [folder, *folder.parents]:
            found.append(Cgroup(level, version))
            if level == base:
                break
    return tuple(found)
