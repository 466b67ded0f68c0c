"""The progress line: rows, bytes, rate and memory, redrawn on a terminal."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from arrowsmith.cli.terminal import counted, draw, interactive, size_in_words
from arrowsmith.memory import MemoryGauge

if TYPE_CHECKING:
    from arrowsmith.pipeline import RunStats

_INTERVAL = 0.2  # seconds between two drawings


class Progress:
    """Draws the figures of a run while it goes on; leaving the ``with`` block clears the line.

    Args:
        wanted: False draws nothing; so does a stderr that is no terminal.
    """

    def __init__(self, wanted: bool = True) -> None:
        self._on = wanted and interactive()
        self._gauge = MemoryGauge()
        self._began = time.monotonic()
        self._next = self._began + _INTERVAL
        self._drawn = False

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
        now = time.monotonic()
        if not self._on or now < self._next:
            return
        self._next = now + _INTERVAL
        self._drawn = True
        draw(self._fitted(self.line(stats, now - self._began)))

    def line(self, stats: RunStats, seconds: float) -> str:
        """The figures after so many seconds."""
        rate = stats.rows_in / seconds if seconds > 0 else 0.0
        parts = [
            counted(stats.rows_in, "row"),
            size_in_words(stats.bytes_in),
            f"{rate:,.0f} rows/s",
            f"memory {size_in_words(max(self._gauge.sample(), 0))}",
            f"{seconds:.0f} s",
        ]
        if stats.rejected:
            parts.insert(1, f"{stats.rejected:,} rejected")
        return "  ".join(parts)

    @staticmethod
    def _fitted(line: str) -> str:
        import shutil

        return line[: max(shutil.get_terminal_size().columns - 1, 1)]
