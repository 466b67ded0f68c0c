"""Looks at the run now and then."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Watch:
    """Calls ``tick`` every ``interval`` seconds until it is ended.

    Args:
        interval: seconds.
        tick: what to call.
        fail: takes what ``tick`` raises, which ends the watch.
    """

    def __init__(
        self, interval: float, tick: Callable[[], None], fail: Callable[[BaseException], None]
    ) -> None:
        self._interval = interval
        self._tick = tick
        self._fail = fail
        self._ended = threading.Event()

    def run(self) -> None:
        """Keep watch, on the calling thread."""
        try:
            while not self._ended.wait(self._interval):
                self._tick()
        except BaseException as error:
            self._fail(error)

    def end(self) -> None:
        """Have :meth:`run` return soon."""
        self._ended.set()
