"""What a run lends to readers, transforms and sinks: the host's ``RunContext``."""

from __future__ import annotations

import errno
import io
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from arrowsmith.errors import Cancelled, DataError, TargetError
from arrowsmith.plugin.protocols import Expression, OnError, Predicate, Reject

if TYPE_CHECKING:
    import pyarrow as pa

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class _Scratch(io.FileIO):
    """A temporary file that says so when the disk is full."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data) or 0
        except OSError as error:
            if error.errno not in _FULL:
                raise
            raise TargetError(
                "no space left for temporary files",
                path=tempfile.gettempdir(),
                hint="make room there, or set TMPDIR to a folder on a larger disk",
            ) from error


class Context:
    """A ``RunContext``: a reader gets it when it is opened, and the run that reads sets it up.

    Rejects are kept by the scan task that found them (tasks run in parallel, one task on one
    thread at a time), and are collected in the order of the tasks.
    """

    def __init__(self, *, memory_limit: int, threads: int = 1, on_error: OnError = "raise") -> None:
        self.memory_limit = memory_limit
        self.threads = threads
        self.on_error: OnError = on_error
        self.warnings: list[str] = []
        self._cancelled = threading.Event()
        self._on_cancel: list[tuple[Callable[[], None], Callable[[], None]]] = []
        self._local = threading.local()
        self._lock = threading.Lock()

    def take_over(self, other: Context) -> None:
        """Become the context of a run: what ``other`` was set up with holds from now on."""
        self.memory_limit = other.memory_limit
        self.threads = other.threads
        self.on_error = other.on_error

    def cancel(self) -> None:
        """Make every later ``check_cancelled()`` raise."""
        self._cancelled.set()
        for interrupt, _ in self._on_cancel:
            interrupt()

    def resume(self) -> None:
        """Take a cancel back, if there was one: what it had to end has ended."""
        if self._cancelled.is_set():
            for _, again in self._on_cancel:
                again()
            self._cancelled.clear()

    def on_cancel(self, interrupt: Callable[[], None], again: Callable[[], None]) -> None:
        """Have ``cancel()`` call ``interrupt`` as well, which ends what may wait for long, and
        ``resume()`` then ``again``, after which there may be reading once more."""
        self._on_cancel.append((interrupt, again))

    def check_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled("the run was cancelled")

    @contextmanager
    def collecting(self, rejects: list[Reject]) -> Iterator[None]:
        """Rejects of this thread go to ``rejects`` inside the block."""
        before = getattr(self._local, "rejects", None)
        self._local.rejects = rejects
        try:
            yield
        finally:
            self._local.rejects = before

    def reject(self, reject: Reject) -> None:
        if self.on_error == "raise":
            raise reject_error(reject)
        rejects = getattr(self._local, "rejects", None)
        if rejects is not None:  # outside a task, as in a scan for types, nothing is recorded
            rejects.append(reject)

    @contextmanager
    def scratch(self) -> Iterator[BinaryIO]:
        with (
            tempfile.TemporaryFile(prefix="arrowsmith-", buffering=0) as raw,
            io.BufferedRandom(_Scratch(raw.fileno(), "r+b", closefd=False)) as file,
        ):
            yield cast(BinaryIO, file)

    def predicate(self, condition: object, schema: pa.Schema) -> Predicate:
        from arrowsmith.predicate import as_predicate

        return as_predicate(condition, schema)

    def expression(self, value: object, schema: pa.Schema) -> Expression:
        from arrowsmith.predicate import as_expression

        return as_expression(value, schema)

    def warn(self, message: str) -> None:
        with self._lock:
            known = message in self.warnings
            if not known:
                self.warnings.append(message)
        if not known:
            warnings.warn(message, stacklevel=3)


def reject_error(reject: Reject) -> DataError:
    """The error for a bad record under ``on_error="raise"``."""
    place = [f"line {reject.line}" if reject.line is not None else None]
    if reject.line is None and reject.record is not None:
        place = [f"record {reject.record}"]
    place.append(f"byte {reject.offset}" if reject.offset is not None else None)
    place.append(f"column '{reject.column}'" if reject.column is not None else None)
    return DataError(
        reject.reason,
        path=reject.source,
        place=", ".join(part for part in place if part) or None,
        hint="mend it, or leave such records out with --on-error skip or quarantine",
    )
