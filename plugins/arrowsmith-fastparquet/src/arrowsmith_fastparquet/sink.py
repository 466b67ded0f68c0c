"""Write Parquet through fastparquet: workers encode row groups, the sink puts them in a row."""

from __future__ import annotations

import io
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Self

import pyarrow as pa
from fastparquet import parquet_thrift
from fastparquet.cencoding import ThriftObject
from fastparquet.writer import write_column

from arrowsmith.errors import DataError, SchemaMismatch
from arrowsmith.plugin import Chunk, RunContext, Target
from arrowsmith_fastparquet import WriteOptions
from arrowsmith_fastparquet.layout import Leaf, as_series, leaf, written_schema
from arrowsmith_fastparquet.tail import RowGroups, after_groups, before_groups

MAGIC = b"PAR1"
_CHUNK_BYTES = 2 << 20
_COPY_BYTES = 1 << 20
_CODECS = {"zstd": "ZSTD", "snappy": "SNAPPY", "gzip": "GZIP", "lz4": "LZ4_RAW", "none": None}


@dataclass(frozen=True, slots=True)
class EncodedGroup:
    """A row group as it will stand in the file, but for its place there.

    Attributes:
        body: its pages.
        rows: how many it has.
        columns: what the footer says of its columns, places counted from the start of ``body``.
    """

    body: memoryview
    rows: int
    columns: list[ThriftObject]

    @property
    def nbytes(self) -> int:
        return self.body.nbytes


class FastparquetSink:
    """Writes one Parquet file, a row group a chunk.

    Raises:
        SchemaMismatch: a column's type, or its name, cannot be written.
    """

    def __init__(
        self, target: Target, schema: pa.Schema, options: WriteOptions, ctx: RunContext
    ) -> None:
        self._target = target
        self._options = options
        self._schema = written_schema(schema, target.path)
        self._leaves = [leaf(field) for field in self._schema]
        self._groups = RowGroups(ctx)
        self._stream: BinaryIO | None = None
        self._position = len(MAGIC)

    @property
    def chunk(self) -> Chunk:
        return Chunk(rows=self._options.row_group_rows, nbytes=_CHUNK_BYTES, encode_cost=12.0)

    def prepare(self, first: pa.RecordBatch) -> None:
        """Nothing depends on the first rows."""

    def encode(self, chunk: pa.RecordBatch) -> EncodedGroup:
        """The pages of a row group."""
        body = io.BytesIO()
        columns = [
            self._column(body, column, one)
            for column, one in zip(chunk.columns, self._leaves, strict=True)
            if chunk.num_rows
        ]
        return EncodedGroup(body.getbuffer(), chunk.num_rows, columns)

    def _column(self, body: io.BytesIO, column: pa.Array, one: Leaf) -> ThriftObject:
        try:
            if column.null_count and not one.field.nullable:
                raise ValueError("it has nulls, which its schema rules out")
            # behind the values of a page of version 1 it puts eight zeros, which Polars refuses
            # where values have a fixed length
            fixed = one.physical == "FIXED_LEN_BYTE_ARRAY"
            written = write_column(
                body,
                as_series(column, one),
                one.element(one.encoded),
                compression=_CODECS[self._options.compression],
                datapage_version=2 if fixed else 1,
                stats=self._options.statistics and one.ordered,
            )
        except (ValueError, TypeError, OverflowError, pa.ArrowException) as error:
            raise DataError(
                f"its values cannot be written: {error}",
                path=self._target.path,
                place=f"column '{one.field.name}'",
                hint="cast the column, or leave it out",
            ) from error
        written.meta_data.type = getattr(parquet_thrift.Type, one.physical)
        return written

    def append(self, encoded: EncodedGroup) -> None:
        """Put a row group at the file's end."""
        if not encoded.rows:
            return
        stream = self._begun()
        for column in encoded.columns:
            meta = column.meta_data
            column.file_offset = column.file_offset + self._position
            meta.data_page_offset = meta.data_page_offset + self._position
            if meta.dictionary_page_offset is not None:
                meta.dictionary_page_offset = meta.dictionary_page_offset + self._position
        for start in range(0, encoded.nbytes, _COPY_BYTES):
            stream.write(encoded.body[start : start + _COPY_BYTES])
        self._position += encoded.nbytes
        group = ThriftObject.from_fields(
            "RowGroup",
            num_rows=encoded.rows,
            columns=encoded.columns,
            total_byte_size=sum(c.meta_data.total_uncompressed_size for c in encoded.columns),
        )
        self._groups.add(bytes(group.to_bytes()), encoded.rows)

    def write(self, batch: pa.RecordBatch) -> None:
        """Write a batch by itself, in as many row groups as it takes."""
        for start in range(0, batch.num_rows, self._options.row_group_rows):
            self.append(self.encode(batch.slice(start, self._options.row_group_rows)))

    def commit(self) -> None:
        """Write the footer: until then the file cannot be read."""
        stream = self._begun()
        before, after = before_groups(self._leaves, self._groups), after_groups(self._schema)
        size = len(before) + self._groups.size + len(after)
        if size >= 1 << 31:
            raise SchemaMismatch(
                f"{self._groups.count} row groups of {len(self._leaves)} columns need a footer of"
                f" {size} bytes, more than Parquet allows",
                path=self._target.path,
                hint="write several files, or larger row groups with row_group_rows",
            )
        stream.write(before)
        for part in self._groups.parts():
            stream.write(part)
        stream.write(after + size.to_bytes(4, "little") + MAGIC)
        stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._groups.close()

    def _begun(self) -> BinaryIO:
        if self._stream is None:
            self._stream = self._target.open()
            self._stream.write(MAGIC)
        return self._stream
