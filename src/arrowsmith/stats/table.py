"""What a table holds: a meter for each column, fed by a run as its sink."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Self

import pyarrow as pa

from arrowsmith.kernels.scratch import Scratch
from arrowsmith.plugin import Chunk, RunContext
from arrowsmith.stats.column import ColumnMeter, ColumnSummary, Part

_SHARE = 8  # of the budget, one part in so many is for what is kept of the columns
_KEPT_BYTES = 1 << 20  # about what the parts of one chunk hold
_PART_BYTES = 4 << 10  # about what the part of a column holds beside


@dataclass(frozen=True, slots=True)
class TableSummary:
    """What the columns of a table hold.

    Attributes:
        rows: the number of rows.
        columns: a summary for each column, in order.

    Example:
        >>> import arrowsmith
        >>> arrowsmith.open("in.csv").stats()["score"].max
        0.9
    """

    rows: int
    columns: list[ColumnSummary]

    def __getitem__(self, name: str) -> ColumnSummary:
        """The summary of a column by its name; ``KeyError`` if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def as_dict(self) -> dict[str, Any]:
        """The figures as JSON values."""
        return {"rows": self.rows, "columns": [column.as_dict() for column in self.columns]}


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a chunk tells of its columns."""

    rows: int
    parts: list[Part]

    @property
    def nbytes(self) -> int:
        return max(_KEPT_BYTES, _PART_BYTES * len(self.parts))


class TableSummarySink:
    """An ``EncodingSink`` that keeps no rows: workers measure the chunks, their parts are merged
    in order, so that the figures depend neither on threads nor on batches."""

    def __init__(self, schema: pa.Schema, context: RunContext) -> None:
        room = context.memory_limit // _SHARE // max(len(schema), 1)
        self._meters = [ColumnMeter(field, room) for field in schema]
        self._rows = 0
        self._threads = threading.local()
        # of many columns each has few rows in a chunk, and costs as much as with many
        nbytes = max(8 << 20, min(16 << 20, len(schema) << 12))
        self.chunk = Chunk(rows=131_072, nbytes=nbytes, encode_cost=3.0)

    def prepare(self, first: pa.RecordBatch) -> None:
        """Nothing depends on the first chunk."""

    def encode(self, chunk: pa.RecordBatch) -> _Parts:
        pairs = zip(self._meters, chunk.columns, strict=True)
        parts = [meter.partial(column, self._scratch) for meter, column in pairs]
        return _Parts(chunk.num_rows, parts)

    @property
    def _scratch(self) -> Scratch:
        """The thread's own."""
        try:
            found: Scratch = self._threads.scratch
        except AttributeError:
            found = self._threads.scratch = Scratch()
        return found

    def append(self, encoded: _Parts) -> None:
        self._rows += encoded.rows
        for meter, part in zip(self._meters, encoded.parts, strict=True):
            meter.merge(part)

    def commit(self) -> None:
        """Nothing to complete."""

    @property
    def summary(self) -> TableSummary:
        return TableSummary(self._rows, [meter.summary() for meter in self._meters])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to undo."""
