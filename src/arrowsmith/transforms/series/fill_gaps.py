"""``fill_gaps``: rows for the times that a regular series lacks."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from arrowsmith.errors import BudgetExceeded, DataError
from arrowsmith.kernels.arrays import int64_array
from arrowsmith.plugin import RunContext, check_columns
from arrowsmith.transforms.series.adding import History
from arrowsmith.transforms.series.clock import Clock
from arrowsmith.transforms.series.options import FillGapsOptions
from arrowsmith.transforms.series.order import (
    Runs,
    SeriesOrder,
    as_time,
    is_regular_time,
    shown_time,
    value_columns,
)
from arrowsmith.transforms.series.rolling import floats_of, masked_floats

Ints = NDArray[np.int64]

_SHARE = 4  # of the budget, what the rows of one batch may come to
_ROW = 16


class FillGaps:
    """Puts in rows between those there are; columns that are no values are null in them."""

    def __init__(self, options: FillGapsOptions, ctx: RunContext) -> None:
        self._options = options
        self._room = ctx.memory_limit // _SHARE

    def bind(self, schema: pa.Schema) -> BoundFillGaps:
        return BoundFillGaps(schema, self._options, self._room)


class BoundFillGaps:
    """The step for one run: it remembers the row before, and where the series began."""

    kind: Literal["ordered"] = "ordered"

    def __init__(self, schema: pa.Schema, options: FillGapsOptions, room: int) -> None:
        self._options, self._room = options, room
        self._order = SeriesOrder(schema, options.time, options.by)
        check_columns(schema, [options.time], fits=is_regular_time, wanted="times or whole numbers")
        self._values = value_columns(schema, options.time, options.by, options.values)
        self._kind = schema.field(options.time).type
        self._clock = Clock(options.frequency, self._kind)
        self._history = History(1)
        self._anchor = 0
        self._number = 0
        fields = []
        for field in schema:
            if field.name in self._values and options.method == "linear":
                field = field.with_type(pa.float64())
            known = field.name == options.time or field.name in options.by
            fields.append(field if known else field.with_nullable(True))
        self.schema = pa.schema(fields, metadata=schema.metadata)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        runs = self._order.follow(batch)
        anchors, numbers, missing = self._gaps(runs)
        total = int((missing + 1).sum())
        if total * _ROW * len(self.schema) > self._room and total > 2 * batch.num_rows:
            needed = total * _ROW * len(self.schema) * _SHARE
            raise BudgetExceeded(
                f"filling the gaps of one batch makes {total} rows",
                needed=needed,
                place=f"row {runs.first}",
                hint="give it more memory, or lower max_gap",
            )
        row = np.repeat(np.arange(batch.num_rows), missing + 1)
        ends = np.cumsum(missing + 1) - 1
        ahead = ends[row] - np.arange(total)  # rows until the one that is there
        times = runs.times[row]
        made = np.flatnonzero(ahead)
        times[made] = self._clock.after(anchors[row][made], (numbers[row] - ahead)[made])
        arrays = []
        for field, column in zip(batch.schema, batch.columns, strict=True):
            if field.name == self._options.time:
                arrays.append(as_time(times, field.type))
            elif field.name in self._options.by:
                arrays.append(column.take(int64_array(row)))
            elif field.name in self._values:
                arrays.append(self._filled(field.name, column, row, ahead, missing[row] + 1))
            else:
                arrays.append(_taken(column, np.where(ahead > 0, -1, row)))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _gaps(self, runs: Runs) -> tuple[Ints, Ints, Ints]:
        """The first time of each row's series, how many steps it is behind it, and how many rows
        are missing before it."""
        times = runs.times
        count = len(times)
        begun = np.maximum.accumulate(np.where(runs.fresh, np.arange(count), -1))
        anchors = (
            np.where(begun >= 0, times[np.maximum(begun, 0)], self._anchor) if count else times
        )
        numbers, right = self._clock.number(anchors, times)
        earlier = np.concatenate(([self._number], numbers[:-1])) if count else numbers
        missing = np.where(runs.fresh, 0, numbers - earlier - 1)
        step = self._clock.step
        hint = "frequency=month_end has the last day of each" if step.unit == "month" else None
        off = f"is not on the steps of {step.text} from the first of its series"
        self._check(runs, ~right, off, hint)
        self._check(runs, missing < 0, "is that of the row before", "leave one of them out")
        most = self._options.max_gap
        self._check(runs, missing > most, f"comes after more than max_gap={most} missing rows")
        if count:
            self._anchor, self._number = int(anchors[-1]), int(numbers[-1])
        return anchors, numbers, missing

    def _check(
        self, runs: Runs, wrong: NDArray[np.bool_], what: str, hint: str | None = None
    ) -> None:
        rows = np.flatnonzero(wrong)
        if len(rows):
            row = int(rows[0])
            time = shown_time(runs.times[row], self._kind)
            raise DataError(f"time {time} {what}", place=f"row {runs.first + row}", hint=hint)

    def _filled(self, name: str, column: pa.Array, row: Ints, ahead: Ints, width: Ints) -> pa.Array:
        method = self._options.method
        whole, skipped = self._history.before(name, column)
        here = row + skipped
        if method == "linear":
            values = floats_of(whole)
            before = values[np.maximum(here - 1, 0)]
            share = (width - ahead) / width
            now = values[here]
            with np.errstate(invalid="ignore", over="ignore"):
                made = np.where(ahead > 0, before + (now - before) * share, now)
            return masked_floats(made, ~np.isnan(made))
        if method == "backward":
            return whole.take(int64_array(here))
        if method == "forward":
            return whole.take(int64_array(np.where(ahead > 0, here - 1, here)))
        if method == "zero":
            zero = pa.Array.from_buffers(pa.int8(), 1, [None, pa.py_buffer(b"\0")]).cast(whole.type)
            both = pa.concat_arrays([whole, zero])
            return both.take(int64_array(np.where(ahead > 0, len(whole), here)))
        return _taken(whole, np.where(ahead > 0, -1, here))


def _taken(column: pa.Array, places: Ints) -> pa.Array:
    """The rows at these places, null below 0."""
    bits = pa.py_buffer(np.packbits(places >= 0, bitorder="little"))
    indices = pa.py_buffer(np.maximum(places, 0).astype(np.int64))
    return column.take(pa.Array.from_buffers(pa.int64(), len(places), [bits, indices]))
