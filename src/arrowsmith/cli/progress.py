"""The progress line: how far, how fast, how much memory, how long yet; redrawn on a terminal."""

from __future__ import annotations

import math
import os
import shutil
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from arrowsmith.cli.terminal import counted, draw, escaped, interactive, size_in_words
from arrowsmith.memory import MemoryGauge

if TYPE_CHECKING:
    from arrowsmith.pipeline import RunStats

_INTERVAL = 0.2  # seconds between two drawings
_PATIENCE = 1.0  # seconds of a run before its end is foretold
_MEMORY = 5.0  # seconds after which a speed that was measured hardly counts
_LONGEST_NAME = 30  # cells
_GAP = "  "

Clock = Callable[[], float]


class Speed:
    """How fast a figure grows: what was measured last counts most.

    Example:
        >>> speed = Speed(0.0)
        >>> speed.note(10.0, 2.0), speed.note(20.0, 4.0)
        (5.0, 5.0)
    """

    def __init__(self, now: float) -> None:
        self._at = now
        self._figure = 0.0
        self._speed: float | None = None

    def note(self, figure: float, now: float) -> float:
        """The speed a second, after the figure has been read."""
        passed = now - self._at
        if passed <= 0:
            return self._speed or 0.0
        latest = (figure - self._figure) / passed
        weight = 1 - math.exp(-passed / _MEMORY)
        before = self._speed
        self._speed = latest if before is None else before + weight * (latest - before)
        self._at, self._figure = now, figure
        return self._speed


class Forecast:
    """The figures of one pass over the input, with its rate and the time that is left.

    Args:
        now: seconds, when it began.
    """

    def __init__(self, now: float) -> None:
        self._began = now
        self._bytes = Speed(now)
        self._share = Speed(now)
        self.rate = 0.0
        self.left: float | None = None

    def note(self, stats: RunStats, now: float) -> None:
        """Take the figures of the moment.

        ``rate`` is then in bytes of the source a second, ``left`` in seconds, or None where
        nothing can be foretold: at the beginning, and when the end is not known.
        """
        self.rate = self._bytes.note(stats.bytes_read, now)
        if stats.done is None:
            self.left = None
            return
        speed = self._share.note(stats.done, now)
        known = now - self._began >= _PATIENCE and speed > 0
        self.left = (1 - stats.done) / speed if known else None


class Progress:
    """Draws the figures of a run while it goes on; leaving the ``with`` block clears the line.

    Args:
        wanted: False draws nothing; so does a stderr that is no terminal.
        clock: seconds.
    """

    def __init__(self, wanted: bool = True, *, clock: Clock = time.monotonic) -> None:
        self._on = wanted and interactive()
        self._clock = clock
        self._gauge = MemoryGauge()
        self._next = clock() + _INTERVAL
        self._drawn = False
        self._stats: RunStats | None = None
        self._forecast = Forecast(clock())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._drawn:
            draw("")

    def __call__(self, stats: RunStats) -> None:
        """Called by a thread of the run, more often than the line is drawn."""
        now = self._clock()
        if stats is not self._stats:  # another pass, or the run has begun again
            self._stats, self._forecast = stats, Forecast(now)
        if not self._on or now < self._next:
            return
        self._next = now + _INTERVAL
        self._drawn = True
        draw(self.line(stats, width() - 1))

    def line(self, stats: RunStats, columns: int) -> str:
        """The figures of the moment in so many cells; what matters least is left out first."""
        self._forecast.note(stats, self._clock())
        parts = {name: text for name, text in self._parts(stats).items() if text}
        for name in ("memory", "rate", "file", "bytes", "left", "rejected", "share"):
            if _cells(_GAP.join(parts.values())) <= columns:
                break
            parts.pop(name, None)
        return _cut(_GAP.join(parts.values()), columns)

    def _parts(self, stats: RunStats) -> dict[str, str]:
        """The parts of the line in their order, by name."""
        forecast = self._forecast
        read, total = stats.bytes_read, stats.bytes_total
        of = f" of {size_in_words(total)}" if total is not None else ""
        return {
            "file": _file(stats),
            "share": f"{math.floor(stats.done * 100)}%" if stats.done is not None else "",
            "rows": counted(stats.rows_in, "row"),
            "rejected": f"{stats.rejected:,} rejected" if stats.rejected else "",
            "bytes": f"{size_in_words(read)}{of}" if read or of else "",
            "rate": f"{size_in_words(forecast.rate)}/s" if forecast.rate > 0 else "",
            "memory": f"memory {size_in_words(max(self._gauge.sample(), 0))}",
            "left": f"{_duration(forecast.left)} left" if forecast.left is not None else "",
        }


def width() -> int:
    """The cells of a line of the terminal on stderr."""
    try:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        columns = 0
    return columns or shutil.get_terminal_size().columns


def _file(stats: RunStats) -> str:
    """Which of several files is read: ``3 of 120: name``."""
    if stats.files_total < 2 or stats.current_file is None:
        return ""
    name = _printable(stats.current_file.rstrip("/").rpartition("/")[2])
    if _cells(name) > _LONGEST_NAME:
        name = f"{_cut(name, _LONGEST_NAME - 3)}..."
    return f"{stats.files_read + 1:,} of {stats.files_total:,}: {name}"


def _printable(text: str) -> str:
    """Text that stderr writes as it is, so that its width is known."""
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    return escaped(text).encode(encoding, "backslashreplace").decode(encoding)


def _duration(seconds: float) -> str:
    """``0:07``, ``12:30`` or ``3:00:00``."""
    whole = math.ceil(min(seconds, 359_999))  # 99:59:59
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _cells(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def _cut(text: str, cells: int) -> str:
    from rich.cells import set_cell_size

    return text if _cells(text) <= cells else set_cell_size(text, max(cells, 0)).rstrip()
