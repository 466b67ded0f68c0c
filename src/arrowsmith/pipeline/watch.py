"""A thread that looks at the run now and then."""

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
        self._thread = threading.Thread(target=self._loop, name="arrowsmith-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Stop; returns when the thread has ended."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _loop(self) -> None:
        try:
            while not self._ended.wait(self._interval):
                self._tick()
        except BaseException as error:
            self._fail(error)
