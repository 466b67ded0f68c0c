"""What one column holds: the measures that its type allows, taken together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from arrowsmith.kernels.arrays import numpy_view
from arrowsmith.kernels.hashing import Hashes, can_hash, hash_spans, hash_values
from arrowsmith.kernels.plain import unwrapped, unwrapped_type
from arrowsmith.kernels.spans import Spans, is_ragged
from arrowsmith.stats import moments, quantiles, text
from arrowsmith.stats.blocks import blocks
from arrowsmith.stats.distinct import Distinct
from arrowsmith.stats.frequent import Frequent
from arrowsmith.stats.frequent import Part as Counts
from arrowsmith.stats.moments import Extremes, Moments
from arrowsmith.stats.quantiles import Quantiles
from arrowsmith.stats.values import as_json, from_number, plain

SHARES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_BINS = 20
_TOP = 10


@dataclass(frozen=True, slots=True)
class ColumnSummary:
    """What a column holds. Measures that its type does not have are None or empty.

    Attributes:
        name, type: the column's, the type as Arrow writes it.
        count: values that are not null.
        nulls: values that are.
        nan: NaNs among the values, which the other measures leave out; None without floats.
        distinct: different values; an estimate, 0.8 % off as a rule, unless ``distinct_exact``.
        min, max: exact.
        mean, std: of numbers; the mean of dates and times too. ``std`` divides by n - 1.
        quantiles: values by share, 0.01 to 0.99, between two values interpolated for floats; an
            estimate unless ``quantiles_exact``, as it is for tables of less than 60,000 rows: 0.3 %
            of the ranks off as a rule at 100,000 rows, 0.1 % at a million.
        histogram: ``{"edges": [...], "counts": [...]}`` of numbers and times, from those values.
        top: the most frequent values and their counts; estimates unless ``top_exact``.
        length: ``{"min": ..., "mean": ..., "max": ...}`` of texts in characters, of binaries in
            bytes, of lists in elements.
    """

    name: str
    type: str
    count: int
    nulls: int
    nan: int | None = None
    distinct: int | None = None
    distinct_exact: bool = True
    min: Any = None
    max: Any = None
    mean: Any = None
    std: float | None = None
    quantiles: dict[float, Any] = field(default_factory=dict)
    quantiles_exact: bool = True
    histogram: dict[str, list[Any]] = field(default_factory=dict)
    top: list[tuple[Any, int]] = field(default_factory=list)
    top_exact: bool = True
    length: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The figures as JSON values."""
        return {
            "name": self.name,
            "type": self.type,
            "count": self.count,
            "nulls": self.nulls,
            "nan": self.nan,
            "distinct": self.distinct,
            "distinct_exact": self.distinct_exact,
            "min": as_json(self.min),
            "max": as_json(self.max),
            "mean": as_json(self.mean),
            "std": as_json(self.std),
            "quantiles": {str(share): as_json(value) for share, value in self.quantiles.items()},
            "quantiles_exact": self.quantiles_exact,
            "histogram": {k: [as_json(v) for v in part] for k, part in self.histogram.items()},
            "top": [{"value": as_json(value), "count": count} for value, count in self.top],
            "top_exact": self.top_exact,
            "length": {name: as_json(value) for name, value in self.length.items()},
        }


class Part(NamedTuple):
    """What a chunk tells of a column."""

    valid: int
    nulls: int
    nan: int = 0
    extremes: tuple[Any, Any] | None = None
    moments: moments.Part | None = None
    quantiles: quantiles.Part | None = None
    counts: Counts | None = None
    hashes: Hashes | None = None
    lengths: tuple[int, int, int] | None = None


