"""What files found together share while one of them is in use: the store, and its threads."""

from __future__ import annotations

import atexit
import threading
import weakref

from arrowsmith.location.remote.options import StorageOptions
from arrowsmith.location.remote.pool import Pool
from arrowsmith.location.remote.store import Store, make_store
from arrowsmith.location.remote.url import Url


class Session:
    """Connections and threads are there between the first ``enter`` and the last ``leave``.

    Attributes:
        options: how patient to be.
        store: the place.
    """

    def __init__(self, url: Url, options: StorageOptions) -> None:
        self.options = options
        self.store: Store = make_store(url, options)
        self._pool: Pool | None = None
        self._users = 0
        self._lock = threading.Lock()
        _sessions.add(self)

    def enter(self) -> Pool:
        """Begin to use it; the threads to do so with."""
        with self._lock:
            self._users += 1
            if self._pool is None:
                self._pool = Pool(self.options)
            return self._pool

    def leave(self) -> None:
        """End using it; the last one ends threads and connections."""
        with self._lock:
            self._users -= 1
            if self._users:
                return
        self.end()

    def end(self) -> None:
        """End threads and connections, whoever uses them."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close(self.store.interrupt)
            self.store.close()

    def interrupt(self) -> None:
        """Have everyone who waits for the network get ``Cancelled``, until all have left."""
        pool = self._pool
        if pool is not None:
            pool.interrupt()
            self.store.interrupt()


_sessions: weakref.WeakSet[Session] = weakref.WeakSet()


@atexit.register
def _end_all() -> None:
    """While the threads still run: a source that is dropped later would wait for them for ever."""
    for session in list(_sessions):
        session.end()
