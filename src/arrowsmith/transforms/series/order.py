"""Which series rows belong to, where in it they stand, and whether they stand in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from arrowsmith.errors import DataError, OptionError
from arrowsmith.kernels.arrays import int64_array, numpy_view
from arrowsmith.kernels.hashing import hash_values
from arrowsmith.kernels.plain import unwrapped, unwrapped_type
from arrowsmith.plugin import check_columns

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

_HINT = "sort the rows by series and time"
_MIX = np.uint64(0x9E3779B97F4A7C15)


def is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def is_time(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(is_number(kind) or types.is_timestamp(kind) or types.is_date(kind))


def is_regular_time(kind: pa.DataType) -> bool:
    """Whether steps of time can be counted in it."""
    return is_time(kind) and not pa.types.is_floating(kind) and not pa.types.is_uint64(kind)


def is_key(kind: pa.DataType) -> bool:
    """Whether a column can tell series apart."""
    plain = unwrapped_type(kind)
    return not (pa.types.is_nested(plain) or pa.types.is_null(plain))


def value_columns(
    schema: pa.Schema, time: str, by: Sequence[str], values: Sequence[str]
) -> tuple[str, ...]:
    """The columns of values: those given, or all other numbers."""
    if not values:
        others = [field.name for field in schema if is_number(field.type)]
        values = [name for name in others if name != time and name not in by]
        if not values:
            raise OptionError("there is no column of numbers beside time and series")
    check_columns(schema, values, fits=is_number, wanted="numbers", hint="cast it first")
    return tuple(dict.fromkeys(values))


def as_time(times: Ints, kind: pa.DataType) -> pa.Array:
    """Times of a type from what it stores."""
    array = int64_array(times)
    if pa.types.is_integer(kind) or pa.types.is_date32(kind):
        plain = pa.int32() if pa.types.is_date32(kind) else kind
        return array.cast(plain).view(kind)
    return array.view(kind)


def shown_time(time: np.generic, kind: pa.DataType) -> str:
    """A time for people."""
    if is_number(kind):
        return str(time)
    return str(as_time(np.array([time]), kind).cast(pa.string())[0])


def copied(rows: pa.Array) -> pa.Array:
    """The values in buffers of their own, so that the batch is let go."""
    return pa.concat_arrays([rows, rows.slice(0, 0)])


@dataclass(frozen=True, slots=True)
class Runs:
    """The rows of a batch as parts of series.

    Attributes:
        fresh: which rows begin a series.
        places: of each in its series, from 0.
        times: int64 (as the type stores them), uint64 or float64.
        before: the time of the row before; what it says of fresh rows means nothing.
        first: the number of the first row in the stream.
    """

    fresh: Flags
    places: Ints
    times: NDArray
    before: NDArray
    first: int


class SeriesOrder:
    """Follows the rows of a stream.

    Args:
        schema: of the rows.
        time: the column of times.
        by: the columns that tell series apart.

    Raises:
        SchemaMismatch: columns are not there or of types that do not do.
    """

    def __init__(self, schema: pa.Schema, time: str, by: Sequence[str]) -> None:
        check_columns(schema, [time], fits=is_time, wanted="times", hint="cast it first")
        check_columns(schema, by, fits=is_key, wanted="something that names series")
        self._time, self._by = time, tuple(by)
        self._kind = schema.field(time).type
        self._rows = 0
        self._last: list[pa.Array] | None = None
        self._last_time: NDArray | None = None
        self._place = 0
        self._seen: list[NDArray[np.uint64]] = []

    def follow(self, batch: pa.RecordBatch) -> Runs:
        """The runs of the next batch.

        Raises:
            DataError: a row is not in order, or has no time; it names the row.
        """
        count = batch.num_rows
        times = self._times(batch)
        keys = [unwrapped(batch.column(name)) for name in self._by]
        fresh = self._fresh(keys, count)
        starts = np.flatnonzero(fresh)
        begun = np.maximum.accumulate(np.where(fresh, np.arange(count), -1))
        places = np.where(begun >= 0, np.arange(count) - begun, np.arange(count) + self._place)
        earlier = times[:1] if self._last_time is None else self._last_time
        before = np.concatenate((earlier, times[:-1])) if count else times
        runs = Runs(fresh, places, times, before, self._rows)
        self._check(runs, keys, starts)
        if count:
            self._last = [copied(key.slice(count - 1)) for key in keys]
            self._last_time = times[-1:].copy()
            self._place = int(places[-1]) + 1
            self._rows += count
        return runs

    def _times(self, batch: pa.RecordBatch) -> NDArray:
        column = batch.column(self._time)
        if column.null_count:
            row = int(np.flatnonzero(numpy_view(column.is_null().cast(pa.uint8())))[0])
            raise self._error(self._rows + row, f"column '{self._time}' is null", "fill or drop it")
        if pa.types.is_float16(column.type):
            column = column.cast(pa.float32())
        times = numpy_view(column)
        if times.dtype.kind == "f":
            odd = np.flatnonzero(np.isnan(times))
            if len(odd):
                raise self._error(self._rows + int(odd[0]), f"column '{self._time}' is NaN", _HINT)
            return times.astype(np.float64)
        return times if times.dtype == np.uint64 else times.astype(np.int64)

    def _fresh(self, keys: list[pa.Array], count: int) -> Flags:
        fresh = np.zeros(count, np.bool_)
        if not count:
            return fresh
        fresh[0] = self._last is None
        for place, key in enumerate(keys):
            last = key.slice(0, 1) if self._last is None else self._last[place]
            codes = numpy_view(
                pa.concat_arrays([last, key]).dictionary_encode(null_encoding="encode").indices
            )
            fresh |= np.diff(codes) != 0
        return fresh

    def _check(self, runs: Runs, keys: list[pa.Array], starts: Ints) -> None:
        back = np.flatnonzero((runs.times < runs.before) & ~runs.fresh)
        if len(back):
            row = int(back[0])
            raise self._error(
                runs.first + row,
                f"{self._named(keys, row)} goes back in time, from"
                f" {shown_time(runs.before[row], self._kind)} to"
                f" {shown_time(runs.times[row], self._kind)} in column '{self._time}'",
                _HINT,
            )
        if not len(starts) or not keys:
            return
        hashes = np.zeros(len(starts), np.uint64)
        for key in keys:
            some = key.take(
                pa.Array.from_buffers(pa.int64(), len(starts), [None, pa.py_buffer(starts)])
            )
            own = hash_values(some)
            own = np.where(numpy_view(some.is_null().cast(pa.uint8())) == 1, _MIX, own)
            hashes = (hashes ^ own) * _MIX
        self._remember(hashes, starts, runs, keys)

    def _remember(
        self, hashes: NDArray[np.uint64], starts: Ints, runs: Runs, keys: list[pa.Array]
    ) -> None:
        """Refuse series that were there before. Sorted arrays of hashes, merged as they grow."""
        again = np.zeros(len(hashes), np.bool_)
        for known in self._seen:
            at = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
            again |= known[at] == hashes
        _, firsts = np.unique(hashes, return_index=True)
        once = np.zeros(len(hashes), np.bool_)
        once[firsts] = True
        wrong = np.flatnonzero(again | ~once)
        if len(wrong):
            row = int(starts[wrong[0]])
            raise self._error(
                runs.first + row, f"{self._named(keys, row)} begins a second time", _HINT
            )
        self._seen.append(np.sort(hashes))
        while len(self._seen) > 1 and len(self._seen[-2]) <= 2 * len(self._seen[-1]):
            merged = np.sort(np.concatenate(self._seen[-2:]))
            self._seen[-2:] = [merged]

    def _named(self, keys: list[pa.Array], row: int) -> str:
        if not keys:
            return "the series"
        return "series " + ", ".join(repr(key[row].as_py()) for key in keys)

    def _error(self, row: int, what: str, hint: str) -> DataError:
        return DataError(what, place=f"row {row}", hint=hint)