class ColumnMeter:
    """Takes the measure of a column, chunk by chunk.

    Args:
        column: name and type.
        room: bytes that its sketches may hold.
    """

    def __init__(self, column: pa.Field, room: int) -> None:
        kind = _flat_type(column.type)
        types = pa.types
        self._field = column
        self._kind = kind
        self._numeric = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
        self._timed = types.is_temporal(kind) and kind.bit_width <= 64
        self._measured = self._numeric or self._timed
        self._text = is_ragged(kind)
        self._listed = text.is_list(kind)
        self._hashed = can_hash(kind)
        self._ordered = self._text or types.is_decimal(kind) or types.is_boolean(kind)
        self._count = self._nulls = self._nan = 0
        self._extremes = Extremes()
        self._bounds: tuple[Any, Any] | None = None
        self._moments = Moments()
        self._quantiles = Quantiles(max(512, min(65_536, room // 64)))
        self._distinct = Distinct(max(256, min(16_384, room // 64)))
        self._frequent = Frequent(max(4096, min(1 << 20, room // 8)))
        self._length = 0
        self._span: tuple[int, int] | None = None

    # --- a chunk ---------------------------------------------------------------------------------

    def partial(self, column: pa.Array) -> Part:
        """What a chunk tells; pure."""
        values = _flat(column, self._kind)
        nulls = values.null_count
        count = len(values) - nulls
        if not count:
            return Part(0, nulls)
        if self._listed:
            return Part(count, nulls, lengths=text.list_lengths(values))
        if not (self._measured or self._hashed):
            return Part(count, nulls)
        values = values.drop_null() if nulls else values
        found: dict[str, Any] = {}
        every = values
        if self._hashed:
            counts = self._frequent.partial(values)
            # where all were counted, the distinct values are there already
            every = values if counts.step > 1 or not counts.all else counts.values
            found["counts"] = counts
            if not self._text:
                found["hashes"] = self._distinct.partial(map(hash_values, blocks(every)))
        if self._measured:
            found |= self._numbers(values)
        if self._text:
            found |= self._texts(values, every)
        elif self._ordered:
            found["extremes"] = Extremes.partial(every)
        return Part(count, nulls, **found)

    def _numbers(self, values: pa.Array) -> dict[str, Any]:
        if pa.types.is_decimal(self._kind):
            values = values.cast(pa.float64())
        numbers = numpy_view(values)
        low, nan = numbers.min(), 0
        if low != low:  # one NaN makes the minimum NaN
            there = ~np.isnan(numbers)
            nan = len(numbers) - int(there.sum())
            numbers = numbers[there]
            if not len(numbers):
                return {"nan": nan}
            low = numbers.min()
        return {
            "nan": nan,
            "extremes": (low.item(), numbers.max().item()),
            "moments": Moments.partial(numbers),
            "quantiles": self._quantiles.partial(numbers),
        }

    def _texts(self, values: pa.Array, every: pa.Array) -> dict[str, Any]:
        """``every`` has each value of ``values`` at least once."""
        bounds = Extremes()

        def hashes() -> Iterator[Hashes]:
            for block in blocks(every):
                spans = Spans(block)
                bounds.merge(text.extremes(block, spans))
                yield hash_spans(spans)

        return {
            "hashes": self._distinct.partial(hashes()),
            "extremes": (bounds.low, bounds.high),
            "lengths": text.lengths(values),
        }

    def merge(self, part: Part) -> None:
        """Add what the next chunk tells."""
        self._count += part.valid
        self._nulls += part.nulls
        self._nan += part.nan
        if part.extremes is not None:
            if self._ordered:
                self._extremes.merge(part.extremes)
            else:
                self._bounds = _wider(self._bounds, part.extremes)
        if part.moments is not None:
            self._moments.merge(part.moments)
        if part.quantiles is not None:
            self._quantiles.merge(part.quantiles)
        if part.counts is not None:
            self._frequent.merge(part.counts)
        if part.hashes is not None:
            self._distinct.merge(part.hashes)
        if part.lengths is not None:
            low, high, total = part.lengths
            self._span = _wider(self._span, (low, high))
            self._length += total

    # --- the result ------------------------------------------------------------------------------

    def summary(self) -> ColumnSummary:
        """What all chunks told."""
        found: dict[str, Any] = {}
        if pa.types.is_floating(self._kind):
            found["nan"] = self._nan
        if self._ordered:
            found["min"], found["max"] = plain(self._extremes.low), plain(self._extremes.high)
        if self._measured and self._bounds is not None:
            found |= self._measures(self._bounds)
        if self._hashed:
            found["distinct"] = min(self._distinct.count, self._count)
            found["distinct_exact"] = self._distinct.exact
            found["top"] = self._frequent.top(_TOP)
            found["top_exact"] = self._frequent.exact
        if self._span is not None:
            low, high = self._span
            found["length"] = {"min": low, "mean": self._length / self._count, "max": high}
        return ColumnSummary(
            self._field.name, str(self._field.type), self._count, self._nulls, **found
        )

    def _measures(self, bounds: tuple[Any, Any]) -> dict[str, Any]:
        kind = self._kind
        found: dict[str, Any] = {}
        if not self._ordered:
            found["min"], found["max"] = (from_number(bound, kind) for bound in bounds)
        mean = self._moments.mean
        found["mean"] = from_number(mean, kind) if mean is not None else None
        if self._numeric:
            found["std"] = self._moments.std
        quantiles = self._quantiles.at(SHARES)
        found["quantiles"] = {
            share: from_number(value, kind) for share, value in zip(SHARES, quantiles, strict=True)
        }
        found["quantiles_exact"] = self._quantiles.exact
        edges, counts = self._quantiles.histogram(_BINS)
        if edges:
            edges = [from_number(edge, kind) for edge in edges]
            found["histogram"] = {"edges": edges, "counts": counts}
        return found


def _wider(bounds: tuple[Any, Any] | None, other: tuple[Any, Any]) -> tuple[Any, Any]:
    if bounds is None:
        return other
    return min(bounds[0], other[0]), max(bounds[1], other[1])


def _flat_type(kind: pa.DataType) -> pa.DataType:
    """The type as which values are measured, one that there are kernels for."""
    kind = unwrapped_type(kind)
    if pa.types.is_decimal32(kind) or pa.types.is_decimal64(kind):
        return pa.decimal128(kind.precision, kind.scale)
    return kind


def _flat(values: pa.Array, kind: pa.DataType) -> pa.Array:
    values = unwrapped(values)
    return values if values.type.equals(kind) else values.cast(kind)
