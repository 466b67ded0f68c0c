"""How far an input is read, for whoever shows progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from arrowsmith.location import InputFile
from arrowsmith.plugin.protocols import ScanTask


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file stands among those of an input.

    Attributes:
        number: how many files stand before it.
        files: of the input.
        before: bytes of the files before it, as stored.
        total: bytes of all files; None while only reading tells of one.
    """

    number: int
    files: int
    before: int
    total: Callable[[], int | None]


@dataclass(frozen=True, slots=True)
class Mark:
    """How far the input is read before a task and after it, in bytes as stored.

    Attributes:
        file: the path of the file that the task reads.
        place: of the file.
        begun: bytes that come before the rows of the task.
        end: bytes up to their end, where that was known when the task was drawn.
        live: else, how far the task has got.
    """

    file: str
    place: Place
    begun: int
    end: int
    live: Callable[[], int] | None = None

    def position(self) -> int:
        """Bytes of the input that are read while the task is under way."""
        return self.begun if self.live is None else self.live()

    def reached(self) -> int:
        """Bytes of the input that are read once the task is done."""
        return self.end if self.live is None else self.live()


class Marker:
    """Marks the tasks of one file as they are drawn.

    A task that tells its bytes is believed. For others it counts how far the file had been read
    when the task was drawn, or, if nothing was, how far it is at the moment.

    Args:
        source: the file as it is read.
        place: where it stands.
    """

    def __init__(self, source: InputFile, place: Place) -> None:
        self._source = source
        self._place = place
        self._covered = 0
        source.position = 0

    def mark(self, task: ScanTask) -> Mark:
        """The mark of the next task."""
        begun, before = self._covered, self._place.before
        # what isinstance(task, MeasuredTask) asks, but for its search of both classes each time
        nbytes: int | None = getattr(task, "nbytes", None)
        read = self._read() if nbytes is None else begun + nbytes
        if nbytes is None and read <= begun:
            return Mark(self._source.path, self._place, before + begun, before + begun, self._live)
        self._covered = max(begun, self._within(read))
        return Mark(self._source.path, self._place, before + begun, before + self._covered)

    def _live(self) -> int:
        return self._place.before + self._read()

    def _read(self) -> int:
        return self._within(self._source.position)

    def _within(self, read: int) -> int:
        size = self._source.disk_bytes
        return read if size is None else min(read, size)
