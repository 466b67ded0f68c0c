"""Read Arrow IPC: files and streams mapped without a copy, compressed ones within the budget."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from types import TracebackType

import pyarrow as pa

from arrowsmith.errors import UsageError
from arrowsmith.formats.arrow.feather import FEATHER_V1_MAGIC, read_feather_v1
from arrowsmith.formats.arrow.guarded import GuardedStream
from arrowsmith.formats.arrow.layout import DAMAGE, FILE_MAGIC, Batch, Checker
from arrowsmith.kernels.names import decode_names
from arrowsmith.plugin import BaseReader, NoOptions, RunContext, ScanRequest, Source

_OPTIONS = {"use_threads": False}
_COPY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ArrowSplit:
    """Record batches ``first`` to ``last`` of a file, the last one not included."""

    first: int
    last: int
    nbytes: int


class ArrowReader(BaseReader):
    """An opened Arrow file or stream, or a Feather file.

    Batches of uncompressed files lie over the mapped bytes and stay valid as long as they live. A
    stream that cannot be mapped (compressed as a whole, or a pipe) is read from front to end; a
    file of that kind is unpacked to a scratch file first, since its index stands at its end.

    Raises:
        DataError: the file is damaged.
        BudgetExceeded: a compressed batch is larger than the budget.
    """

    def __init__(self, source: Source, options: NoOptions, ctx: RunContext) -> None:
        self._source = source
        self._ctx = ctx
        self._checker = Checker(source.path, ctx.memory_limit)
        self._release = ExitStack()
        self._buffer: pa.Buffer | None = None
        self._batches: list[Batch] | None = None
        self._file: pa.ipc.RecordBatchFileReader | None = None
        self._table: pa.Table | None = None
        try:
            head = source.head(8)
            if source.seekable or not _is_stream(head):
                self._buffer = self._mapped()
            with self._guard("the schema"):
                self._schema = self._opened(head)
                decode_names(self._schema)
        except BaseException:
            self._release.close()
            raise

    @property
    def schema(self) -> pa.Schema:
        return self._schema

    def count(self) -> int | None:
        if self._table is not None:
            return self._table.num_rows
        if self._buffer is None:
            return None
        return sum(batch.rows for batch in self._index())

    def details(self) -> dict[str, int | str | list[str]]:
        """Layout and, where the file has an index or is mapped, the number of batches."""
        if self._table is not None:
            return {"layout": "feather v1"}
        layout = "stream" if self._file is None else "file"
        if self._buffer is None:
            return {"layout": layout}
        return {"layout": layout, "batches": len(self._index())}

    def splits(self, target: int) -> Iterator[ArrowSplit]:
        """Runs of batches of about ``target`` bytes; none for streams, which are read in order."""
        if self._file is None:
            return
        first, size = 0, 0
        for number, batch in enumerate(self._index()):
            if size and size + batch.stored > target:
                yield ArrowSplit(first, number, size)
                first, size = number, 0
            size += batch.stored
        if first < self._file.num_record_batches:
            yield ArrowSplit(first, self._file.num_record_batches, size)

    def tasks(self, request: ScanRequest) -> Iterator[ArrowTask]:
        """A task for each batch of a file; one for all of a stream."""
        names = self._names(request.columns)
        left = request.limit if request.predicate is None else None
        if self._file is None:
            cost = max(request.batch_bytes, 0 if self._buffer is None else self._largest())
            yield ArrowTask(self, self._sequence, names, request, left, cost)
            return
        index = self._index()
        split = request.split
        numbers = range(len(index))
        if isinstance(split, ArrowSplit):
            numbers = numbers[split.first : split.last]
        for number in numbers:
            if left is not None and left <= 0:
                return
            batch = index[number]
            one, cost = partial(self._one, number), batch.plain
            yield ArrowTask(self, one, names, request, left, cost, number, batch.stored)
            if left is not None:
                left -= batch.rows

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._buffer = self._file = self._table = None  # the mapping lives as long as its batches
        self._release.close()

    def _mapped(self) -> pa.Buffer:
        if self._source.mappable:
            return self._source.map()
        scratch = self._release.enter_context(self._ctx.scratch())
        with self._source.open() as stream:
            while block := stream.read(_COPY_BYTES):
                self._ctx.check_cancelled()
                scratch.write(block)
        scratch.flush()
        return pa.py_buffer(mmap.mmap(scratch.fileno(), 0, access=mmap.ACCESS_READ))

    def _opened(self, head: bytes) -> pa.Schema:
        if self._buffer is None:
            with pa.ipc.open_stream(self._guarded_stream()) as stream:
                return stream.schema
        if head[: len(FEATHER_V1_MAGIC)] == FEATHER_V1_MAGIC:
            self._table = read_feather_v1(self._buffer)
            return self._table.schema
        if head[: len(FILE_MAGIC)] != FILE_MAGIC:
            return pa.ipc.open_stream(pa.BufferReader(self._buffer)).schema
        self._index()
        options = pa.ipc.IpcReadOptions(**_OPTIONS)
        self._file = pa.ipc.open_file(pa.BufferReader(self._buffer), options=options)
        if self._file.num_record_batches != len(self._index()):
            raise ValueError("its footer contradicts itself")
        if self._file.num_record_batches:
            # Dictionaries are read with the first batch; after that, batches may be read by any
            # thread.
            self._file.get_batch(0)
        return self._file.schema

    def _guarded_stream(self) -> pa.PythonFile:
        return pa.PythonFile(GuardedStream(self._source.open(), self._checker), mode="r")

    def _index(self) -> list[Batch]:
        if self._batches is None:
            data = memoryview(self._buffer or b"")
            if bytes(data[: len(FILE_MAGIC)]) == FILE_MAGIC:
                self._batches = self._checker.file_batches(data)
            else:
                self._batches = list(self._checker.stream_batches(data))
        return self._batches

    def _largest(self) -> int:
        if self._table is not None:
            return 0
        return max((batch.plain for batch in self._index()), default=0)

    def _names(self, columns: tuple[str, ...] | None) -> list[str] | None:
        for name in columns or ():
            if self._schema.get_field_index(name) < 0:
                raise UsageError(
                    f"there is no column {name!r}, or more than one",
                    path=self._source.path,
                    hint=f"the columns are {', '.join(self._schema.names[:20])}",
                )
        return None if columns is None else list(columns)

    def _one(self, number: int) -> Iterator[pa.RecordBatch]:
        if self._file is not None:
            yield self._file.get_batch(number)

    def _sequence(self) -> Iterator[pa.RecordBatch]:
        if self._table is not None:
            yield from self._table.to_batches()
            return
        options = pa.ipc.IpcReadOptions(**_OPTIONS)
        if self._buffer is None:
            with pa.ipc.open_stream(self._guarded_stream(), options=options) as stream:
                yield from stream
            return
        self._index()
        yield from pa.ipc.open_stream(pa.BufferReader(self._buffer), options=options)

    @contextmanager
    def _guard(self, place: str) -> Iterator[None]:
        try:
            yield
        except DAMAGE as error:
            raise self._checker.damaged(error, place) from error


class ArrowTask:
    """Batches to read: one of a file, or all of a stream.

    Attributes:
        cost: bytes that decompression needs; next to nothing for batches over the mapping.
        nbytes: of the batch, as stored; None for a stream.
    """

    def __init__(
        self,
        reader: ArrowReader,
        batches: Callable[[], Iterator[pa.RecordBatch]],
        names: list[str] | None,
        request: ScanRequest,
        limit: int | None,
        cost: int,
        number: int = 0,
        nbytes: int | None = None,
    ) -> None:
        self._reader = reader
        self._read = batches
        self._names = names
        self._request = request
        self._limit = limit
        self._number = number
        self.cost = cost
        self.nbytes = nbytes

    def read(self) -> Iterator[pa.RecordBatch]:
        """The rows, in batches under both ceilings of the request."""
        reader = self._reader
        left = self._limit
        number = self._number
        batches = self._read()
        while left is None or left > 0:
            # A file that was cut short must be noticed before the mapping is touched.
            reader._source.check_unchanged()
            reader._ctx.check_cancelled()
            with reader._guard(f"batch {number}"):
                batch = next(batches, None)
                if batch is None:
                    return
                batch.validate(full=True)
            if self._names is not None:
                batch = batch.select(self._names)
            if left is not None:
                batch = batch.slice(0, left)
                left -= batch.num_rows
            yield from _cut(batch, self._request)
            number += 1


def _cut(batch: pa.RecordBatch, request: ScanRequest) -> Iterator[pa.RecordBatch]:
    """The batch in slices under both ceilings, without a copy."""
    rows = min(request.batch_rows, batch.num_rows)
    size = batch.nbytes
    if size > request.batch_bytes:
        rows = max(1, min(rows, batch.num_rows * request.batch_bytes // size))
    if rows == batch.num_rows:
        yield batch
        return
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)


def _is_stream(head: bytes) -> bool:
    return not head.startswith((FILE_MAGIC, FEATHER_V1_MAGIC))
