"""What the times of series are like, from one pass over batches in any order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from arrowsmith.errors import DataError, SchemaMismatch
from arrowsmith.kernels.arrays import int64_array, numpy_view
from arrowsmith.kernels.plain import unwrapped
from arrowsmith.plugin import check_columns

_STEPS = 10_000  # different steps in a series with more than which it is irregular
_NAMES = {"month": {1: "monthly", 3: "quarterly", 12: "yearly"}}
_UNITS = (
    (86_400 * 10**9, "d"),
    (3600 * 10**9, "h"),
    (60 * 10**9, "min"),
    (10**9, "s"),
    (10**6, "ms"),
    (10**3, "us"),
    (1, "ns"),
)
_PER = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1, "D": 86_400 * 10**9}


@dataclass(frozen=True, slots=True)
class SeriesSummary:
    """What one series is like.

    Steps of a day and more are those of the calendar in the zone of the times.

    Attributes:
        series: the values of the ``by`` columns.
        rows: how many.
        start, end: the least and greatest time, as Python has them; None without any.
        frequency: the commonest step, such as ``"1h"``, ``"monthly"`` or ``"1"``; None where there
            is no step forward, or more than 10,000 different ones.
        gaps: steps longer than that.
        missing: rows that the gaps would take, where they are whole steps.
        duplicates: rows with the time of the row before.
        disorder: rows that go back in time.
        nulls: rows without a time.
        zone: of the times, or None.
    """

    series: tuple[Any, ...]
    rows: int
    start: Any
    end: Any
    frequency: str | None
    gaps: int
    missing: int
    duplicates: int
    disorder: int
    nulls: int
    zone: str | None


@dataclass(slots=True)
class _Seen:
    rows: int = 0
    nulls: int = 0
    low: Any = None
    high: Any = None
    last: Any = None
    duplicates: int = 0
    disorder: int = 0
    steps: Counter = field(default_factory=Counter)
    by_wall: Counter = field(default_factory=Counter)
    by_month: Counter = field(default_factory=Counter)


class Survey:
    """Looks at batches one after another; rows of a series may stand anywhere.

    Args:
        schema: of the batches.
        time: the column of times.
        by: the columns that tell series apart.
        max_series: more are an error.

    Raises:
        SchemaMismatch: columns are not there or of types that do not do.
    """

    def __init__(
        self, schema: pa.Schema, time: str, by: Sequence[str], max_series: int = 1_000_000
    ) -> None:
        check_columns(schema, [time], fits=_is_time, wanted="times", hint="cast it first")
        check_columns(schema, by)
        nested = [name for name in by if pa.types.is_nested(schema.field(name).type)]
        if nested:
            raise SchemaMismatch(f"column '{nested[0]}' is nested and tells no series apart")
        self._time, self._by, self._max = time, tuple(by), max_series
        self._kind = schema.field(time).type
        self._zone = self._kind.tz if pa.types.is_timestamp(self._kind) else None
        self._seen: dict[tuple[Any, ...], _Seen] = {}

    def push(self, batch: pa.RecordBatch) -> None:
        """Take in the next rows."""
        if not batch.num_rows:
            return
        names, codes = self._names(batch)
        found = [self._seen.setdefault(name, _Seen()) for name in names]
        if len(self._seen) > self._max:
            raise DataError(f"there are more than {self._max} series", hint="raise max_series")
        column = batch.column(self._time)
        if pa.types.is_float16(column.type):
            column = column.cast(pa.float32())
        for code, count in enumerate(np.bincount(codes, minlength=len(names)).tolist()):
            found[code].rows += count
        times = numpy_view(column)
        if column.null_count:
            there = numpy_view(column.is_valid().cast(pa.uint8())) == 1
            for code, count in enumerate(np.bincount(codes[~there], minlength=len(names)).tolist()):
                found[code].nulls += count
            times, codes = times[there], codes[there]
        times = times.astype(np.float64 if times.dtype.kind == "f" else np.int64)
        if len(times):
            self._steps(times, codes, found)

    def summaries(self) -> list[SeriesSummary]:
        """One for each series, in the order of their first rows."""
        return [self._summary(name, seen) for name, seen in self._seen.items()]

    # --- within a batch --------------------------------------------------------------------------

    def _names(self, batch: pa.RecordBatch) -> tuple[list[tuple[Any, ...]], NDArray[np.int64]]:
        codes = np.zeros(batch.num_rows, np.int64)
        names: list[tuple[Any, ...]] = [()]
        for name in self._by:
            coded = unwrapped(batch.column(name)).dictionary_encode(null_encoding="encode")
            values = coded.dictionary.to_pylist()
            pairs = codes * len(values) + numpy_view(coded.indices)
            distinct, first, inverse = np.unique(pairs, return_index=True, return_inverse=True)
            order = np.argsort(first)
            rank = np.empty(len(order), np.int64)
            rank[order] = np.arange(len(order))
            codes = rank[inverse]
            names = [
                (*names[pair // len(values)], values[pair % len(values)])
                for pair in distinct[order].tolist()
            ]
        return names, codes

    def _steps(self, times: NDArray, codes: NDArray[np.int64], found: list[_Seen]) -> None:
        order = np.argsort(codes, kind="stable")
        times, codes = times[order], codes[order]
        begins = np.flatnonzero(np.diff(codes, prepend=-1))
        here = [found[code] for code in codes[begins].tolist()]
        known = np.array([seen.last is not None for seen in here])
        earlier = np.concatenate((times[:1], times[:-1]))
        earlier[begins[known]] = [seen.last for seen in here if seen.last is not None]
        follows = np.ones(len(times), np.bool_)
        follows[begins[~known]] = False
        steps = times - earlier
        ends = np.append(begins[1:], len(codes))
        figures = zip(
            here,
            np.add.reduceat((steps == 0) & follows, begins, dtype=np.int64).tolist(),
            np.add.reduceat((times < earlier) & follows, begins, dtype=np.int64).tolist(),
            np.minimum.reduceat(times, begins),
            np.maximum.reduceat(times, begins),
            times[ends - 1],
            strict=True,
        )
        for seen, duplicates, disorder, low, high, last in figures:
            seen.duplicates += duplicates
            seen.disorder += disorder
            seen.low = low if seen.low is None else min(low, seen.low)
            seen.high = high if seen.high is None else max(high, seen.high)
            seen.last = last
        forward = (times > earlier) & follows
        times, earlier, codes = times[forward], earlier[forward], codes[forward]
        _count([one.steps for one in found], codes, times - earlier)
        if _unit(self._kind) is None:
            return
        if self._zone is not None:
            times, earlier = self._wall(times), self._wall(earlier)
            _count([one.by_wall for one in found], codes, times - earlier)
        _count([one.by_month for one in found], codes, self._months(times) - self._months(earlier))

    def _wall(self, times: NDArray) -> NDArray[np.int64]:
        """What a clock in the zone shows."""
        zoned = int64_array(times).view(pa.timestamp(self._kind.unit, self._zone))
        return numpy_view(pc.local_timestamp(zoned))

    def _months(self, times: NDArray) -> NDArray[np.int64]:
        months: NDArray[np.int64] = (
            times.astype(f"M8[{_unit(self._kind)}]").astype("M8[M]").astype(np.int64)
        )
        return months

    # --- what is told ----------------------------------------------------------------------------

    def _summary(self, name: tuple[Any, ...], seen: _Seen) -> SeriesSummary:
        frequency, steps, size = self._frequency(seen)
        gaps = sum(count for step, count in steps.items() if size and step > size)
        missing = sum(
            (int(step // size) - 1) * count
            for step, count in steps.items()
            if size and step > size and step % size == 0
        )
        return SeriesSummary(
            series=name,
            rows=seen.rows,
            start=self._value(seen.low),
            end=self._value(seen.high),
            frequency=frequency,
            gaps=gaps,
            missing=missing,
            duplicates=seen.duplicates,
            disorder=seen.disorder,
            nulls=seen.nulls,
            zone=self._zone,
        )

    def _frequency(self, seen: _Seen) -> tuple[str | None, Counter, Any]:
        if not seen.steps or len(seen.steps) > _STEPS:
            return None, Counter(), None
        step = _commonest(seen.steps)
        unit = _unit(self._kind)
        if unit is None:
            return f"{step:g}" if isinstance(step, float) else str(step), seen.steps, step
        nanoseconds = int(step) * _PER[unit]
        days = nanoseconds / (86_400 * 10**9)
        if days >= 28 and 0 not in seen.by_month:  # calendar steps differ in days
            months = _commonest(seen.by_month)
            name = _NAMES["month"].get(months, f"{months} months")
            return name, seen.by_month, months
        size, short = next((size, short) for size, short in _UNITS if nanoseconds % size == 0)
        whole_days = self._zone is not None and short == "d"
        return f"{nanoseconds // size}{short}", seen.by_wall if whole_days else seen.steps, step

    def _value(self, time: Any) -> Any:
        if time is None:
            return None
        if pa.types.is_floating(self._kind):
            return float(time)
        if pa.types.is_integer(self._kind):
            return int(time)
        plain = np.array([time], np.int32 if pa.types.is_date32(self._kind) else np.int64)
        buffers = [None, pa.py_buffer(plain)]
        return pa.Array.from_buffers(self._kind, 1, buffers)[0].as_py()


def _is_time(kind: pa.DataType) -> bool:
    types = pa.types
    number = types.is_integer(kind) or types.is_floating(kind)
    return bool(number or types.is_timestamp(kind) or types.is_date(kind))


def _unit(kind: pa.DataType) -> str | None:
    if pa.types.is_timestamp(kind):
        return str(kind.unit)
    return "D" if pa.types.is_date32(kind) else "ms" if pa.types.is_date64(kind) else None


def _count(counters: list[Counter], codes: NDArray[np.int64], steps: NDArray) -> None:
    """Count the steps of each series, up to one kind more than ``_STEPS``."""
    order = np.lexsort((steps, codes))
    steps, codes = steps[order], codes[order]
    new = np.ones(len(steps), np.bool_)
    new[1:] = (np.diff(codes) != 0) | (np.diff(steps) != 0)
    begins = np.flatnonzero(new)
    counts = np.diff(np.append(begins, len(steps)))
    series = codes[begins]
    first = np.searchsorted(series, series)  # where the kinds of its series begin
    few = np.arange(len(series)) - first <= _STEPS
    kinds = zip(
        series[few].tolist(), steps[begins][few].tolist(), counts[few].tolist(), strict=True
    )
    for code, step, count in kinds:
        counter = counters[code]
        if len(counter) <= _STEPS:
            counter[step] += count


def _commonest(steps: Counter) -> Any:
    """The commonest, of equally common ones the least."""
    return min(steps, key=lambda step: (-steps[step], step))
