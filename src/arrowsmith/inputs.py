"""Several files as one reader: probing, one schema for all, and the tasks of all files in order."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any, Self

import pyarrow as pa

from arrowsmith.catalog import get_catalog
from arrowsmith.context import Context
from arrowsmith.errors import FormatError, OptionError, SourceEmpty
from arrowsmith.location import FileSource, resolve
from arrowsmith.plugin.options import build_options
from arrowsmith.plugin.protocols import (
    DescribingReader,
    Reader,
    ScanRequest,
    ScanTask,
    Split,
    TaskReader,
    WideningReader,
)
from arrowsmith.plugin.specs import Head, ReaderSpec
from arrowsmith.unify import Adapter, unified_schema

_HEAD, _TAIL = 64 << 10, 4 << 10
_SPLIT = 8 << 20


_KEPT = 32  # files whose readers stay open between knowing the schema and reading the rows


class _File:
    """A file of the input, and its reader while that is open.

    Attributes:
        schema: of the reader.
    """

    def __init__(self, source: FileSource, make: Callable[[FileSource], Reader]) -> None:
        self.source = source
        self._make = make
        self._stack = ExitStack()
        self._reader: Reader | None = None
        self.schema: pa.Schema = self.reader.schema

    @property
    def reader(self) -> Reader:
        """The reader, opened again if it was closed."""
        if self._reader is None:
            self._stack.callback(self.source.close)
            try:
                self._reader = self._stack.enter_context(self._make(self.source))
            except BaseException:
                self.close()
                raise
        return self._reader

    def widen(self) -> bool:
        """Take a reader whose types fit the whole file; False if this one's are no guesses."""
        reader = self.reader
        if not isinstance(reader, WideningReader):
            return False
        self._reader = self._stack.enter_context(reader.widened())
        self.schema = self._reader.schema
        self.source.close()  # until its rows are read
        return True

    @contextmanager
    def asked(self) -> Iterator[Reader]:
        """The reader for a question of metadata; what is closed is closed again."""
        known = self._reader
        if known is not None:
            yield known
            return
        other = _File(self.source, self._make)
        try:
            yield other.reader
        finally:
            other.close()

    def close(self) -> None:
        """Close the reader, and let go of what it holds."""
        self._reader = None
        self._stack.close()


