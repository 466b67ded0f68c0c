"""One file of an input: its reader while that is open, and its tasks while they are read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from arrowsmith.catalog import get_catalog
from arrowsmith.context import Context
from arrowsmith.errors import DataError
from arrowsmith.inputs.marks import Mark, Marker, Place
from arrowsmith.inputs.probe import Chosen
from arrowsmith.location import FileSource, InputFile, WaitingFile
from arrowsmith.plugin.protocols import (
    LearningReader,
    Reader,
    ScanRequest,
    ScanTask,
    Split,
    TaskReader,
    WideningReader,
)
from arrowsmith.unify import Adapter

_SPLIT = 8 << 20


class OpenFile:
    """A file of the input, and its reader while that is open.

    Args:
        chosen: the file and what reads it.
        context: lent to the reader.
        schema: of the reader, where it is known; else the file is opened to know it.
        known: what a reader of it has learned, or None.
        like: what a reader of another file has learned, where the two may be alike.

    Attributes:
        source: as the run reads it.
        schema: of the reader.
        learned: what a reader of it has learned, for later ones; None of those that do not.
    """

    def __init__(
        self,
        chosen: Chosen,
        context: Context,
        schema: pa.Schema | None = None,
        *,
        known: object = None,
        like: object = None,
    ) -> None:
        self.chosen = chosen
        self.source: InputFile = chosen.source
        if not isinstance(self.source, FileSource) and isinstance(self.source, WaitingFile):
            self.source = self.source.watched(context.check_cancelled)
        self._context = context
        self._stack = ExitStack()
        self._reader: Reader | None = None
        self._widened = False
        self.learned = known
        self._like = like
        self.schema: pa.Schema = schema if schema is not None else self._first().schema

    def _first(self) -> Reader:
        try:
            return self.reader
        except DataError:
            self.chosen.check()
            raise

    @property
    def reader(self) -> Reader:
        """The reader, opened again if it was closed."""
        if self._reader is None:
            self._stack.callback(self.source.close)
            try:
                self._reader = self._stack.enter_context(self._made())
            except BaseException:
                self.close()
                raise
        return self._reader

    def _made(self) -> Reader:
        spec = self.chosen.spec
        can = spec.capabilities
        at_offsets = can.random_access and can.residency == "ranges"
        if at_offsets and not self.source.seekable and isinstance(self.source, WaitingFile):
            self.source.settle()  # the format is never read front to end
        implementation: Any = get_catalog().load(spec)
        more = {"known": self.learned, "like": self._like}
        more = {name: what for name, what in more.items() if what is not None}
        reader: Reader = implementation(self.source, self.chosen.options, self._context, **more)
        self._learn(reader)
        return reader

    def _learn(self, reader: Reader) -> None:
        if isinstance(reader, LearningReader):
            self.learned = reader.learned

    def widen(self) -> bool:
        """Take a reader whose types fit the whole file; False if this one's are no guesses."""
        reader = self.reader
        if not isinstance(reader, WideningReader):
            return False
        self._reader = self._stack.enter_context(reader.widened())
        self.schema = self._reader.schema
        self._learn(self._reader)
        self._widened = True
        self.source.close()  # until its rows are read
        return True

    @contextmanager
    def asked(self) -> Iterator[Reader]:
        """The reader for a question of metadata; what is closed is closed again."""
        known = self._reader
        if known is not None:
            yield known
            return
        other = OpenFile(self.chosen, self._context, self.schema, known=self.learned)
        try:
            yield other.reader
        finally:
            other.close()

    def close(self) -> None:
        """Close the reader, and let go of what it holds."""
        self._reader = None
        self._widened = False
        self._stack.close()

    def rest(self) -> None:
        """Close the reader until the rows are read again, unless another one would know less."""
        if self._widened:
            self.source.close()
        else:
            self.close()

    def tasks(
        self, request: ScanRequest, adapter: Adapter, place: Place, *, again: bool = False
    ) -> Iterator[ScanTask]:
        """What reads the file; it is closed when the last task has been read.

        With ``again`` its rows will be read once more.
        """
        marker = Marker(self.source, place)
        lease = _Lease(self.source.check_unchanged, self.rest if again else self.close)
        for task in self._own_tasks(self.reader, request):
            lease.take()
            yield _AdaptedTask(task, adapter, lease, marker.mark(task))
        lease.release()

    def _own_tasks(self, reader: Reader, request: ScanRequest) -> Iterator[ScanTask]:
        if isinstance(reader, TaskReader):
            yield from reader.tasks(request)
            return
        cost = 2 * request.batch_bytes
        can_split = self.chosen.spec.capabilities.split
        splits: Iterable[Split] = reader.splits(_SPLIT) if can_split else ()
        empty = True
        for split in splits:
            empty = False
            yield _SplitTask(reader, replace(request, split=split), min(cost, 4 * split.nbytes))
        if empty:
            yield _SplitTask(reader, request, cost)


@dataclass(frozen=True, slots=True)
class _SplitTask:
    """A split, or a whole file, of a reader that leaves the division of work to the host."""

    reader: Reader
    request: ScanRequest
    cost: int

    @property
    def nbytes(self) -> int | None:
        """As its split says; nobody knows of the whole."""
        split = self.request.split
        return split.nbytes if split is not None else None

    def read(self) -> Iterator[pa.RecordBatch]:
        return self.reader.scan(self.request)


class _Lease:
    """Keeps a file open as long as one of its tasks, or the drawing of tasks, goes on."""

    def __init__(self, check: Callable[[], None], close: Callable[[], None]) -> None:
        self._check = check
        self._close = close
        self._holders = 1
        self._lock = threading.Lock()

    def take(self) -> None:
        with self._lock:
            self._holders += 1

    def release(self) -> None:
        with self._lock:
            self._holders -= 1
            last = self._holders == 0
        if last:
            try:
                self._check()
            finally:
                self._close()


@dataclass(frozen=True, slots=True)
class _AdaptedTask:
    task: ScanTask
    adapter: Adapter
    lease: _Lease
    mark: Mark

    @property
    def cost(self) -> int:
        return self.task.cost

    def read(self) -> Iterator[pa.RecordBatch]:
        for batch in self.task.read():
            yield self.adapter(batch)
        self.lease.release()
