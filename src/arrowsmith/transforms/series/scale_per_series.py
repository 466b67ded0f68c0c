"""``scale_per_series``: each series scaled by what its train part tells."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from arrowsmith.errors import DataError, SchemaMismatch
from arrowsmith.kernels.arrays import numpy_view
from arrowsmith.kernels.plain import unwrapped
from arrowsmith.kernels.scalars import text_scalar
from arrowsmith.plugin import RunContext, check_columns
from arrowsmith.transforms.moments import Moments
from arrowsmith.transforms.series.options import ScaleOptions
from arrowsmith.transforms.series.order import is_key, is_number, is_time
from arrowsmith.transforms.series.rolling import floats_of, masked_floats
from arrowsmith.transforms.series.temporal_split import time_value

Floats = NDArray[np.float64]
Partial = dict[str, list[Moments]]

_EPSILON = float(np.finfo(np.float64).eps)
_TRAIN = text_scalar("train")


class ScalePerSeries:
    """Subtracts the mean of a series' train part and divides by its deviation, or maps the range
    of its train part to 0 to 1. Nulls and NaN are left out of the fit and become null."""

    def __init__(self, options: ScaleOptions, ctx: RunContext) -> None:
        self._options = options

    def fitter(self, schema: pa.Schema) -> SeriesFitter:
        _check(schema, self._options)
        return SeriesFitter(schema, self._options)

    def bind(self, schema: pa.Schema, state: Mapping[str, Any]) -> BoundScale:
        _check(schema, self._options, fitting=False)
        return BoundScale(schema, self._options, state)


def _check(schema: pa.Schema, options: ScaleOptions, *, fitting: bool = True) -> None:
    check_columns(schema, options.by, fits=is_key, wanted="something that names series")
    check_columns(schema, options.values, fits=is_number, wanted="numbers", hint="cast it first")
    if fitting and options.split is not None:
        check_columns(schema, [options.split], fits=_is_text, wanted="text such as train")
    if fitting and options.time is not None and options.until is not None:
        check_columns(schema, [options.time], fits=is_time, wanted="times")
        time_value(options.until, schema.field(options.time).type)


def _is_text(kind: pa.DataType) -> bool:
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(plain) or pa.types.is_large_string(plain))


class Names:
    """What the series of rows are called in a state: JSON lists of texts."""

    def __init__(self, by: Sequence[str]) -> None:
        self._by = tuple(by)

    def codes(self, rows: pa.RecordBatch) -> tuple[list[str], NDArray[np.int64]]:
        """The distinct names in the order of their first rows, and the number of each row's."""
        codes = np.zeros(rows.num_rows, np.int64)
        parts: list[list[str | None]] = [[]]
        for name in self._by:
            coded = unwrapped(rows.column(name)).dictionary_encode(null_encoding="encode")
            texts = coded.dictionary.cast(pa.string()).to_pylist()
            pairs = codes * max(len(texts), 1) + numpy_view(coded.indices)
            distinct, first, codes = np.unique(pairs, return_index=True, return_inverse=True)
            order = np.argsort(first)
            rank = np.empty(len(order), np.int64)
            rank[order] = np.arange(len(order))
            codes = rank[codes]
            both = distinct[order]
            parts = [
                [*parts[pair // len(texts)], texts[pair % len(texts)]] for pair in both.tolist()
            ]
        return [json.dumps(part, ensure_ascii=False) for part in parts], codes


class SeriesFitter:
    """Learns count, mean, variance and range of each series from its train part."""

    def __init__(self, schema: pa.Schema, options: ScaleOptions) -> None:
        self._options = options
        self._names = Names(options.by)
        extra = [one for one in (options.split, options.time) if one is not None]
        self.columns = frozenset((*options.by, *options.values, *extra))
        self._until: int | float | None = None
        if options.time is not None and options.until is not None:
            self._until = time_value(options.until, schema.field(options.time).type)
        self._found: Partial = {}

    def partial(self, rows: pa.RecordBatch) -> Partial:
        names, codes = self._names.codes(rows)
        train = self._train(rows)
        columns = [
            _grouped(floats_of(rows.column(v)), codes, train, len(names), v)
            for v in self._options.values
        ]
        chosen = np.zeros(len(names), np.bool_)
        chosen[codes[train]] = True
        return {
            name: [column[number] for column in columns]
            for number, name in enumerate(names)
            if chosen[number]
        }

    def merge(self, partial: Partial) -> None:
        for name, found in partial.items():
            known = self._found.get(name)
            if known is not None:
                found = [old.joined(new) for old, new in zip(known, found, strict=True)]
            self._found[name] = found
        if len(self._found) > self._options.max_series:
            raise DataError(
                f"there are more than max_series={self._options.max_series} series",
                hint="raise max_series, which takes memory for each",
            )

    def state(self) -> Mapping[str, Any]:
        for name, found in self._found.items():
            if not all(math.isfinite(one.mean) and math.isfinite(one.squares) for one in found):
                raise DataError(f"series {name} has values too large to be scaled")
        return {
            "values": list(self._options.values),
            "series": {
                name: [[one.count, one.mean, one.squares, one.min, one.max] for one in found]
                for name, found in self._found.items()
            },
        }

    def _train(self, rows: pa.RecordBatch) -> NDArray[np.bool_]:
        if self._options.split is not None:
            column = unwrapped(rows.column(self._options.split))
            same = pc.equal(column.cast(pa.string()), _TRAIN).cast(pa.uint8())
            return numpy_view(pc.fill_null(same, _NO)) == 1
        assert self._options.time is not None
        column = rows.column(self._options.time)
        if pa.types.is_float16(column.type):
            column = column.cast(pa.float32())
        train: NDArray[np.bool_] = numpy_view(column) < self._until
        if column.null_count:
            train &= numpy_view(column.is_valid().cast(pa.uint8())) == 1
        return train


_NO = pa.Array.from_buffers(pa.uint8(), 1, [None, pa.py_buffer(b"\0")])[0]


def _grouped(
    values: Floats, codes: NDArray[np.int64], train: NDArray[np.bool_], groups: int, name: str
) -> list[Moments]:
    """The moments of each group, in two passes."""
    kept = train & ~np.isnan(values)
    values, codes = values[kept], codes[kept]
    if np.isinf(values).any():
        raise DataError(f"column '{name}' has an infinite value, which cannot be scaled")
    count = np.bincount(codes, minlength=groups)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.bincount(codes, values, groups) / np.maximum(count, 1)
        squares = np.bincount(codes, (values - mean[codes]) ** 2, groups)
    low, high = np.full(groups, np.inf), np.full(groups, -np.inf)
    np.minimum.at(low, codes, values)
    np.maximum.at(high, codes, values)
    figures = zip(count, mean, squares, low, high, strict=True)
    return [
        Moments(int(n), float(m), float(s), float(a), float(b)) if n else Moments()
        for n, m, s, a, b in figures
    ]


class BoundScale:
    """The step with what was learned."""

    kind: Literal["stateless"] = "stateless"

    def __init__(self, schema: pa.Schema, options: ScaleOptions, state: Mapping[str, Any]) -> None:
        self._options = options
        self._state = state
        self._names = Names(options.by)
        try:
            series = state["series"]
            known = list(state["values"])
            self._places = {str(name): place for place, name in enumerate(series)}
            figures = np.array(list(series.values()), np.float64).reshape(-1, len(known), 5)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise SchemaMismatch("what was learned of the series is not usable") from None
        if known != list(options.values) or not np.isfinite(figures).all():
            raise SchemaMismatch("what was learned of the series is not usable")
        self._figures = figures
        fields = [
            field.with_type(pa.float64()).with_nullable(True)
            if field.name in options.values
            else field
            for field in schema
        ]
        self.schema = pa.schema(fields, metadata=schema.metadata)
        self.unchanged = frozenset(schema.names) - set(options.values)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        names, codes = self._names.codes(batch)
        places = np.array([self._places.get(name, -1) for name in names], np.int64)
        if self._options.unknown == "error" and len(codes) and (places < 0).any():
            name = names[int(np.flatnonzero(places < 0)[0])]
            raise DataError(
                f"series {name} has no row in the train part",
                hint="unknown=null makes its values null",
            )
        arrays = batch.columns
        for number, name in enumerate(self._options.values):
            at = batch.schema.get_field_index(name)
            shift, width = self._scale(number)
            row = places[codes] if len(codes) else codes
            values = floats_of(arrays[at])
            with np.errstate(over="ignore", invalid="ignore"):
                scaled = (values - shift[row]) / width[row]
            arrays[at] = masked_floats(scaled, ~np.isnan(scaled))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _scale(self, number: int) -> tuple[Floats, Floats]:
        """What is subtracted and divided by, for each series and behind them for unknown ones."""
        count, mean, squares, low, high = self._figures[:, number].T
        if self._options.method == "min_max":
            shift, width = low, high - low
            width = np.where(width < 10 * _EPSILON, 1.0, width)
        else:
            variance = squares / np.maximum(count, 1)
            lost = count * mean * _EPSILON
            error = count * _EPSILON * variance + lost * lost
            shift, width = mean, np.where(variance <= error, 1.0, np.sqrt(variance))
        shift = np.where(count > 0, shift, np.nan)
        return np.append(shift, np.nan), np.append(width, 1.0)
