"""How many workers are awake, by how long they were at work lately."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

_GROW = 0.1  # seconds of work without a pause after which more are woken
_SHRINK = 0.3  # seconds over which idling is measured
_SATURATED = 0.95  # share of the time at work that counts as no pause
_LOAD = 0.8  # share of the time that those who stay awake would be at work
_IDLE = 0.5  # cores that stand idle when more workers than cores may help


def idle_time() -> float:
    """Seconds for which the machine's cores stood idle, or waited for a disk, since it started."""
    import psutil

    times = psutil.cpu_times()
    return float(times.idle + getattr(times, "iowait", 0.0))


class Crew:
    """Decides how many of the workers, by number from 0, take up work.

    Workers who find little to do, since the source, the sink or the budget sets the pace, cost
    switches between threads and memory: the rest is done by fewer. When those have no pause, more
    are woken; beyond the cores only while cores stand idle, as they do when workers wait for a
    disk or a network.

    Args:
        most: the number of workers.
        cores: that this process may use.
        clock: seconds.
        processor: seconds of processor time of the process.
        idle: seconds for which cores were idle, whoever could have used them.

    Attributes:
        active: how many are awake: at least one.
    """

    def __init__(
        self,
        most: int,
        cores: int,
        *,
        clock: Callable[[], float] = time.perf_counter,
        processor: Callable[[], float] = time.process_time,
        idle: Callable[[], float] = idle_time,
    ) -> None:
        self._most = most
        self._cores = cores
        self._clock = clock
        self._processor = processor
        self._idle = idle
        self._wanted = min(most, cores)
        self._allowed = most
        self._since: list[float | None] = [None] * most  # when the work under way was begun
        self._worked = [0.0] * most
        self._began: float | None = None  # the first review
        self._counted = clock()
        self._awake = 0.0  # workers times seconds
        self._quick = self._slow = self._mark()
        self._used = self._usage()

    @property
    def active(self) -> int:
        return min(self._wanted, self._allowed)

    @property
    def ahead(self) -> int:
        """For how many workers tasks are read ahead: for all who could be woken at any time."""
        return max(self._wanted, min(self._most, self._cores))

    @property
    def mean(self) -> float:
        """How many were awake on average."""
        self._count()
        elapsed = self._counted - self._began if self._began is not None else 0.0
        return self._awake / elapsed if elapsed > 0 else float(self.active)

    def begin(self, number: int) -> None:
        """The worker takes up a piece of work."""
        self._since[number] = self._clock()

    def end(self, number: int) -> None:
        """It is done with it."""
        since = self._since[number]
        if since is not None:
            self._worked[number] += self._clock() - since
        self._since[number] = None

    def review(self, share: float = 1.0) -> bool:
        """Judge anew; True if more are awake than before.

        Args:
            share: of the workers that memory bears.
        """
        self._count()
        before = self.active
        allowed = max(1, int(share * self._most))
        if allowed != self._allowed:
            self._allowed = allowed
            self._open_windows()
        elif self._is_saturated():
            self._open_windows()
        elif self._counted - self._slow[0] >= _SHRINK:
            load = self._load(*self._slow)
            if load < _LOAD * (before - 1):
                self._wanted = max(1, math.ceil(load / _LOAD))
            self._open_windows()
        return self.active > before

    def _is_saturated(self) -> bool:
        """After a while without a pause: wake more if that may help."""
        if self._counted - self._quick[0] < _GROW:
            return False
        load, exhausted = self._load(*self._quick), self._exhausted()
        self._quick, self._used = self._mark(), self._usage()
        if load < _SATURATED * self.active:
            return False
        if self._wanted > self._cores and exhausted:
            self._wanted = self._cores
        elif self._wanted < self._most and not (self._wanted >= self._cores and exhausted):
            most = self._cores if self._wanted < self._cores else self._most
            self._wanted = min(2 * self._wanted, most, self._most)
        return True

    def _load(self, since: float, worked: float) -> float:
        """How many were at work on average."""
        now, total = self._mark()
        return (total - worked) / (now - since)

    def _exhausted(self) -> bool:
        """No core is left, be it that others than this process use them."""
        elapsed = self._counted - self._quick[0]
        used, idle = (now - then for now, then in zip(self._usage(), self._used, strict=True))
        return used >= _SATURATED * self._cores * elapsed or idle < _IDLE * elapsed

    def _usage(self) -> tuple[float, float]:
        """Processor time of the process, and idle time; they matter for more than the cores."""
        return (self._processor(), self._idle()) if self._most > self._cores else (0.0, 0.0)

    def _open_windows(self) -> None:
        self._quick = self._slow = self._mark()
        self._used = self._usage()

    def _mark(self) -> tuple[float, float]:
        """The time, and the seconds worked by all until then."""
        now = self._counted
        under_way = [now - since for since in self._since if since is not None and since < now]
        return now, sum(self._worked) + sum(under_way)

    def _count(self) -> None:
        now = self._clock()
        if self._began is None:
            self._began = self._counted = now
        self._awake += self.active * (now - self._counted)
        self._counted = now
