"""A table as the source of a pipeline, and a sink that collects: for sinks and transforms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, cast

import pyarrow as pa

from arrowsmith.context import Context
from arrowsmith.errors import DataError
from arrowsmith.inputs import Input
from arrowsmith.pipeline import Pipeline, PipelineConfig
from arrowsmith.pipeline.plan import Verb
from arrowsmith.plugin.protocols import RunContext, ScanRequest, ScanTask, Source
from arrowsmith.testing.checks import quiet


class TableFeed:
    """Takes the place of a dataset: a table in batches of given sizes, ``Pipeline``'s source.

    Args:
        table: the rows.
        rows: of each batch, and of each task of one batch.
        fail_after: raise a ``DataError`` after so many batches, as a damaged file would.
    """

    verbs: tuple[Verb, ...] = ()
    sources: Sequence[Source] = ()

    def __init__(self, table: pa.Table, rows: int, *, fail_after: int | None = None) -> None:
        self.table = table
        self.rows = rows
        self.fail_after = fail_after
        self.schema = table.schema

    def claim(self, context: Context) -> Input:
        self.context = context
        return cast(Input, self)

    def tasks(self, request: ScanRequest, *, again: bool = False) -> Iterator[ScanTask]:
        columns = list(request.columns if request.columns is not None else self.schema.names)
        table = self.table.select(columns)
        for number, batch in enumerate(cut(table, min(self.rows, request.batch_rows))):
            if number == self.fail_after:
                raise DataError("the feed was told to fail")
            yield BatchTask(batch)

    def close(self) -> None:
        """Nothing to close."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class BatchTask:
    """A batch as a task of its own."""

    batch: pa.RecordBatch

    @property
    def cost(self) -> int:
        return 2 * self.batch.nbytes

    def read(self) -> Iterator[pa.RecordBatch]:
        yield self.batch


def cut(table: pa.Table, rows: int) -> list[pa.RecordBatch]:
    """The table in batches of exactly ``rows`` rows but for the last, whatever its chunks."""
    whole = table.combine_chunks()
    return [
        batch
        for start in range(0, table.num_rows, rows)
        for batch in whole.slice(start, rows).to_batches()
    ]


@dataclass(slots=True)
class _Collector:
    schema: pa.Schema
    batches: list[pa.RecordBatch] = field(default_factory=list)

    def write(self, batch: pa.RecordBatch) -> None:
        self.batches.append(batch)

    def commit(self) -> None:
        """All is collected."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to give back."""


def collect(feed: TableFeed, transforms: Sequence[Any], threads: int) -> pa.Table:
    """What a pipeline over ``feed`` gives, as a table.

    Example:
        >>> feed = TableFeed(pa.table({"a": [1, 2, 3]}), rows=2)
        >>> collect(feed, [lambda batch: batch.select(["a"])], threads=2).num_rows
        3
    """
    collectors: list[_Collector] = []

    def sink(schema: pa.Schema, context: RunContext) -> _Collector:
        collectors.append(_Collector(schema))
        return collectors[-1]

    config = PipelineConfig(worker_threads=threads, batch_rows=feed.rows)
    with quiet():
        Pipeline(feed, transforms, sink, budget="1GB", config=config).run()
    [collector] = collectors
    return pa.Table.from_batches(collector.batches, schema=collector.schema)
