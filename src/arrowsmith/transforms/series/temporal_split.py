"""``temporal_split``: which rows are train, validation and test, by time and never at random."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from arrowsmith.errors import OptionError, SchemaMismatch
from arrowsmith.kernels.arrays import int64_array, numpy_view
from arrowsmith.kernels.scalars import text_array
from arrowsmith.plugin import BoundTransform, RunContext
from arrowsmith.transforms.series.options import TemporalSplitOptions
from arrowsmith.transforms.series.order import SeriesOrder

Ints = NDArray[np.int64]

_NAMES = text_array(["train", "validation", "test"])


class TemporalSplit:
    """Adds a column of ``train``, ``validation`` and ``test``."""

    def __init__(self, options: TemporalSplitOptions, ctx: RunContext) -> None:
        self._options = options

    def bind(self, schema: pa.Schema) -> BoundTransform:
        if self._options.name in schema.names:
            raise SchemaMismatch(f"there is a column '{self._options.name}' already", hint="name=")
        if self._options.validation is None and self._options.test is None:
            return SplitByRows(schema, self._options)
        return SplitByTime(schema, self._options)


def _split_schema(schema: pa.Schema, name: str) -> pa.Schema:
    return schema.append(pa.field(name, pa.string(), nullable=False))


def time_value(text: str, kind: pa.DataType) -> int | float:
    """A time as its column stores it; without an offset it is of the column's zone.

    Raises:
        OptionError: the text is none of that type.
    """
    array = text_array([text.strip()])
    zoned = pa.types.is_timestamp(kind) and kind.tz is not None
    try:
        if zoned:
            try:
                found = pc.assume_timezone(
                    array.cast(pa.timestamp(kind.unit)),
                    kind.tz,
                    ambiguous="earliest",
                    nonexistent="latest",
                )
            except pa.ArrowInvalid:  # it has an offset
                found = array.cast(kind)
        else:
            found = array.cast(kind)
    except pa.ArrowInvalid:
        raise OptionError(f"{text!r} is no {kind}, as the column of times is") from None
    value = numpy_view(found)[0]
    return float(value) if pa.types.is_floating(kind) else int(value)


class SplitByTime:
    """The step for one run, by times."""

    kind: Literal["ordered"] = "ordered"

    def __init__(self, schema: pa.Schema, options: TemporalSplitOptions) -> None:
        self._options = options
        self._order = SeriesOrder(schema, options.time, options.by)
        kind = schema.field(options.time).type
        cuts = [
            None if one is None else time_value(one, kind)
            for one in (options.validation, options.test)
        ]
        if cuts[0] is not None and cuts[1] is not None and cuts[0] >= cuts[1]:
            raise OptionError("validation has to begin before test")
        self._cuts = cuts
        self.schema = _split_schema(schema, options.name)
        self.unchanged = frozenset(schema.names)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        times = self._order.follow(batch).times
        part = np.zeros(len(times), np.int64)
        for number, cut in enumerate(self._cuts, 1):
            if cut is not None:
                part[times >= cut] = number
        names = _NAMES.take(int64_array(part))
        return pa.RecordBatch.from_arrays([*batch.columns, names], schema=self.schema)


class SplitByRows:
    """The step for one run, by rows: the last ones of a series wait until it is known to end."""

    kind: Literal["ordered"] = "ordered"

    def __init__(self, schema: pa.Schema, options: TemporalSplitOptions) -> None:
        self._order = SeriesOrder(schema, options.time, options.by)
        self._test = options.test_rows
        self._most = options.test_rows + options.validation_rows
        self.schema = _split_schema(schema, options.name)
        self._input = schema
        self._held: pa.RecordBatch | None = None

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        fresh = self._order.follow(batch).fresh
        rows = batch
        if self._held is not None:
            rows = _one([self._held, batch], self._input)
            fresh = np.concatenate((np.zeros(self._held.num_rows, np.bool_), fresh))
        starts = np.flatnonzero(fresh)
        count = rows.num_rows
        ends = np.append(starts, count)
        end = ends[np.searchsorted(ends, np.arange(count), "right")] if count else starts
        left = end - np.arange(count)  # rows to the end of the series, itself counted
        open_from = int(starts[-1]) if len(starts) else 0
        kept_from = max(count - self._most, open_from) if count else 0
        left[open_from:] += self._most  # of the open series what is given is train for sure
        given = self._named(rows.slice(0, kept_from), left[:kept_from])
        self._held = _one([rows.slice(kept_from)], self._input)
        return given

    def finish(self) -> Iterator[pa.RecordBatch]:
        """The last rows of the last series."""
        if self._held is not None and self._held.num_rows:
            count = self._held.num_rows
            yield self._named(self._held, np.arange(count, 0, -1))
        self._held = None

    def _named(self, rows: pa.RecordBatch, left: Ints) -> pa.RecordBatch:
        part = np.where(left <= self._test, 2, np.where(left <= self._most, 1, 0))
        names = _NAMES.take(int64_array(part))
        return pa.RecordBatch.from_arrays([*rows.columns, names], schema=self.schema)


def _one(batches: list[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatch:
    """The rows of all in buffers of their own."""
    columns = [
        pa.concat_arrays(
            [*(batch.column(place) for batch in batches), batches[0].column(place).slice(0, 0)]
        )
        for place in range(len(schema))
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
