"""Points: the times and values of several series, whose dimensions share their times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from arrowsmith.formats.timeseries.numbers import taken_or_null
from arrowsmith.kernels.arrays import int64_array, numpy_view

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Points:
    """Points of series, one series behind another.

    Attributes:
        bounds: where the points of each begin: one more than there are series.
        times: of the points, or None where they are numbered.
        values: an array for each dimension.
        before: how many points of the first series stand before these.
    """

    bounds: Ints
    times: pa.Array | None
    values: list[pa.Array]
    before: int = 0

    @property
    def lengths(self) -> Ints:
        return np.diff(self.bounds)

    @property
    def numbers(self) -> Ints:
        """Of each point in its series, from 0."""
        total = int(self.bounds[-1])
        return np.arange(total) - np.repeat(self.bounds[:-1], self.lengths) + self.before

    def kept(self, chosen: Ints) -> Points:
        """The points of some of the series."""
        lengths = self.lengths[chosen]
        ends = np.cumsum(lengths)
        total = int(ends[-1]) if len(ends) else 0
        places = np.repeat(self.bounds[:-1][chosen] - (ends - lengths), lengths) + np.arange(total)
        indices = int64_array(places)
        times = None if self.times is None else self.times.take(indices)
        values = [array.take(indices) for array in self.values]
        return Points(np.concatenate(([0], ends)).astype(np.int64), times, values)


def padded(values: pa.Array, bounds: Ints, dimensions: int) -> Points:
    """Points of dimensions that stand behind one another in each series, the shorter ones filled
    up with nulls.

    Args:
        values: of all.
        bounds: where those of each dimension of each series begin, one more.
    """
    if dimensions == 1:
        return Points(bounds, None, [values])
    counts = np.diff(bounds).reshape(-1, dimensions)
    lengths = counts.max(axis=1) if len(counts) else np.empty(0, np.int64)
    outer = np.concatenate(([0], np.cumsum(lengths)))
    numbers = np.arange(int(outer[-1])) - np.repeat(outer[:-1], lengths)
    columns = []
    for dimension in range(dimensions):
        begins = np.repeat(bounds[dimension:-1:dimensions], lengths)
        there = numbers < np.repeat(counts[:, dimension], lengths)
        columns.append(taken_or_null(values, np.where(there, begins + numbers, -1)))
    return Points(outer, None, columns)


class TimesDifferError(Exception):
    """The dimensions of a series have different times."""


def joined(
    times: pa.Array, values: pa.Array, bounds: Ints, dimensions: int, *, merge: bool = True
) -> Points:
    """Points of dimensions with times of their own: a time that one lacks is null there.

    Of one dimension they stay in their order. Of several that do not agree they are sorted.

    Raises:
        TimesDifferError: they do not agree and ``merge`` is false.
    """
    if dimensions == 1:
        return Points(bounds, times, [values])
    counts = np.diff(bounds)
    per_series = counts.reshape(-1, dimensions)
    if not len(per_series):
        return Points(np.zeros(1, np.int64), times.slice(0, 0), [values.slice(0, 0)] * dimensions)
    if (per_series == per_series[:, :1]).all():
        points = padded(values, bounds, dimensions)
        clocks = padded(times, bounds, dimensions).values
        if all(clock.equals(clocks[0]) for clock in clocks[1:]):
            return Points(points.bounds, clocks[0], points.values)
    if not merge:
        raise TimesDifferError
    return _merged(times, values, counts, dimensions)


def _merged(times: pa.Array, values: pa.Array, counts: Ints, dimensions: int) -> Points:
    field = np.repeat(np.arange(len(counts)), counts)
    clock = numpy_view(times)
    order = np.lexsort((clock, field))  # stable: the first of equal times stays the first
    same = (np.diff(field[order]) == 0) & (np.diff(clock[order]) == 0)
    fresh = np.concatenate(([True], ~same))
    run = np.maximum.accumulate(np.where(fresh, np.arange(len(order)), 0))
    again = np.empty(len(order), np.int64)
    again[order] = np.arange(len(order)) - run
    series = field // dimensions
    order = np.lexsort((again, clock, series))
    keys = np.stack([series[order].astype(np.float64), clock[order], again[order]])
    first = np.concatenate(([True], (np.diff(keys, axis=1) != 0).any(axis=0)))
    if clock.dtype.kind == "i":  # exact beyond the precision of a double
        first[1:] |= np.diff(clock[order]) != 0
    row = np.empty(len(order), np.int64)
    row[order] = np.cumsum(first) - 1
    chosen = order[first]
    lengths = np.bincount(series[chosen], minlength=len(counts) // dimensions)
    columns = []
    for dimension in range(dimensions):
        places = np.full(len(chosen), -1, np.int64)
        mine = np.flatnonzero(field % dimensions == dimension)
        places[row[mine]] = mine
        columns.append(taken_or_null(values, places))
    outer = np.concatenate(([0], np.cumsum(lengths)))
    return Points(outer, times.take(int64_array(chosen)), columns)
