"""Memory around the run: how much of the usual read-ahead and workers it still bears.

The budget is about what this process adds; this is about what the others leave. A run that has its
budget for itself on a machine with room never notices.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from arrowsmith.memory import Room, Surroundings

Rooms = Callable[[], list[Room]]

_SHORT = 0.05  # share of a room that is left when nothing more than needed is begun
_AT_MOST = 512 << 20  # bytes: five percent of a large machine are not short
_ROOMY = 2.0  # of what is short: below this, less is begun
_STALLED = (10.0, 50.0)  # percent of the time somebody waits: from the first less, then the least
_EASIER = 1.25  # by so much it must be better before it counts as better
_PATIENCE = 0.5  # seconds for which it must be
_STEP = 0.25  # of the usual that is given back at a time


class PressureMonitor:
    """Reads what machine and cgroups have left, and judges it.

    What is taken away is taken at once, and given back step by step when it has been better for a
    while: memory that hovers at a mark would otherwise set the run swinging.

    Args:
        rooms: gives what is left; by default the real figures.
        interval: seconds between two readings, however often ``sample()`` is called.
        clock: seconds.

    Attributes:
        level: the share, 0 to 1, of the usual read-ahead and workers; at 0 just enough to go on.
        lowest: the fewest bytes that were available; None where nothing tells.
        events: how often memory got short.
        seconds: for how long it was.

    Example:
        >>> from arrowsmith.memory import Room
        >>> PressureMonitor(lambda: [Room(total=1000, available=75)]).sample()
        0.5
    """

    def __init__(
        self,
        rooms: Rooms | None = None,
        *,
        interval: float = 0.1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.level = 1.0
        self.lowest: int | None = None
        self.events = 0
        self.seconds = 0.0
        self._rooms = Surroundings().rooms if rooms is None else rooms
        self._interval = interval
        self._clock = clock
        self._last: float | None = None
        self._better_since: float | None = None

    def sample(self) -> float:
        """The level, after a reading if the last one is not fresh; one thread calls it."""
        now = self._clock()
        if self._last is not None and now - self._last < self._interval:
            return self.level
        if self._last is not None and self.level < 1:
            self.seconds += now - self._last
        self._last = now
        rooms = self._rooms()
        left = [room.available for room in rooms]
        if left:
            self.lowest = min(left if self.lowest is None else [*left, self.lowest])
        bearable = min((_bearable(room) for room in rooms), default=1.0)
        if bearable < self.level:
            self.events += self.level == 1
            self.level = bearable
            self._better_since = None
        elif self.level < 1:
            self._give_back(min((_bearable(room, _EASIER) for room in rooms), default=1.0), now)
        return self.level

    def _give_back(self, bearable: float, now: float) -> None:
        if bearable <= self.level:
            self._better_since = None
        elif self._better_since is None:
            self._better_since = now
        elif now - self._better_since >= _PATIENCE:
            self.level = min(bearable, self.level + _STEP)
            self._better_since = now


def _bearable(room: Room, easier: float = 1.0) -> float:
    """The share of the usual that a room bears, by what is left and by how tasks wait for it."""
    short = min(room.total * _SHORT, _AT_MOST)
    left = (room.available / easier - short) / (short * (_ROOMY - 1)) if short else 1.0
    some, many = _STALLED
    calm = (many - room.stalled * easier) / (many - some)
    return min(max(min(left, calm), 0.0), 1.0)
