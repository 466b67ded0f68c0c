"""The threads of a run: begun together, and waited for together."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Threads:
    """Daemon threads, so that an interpreter which ends does not wait for them."""

    def __init__(self) -> None:
        self._begun: list[threading.Thread] = []

    def begin(self, target: Callable[[], None], name: str) -> None:
        """Start one more.

        Raises:
            RuntimeError: the system has no room for it.
        """
        thread = threading.Thread(target=target, name=f"arrowsmith-{name}", daemon=True)
        self._begun.append(thread)  # before it runs: Ctrl-C may come behind the start
        thread.start()

    @property
    def has_current(self) -> bool:
        """The calling thread is one of them."""
        return threading.current_thread() in self._begun

    def join(self) -> None:
        """Return when all of them have ended."""
        for thread in self._begun:
            if thread.ident is not None:  # it could be started
                thread.join()
