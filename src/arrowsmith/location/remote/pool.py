"""The threads that wait for the network, so that the one that asked can be interrupted."""

from __future__ import annotations

import contextlib
import queue
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import Any, TypeVar

from arrowsmith.errors import Cancelled, SourceError
from arrowsmith.location.remote.options import StorageOptions
from arrowsmith.location.remote.store import Transient

T = TypeVar("T")

THREADS = 8
_LONGEST_WAIT = 60.0  # seconds between two attempts, whatever the server asks for
_JOIN = 1.0  # seconds that abandoned requests are waited for; their threads then end by themselves
_STEP = 0.05  # a request may have begun just after the others were broken off


class Pool:
    """A few daemon threads, begun when first needed and ended by :meth:`close`.

    The threads of ``concurrent.futures`` would be waited for when the interpreter ends, however
    long their requests take.
    """

    def __init__(self, options: StorageOptions) -> None:
        self._options = options
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]
        self._jobs = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._open: set[Future[Any]] = set()
        self._lock = threading.Lock()
        self.stopped = threading.Event()

    def submit(self, job: Callable[[], T]) -> Future[T]:
        """Run a job on one of the threads."""
        future: Future[T] = Future()
        with self._lock:
            if self.stopped.is_set():
                raise _interrupted()
            self._open.add(future)
            if len(self._open) > len(self._threads) < THREADS:
                name = f"arrowsmith-remote-{len(self._threads)}"
                thread = threading.Thread(target=self._loop, name=name, daemon=True)
                self._threads.append(thread)
                thread.start()
            self._jobs.put((future, job))
        return future

    def run(self, job: Callable[[], T]) -> T:
        """Run a job on one of the threads, and wait for it."""
        return self.submit(job).result()

    def _loop(self) -> None:
        while (item := self._jobs.get()) is not None:
            future, job = item
            try:
                if not future.done():
                    result = job()
                    with contextlib.suppress(InvalidStateError):  # given up in the meantime
                        future.set_result(result)
            except BaseException as error:
                with contextlib.suppress(InvalidStateError):
                    future.set_exception(error)
            with self._lock:
                self._open.discard(future)
            # A waiting thread must hold neither the last result nor the source that asked for it.
            del item, future, job
            result = None

    def interrupt(self) -> None:
        """Have everyone who waits get ``Cancelled``, now."""
        with self._lock:
            self.stopped.set()
            waiting, self._open = self._open, set()
        for future in waiting:
            with contextlib.suppress(InvalidStateError):
                future.set_exception(_interrupted())

    def close(self, break_off: Callable[[], None]) -> None:
        """End the threads. A request that cannot be broken off ends by its own timeout.

        Args:
            break_off: has requests under way fail, where that can be done.
        """
        self.interrupt()
        for _ in self._threads:
            self._jobs.put(None)
        give_up = time.monotonic() + _JOIN
        for thread in self._threads:
            while thread.is_alive() and thread is not threading.current_thread():
                break_off()
                thread.join(_STEP)
                if time.monotonic() > give_up:
                    return

    # --- trying again ---

    def attempts(self, job: Callable[[], T], path: str) -> T:
        """The result of a job that may fail for a while. Runs on the calling thread."""
        for attempt in range(1, self._options.attempts + 1):
            try:
                return job()
            except Transient as trouble:
                self.pause(attempt, trouble, path)
        raise AssertionError("pause() raises after the last attempt")

    def pause(self, attempt: int, trouble: Transient, path: str) -> None:
        """Wait before the next attempt.

        Raises:
            SourceError: it was the last.
            Cancelled: nobody wants the result any more.
        """
        if self.stopped.is_set():
            raise _interrupted() from trouble
        if attempt >= self._options.attempts:
            times = "once" if attempt == 1 else f"{attempt} times"
            raise SourceError(
                f"{trouble.what}; tried {times}",
                path=path,
                hint="try again later, or raise the storage options attempts and timeout",
            ) from trouble
        # "Full jitter" of https://aws.amazon.com/builders-library/timeouts-retries-and-backoff,
        # with a floor: clients that failed together must not come back together.
        longest = self._options.backoff * 2 ** (attempt - 1)
        delay = max(trouble.after, longest * random.uniform(0.25, 1.0))
        if self.stopped.wait(min(delay, _LONGEST_WAIT)):
            raise _interrupted() from trouble


def _interrupted() -> Cancelled:
    return Cancelled("reading was interrupted")