class Input:
    """Files of one format, opened: a schema for all of them and the tasks that read them.

    Args:
        sources: what to read; at least one.
        spec: the format's reader.
        options: an instance of ``spec.options``.
        context: lent to the readers.
        file_path_column: name of a string column that holds each row's file, or None.
    """

    def __init__(
        self,
        sources: Sequence[FileSource],
        spec: ReaderSpec,
        options: Any,
        context: Context,
        file_path_column: str | None = None,
    ) -> None:
        self.sources = list(sources)
        self.spec = spec
        self.options = options
        self.context = context
        self._path_column = file_path_column
        self._impl = get_catalog().load(spec)
        self._files: list[_File] = []
        try:
            for source in self.sources:
                file = _File(source, self._make_reader)
                self._files.append(file)
                if len(self._files) > _KEPT:
                    file.close()
            self.schema = self._unify()
        except BaseException:
            self.close()
            raise

    def _make_reader(self, source: FileSource) -> Reader:
        reader: Reader = self._impl(source, self.options, self.context)
        return reader

    def _unify(self) -> pa.Schema:
        schemas = [(file.source.path, file.schema) for file in self._files]
        return unified_schema(schemas, self._path_column)

    def reopened(self, context: Context) -> Input:
        """The same files, opened anew for another run."""
        return Input(self.sources, self.spec, self.options, context, self._path_column)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all readers and files."""
        with ExitStack() as stack:
            for file in self._files:
                stack.callback(file.close)

    def count(self) -> int | None:
        """The number of rows where the metadata of every file tells it."""
        total = 0
        for file in self._files:
            with file.asked() as reader:
                rows = reader.count()
            if rows is None:
                return None
            total += rows
        return total

    def details(self) -> dict[str, int | str | list[str]]:
        """What the readers tell of their files: numbers added up, texts joined."""
        merged: dict[str, int | str | list[str]] = {}
        for file in self._files:
            with file.asked() as reader:
                told = reader.details() if isinstance(reader, DescribingReader) else {}
            for name, value in told.items():
                merged[name] = _merged(merged.get(name), value)
        return merged

    def widen(self) -> bool:
        """Replace inferring readers by ones that fit all of their data; False if there are none."""
        found = [file.widen() for file in self._files]
        if any(found):
            self.schema = self._unify()
        return any(found)

    def tasks(self, request: ScanRequest) -> Iterator[ScanTask]:
        """The tasks of all files in order; a file is closed when its last task has been read."""
        columns = request.columns if request.columns is not None else tuple(self.schema.names)
        for file in self._files:
            adapter = Adapter(
                file.schema, self.schema, columns, file.source.path, self._path_column
            )
            narrowed = self._narrowed(request, file, adapter)
            lease = _Lease(file.source.check_unchanged, file.close)
            for task in self._file_tasks(file.reader, narrowed):
                lease.take()
                yield _AdaptedTask(task, adapter, lease)
            lease.release()

    def _narrowed(self, request: ScanRequest, file: _File, adapter: Adapter) -> ScanRequest:
        """The request as this file can answer it."""
        can = self.spec.capabilities
        predicate = request.predicate
        if predicate is not None:
            whole = all(adapter.unchanged(name) for name in predicate.columns)
            predicate = predicate if can.predicate and whole else None
        return replace(
            request,
            columns=adapter.wanted if can.projection else None,
            predicate=predicate,
        )

    def _file_tasks(self, reader: Reader, request: ScanRequest) -> Iterator[ScanTask]:
        if isinstance(reader, TaskReader):
            yield from reader.tasks(request)
            return
        cost = 2 * request.batch_bytes
        splits: Iterable[Split] = reader.splits(_SPLIT) if self.spec.capabilities.split else ()
        empty = True
        for split in splits:
            empty = False
            yield _SplitTask(reader, replace(request, split=split), min(cost, 4 * split.nbytes))
        if empty:
            yield _SplitTask(reader, request, cost)


def _merged(left: int | str | list[str] | None, right: int | str | list[str]) -> Any:
    if left is None or (left == right and not isinstance(left, int)):
        return right
    if isinstance(left, int) and isinstance(right, int):
        return left + right
    texts = [
        part for side in (left, right) for part in (side if isinstance(side, list) else [side])
    ]
    return sorted({str(text) for text in texts})


@dataclass(frozen=True, slots=True)
class _SplitTask:
    """A split, or a whole file, of a reader that leaves the division of work to the host."""

    reader: Reader
    request: ScanRequest
    cost: int

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

    @property
    def cost(self) -> int:
        return self.task.cost

    def read(self) -> Iterator[pa.RecordBatch]:
        for batch in self.task.read():
            yield self.adapter(batch)
        self.lease.release()


def open_input(
    what: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    context: Context,
    *,
    format: str | None = None,
    options: Mapping[str, Any] | None = None,
    max_ratio: float = 1000.0,
    file_path_column: str | None = None,
) -> Input:
    """Resolve, probe and open.

    Raises:
        SourceError, FormatError, OptionError, DataError: as the parts of it do.
    """
    catalog = get_catalog()
    given = dict(options or {})
    spec = catalog.reader(format) if format is not None else None
    if spec is not None:  # a wrong option shows before any file is touched
        build_options(spec.options, given, owner=f"reader '{spec.name}'")
    if file_path_column == "":
        raise OptionError("file_path_column must not be empty")
    sources = _with_bytes(resolve(what, max_ratio=max_ratio), context)
    if spec is None:
        spec = _probe_all(sources)
    built: Any = build_options(spec.options, given, owner=f"reader '{spec.name}'")
    return Input(sources, spec, built, context, file_path_column)


def _with_bytes(sources: list[FileSource], context: Context) -> list[FileSource]:
    filled = [source for source in sources if source.disk_bytes]
    if not filled:
        raise SourceEmpty(
            "the file is empty" if len(sources) == 1 else f"all {len(sources)} files are empty",
            path=sources[0].path,
            hint="there is neither a header nor a row in it",
        )
    for source in sources:
        if not source.disk_bytes:
            context.warn(f"{source.path}: an empty file, left out")
    return filled


def _probe_all(sources: list[FileSource]) -> ReaderSpec:
    """The one format of all sources; files of one suffix are taken to be of one format."""
    found: dict[str, tuple[ReaderSpec, str]] = {}
    for source in sources:
        suffix = PurePath(source.name).suffix.lower()
        if suffix not in found:
            found[suffix] = _probe(source), source.path
    specs = list(found.values())
    for spec, path in specs[1:]:
        if spec.name != specs[0][0].name:
            raise FormatError(
                f"is {spec.name} where {specs[0][1]} is {specs[0][0].name}",
                path=path,
                hint="open files of one format at a time, or say which with --from or format=",
            )
    return specs[0][0]


def _probe(source: FileSource) -> ReaderSpec:
    with source:
        head = Head(source.name, source.head(_HEAD), source.tail(_TAIL), source.size)
    return get_catalog().probe(head, path=source.path)
