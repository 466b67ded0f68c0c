"""``resample``: one row for each longer step of time in which a series has any.

Steps are counted from 1970-01-01 on the clock of the column's zone, weeks from Mondays, months from
January. Sums are added up
row by row, so that they do not depend on where batches begin, and no more than one step is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from arrowsmith.errors import DataError, SchemaMismatch
from arrowsmith.kernels.arrays import int64_array, numpy_view
from arrowsmith.plugin import RunContext, check_columns
from arrowsmith.transforms.columns import first_repeated
from arrowsmith.transforms.series.clock import Clock
from arrowsmith.transforms.series.options import ResampleOptions
from arrowsmith.transforms.series.order import (
    SeriesOrder,
    as_time,
    copied,
    is_regular_time,
    value_columns,
)
from arrowsmith.transforms.series.rolling import floats_of, masked_floats

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Numbers = NDArray[np.int64] | NDArray[np.float64]
Found = dict[str, NDArray]

_HALF, _LOW = 32, 0xFFFF_FFFF  # sums of integers are kept in two halves, which do not overflow
_KEPT = ("count", "sum", "high", "low", "min", "max", "first", "last")


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
        self._clock = Clock(options.frequency, self._kind)
        fields = [schema.field(name) for name in (*options.by, options.time)]
        several = len(options.aggregate) > 1
        for name in self._values:
            for function in options.aggregate:
                whole = pa.types.is_integer(schema.field(name).type) and function != "mean"
                kind = pa.int64() if whole or function == "count" else pa.float64()
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
        buckets = self._clock.begins(runs.times)
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
            name: _joined(self._found.get(name), *_numbers(batch.column(name), name), group, groups)
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
        none = {key: np.empty(0, np.int64) for key in _KEPT}
        for name in self._values:
            one = found.get(name, none)
            seen = one["count"] > 0
            for function in self._options.aggregate:
                if function == "count":
                    arrays.append(int64_array(one["count"]))
                elif function == "mean":
                    total = _sum_as_floats(one) / np.maximum(one["count"], 1)
                    arrays.append(masked_floats(total, seen))
                elif pa.types.is_integer(self.schema.types[len(arrays)]):
                    whole = _whole_sum(one, name) if function == "sum" else one[function]
                    arrays.append(_masked_integers(whole, seen))
                else:
                    arrays.append(masked_floats(one[function], seen))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def _numbers(column: pa.Array, name: str) -> tuple[Numbers, NDArray[np.bool_]]:
    """The values, integers as such, and which of them there are."""
    if not pa.types.is_integer(column.type):
        values = floats_of(column)
        return values, ~np.isnan(values)
    try:
        whole = column.cast(pa.int64())
    except pa.ArrowInvalid:
        raise DataError(
            f"column '{name}' has a value that does not fit int64", hint="cast it to float64"
        ) from None
    return numpy_view(whole), numpy_view(whole.is_valid().cast(pa.uint8())) == 1


def _masked_integers(values: NDArray[np.int64], valid: NDArray[np.bool_]) -> pa.Int64Array:
    bits = pa.py_buffer(np.packbits(valid, bitorder="little"))
    data = pa.py_buffer(np.where(valid, values, 0))
    return pa.Array.from_buffers(pa.int64(), len(values), [bits, data])


def _joined(
    before: Found | None,
    values: Numbers,
    there: NDArray[np.bool_],
    group: Ints,
    groups: int,
) -> Found:
    """What each group comes to, the first one going on from ``before``."""
    values, group = values[there], group[there]
    whole = values.dtype == np.int64
    added: Found = _halves(values) if whole else {"sum": values}
    into = group
    if before is not None and before["count"][0]:
        # one value stands for those before: the sum is added up from it
        added = {name: np.concatenate((before[name], own)) for name, own in added.items()}
        into = np.concatenate(([0], group))
    else:
        before = None
    made: Found = {name: _totals(own, into, groups) for name, own in added.items()}
    if whole:
        made["high"] += made["low"] >> _HALF
        made["low"] &= _LOW
    count = np.bincount(group, minlength=groups)
    made |= {name: np.zeros(groups, values.dtype) for name in ("min", "max", "first", "last")}
    begins = np.flatnonzero(np.diff(group, prepend=-1))
    if len(begins):
        filled = group[begins]
        ends = np.append(begins[1:], len(group)) - 1
        made["min"][filled] = np.minimum.reduceat(values, begins)
        made["max"][filled] = np.maximum.reduceat(values, begins)
        made["first"][filled], made["last"][filled] = values[begins], values[ends]
    if before is not None:
        went_on = count[0] > 0
        for name, better in (("min", min), ("max", max)):
            old = before[name][0]
            made[name][0] = better(made[name][0], old) if went_on else old
        made["first"][0] = before["first"][0]
        made["last"][0] = made["last"][0] if went_on else before["last"][0]
        count[0] += before["count"][0]
    return {"count": count, **made}


def _halves(values: NDArray) -> Found:
    return {"high": values >> _HALF, "low": values & _LOW}


def _totals(values: Numbers, into: Ints, groups: int) -> Numbers:
    """The sum of each group, floats added up row by row."""
    if values.dtype != np.int64:
        with np.errstate(over="ignore", invalid="ignore"):
            return np.bincount(into, values, groups)
    total = np.zeros(groups, np.int64)
    filled = np.flatnonzero(np.diff(into, prepend=-1))
    if len(filled):
        total[into[filled]] = np.add.reduceat(values, filled)
    return total


def _sum_as_floats(found: Found) -> Floats:
    if "sum" in found:
        return found["sum"].astype(np.float64)
    return np.ldexp(found["high"].astype(np.float64), _HALF) + found["low"]


def _whole_sum(found: Found, name: str) -> Ints:
    """Sums of integers; ``DataError`` where one does not fit."""
    high = found["high"]
    if ((high < -(1 << 31)) | (high >= 1 << 31)).any():
        raise DataError(
            f"a sum of column '{name}' does not fit int64", hint="cast the column to float64"
        )
    return (high << _HALF) | found["low"]
