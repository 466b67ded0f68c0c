"""Write Parquet: workers encode row groups, the sink puts them one behind the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from arrowsmith.errors import DataError, OptionError, SchemaMismatch
from arrowsmith.formats.parquet import ParquetSinkOptions
from arrowsmith.formats.parquet.encodings import Encodings, choose_encodings, writer
from arrowsmith.formats.parquet.footer import (
    MAGIC,
    FileFooter,
    GroupFooter,
    footer_bytes,
    join_prefix,
    parse_footer,
)
from arrowsmith.formats.parquet.joining import read_footer, schema_of
from arrowsmith.kernels.arrays import decoded
from arrowsmith.plugin import Chunk, RunContext, Source, Target
from arrowsmith.plugin.types import families

CHUNK_BYTES = 8 << 20
_IN_DICTIONARIES = (pa.string(), pa.large_string(), pa.binary(), pa.large_binary())
# Within other types such dictionaries cannot be decoded, and pyarrow fails on them when rows come,
# or forgets what the numbers were.
_UNWRITABLE = frozenset(
    f"dictionary of {name}" for name in ("string_view", "binary_view", "nested", "duration")
)
_COPY_BYTES = 1 << 20
# Footers of row groups are kept in memory up to this size, then on disk: a wide file of ten
# thousand row groups has hundreds of megabytes of them.
_FOOTERS_IN_MEMORY = 1 << 20


@dataclass(frozen=True, slots=True)
class EncodedGroup:
    """A row group as it will stand in the file, but for its place there.

    Attributes:
        body: its pages; a view of the small file's bytes.
        num_rows: its rows.
        footer: its footer.
        file: the footer of the small file that it came from.
    """

    body: memoryview
    num_rows: int
    footer: GroupFooter
    file: FileFooter

    @property
    def nbytes(self) -> int:
        return self.body.nbytes


class ParquetSink:
    """Writes one Parquet file, a row group a chunk.

    The bytes depend on the rows and the options alone: chunks have fixed sizes, and encodings are
    chosen from the first.

    Raises:
        SchemaMismatch: a column's type cannot stand in Parquet.
        OptionError: the codec does not have that level.
    """

    def __init__(
        self, target: Target, schema: pa.Schema, options: ParquetSinkOptions, ctx: RunContext
    ) -> None:
        self._target = target
        self._options = options
        self._schema = _writable(schema, target.path)
        self._encodings = Encodings()
        self._prepared = False
        self._stream: BinaryIO | None = None
        self._footers = _Footers(ctx)
        self._position = len(MAGIC)
        self._rows = 0
        self._groups = 0
        self._first: FileFooter | None = None
        self._resumed = False
        _check_level(options)

    def resume(self, old: Source) -> int:
        """Keep the row groups of a file of the same schema; its footer is joined with the new.

        Raises:
            SchemaMismatch: its columns are others, or laid out in another way.
            DataError: it is no Parquet file, or damaged.
        """
        start, footer = read_footer(old)
        mine = self._empty_file()
        ours = parse_footer(footer_bytes(mine)[1])
        there, here = schema_of(footer, old.path), pq.read_schema(pa.BufferReader(mine))
        if not there.equals(here, check_metadata=True):
            raise SchemaMismatch(
                f"its columns are {_columns(there)} and not {_columns(here)}",
                path=old.path,
                hint="to append, write columns of the same names, types and metadata",
            )
        first = parse_footer(footer)
        if first.head != ours.head:
            raise SchemaMismatch(
                "another program wrote it, and laid its columns out in another way",
                path=old.path,
                hint="convert it first, or write a directory with --append",
            )
        for group in first.groups:
            self._footers.add(group.placed(0, self._groups))
            self._groups += 1
        self._rows, self._first, self._position = first.num_rows, first, start
        self._resumed = True
        return start

    @property
    def chunk(self) -> Chunk:
        return Chunk(rows=self._options.row_group_rows, nbytes=CHUNK_BYTES, encode_cost=4.0)

    def prepare(self, first: pa.RecordBatch) -> None:
        """Choose the encodings from the first chunk."""
        if first.num_rows:
            rows = self._conform(first)
            with _told(self._target.path, rows):
                self._encodings = choose_encodings(rows, self._options)
        self._prepared = True

    def encode(self, chunk: pa.RecordBatch) -> EncodedGroup:
        """A file of one row group, in memory."""
        return self._encode(self._conform(chunk))

    def append(self, encoded: EncodedGroup) -> None:
        """Put a row group at the file's end."""
        stream = self._open()
        shift = self._position - len(MAGIC)
        self._write(stream, encoded.body)
        self._footers.add(encoded.footer.placed(shift, self._groups))
        self._position += encoded.nbytes
        self._rows += encoded.num_rows
        self._groups += 1
        self._first = self._first or encoded.file

    def write(self, batch: pa.RecordBatch) -> None:
        """Write a batch by itself, in one row group or more if it has more rows than those hold."""
        if not self._prepared:
            self.prepare(batch)
        for start in range(0, batch.num_rows, self._options.row_group_rows):
            self.append(self.encode(batch.slice(start, self._options.row_group_rows)))

    def commit(self) -> None:
        """Write the footer: until then the file cannot be read."""
        stream = self._open()
        first = self._first or self._empty()
        prefix = join_prefix(first, self._rows, self._groups)
        self._write(stream, prefix)
        for part in self._footers.parts():
            self._write(stream, part)
        self._write(stream, first.rest)
        size = len(prefix) + self._footers.size + len(first.rest)
        if size >= 1 << 31:
            raise SchemaMismatch(
                f"{self._groups} row groups of {len(self._schema)} columns need a footer of"
                f" {size} bytes, more than Parquet allows",
                path=self._target.path,
                hint="write several files, or larger row groups with row_group_rows",
            )
        self._write(stream, size.to_bytes(4, "little") + MAGIC)
        stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._footers.close()

    def _open(self) -> BinaryIO:
        if self._stream is None:
            self._stream = self._target.open()
            if not self._resumed:
                self._write(self._stream, MAGIC)
        return self._stream

    @staticmethod
    def _write(stream: BinaryIO, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        for start in range(0, len(view), _COPY_BYTES):
            stream.write(view[start : start + _COPY_BYTES])

    def _conform(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = [_storable(column) for column in batch.columns]
        same = all(one is other for one, other in zip(columns, batch.columns, strict=True))
        if same and batch.schema.equals(self._schema, check_metadata=True):
            return batch
        return pa.RecordBatch.from_arrays(columns, schema=self._schema)

    def _encode(self, batch: pa.RecordBatch) -> EncodedGroup:
        sink = pa.BufferOutputStream()
        with (
            _told(self._target.path, batch),
            writer(sink, self._schema, self._options, self._encodings) as out,
        ):
            out.write_batch(batch, row_group_size=max(1, batch.num_rows))
        file = memoryview(sink.getvalue())
        start, footer = footer_bytes(file)
        parsed = parse_footer(footer)
        return EncodedGroup(file[len(MAGIC) : start], batch.num_rows, parsed.groups[0], parsed)

    def _empty(self) -> FileFooter:
        return parse_footer(footer_bytes(self._empty_file())[1])

    def _empty_file(self) -> memoryview:
        sink = pa.BufferOutputStream()
        writer(sink, self._schema, self._options, self._encodings).close()
        return memoryview(sink.getvalue())


class _Footers:
    """The footers of the row groups written so far, in memory while they are few."""

    def __init__(self, ctx: RunContext) -> None:
        self._ctx = ctx
        self._recent = bytearray()
        self._scratch: BinaryIO | None = None
        self._release = ExitStack()
        self.size = 0

    def add(self, footer: bytes) -> None:
        self._recent += footer
        self.size += len(footer)
        if len(self._recent) > _FOOTERS_IN_MEMORY:
            if self._scratch is None:
                self._scratch = self._release.enter_context(self._ctx.scratch())
            self._scratch.write(self._recent)
            self._recent = bytearray()

    def parts(self) -> Iterator[bytes | bytearray]:
        if self._scratch is not None:
            self._scratch.seek(0)
            while part := self._scratch.read(_COPY_BYTES):
                yield part
        yield self._recent

    def close(self) -> None:
        self._release.close()


def _check_level(options: ParquetSinkOptions) -> None:
    level, codec = options.compression_level, options.compression
    if level is None:
        return
    if codec in ("none", "snappy") or not pa.Codec.supports_compression_level(codec):
        raise OptionError(f"compression {codec} has no levels", hint="leave compression_level out")
    low, high = pa.Codec.minimum_compression_level(codec), pa.Codec.maximum_compression_level(codec)
    if not low <= level <= high:
        raise OptionError(f"compression_level {level} is not between {low} and {high}")


def _writable(schema: pa.Schema, path: str) -> pa.Schema:
    """The schema as it is written: some columns decoded, all else as it is."""
    if not len(schema):
        raise SchemaMismatch(
            "there are no columns, and Parquet counts rows by its columns", path=path
        )
    for i, field in enumerate(schema):
        if _is_decoded(field.type):
            schema = schema.set(i, field.with_type(field.type.value_type))
    refused = any(not _UNWRITABLE.isdisjoint(families(field.type)) for field in schema)
    if not refused and _refusal(schema) is None:
        return schema
    for field in schema:
        refusal = _refusal(pa.schema([field]))
        if refusal is not None or not _UNWRITABLE.isdisjoint(families(field.type)):
            raise SchemaMismatch(
                f"column {field.name!r} has the type {field.type}, which Parquet cannot hold",
                path=path,
                hint="cast it or leave it out",
            ) from refusal
    raise SchemaMismatch("Parquet cannot hold this schema", path=path)


def _is_decoded(kind: pa.DataType) -> bool:
    """Whether a column's values are written: run-end encoding is unknown to Parquet, and a reader
    makes dictionaries of strings and bytes alone."""
    if pa.types.is_run_end_encoded(kind):
        return True
    return pa.types.is_dictionary(kind) and kind.value_type not in _IN_DICTIONARIES


@contextmanager
def _told(path: str, rows: pa.RecordBatch) -> Iterator[None]:
    """Values that pyarrow refuses, such as seconds that are too many in milliseconds, are told."""
    try:
        yield
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
        raise DataError(
            f"its values cannot be written: {error}",
            path=path,
            place=_culprit(rows),
            hint="cast the column, or leave it out",
        ) from error


def _culprit(rows: pa.RecordBatch) -> str | None:
    """The column that cannot be written even by itself."""
    for name in rows.schema.names:
        alone = rows.select([name])
        try:
            with pq.ParquetWriter(pa.BufferOutputStream(), alone.schema) as out:
                out.write_batch(alone)
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
            return f"column '{name}'"
    return None


def _storable(column: pa.Array) -> pa.Array:
    """The column itself, or its values where these are written, or with a dictionary of no null."""
    if pa.types.is_run_end_encoded(column.type):
        return pc.run_end_decode(column)
    if _is_decoded(column.type):
        return decoded(column)
    if not pa.types.is_dictionary(column.type) or not column.dictionary.null_count:
        return column
    values = column.dictionary.drop_null()
    indices = pc.index_in(decoded(column), value_set=values)
    return pa.DictionaryArray.from_arrays(
        indices.cast(column.type.index_type), values, ordered=column.type.ordered
    )


def _columns(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in schema)


def _refusal(schema: pa.Schema) -> Exception | None:
    try:
        pq.ParquetWriter(pa.BufferOutputStream(), schema).close()
    except (pa.ArrowException, OSError) as error:
        return error
    return None
