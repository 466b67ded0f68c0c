"""Read Parquet: row group by row group, only the columns and row groups that are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from arrowsmith.errors import ArrowsmithError, BudgetExceeded, DataError, UsageError
from arrowsmith.formats.parquet import ParquetReaderOptions
from arrowsmith.formats.parquet.chunks import ChunkCheck
from arrowsmith.formats.parquet.footer import TAIL_BYTES
from arrowsmith.formats.parquet.layout import (
    DAMAGE,
    Group,
    check_ends,
    check_group,
    damaged,
    first_page,
    leaf_types,
)
from arrowsmith.formats.parquet.pages import check_pages
from arrowsmith.formats.parquet.ranges import open_bytes, spooled
from arrowsmith.formats.parquet.stats import group_stats
from arrowsmith.kernels.names import decode_names
from arrowsmith.plugin import BaseReader, ColumnStats, RunContext, ScanRequest, Source

# Larger columns of a row group are read page by page, through a buffer of this size each.
_WHOLE_COLUMN_BYTES = 4 << 20
_PAGE_BUFFER_BYTES = 1 << 20
# What most writers, pyarrow among them, make of a page at most.
_PAGE_BYTES = 1 << 20
_DESCRIBED_GROUPS = 16  # whose codecs and encodings details() looks at
# Strings in a dictionary may be far longer than their share of the stored bytes: how many rows to
# look at before the size of batches is settled.
_PROBE_ROWS = 1024
# What a whole run takes per byte of a single large row, which is encoded as well, and beside it.
_ROW_COST = 9
_RUN_COST = 24 << 20


@dataclass(frozen=True, slots=True)
class ParquetSplit:
    """Row groups ``first`` to ``last``, the last one not included."""

    first: int
    last: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class _Projection:
    """Which columns to read.

    Attributes:
        names: the columns in the order wanted.
        leaves: the numbers of their leaf columns in the file, ascending.
        schema: of the batches.
    """

    names: list[str]
    leaves: list[int]
    schema: pa.Schema


class ParquetReader(BaseReader):
    """An opened Parquet file.

    Raises:
        DataError: the footer is damaged.
        BudgetExceeded: the footer, or a single row, is too large for the budget.
    """

    def __init__(self, source: Source, options: ParquetReaderOptions, ctx: RunContext) -> None:
        self._source = source
        self._options = options
        self._ctx = ctx
        self._release = ExitStack()
        try:
            copy = self._release.enter_context(spooled(source, ctx))
            self._data = open_bytes(source, copy, ctx)
            self._footer_size = check_ends(self._data, source.path, ctx.memory_limit)
            file = self._guarded(lambda: self._open(None), "the footer")
            self._metadata: pq.FileMetaData = file.metadata
            self._schema: pa.Schema = self._guarded(lambda: _schema_of(file), "the schema")
            self._check_rows()
            self._chunks: ChunkCheck = self._guarded(self._footer_check, "the footer")
        except BaseException:
            self._release.close()
            raise
        counts = [len(leaf_types(field.type)) for field in self._schema]
        ends = [sum(counts[: i + 1]) for i in range(len(counts))]
        self._leaves = [range(end - count, end) for end, count in zip(ends, counts, strict=True)]
        if (ends[-1] if ends else 0) != self._metadata.num_columns:
            raise DataError("its columns do not fit its Arrow schema", path=source.path)

    @property
    def schema(self) -> pa.Schema:
        return self._schema

    def count(self) -> int:
        return self._metadata.num_rows

    def details(self) -> dict[str, int | str | list[str]]:
        """Row groups, codecs and encodings, from the footer.

        Raises:
            DataError: the footer is damaged.
        """
        return self._guarded(self._described, "the footer")

    def _described(self) -> dict[str, int | str | list[str]]:
        meta = self._metadata
        described = range(min(meta.num_row_groups, _DESCRIBED_GROUPS))
        for group in described:
            self._untold(group)
        chunks = [
            meta.row_group(group).column(column)
            for group in described
            for column in range(meta.num_columns)
        ]
        return {
            "row_groups": meta.num_row_groups,
            "codecs": sorted({chunk.compression.lower() for chunk in chunks}),
            "encodings": sorted({name for chunk in chunks for name in chunk.encodings}),
            "written_by": meta.created_by or "",
        }

    def splits(self, target: int) -> Iterator[ParquetSplit]:
        """Runs of row groups of about ``target`` bytes in the file."""
        first, size = 0, 0
        everything = list(range(self._metadata.num_columns))
        for number in range(self._metadata.num_row_groups):
            stored = self._group(number, everything).stored
            if size and size + stored > target:
                yield ParquetSplit(first, number, size)
                first, size = number, 0
            size += stored
        if first < self._metadata.num_row_groups:
            yield ParquetSplit(first, self._metadata.num_row_groups, size)

    def tasks(self, request: ScanRequest) -> Iterator[GroupTask]:
        """A task for each row group that may have rows that match."""
        projection = self._project(request.columns)
        numbers = self._numbers(request)
        threads = 0 < len(numbers) < self._ctx.threads
        # A limit counts the rows that are left after the predicate, which the runner applies.
        left = request.limit if request.predicate is None else None
        for number in numbers:
            if left is not None and left <= 0:
                return
            group = self._group(number, projection.leaves)
            yield GroupTask(self, group, projection, request, left, threads)
            if left is not None:
                left -= group.rows

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._release.close()

    def _open(self, metadata: pq.FileMetaData | None, buffer_size: int = 0) -> pq.ParquetFile:
        return pq.ParquetFile(
            pa.PythonFile(self._data.open(), mode="r"),
            metadata=metadata,
            buffer_size=buffer_size,
            pre_buffer=False,
            thrift_string_size_limit=max(1 << 10, self._footer_size),
            thrift_container_size_limit=max(1 << 10, self._footer_size),
            page_checksum_verification=self._options.verify_checksums,
        )

    def _guarded(self, call: Callable[[], Any], place: str) -> Any:
        try:
            return call()
        except ArrowsmithError:
            raise
        except DAMAGE as error:
            raise damaged(error, self._source.path, place) from error

    def _check_rows(self) -> None:
        meta = self._metadata
        total = sum(meta.row_group(i).num_rows for i in range(meta.num_row_groups))
        if meta.num_rows != total:
            raise DataError(
                f"it claims {meta.num_rows} rows, its row groups {total}",
                path=self._source.path,
                place="the footer",
            )

    def _footer_check(self) -> ChunkCheck:
        start = self._data.size - TAIL_BYTES - self._footer_size
        footer = self._data.read_at(start, self._footer_size)
        return ChunkCheck(footer, self._metadata.schema, self._data.size)

    def _untold(self, number: int) -> frozenset[int]:
        """Check a row group's columns; the leaves whose bounds must not be looked at."""
        return self._guarded(lambda: self._chunks.untold(number), f"row group {number}")

    def _group(self, number: int, leaves: list[int]) -> Group:
        self._untold(number)
        return self._guarded(
            lambda: check_group(self._metadata, number, leaves, self._data.size, self._source.path),
            f"row group {number}",
        )

    def _project(self, columns: tuple[str, ...] | None) -> _Projection:
        names = list(self._schema.names if columns is None else columns)
        if columns is None:
            return _Projection(names, list(range(self._metadata.num_columns)), self._schema)
        fields = [self._field(name) for name in names]
        leaves = sorted({leaf for i in fields for leaf in self._leaves[i]})
        schema = pa.schema([self._schema.field(i) for i in fields], self._schema.metadata)
        return _Projection(names, leaves, schema)

    def _field(self, name: str) -> int:
        index = self._schema.get_field_index(name)
        if index < 0:
            raise UsageError(
                f"there is no column {name!r}, or more than one",
                path=self._source.path,
                hint=f"the columns are {', '.join(self._schema.names[:20])}",
            )
        return index

    def _numbers(self, request: ScanRequest) -> list[int]:
        """The row groups of the split that may match."""
        split = request.split
        numbers = range(self._metadata.num_row_groups)
        if isinstance(split, ParquetSplit):
            numbers = numbers[split.first : split.last]
        predicate = request.predicate
        if predicate is None:
            return list(numbers)
        fields = [self._field(name) for name in sorted(predicate.columns)]
        leaves = [
            (self._schema.field(i), self._leaves[i][0])
            for i in fields
            if _is_flat(self._schema.field(i).type)
        ]
        return [number for number in numbers if predicate.may_match(self._stats(number, leaves))]

    def _stats(self, number: int, leaves: list[tuple[pa.Field, int]]) -> dict[str, ColumnStats]:
        untold = self._untold(number)
        told = [(field, leaf) for field, leaf in leaves if leaf not in untold]
        group = self._metadata.row_group(number)
        unknown = ColumnStats(None, None, None, group.num_rows)
        return {field.name: unknown for field, _ in leaves} | group_stats(group, told)


