"""What the times of series are like, from one pass over batches in any order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from arrowsmith.errors import DataError, SchemaMismatch
from arrowsmith.kernels.arrays import numpy_view
from arrowsmith.kernels.plain import unwrapped
from arrowsmith.plugin import check_columns

_STEPS = 1000  # distinct steps of a series that are counted one by one
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

    Attributes:
        series: the values of the ``by`` columns.
        rows: how many.
        start, end: the least and greatest time, as Python has them; None without any.
        frequency: the commonest step, such as ``"1h"``, ``"monthly"`` or ``"1"``; None where there
            is no step forward.
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
    months: int = 0
    duplicates: int = 0
    disorder: int = 0
    steps: Counter = field(default_factory=Counter)
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
        ends = np.append(begins[1:], len(codes))
        months = self._months(times)
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
            seen = found[int(codes[begin])]
            own = times[begin:end]
            joined = own if seen.last is None else np.concatenate(([seen.last], own))
            steps = np.diff(joined)
            seen.duplicates += int((steps == 0).sum())
            seen.disorder += int((steps < 0).sum())
            forward = steps > 0
            _count(seen.steps, steps[forward])
            if months is not None:
                part = months[begin:end]
                part = part if seen.last is None else np.concatenate(([seen.months], part))
                _count(seen.by_month, np.diff(part)[forward])
                seen.months = int(part[-1])
            low, high = own.min(), own.max()
            seen.low = low if seen.low is None else min(low, seen.low)
            seen.high = high if seen.high is None else max(high, seen.high)
            seen.last = own[-1]

    def _months(self, times: NDArray) -> NDArray[np.int64] | None:
        unit = _unit(self._kind)
        if unit is None:
            return None
        months: NDArray[np.int64] = times.astype(f"M8[{unit}]").astype("M8[M]").astype(np.int64)
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
            zone=self._kind.tz if pa.types.is_timestamp(self._kind) else None,
        )

    def _frequency(self, seen: _Seen) -> tuple[str | None, Counter, Any]:
        if not seen.steps:
            return None, seen.steps, None
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
        return f"{nanoseconds // size}{short}", seen.steps, step

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


def _count(counter: Counter, steps: NDArray) -> None:
    """Count steps, the commonest first where there are too many kinds of them."""
    values, counts = np.unique(steps, return_counts=True)
    for place in np.argsort(-counts, kind="stable").tolist():
        value = values[place].item()
        if value in counter or len(counter) < _STEPS:
            counter[value] += int(counts[place])


def _commonest(steps: Counter) -> Any:
    """The commonest, of equally common ones the least."""
    return min(steps, key=lambda step: (-steps[step], step))
