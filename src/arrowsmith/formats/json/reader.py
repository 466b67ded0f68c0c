"""Reads JSON: ranges of whole records, each parsed by Arrow on any worker."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import pyarrow as pa

from arrowsmith.formats.json.careful import read_carefully
from arrowsmith.formats.json.fast import read_fast
from arrowsmith.formats.json.kinds import Kind
from arrowsmith.formats.json.locate import Locator
from arrowsmith.formats.json.plan import Plan
from arrowsmith.formats.json.ranges import COST_PER_BYTE, Bounds, Range, cut
from arrowsmith.formats.json.read_options import JsonlReadOptions, JsonReadOptions
from arrowsmith.formats.json.sniff import Sniffed, sniff
from arrowsmith.formats.json.widen import widen
from arrowsmith.kernels.slices import sliced
from arrowsmith.plugin.base import BaseReader, projected
from arrowsmith.plugin.feed import Buffers
from arrowsmith.plugin.protocols import RunContext, ScanRequest, Source

_FIRST_OF_FEW = 64 << 10
_FEW_ROWS = 10_000
_WIDEST = 17  # bytes that a value takes at most beside its text: a decimal128 and its validity


@dataclass(frozen=True, slots=True)
class JsonSplit:
    """Whole records from ``start`` to ``stop``, in bytes.

    Attributes:
        first: no record stands before it.
        last: nor behind it.
    """

    start: int
    stop: int
    first: bool
    last: bool

    @property
    def nbytes(self) -> int:
        return self.stop - self.start


class JsonTask:
    """One range to parse."""

    def __init__(self, piece: Range, plan: Plan, schema: pa.Schema, request: ScanRequest,
                 buffers: Buffers) -> None:  # fmt: skip
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


class _Reader(BaseReader):
    """What both readers share."""

    _format: str
    _lines: bool

    def __init__(
        self,
        source: Source,
        options: JsonlReadOptions,
        ctx: RunContext,
        *,
        known: Sniffed | None = None,
        like: Sniffed | None = None,
    ) -> None:
        self._source = source
        self._options = options
        self._ctx = ctx
        self._sniffed = known or self._sniff(like)
        whole = options.range_bytes if source.size is None else source.size + 1
        self._buffers = Buffers(min(options.range_bytes, whole))
        self._locator = Locator(
            lambda: self._ranges(self._sniffed.bounds), self._buffers, self._sniffed.line
        )
        if options.infer == "full" and known is None and not self._sniffed.whole:
            self._sniffed = self._widen()
        self._schema = self._make_schema()

    def _sniff(self, like: Sniffed | None) -> Sniffed:
        options = self._options
        records = options.records if isinstance(options, JsonReadOptions) else None
        limit = self._ctx.memory_limit
        found = sniff(self._source, options, limit, lines=self._lines, records=records)
        return like if like is not None and like == found else found  # what is shared is small

    @property
    def schema(self) -> pa.Schema:
        return self._schema

    @property
    def learned(self) -> Sniffed:
        return self._sniffed

    def tasks(self, request: ScanRequest) -> Iterator[JsonTask]:
        """A task for each range of records."""
        names, schema = self._project(request.columns)
        plan = self._plan(self._sniffed.record, names)
        few = request.limit is not None and request.limit <= _FEW_ROWS
        bounds = self._bounds(request.split)
        for piece in self._ranges(bounds, _FIRST_OF_FEW if few else None):
            yield JsonTask(piece, plan, schema, request, self._buffers)

    def splits(self, target: int) -> Iterator[JsonSplit]:
        """Pieces of about ``target`` bytes, found by one pass; none of a stream."""
        if not self._source.seekable:
            return
        start = stop = self._sniffed.bounds.start
        first = True
        ahead: JsonSplit | None = None
        for piece in self._ranges(self._sniffed.bounds):
            stop = piece.offset + piece.size
            self._buffers.give(piece.buffer)
            if stop - start >= target:
                if ahead is not None:
                    yield ahead
                ahead = JsonSplit(start, stop, first, last=False)
                start, first = stop, False
        if stop > start:
            if ahead is not None:
                yield ahead
            ahead = JsonSplit(start, stop, first, last=False)
        if ahead is not None:
            yield replace(ahead, last=True)

    def details(self) -> Mapping[str, int | str | list[str]]:
        """Shape of the file, and the path of the records within an object."""
        found = self._sniffed
        shape = {"lines": "lines", "array": "array", "sequence": "objects"}[found.shape]
        return {"shape": shape} | ({"records": found.records} if found.records else {})

    def widened(self) -> Self:
        """A reader of the same file whose inferred types fit all of it; scans it at least once."""
        return type(self)(self._source, self._options, self._ctx, known=self._widen())

    def _bounds(self, split: Any) -> Bounds:
        whole = self._sniffed.bounds
        if split is None:
            return whole
        stop = None if split.last else split.stop
        return replace(whole, start=split.start, stop=stop, first=split.first)

    def _ranges(self, bounds: Bounds, first: int | None = None) -> Iterator[Range]:
        return cut(
            self._source,
            self._ctx,
            self._sniffed.shape,
            self._buffers,
            bounds,
            most=self._options.max_record_bytes,
            first_size=first,
        )

    def _widen(self) -> Sniffed:
        found = self._sniffed
        record = widen(
            lambda record: self._plan(record, tuple(name for name, _ in record.fields)),
            found.record,
            lambda: self._ranges(found.bounds),
            self._buffers,
        )
        return replace(found, record=record)

    def _plan(self, record: Kind, names: tuple[str, ...]) -> Plan:
        return Plan(
            source=self._source,
            ctx=self._ctx,
            locator=self._locator,
            record=record,
            names=names,
            ignore=self._options.unknown_fields == "ignore",
            max_depth=self._options.max_depth,
        )

    def _project(self, names: tuple[str, ...] | None) -> tuple[tuple[str, ...], pa.Schema]:
        schema = projected(self._schema, names, path=self._source.path)
        return tuple(schema.names) or (self._schema.names[0],), schema

    def _make_schema(self) -> pa.Schema:
        kinds = dict(self._sniffed.record.fields)
        told = {
            "format": self._format,
            **self.details(),
            "encoding": "utf-8",
            "infer": self._options.infer,
            "types": {name: str(k.type) for name, k in kinds.items() if k.tag != "given"},
            "empty": [name for name, kind in kinds.items() if kind.tag == "null"],
            "json_text": [name for name, kind in kinds.items() if "json" in kind.form],
        }
        return pa.schema(
            [pa.field(name, kind.type) for name, kind in kinds.items()],
            metadata={"arrowsmith": json.dumps(told)},
        )


class JsonlReader(_Reader):
    """A file of JSON Lines: one object a line.

    Example:
        >>> with JsonlReader(source, JsonlReadOptions(), ctx) as reader:  # doctest: +SKIP
        ...     batches = list(reader.scan(ScanRequest(columns=("id",))))
    """

    _format = "jsonl"
    _lines = True


class JsonReader(_Reader):
    """A JSON file: an array of objects, an object with one in it, or objects one after another.

    Example:
        >>> with JsonReader(source, JsonReadOptions(), ctx) as reader:  # doctest: +SKIP
        ...     batches = list(reader.scan(ScanRequest()))
    """

    _format = "json"
    _lines = False
