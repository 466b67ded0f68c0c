"""Reads CSV: ranges of whole records, each parsed by Arrow on any worker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from arrowsmith.formats.csv.alike import alike
from arrowsmith.formats.csv.careful import read_carefully
from arrowsmith.formats.csv.columns import Column
from arrowsmith.formats.csv.fast import read_fast
from arrowsmith.formats.csv.infer import Guess
from arrowsmith.formats.csv.locate import Locator
from arrowsmith.formats.csv.plan import Plan
from arrowsmith.formats.csv.ranges import COST_PER_BYTE, Range, cut
from arrowsmith.formats.csv.read_options import CsvReadOptions
from arrowsmith.formats.csv.sniff import Sniffed, sniff
from arrowsmith.formats.csv.widen import widen
from arrowsmith.kernels.slices import sliced
from arrowsmith.plugin.base import BaseReader, projected
from arrowsmith.plugin.feed import Buffers
from arrowsmith.plugin.protocols import RunContext, ScanRequest, Source

_FIRST_OF_FEW = 64 << 10
_FEW_ROWS = 10_000
_WIDEST = 33  # bytes that a value takes at most beside its text: a decimal256 and its validity


@dataclass(frozen=True, slots=True)
class CsvSplit:
    """Whole records from ``start`` to ``stop``, in bytes."""

    start: int
    stop: int

    @property
    def nbytes(self) -> int:
        return self.stop - self.start


class CsvTask:
    """One range to parse."""

    def __init__(
        self, piece: Range, plan: Plan, schema: pa.Schema, request: ScanRequest, buffers: Buffers
    ) -> None:
        self._piece: Range | None = piece
        self._cost = len(piece.buffer) + piece.size * COST_PER_BYTE
        self._plan = plan
        self._schema = schema
        self._request = request
        self._buffers = buffers

    @property
    def cost(self) -> int:
        return self._cost

    def read(self) -> Iterator[pa.RecordBatch]:
        piece, self._piece = self._piece, None
        if piece is None:
            return
        batch = read_range(piece, self._plan)
        most = piece.size + batch.num_rows * batch.num_columns * _WIDEST
        self._buffers.give(piece.buffer)
        del piece
        if not len(self._schema):
            batch = batch.select([])
        batch = batch.replace_schema_metadata(self._schema.metadata)
        rows, nbytes = self._request.batch_rows, self._request.batch_bytes
        if batch.num_rows > rows or most > nbytes:
            yield from sliced(batch, rows, nbytes)
        elif batch.num_rows:
            yield batch


def read_range(piece: Range, plan: Plan) -> pa.RecordBatch:
    """The rows of a range: by the parser alone, or with care where that may be wrong."""
    batch = read_fast(piece, plan)
    return read_carefully(piece, plan) if batch is None else batch


@dataclass(frozen=True, slots=True)
class CsvLearned:
    """What a reader knows of its file, and the schema that comes of it."""

    sniffed: Sniffed
    schema: pa.Schema


class CsvReader(BaseReader):
    """A CSV file.

    Example:
        >>> with CsvReader(source, CsvReadOptions(), ctx) as reader:  # doctest: +SKIP
        ...     batches = list(reader.scan(ScanRequest(columns=("id",))))
    """

    def __init__(
        self,
        source: Source,
        options: CsvReadOptions,
        ctx: RunContext,
        *,
        known: CsvLearned | None = None,
        like: CsvLearned | None = None,
    ) -> None:
        self._source = source
        self._options = options
        self._ctx = ctx
        self._sniffed = self._look(known, like)
        whole = options.range_bytes if source.size is None else source.size + 1
        self._buffers = Buffers(min(options.range_bytes, whole))
        self._locator = self._make_locator()
        if options.infer == "full" and known is None and not self._sniffed.whole:
            self._sniffed = self._widen()
        same = next((one for one in (known, like) if one and one.sniffed is self._sniffed), None)
        self._schema = same.schema if same else self._make_schema(self._sniffed)

    def _look(self, known: CsvLearned | None, like: CsvLearned | None) -> Sniffed:
        if known is not None:
            return known.sniffed
        found = alike(self._source, self._options, like.sniffed) if like is not None else None
        return found or sniff(self._source, self._options, self._ctx.memory_limit)

    @property
    def learned(self) -> CsvLearned:
        return CsvLearned(self._sniffed, self._schema)

    @property
    def schema(self) -> pa.Schema:
        return self._schema

    def tasks(self, request: ScanRequest) -> Iterator[CsvTask]:
        """A task for each range of records."""
        read, schema = self._project(request.columns)
        plan = self._plan(read)
        few = request.limit is not None and request.limit <= _FEW_ROWS
        for piece in self._ranges(request.split, _FIRST_OF_FEW if few else None):
            yield CsvTask(piece, plan, schema, request, self._buffers)

    def splits(self, target: int) -> Iterator[CsvSplit]:
        """Pieces of about ``target`` bytes, found by one pass over the quotes; none of a stream."""
        if not self._source.seekable:
            return
        start = stop = self._sniffed.start
        for piece in self._ranges(None, None):
            stop = piece.offset + piece.size
            self._buffers.give(piece.buffer)
            if stop - start >= target:
                yield CsvSplit(start, stop)
                start = stop
        if stop > start:
            yield CsvSplit(start, stop)

    def widened(self) -> CsvReader:
        """A reader of the same file whose inferred types fit all of it; scans it once or twice."""
        found = self._widen()
        known = CsvLearned(found, self._make_schema(found))
        return CsvReader(self._source, self._options, self._ctx, known=known)

    def _ranges(self, split: Any, first: int | None) -> Iterator[Range]:
        return cut(
            self._source,
            self._ctx,
            self._sniffed.dialect,
            self._buffers,
            start=self._sniffed.start if split is None else split.start,
            stop=None if split is None else split.stop,
            first=first,
            max_record=self._options.max_record_bytes,
        )

    def _make_locator(self) -> Locator:
        return Locator(
            lambda: self._ranges(None, None),
            self._buffers,
            self._sniffed.dialect,
            self._sniffed.line,
        )

    def _widen(self) -> Sniffed:
        found = self._sniffed
        guesses = dict(found.guesses)
        columns = widen(
            self._plan(found.columns),
            found.columns,
            lambda: self._ranges(None, None),
            self._buffers,
            guesses,
        )
        return replace(found, columns=columns, guesses=guesses)

    def _plan(self, read: tuple[Column, ...]) -> Plan:
        return Plan(
            source=self._source,
            ctx=self._ctx,
            dialect=self._sniffed.dialect,
            names=self._sniffed.names,
            read=read,
            nulls=self._options.nulls,
            locator=self._locator,
        )

    def _project(self, names: tuple[str, ...] | None) -> tuple[tuple[Column, ...], pa.Schema]:
        columns = self._sniffed.columns
        schema = projected(self._schema, names, path=self._source.path)
        if names is None:
            return columns, schema
        known = {column.name: column for column in columns}
        read = tuple(known[name] for name in schema.names)
        return read or (replace(columns[0], type=pa.string(), tokens=()),), schema

    def _make_schema(self, found: Sniffed) -> pa.Schema:
        told = {
            "format": "csv",
            "delimiter": found.dialect.delimiter,
            "quote": found.dialect.quote,
            "header": found.header,
            "line_end": found.dialect.line_end,
            "encoding": "utf-8",
            "nulls": list(self._options.nulls),
            "infer": self._options.infer,
            "types": {c.name: str(c.type) for c in found.columns if not c.explicit},
            "empty": [name for name, guess in found.guesses.items() if guess == Guess(pa.null())],
            "null_tokens": {c.name: list(c.tokens) for c in found.columns if c.tokens},
        }
        return pa.schema(
            [pa.field(column.name, column.type) for column in found.columns],
            metadata={"arrowsmith": json.dumps(told)},
        )
