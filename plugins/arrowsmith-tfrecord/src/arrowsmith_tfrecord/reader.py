"""Reads TFRecord: runs of whole frames, each decoded on any worker."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, Self

import pyarrow as pa

from arrowsmith.errors import DataError
from arrowsmith.plugin import BaseReader, RunContext, ScanRequest, Source, projected
from arrowsmith.plugin.feed import Buffers
from arrowsmith_tfrecord import ReadOptions
from arrowsmith_tfrecord.decode import Layout
from arrowsmith_tfrecord.frames import ROWS, Fault, Limits, Run, cut
from arrowsmith_tfrecord.index import RecordIndex, load_index
from arrowsmith_tfrecord.infer import Learner
from arrowsmith_tfrecord.inflate import ZlibSource, is_zlib
from arrowsmith_tfrecord.kinds import Column, columns_of, given_columns
from arrowsmith_tfrecord.read import WRONG, Plan, fault_of, read_run
from arrowsmith_tfrecord.wire import PAD

Payload = Literal["example", "sequence", "raw"]
RAW = pa.schema([pa.field("record", pa.binary(), nullable=False)])
_FIRST_OF_FEW = 64 << 10
_FEW_ROWS = 10_000
_SLOTS = 1 << 20  # values of a batch, nulls with them
_LEAST_COST = 3  # memory that decoding takes per byte: the columns, and what they are made of
_MOST_COST = 16
_ENTRY_COST = 320  # and for each feature


@dataclass(frozen=True, slots=True)
class TfrecordSplit:
    """Whole frames from ``start`` to ``stop``, in bytes.

    Attributes:
        stop: None for all that is left.
        record: the number of the first record.
        nbytes: how many there are.
    """

    start: int
    stop: int | None
    record: int
    nbytes: int


class TfrecordTask:
    """One run to decode."""

    def __init__(
        self, run: Run, plan: Plan, cost: float, request: ScanRequest, buffers: Buffers,
        *, plain: bool,
    ) -> None:  # fmt: skip
        self._run: Run | None = run
        self._cost = len(run.buffer) + int(run.size * cost)
        self._nbytes = run.size if plain else None
        self._plan = plan
        self._request = request
        self._buffers = buffers

    @property
    def cost(self) -> int:
        return self._cost

    @property
    def nbytes(self) -> int | None:
        """Bytes of the file, where it is not compressed."""
        return self._nbytes

    def read(self) -> Iterator[pa.RecordBatch]:
        run, self._run = self._run, None
        if run is None:
            return
        batch = read_run(run, self._plan)
        self._buffers.give(run.buffer)
        rows, nbytes = self._request.batch_rows, self._request.batch_bytes
        for start in range(0, batch.num_rows, rows):
            yield from _halved(batch.slice(start, rows), nbytes)


def _halved(batch: pa.RecordBatch, nbytes: int) -> Iterator[pa.RecordBatch]:
    """Slices of about so many bytes."""
    if batch.num_rows > 1 and batch.nbytes > nbytes:
        middle = batch.num_rows // 2
        yield from _halved(batch.slice(0, middle), nbytes)
        yield from _halved(batch.slice(middle), nbytes)
    else:
        yield batch


class TfrecordReader(BaseReader):
    """A TFRecord file: a row for each record.

    Args:
        source: the file, plain or of zlib; other compression is peeled already.
        options: how to read it.
        ctx: the run.

    Raises:
        DataError: a feature of the sample is of two kinds.
        OptionError: ``features=`` names no type.

    Example:
        >>> with TfrecordReader(source, ReadOptions(), ctx) as reader:  # doctest: +SKIP
        ...     batches = list(reader.scan(ScanRequest(columns=("label",))))
    """

    def __init__(
        self,
        source: Source,
        options: ReadOptions,
        ctx: RunContext,
        *,
        learned: tuple[Payload, Learner] | None = None,
    ) -> None:
        self._source = ZlibSource(source) if is_zlib(source.head(4096)) else source
        self._options = options
        self._ctx = ctx
        self._buffers = Buffers(options.range_bytes + PAD)
        self._limits = Limits(options.verify, ROWS, options.max_record_bytes)
        self._index: RecordIndex | None = None
        self._index_asked = False
        self._payload, self._learner = learned or self._sampled()
        self._columns = self._make_columns()
        self._limits = replace(
            self._limits, rows=max(1, min(ROWS, _SLOTS // max(len(self._columns), 1)))
        )
        if options.infer == "full" and learned is None and not self._is_given:
            self._learn_all()
            self._columns = self._make_columns()
        self._schema = self._make_schema()

    # --- what the file holds ---------------------------------------------------------------------

    @property
    def _is_given(self) -> bool:
        return bool(self._options.features) or self._payload == "raw"

    def _sampled(self) -> tuple[Payload, Learner]:
        """What the records are, and the features of the first."""
        path, asked = self._source.path, self._options.payload
        found: dict[Payload, Learner] = {}
        for payload in ("sequence", "example"):
            if asked in (payload, "auto"):
                sequence = payload == "sequence"
                given = bool(self._options.features)
                learner = Learner(path, self._options.verify, sequence, given=given)
                self._sample(learner)
                found[payload] = learner
                if any(sequence for sequence, _ in learner.seen):
                    break
        if asked != "auto":
            return asked, found.get(asked) or Learner(path, self._options.verify, False)
        lists, example = found["sequence"], found.get("example")
        if example is None:
            return "sequence", lists
        if example.seen or self._options.features:
            return "example", example
        return "raw", example

    def _sample(self, learner: Learner) -> None:
        """Learn from the first run of which a record is sound.

        Raises:
            DataError: no record is, so that nothing is known of them.
        """
        first: Fault | None = None
        for run in self._runs(first_size=self._options.sample_bytes):
            learner.learn(run)
            if learner.rows:
                return
            first = first or (fault_of(run, 0, WRONG) if run.rows else run.tail)
        if first is not None and not self._options.features:
            place = f"record {first.record}, byte {first.offset}"
            raise DataError(
                first.reason,
                path=self._source.path,
                place=place,
                hint="no record is sound; if these are TFRecords, say what is in them: features=",
            )

    def _learn_all(self) -> None:
        self._learner.closed = self._options.unknown_features == "ignore" and bool(
            self._learner.seen
        )
        for run in self._runs():
            self._learner.learn(run)
            self._buffers.give(run.buffer)

    def _make_columns(self) -> tuple[Column, ...]:
        if self._payload == "raw":
            return ()
        if self._options.features:
            sequence = self._payload == "sequence"
            return given_columns(self._options.features, sequence=sequence)
        return columns_of(self._learner.features(), fixed=self._options.fixed_lists)

    def _make_schema(self) -> pa.Schema:
        told = {
            "format": "tfrecord",
            **self.details(),
            "infer": self._options.infer,
            "types": {c.name: str(c.type) for c in self._columns if c.seen is not None},
        }
        metadata = {"arrowsmith": json.dumps(told)}
        if self._payload == "raw":
            return RAW.with_metadata(metadata)
        fields = [pa.field(column.name, column.type) for column in self._columns]
        return pa.schema(fields, metadata=metadata)

    @property
    def schema(self) -> pa.Schema:
        return self._schema

    def details(self) -> Mapping[str, int | str | list[str]]:
        """What the records are, and TFRecord's own compression."""
        zlib = isinstance(self._source, ZlibSource)
        return {"payload": self._payload} | ({"compression_type": "ZLIB"} if zlib else {})

    def count(self) -> int | None:
        """The number of records where an index tells it."""
        index = self._record_index()
        return index.rows if index is not None and self._ctx.on_error == "raise" else None

    def widened(self) -> Self:
        """A reader of the same file whose inferred types fit all of it; scans it once."""
        self._learn_all()
        return type(self)(
            self._source, self._options, self._ctx, learned=(self._payload, self._learner)
        )

    # --- reading ---------------------------------------------------------------------------------

    def tasks(self, request: ScanRequest) -> Iterator[TfrecordTask]:
        """A task for each run of frames."""
        plan = self._plan(request.columns)
        few = request.limit is not None and request.limit <= _FEW_ROWS
        split = request.split if isinstance(request.split, TfrecordSplit) else None
        for run in self._runs(split, _FIRST_OF_FEW if few else None):
            plain = self._source.seekable
            yield TfrecordTask(run, plan, self._cost(), request, self._buffers, plain=plain)

    def splits(self, target: int) -> Iterator[TfrecordSplit]:
        """Pieces of about ``target`` bytes, from the index or by one pass; none of a stream."""
        size = self._source.size
        if not self._source.seekable or size is None:
            return
        index = self._record_index()
        if index is not None:
            for start, stop, record in index.pieces(target):
                yield TfrecordSplit(start, stop, record, stop - start)
            return
        start = record = 0
        for run in self._runs():
            for row in _cuts(run, start, target):
                yield TfrecordSplit(start, run.place(row), record, run.place(row) - start)
                start, record = run.place(row), run.record + row
            self._buffers.give(run.buffer)
        if start < size:
            yield TfrecordSplit(start, None, record, size - start)

    def _runs(
        self, split: TfrecordSplit | None = None, first_size: int | None = None
    ) -> Iterator[Run]:
        split = split or TfrecordSplit(0, None, 0, 0)
        return cut(
            self._source,
            self._ctx,
            self._buffers,
            self._limits,
            start=split.start,
            stop=split.stop,
            record=split.record,
            first_size=first_size,
        )

    def _record_index(self) -> RecordIndex | None:
        if not self._index_asked:
            self._index = load_index(self._source, self._options.index, self._ctx)
            self._index_asked = True
        return self._index

    def _cost(self) -> float:
        """Memory that decoding takes per byte of records, as far as the sample tells."""
        if self._payload == "raw":
            return _LEAST_COST
        learner = self._learner
        density = learner.entries / max(learner.nbytes, 1)
        return min(_LEAST_COST + _ENTRY_COST * density, _MOST_COST)

    def _plan(self, names: tuple[str, ...] | None) -> Plan:
        schema = projected(self._schema, names, path=self._source.path)
        layout = None
        if self._payload != "raw":
            by_name = {column.name: column for column in self._columns}
            wanted = [by_name[name] for name in schema.names]
            strict = self._options.unknown_features == "conflict" and not self._options.features
            layout = Layout.of(
                wanted,
                [column.key for column in self._columns],
                schema,
                usual=self._learner.order,
                sequence=self._payload == "sequence",
                strict=strict and set(schema.names) == set(self._schema.names),
            )
        return Plan(self._source.path, self._ctx, layout, schema, self._options.verify)


def _cuts(run: Run, start: int, target: int) -> Iterator[int]:
    """The rows of a run before which a piece of ``target`` bytes ends."""
    places = run.starts - 12 + run.offset
    row = 0
    while True:
        row = max(row, int(places.searchsorted(start + target)))
        if row >= run.rows:
            return
        yield row
        start, row = int(places[row]), row + 1
