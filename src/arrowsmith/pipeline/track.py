"""How far a run is: counted into its figures as the tasks of the input are put in order."""

from __future__ import annotations

from arrowsmith.inputs import Mark
from arrowsmith.pipeline.config import RunStats
from arrowsmith.pipeline.tail import Tail


class Track:
    """Keeps the figures of the progress.

    Args:
        stats: counted into.
        tail: knows how much of a limit is used up.
    """

    def __init__(self, stats: RunStats, tail: Tail) -> None:
        self._stats = stats
        self._tail = tail

    def look(self, mark: Mark | None) -> None:
        """Count what has been read of the task that is first in order."""
        stats = self._stats
        if mark is not None:
            self._count(mark, mark.position())
            stats.current_file = mark.file
        stats.done = self._share()

    def passed(self, mark: Mark | None) -> None:
        """Count a task whose rows have all been put in order."""
        if mark is not None:
            self._count(mark, mark.reached())

    def finish(self, *, whole: bool) -> None:
        """The run has come to its end; ``whole`` if all of the input was read."""
        stats = self._stats
        stats.current_file = None
        stats.done = 1.0
        if whole:
            stats.files_read = stats.files_total
            if stats.bytes_total is not None:
                stats.bytes_read = stats.bytes_total

    def _count(self, mark: Mark, read: int) -> None:
        stats, place = self._stats, mark.place
        stats.files_read, stats.files_total = place.number, place.files
        stats.bytes_total = place.total()
        stats.bytes_read = max(stats.bytes_read, read)

    def _share(self) -> float | None:
        stats = self._stats
        shares = [] if self._tail.used is None else [self._tail.used]
        if stats.bytes_total:
            shares.append(min(stats.bytes_read / stats.bytes_total, 1.0))
        return max(shares, default=None)
