"""Numbers the lines of a text whose ranges are split by several threads at once."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Tally:
    """Knows how many lines come before a range.

    A range tells how many it has, and waits until all before it have told. One that no thread has
    begun with is counted by the thread that needs to know, so that nobody waits for what may never
    come, in whatever order the ranges are taken up.

    Args:
        first: the number of the first line.

    Attributes:
        densest: lines of a byte in the range that has most of them.
    """

    def __init__(self, first: int) -> None:
        self.densest = 0.0
        self._told = threading.Condition()
        self._size = 0
        self._next = 0  # the first range that has not told
        self._line = first  # that it begins with
        self._open: dict[int, Callable[[], int]] = {}  # how to count those not begun with
        self._counts: dict[int, int] = {}  # of those that told before their turn
        self._lines: dict[int, int] = {}  # for those that have not asked

    def add(self, count: Callable[[], int]) -> int:
        """The number of the next range, of which ``count`` counts the lines."""
        with self._told:
            number, self._size = self._size, self._size + 1
            self._open[number] = count
        return number

    def begin(self, number: int) -> Callable[[], int] | None:
        """The range will tell, or be left: with what this returns."""
        with self._told:
            return self._open.pop(number, None)

    def leave(self, number: int, count: Callable[[], int] | None) -> None:
        """It failed, and may not have told."""
        with self._told:
            if count is not None and number >= self._next and number not in self._counts:
                self._open[number] = count
                self._told.notify_all()

    def tell(self, number: int, count: int) -> int:
        """The number of the first line of a range that has ``count``."""
        with self._told:
            if number >= self._next:
                self._counts[number] = count
            self._advance()
            while number not in self._lines:
                unknown = self._open.pop(self._next, None)
                if unknown is None:
                    self._told.wait()
                else:
                    self._counts[self._next] = unknown()
                self._advance()
            self._told.notify_all()
            return self._lines.pop(number)

    def _advance(self) -> None:
        while (count := self._counts.pop(self._next, None)) is not None:
            self._lines[self._next] = self._line
            self._line += count
            self._next += 1