class GroupTask:
    """A row group to read, or as much of it as a limit asks for.

    Attributes:
        nbytes: its share of the file by its rows.
        cost: its columns' stored bytes, or their buffers where they are read page by page, a page
            of each column decompressed, and a batch.
    """

    def __init__(
        self,
        reader: ParquetReader,
        group: Group,
        projection: _Projection,
        request: ScanRequest,
        limit: int | None,
        threads: bool,
    ) -> None:
        self._reader = reader
        self._group = group
        self._projection = projection
        self._request = request
        self._limit = limit
        self._threads = threads
        self._paged = group.largest > _WHOLE_COLUMN_BYTES
        self._row_bytes = group.plain // max(1, group.rows) + 1
        self._check_budget()
        self.nbytes = reader._data.size * group.rows // max(1, reader._metadata.num_rows)
        held = group.stored
        if self._paged:
            held = min(held, len(projection.leaves) * _PAGE_BUFFER_BYTES)
        pages = min(group.plain, len(projection.leaves) * _PAGE_BYTES)
        batch = max(self._row_bytes, min(group.plain, request.batch_bytes))
        self.cost = held + pages + batch

    def read(self) -> Iterator[pa.RecordBatch]:
        """The rows, in batches under both ceilings of the request."""
        place = f"row group {self._group.number}"
        path = self._reader._source.path
        wanted = self._group.rows if self._limit is None else min(self._limit, self._group.rows)
        produced = 0
        try:
            if self._paged:
                self._check_pages()
            for batch in self._batches():
                batch.validate(full=True)
                self._reader._ctx.check_cancelled()
                batch = batch.slice(0, wanted - produced)
                produced += batch.num_rows
                yield from self._cut(batch)
                if produced >= wanted:
                    break
        except DAMAGE as error:
            self._reader._source.check_unchanged()
            raise damaged(error, path, place) from error
        self._reader._source.check_unchanged()
        if produced < wanted:
            raise DataError(
                f"it has {produced} rows, the footer says {self._group.rows}",
                path=path,
                place=place,
            )

    def _check_pages(self) -> None:
        group = self._reader._metadata.row_group(self._group.number)
        for leaf in self._projection.leaves:
            column = group.column(leaf)
            start = first_page(column)
            size = column.total_compressed_size
            check_pages(self._reader._data, start, size, column.num_values)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        rows = self._batch_rows()
        if rows > _PROBE_ROWS and self._has_dictionary():
            first = next(self._decoded(_PROBE_ROWS), None)
            if first is not None and first.num_rows:
                self._row_bytes = max(self._row_bytes, first.nbytes // first.num_rows)
                rows = self._batch_rows()
        yield from self._decoded(rows)

    def _decoded(self, rows: int) -> Iterator[pa.RecordBatch]:
        buffer_size = _PAGE_BUFFER_BYTES if self._paged else 0
        with self._reader._open(self._reader._metadata, buffer_size) as file:
            batches = file.reader.iter_batches(
                rows,
                row_groups=[self._group.number],
                column_indices=self._projection.leaves,
                use_threads=self._threads,
            )
            for batch in batches:
                names = self._projection.names
                yield batch if batch.schema.names == names else batch.select(names)

    def _batch_rows(self) -> int:
        request = self._request
        rows = min(request.batch_rows, request.batch_bytes // self._row_bytes)
        return max(1, min(rows, self._limit or rows))

    def _has_dictionary(self) -> bool:
        group = self._reader._metadata.row_group(self._group.number)
        columns = [group.column(leaf) for leaf in self._projection.leaves]
        return any(c.has_dictionary_page and c.physical_type == "BYTE_ARRAY" for c in columns)

    def _cut(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """The batch in pieces of the size asked for, where rows turned out larger than thought."""
        size = batch.nbytes
        if size <= 2 * self._request.batch_bytes or batch.num_rows < 2:
            yield batch
            return
        rows = max(1, batch.num_rows * self._request.batch_bytes // size)
        for start in range(0, batch.num_rows, rows):
            yield batch.slice(start, rows)

    def _check_budget(self) -> None:
        """Raise for rows of which memory cannot hold two. The footer tells their mean size only;
        the largest is taken for twice that, or for all of the row group."""
        limit = self._reader._ctx.memory_limit
        largest = min(self._group.plain, 2 * self._row_bytes)
        if 2 * largest > limit:
            needed = _ROW_COST * largest + _RUN_COST
            enough = f"{(needed >> 20) + 1}MB"
            raise BudgetExceeded(
                f"a row of up to {largest} bytes needs about {needed >> 20} MB, more than the "
                f"memory budget of {limit >> 20} MB",
                needed=needed,
                path=self._reader._source.path,
                place=f"row group {self._group.number}",
                hint=f"give it more: --memory {enough} or budget=MemoryBudget('{enough}')",
            )


def _is_flat(kind: pa.DataType) -> bool:
    return not (
        pa.types.is_nested(kind)
        or pa.types.is_dictionary(kind)
        or isinstance(kind, pa.BaseExtensionType)
    )


def _schema_of(file: pq.ParquetFile) -> pa.Schema:
    schema = file.schema_arrow
    decode_names(schema)
    return schema
