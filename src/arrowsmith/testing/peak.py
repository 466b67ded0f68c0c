"""How much memory a call took at its highest, as the kernel and Arrow's pool count it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")
_FIELD = re.compile(rb"^(VmHWM|VmRSS):\s+(\d+) kB", re.MULTILINE)


class Peak:
    """What ``peak_since()`` gives; ask it after the block."""

    def __init__(self) -> None:
        self._pool = pa.default_memory_pool()
        with suppress(OSError):  # where the mark cannot be set back, only a new record counts
            _RESET.write_text("5")
        figures = _figures()
        self._resident = figures.get(b"VmRSS", 0)
        self._mark = figures.get(b"VmHWM", 0)
        self._most = self._pool.max_memory() or 0
        self._held = self._pool.bytes_allocated()
        self._growth = 0

    def close(self) -> None:
        mark = _figures().get(b"VmHWM", 0)
        resident = mark - self._resident if mark > self._mark else 0
        most = self._pool.max_memory() or 0
        pool = most - self._held if most > self._most else 0
        self._growth = max(resident, pool)

    def growth(self) -> int:
        """Bytes above what there was when the block began."""
        return self._growth


@contextmanager
def peak_since() -> Iterator[Peak]:
    """Measure the block; on systems without ``/proc``, what Arrow allocates alone."""
    peak = Peak()
    try:
        yield peak
    finally:
        peak.close()


def _figures() -> dict[bytes, int]:
    try:
        return {name: int(kb) << 10 for name, kb in _FIELD.findall(_STATUS.read_bytes())}
    except OSError:
        return {}
