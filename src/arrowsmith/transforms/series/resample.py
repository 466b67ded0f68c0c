"""``resample``: one row for each longer step of time in which a series has any.

Steps are counted from 1970-01-01 in UTC, weeks from Mondays, months from January. Sums are added up
row by row, so that they do not depend on where batches begin, and no more than one step is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from arrowsmith.errors import SchemaMismatch
from arrowsmith.kernels.arrays import int64_array
from arrowsmith.kernels.frequency import Frequency
from arrowsmith.plugin import RunContext, check_columns
from arrowsmith.transforms.columns import first_repeated
from arrowsmith.transforms.series.fill_gaps import as_time, months_of
from arrowsmith.transforms.series.options import ResampleOptions
from arrowsmith.transforms.series.order import (
    SeriesOrder,
    copied,
    is_regular_time,
    step_of,
    time_unit,
    value_columns,
)
from arrowsmith.transforms.series.rolling import floats_of, masked_floats

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Found = dict[str, Floats]

_WEEK = 7 * 86_400 * 10**9
_MONDAY = 4  # days from 1970-01-01 to the first Monday
_FUNCTIONS = ("count", "sum", "min", "max", "first", "last")


class Resample:
    """Gives the columns of ``by``, the time at which each step begins, and the values: under their
    names with one function, as ``VALUE_mean`` ... with several. Nulls and NaN are left out."""

    def __init__(self, options: ResampleOptions, ctx: RunContext) -> None:
        self._options = options

    def bind(self, schema: pa.Schema) -> BoundResample:
        return BoundResample(schema, self._options)


class BoundResample:
    """The step for one run: it keeps what is known of the last step of time."""

    kind: Literal["ordered"] = "ordered"

    def __init__(self, schema: pa.Schema, options: ResampleOptions) -> None:
        self._options = options
        self._order = SeriesOrder(schema, options.time, options.by)
        check_columns(schema, [options.time], fits=is_regular_time, wanted="times or whole numbers")
        self._values = value_columns(schema, options.time, options.by, options.values)
        self._kind = schema.field(options.time).type
        self._step, self._unit = step_of(options.frequency, self._kind), time_unit(self._kind)
        fields = [schema.field(name) for name in (*options.by, options.time)]
        several = len(options.aggregate) > 1
        for name in self._values:
            for function in options.aggregate:
                kind = pa.int64() if function == "count" else pa.float64()
                fields.append(pa.field(f"{name}_{function}" if several else name, kind))
        repeated = first_repeated([field.name for field in fields])
        if repeated is not None:
            raise SchemaMismatch(f"two columns would be named '{repeated}'")
        self.schema = pa.schema(fields, metadata=schema.metadata)
        self._keys: list[pa.Array] = []
        self._bucket: Ints | None = None
        self._found: dict[str, Found] = {}

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        runs = self._order.follow(batch)
        if not batch.num_rows:
            return self._batch(
                [batch.column(name) for name in self._options.by], np.empty(0, np.int64), {}
            )
        buckets = bucket_starts(runs.times, self._step, self._unit)
        open_ = self._bucket is not None
        earlier = self._bucket if self._bucket is not None else buckets[:1]
        new = runs.fresh | (np.diff(np.concatenate((earlier, buckets))) != 0)
        group = np.cumsum(new) - (0 if open_ else 1)
        groups = int(group[-1]) + 1
        first = np.flatnonzero(new)  # the first row of each step that begins here
        keys = []
        for place, name in enumerate(self._options.by):
            own = batch.column(name).take(int64_array(first))
            keys.append(pa.concat_arrays([self._keys[place], own]) if open_ else own)
        begun = np.concatenate((earlier, buckets[first])) if open_ else buckets[first]
        found = {
            name: _joined(self._found.get(name), floats_of(batch.column(name)), group, groups)
            for name in self._values
        }
        self._keys = [copied(key.slice(groups - 1)) for key in keys]
        self._bucket = begun[-1:].copy()
        self._found = {
            name: {key: values[-1:].copy() for key, values in one.items()}
            for name, one in found.items()
        }
        done = {
            name: {key: values[:-1] for key, values in one.items()} for name, one in found.items()
        }
        return self._batch([key.slice(0, groups - 1) for key in keys], begun[:-1], done)

    def finish(self) -> Iterator[pa.RecordBatch]:
        """The last step of time."""
        if self._bucket is not None:
            yield self._batch(self._keys, self._bucket, self._found)
            self._bucket = None

    def _batch(self, keys: list[pa.Array], begun: Ints, found: dict[str, Found]) -> pa.RecordBatch:
        arrays = [key.slice(0, len(begun)) for key in keys]
        arrays.append(as_time(begun, self._kind))
        none = {key: np.empty(0) for key in _FUNCTIONS}
        for name in self._values:
            one = found.get(name, none)
            seen = one["count"] > 0
            for function in self._options.aggregate:
                if function == "count":
                    arrays.append(int64_array(one["count"].astype(np.int64)))
                elif function == "mean":
                    total = one["sum"] / np.maximum(one["count"], 1)
                    arrays.append(masked_floats(total, seen))
                else:
                    arrays.append(masked_floats(one[function], seen))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def _joined(before: Found | None, values: Floats, group: Ints, groups: int) -> Found:
    """What each group comes to, the first one going on from ``before``."""
    there = ~np.isnan(values)
    values, group = values[there], group[there]
    if before is not None and before["count"][0]:
        # one value stands for those before: the sum is added up from it
        summed = np.concatenate((before["sum"], values))
        into = np.concatenate(([0], group))
    else:
        before, summed, into = None, values, group
    with np.errstate(over="ignore", invalid="ignore"):
        total = np.bincount(into, summed, groups)
    count = np.bincount(group, minlength=groups).astype(np.float64)
    low, high = np.full(groups, np.inf), np.full(groups, -np.inf)
    begins = np.searchsorted(group, np.arange(groups), "left")
    ends = np.searchsorted(group, np.arange(groups), "right") - 1
    filled = np.flatnonzero(ends >= begins)
    if len(filled):
        low[filled] = np.minimum.reduceat(values, begins[filled])
        high[filled] = np.maximum.reduceat(values, begins[filled])
    first, last = np.zeros(groups), np.zeros(groups)
    first[filled], last[filled] = values[begins[filled]], values[ends[filled]]
    if before is not None:
        low[0], high[0] = min(low[0], before["min"][0]), max(high[0], before["max"][0])
        first[0] = before["first"][0]
        last[0] = last[0] if count[0] else before["last"][0]
        count[0] += before["count"][0]
    return {"count": count, "sum": total, "min": low, "max": high, "first": first, "last": last}


def bucket_starts(times: Ints, step: Frequency, unit: str) -> Ints:
    """Where the step of time begins that each time is in."""
    if step.unit == "month":
        months = months_of(times, unit) // step.count * step.count
        return months.astype("M8[M]").astype(f"M8[{unit}]").astype(np.int64)
    size = step.in_unit(unit)
    origin = 0
    if step.unit == "ns" and step.count % _WEEK == 0:
        origin = _MONDAY * (size // (step.count // _WEEK) // 7)
    return (times - origin) // size * size + origin
