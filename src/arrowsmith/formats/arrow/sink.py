"""Write Arrow IPC files and streams, in batches of fixed sizes."""

from __future__ import annotations

import io
from types import TracebackType
from typing import Any, BinaryIO, Self

import pyarrow as pa

from arrowsmith.errors import BudgetExceeded, DataError, OptionError, SchemaMismatch, TargetError
from arrowsmith.formats.arrow import ArrowSinkOptions
from arrowsmith.plugin import Chunk, RunContext, Source, Target

CHUNK_BYTES = 8 << 20
_STREAM_BUFFER = 256 << 10
_SMALL_WRITE = 32 << 10
_DICTIONARY_COST = 4  # the old one, the new one, the writer's, and what is sent
_END = b"\xff\xff\xff\xff\0\0\0\0"  # of a stream


class ArrowSink:
    """Writes one Arrow IPC file or stream, a record batch a chunk.

    A file has one dictionary for each column, which later batches may extend: where theirs differ,
    they are rewritten to the union. A stream replaces a dictionary whenever it changes.

    Raises:
        SchemaMismatch: a column's type cannot stand in IPC.
        OptionError: the codec does not have that level.
        DataError: from ``append()``, if dictionaries cannot be brought together.
        BudgetExceeded: from ``append()``, if a file's dictionary outgrows the memory.
    """

    def __init__(
        self, target: Target, schema: pa.Schema, options: ArrowSinkOptions, ctx: RunContext
    ) -> None:
        self._target = target
        self._ctx = ctx
        self._schema = schema
        self._options = options
        self._stream = options.stream
        if self._stream is None:
            self._stream = ".arrows" in _suffixes(target.name)
        self._ipc = _ipc_options(options, deltas=not self._stream)
        self._out: _Coalesced | None = None
        self._writer: pa.ipc.RecordBatchStreamWriter | None = None
        self._dictionaries: dict[int, pa.Array] = {}
        self._known = 0  # bytes of the schema's message that stands in the file already
        self._check_schema()

    def resume(self, old: Source) -> int:
        """Keep all of a stream but its end, which other batches may follow.

        Raises:
            TargetError: a file, whose footer ends it.
            SchemaMismatch: its schema is another.
        """
        if not self._stream or old.head(6) == b"ARROW1":
            raise TargetError(
                "an Arrow file is closed by its footer, so cannot be appended to",
                path=old.path,
                hint="write a stream (.arrows), or a directory with --append",
            )
        size = old.size or 0
        with old.open() as raw:
            try:
                schema = pa.ipc.open_stream(raw).schema
            except (pa.ArrowException, OSError) as error:
                raise DataError(f"is no Arrow stream: {error}", path=old.path) from error
        if not schema.equals(self._schema, check_metadata=True):
            raise SchemaMismatch(
                f"its columns are {_columns(schema)} and not {_columns(self._schema)}",
                path=old.path,
                hint="to append, write columns of the same names, types and metadata",
            )
        if size < len(_END) or old.read_at(size - len(_END), len(_END)) != _END:
            raise DataError("has no end-of-stream mark: it may be cut short", path=old.path)
        self._known = len(self._schema.serialize())
        return size - len(_END)

    @property
    def chunk(self) -> Chunk:
        return Chunk(rows=self._options.batch_rows, nbytes=CHUNK_BYTES)

    def prepare(self, first: pa.RecordBatch) -> None:
        """Nothing depends on the first chunk."""

    def encode(self, chunk: pa.RecordBatch) -> pa.RecordBatch:
        """The chunk in buffers of exact size.

        Of a slice, IPC would pad the last bytes of each buffer with what follows in memory, so
        that the file depended on how the rows came.
        """
        return pa.concat_batches([chunk, chunk.slice(0, 0)])

    def append(self, encoded: pa.RecordBatch) -> None:
        """Write a batch."""
        writer = self._open()
        try:
            writer.write_batch(encoded if self._stream else self._unified(encoded))
        except pa.ArrowInvalid as error:
            raise DataError(
                f"a batch cannot be written: {error}",
                path=self._target.path,
                hint="dictionaries that change need the stream format (stream=true or .arrows)"
                if "ictionar" in str(error)
                else None,
            ) from error

    def write(self, batch: pa.RecordBatch) -> None:
        """Write a batch, cut where it has more rows than the option says."""
        for start in range(0, batch.num_rows, self._options.batch_rows):
            self.append(self.encode(batch.slice(start, self._options.batch_rows)))

    def commit(self) -> None:
        """Write the end of the stream, and the footer of a file."""
        self._open().close()
        if self._out is not None:
            self._out.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer = self._out = None

    def _open(self) -> pa.ipc.RecordBatchStreamWriter:
        if self._writer is None:
            self._out = _Coalesced(self._target.open(), self._known)
            self._writer = self._writer_on(pa.PythonFile(self._out, mode="w"))
        return self._writer

    def _writer_on(self, out: pa.NativeFile) -> pa.ipc.RecordBatchStreamWriter:
        new = pa.ipc.new_stream if self._stream else pa.ipc.new_file
        return new(out, self._schema, options=self._ipc)

    def _check_schema(self) -> None:
        try:
            self._writer_on(pa.BufferOutputStream()).close()
        except (pa.ArrowException, OSError) as error:
            raise SchemaMismatch(
                f"this schema cannot be written: {error}", path=self._target.path
            ) from error

    def _has_dictionaries(self) -> bool:
        return any(pa.types.is_dictionary(field.type) for field in self._schema)

    def _unified(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with the dictionaries of the batches before it, extended by its own."""
        if not self._has_dictionaries():
            return batch
        columns = list(batch.columns)
        for i, column in enumerate(columns):
            if not pa.types.is_dictionary(column.type):
                continue
            known = self._dictionaries.get(i)
            if known is not None and not known.dictionary.equals(column.dictionary):
                column = pa.chunked_array([known, column]).unify_dictionaries().chunk(1)
                self._check_dictionary(self._schema.field(i).name, column.dictionary.nbytes)
            columns[i] = column
            self._dictionaries[i] = column.slice(0, 0)
        return pa.RecordBatch.from_arrays(columns, schema=self._schema)

    def _check_dictionary(self, name: str, nbytes: int) -> None:
        """A file's dictionary grows with its distinct values: the writer and we hold it whole."""
        needed = nbytes * _DICTIONARY_COST
        if needed > self._ctx.memory_limit:
            raise BudgetExceeded(
                f"the dictionary of column '{name}' has grown to {nbytes >> 20} MB, which needs"
                f" about {needed >> 20} MB",
                needed=needed,
                path=self._target.path,
                hint="write a stream (.arrows), whose dictionaries may change, or cast the column"
                " to its values",
            )


class _Coalesced(io.RawIOBase):
    """Collects the many small writes of an IPC writer; large ones pass without a copy.

    Args:
        stream: takes what is collected.
        skip: so many bytes are left out at the beginning.
    """

    def __init__(self, stream: BinaryIO, skip: int) -> None:
        self._stream = stream
        self._skip = skip
        self._small = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        whole = memoryview(data).cast("B")
        view = whole[self._skip :]
        self._skip -= len(whole) - len(view)
        if view.nbytes >= _SMALL_WRITE:
            self.flush()
            self._stream.write(view)
        else:
            self._small += view
            if len(self._small) >= _STREAM_BUFFER:
                self.flush()
        return whole.nbytes

    def flush(self) -> None:
        small, self._small = self._small, bytearray()
        if small:
            self._stream.write(small)

    def close(self) -> None:
        """Drops what was not flushed: only ``commit()`` makes a whole file."""
        self._small = bytearray()
        super().close()


def _columns(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in schema)


def _suffixes(name: str) -> list[str]:
    return [f".{part}" for part in name.lower().split(".")[1:]]


def _ipc_options(options: ArrowSinkOptions, *, deltas: bool) -> pa.ipc.IpcWriteOptions:
    codec: pa.Codec | None = None
    level = options.compression_level
    if options.compression != "none":
        low = pa.Codec.minimum_compression_level(options.compression)
        high = pa.Codec.maximum_compression_level(options.compression)
        if level is not None and not low <= level <= high:
            raise OptionError(f"compression_level {level} is not between {low} and {high}")
        codec = pa.Codec(options.compression, compression_level=level)
    elif level is not None:
        raise OptionError("compression none has no levels", hint="leave compression_level out")
    return pa.ipc.IpcWriteOptions(
        compression=codec, use_threads=codec is not None, emit_dictionary_deltas=deltas
    )
