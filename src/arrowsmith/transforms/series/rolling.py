"""``rolling``: what the last rows of a series come to, as pandas' ``rolling(rows)`` has it.

What the last 1, 2, 4, 8 ... rows come to is computed for all rows at once, each from two of half
the length, and a window is put together from those. So many rows cost the logarithm of it, sums are
as exact as pairwise ones, and each row's are added up in the same order wherever batches begin.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from arrowsmith.kernels.arrays import numpy_view
from arrowsmith.plugin import BoundTransform, RunContext
from arrowsmith.transforms.moments import to_floats
from arrowsmith.transforms.series.adding import AddingStep
from arrowsmith.transforms.series.options import RollingOptions

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Rolling:
    """Adds ``VALUE_mean7`` ... over so many rows; nulls and NaN are left out."""

    def __init__(self, options: RollingOptions, ctx: RunContext) -> None:
        self._options = options

    def bind(self, schema: pa.Schema) -> BoundTransform:
        return BoundRolling.bound(schema, self._options, self._options.rows - 1)


class BoundRolling(AddingStep):
    """The step for one run."""

    _options: RollingOptions

    def fields(self, field: pa.Field) -> list[pa.Field]:
        rows = self._options.rows
        return [
            pa.field(f"{field.name}_{function}{rows}", pa.float64())
            for function in self._options.functions
        ]

    def compute(self, whole: pa.Array, at: Ints, places: Ints) -> list[pa.Array]:
        options = self._options
        lengths = np.minimum(places + 1, options.rows)
        with np.errstate(over="ignore", invalid="ignore"):
            found = _last_rows(floats_of(whole), at, lengths, set(options.functions))
        count = found["count"]
        enough = (count >= (options.min_rows or options.rows)) & (count > 0)
        made = []
        for function in options.functions:
            kept = enough & (count > 1) if function == "std" else enough
            made.append(masked_floats(found[function], kept))
        return made


Part = dict[str, Floats]


def _last_rows(values: Floats, at: Ints, lengths: Ints, functions: set[str]) -> Part:
    """What so many values up to each place come to."""
    runs = _each(values, functions)  # of 1, then 2, 4 ... values up to each
    found = {name: _none(name, len(at)) for name in runs}
    at, size = at.copy(), 1
    while len(lengths) and size <= int(lengths.max()):
        rows = np.flatnonzero(lengths & size)
        taken = {name: run[at[rows]] for name, run in runs.items()}
        joined = _joined(taken, {name: one[rows] for name, one in found.items()})
        for name, one in joined.items():
            found[name][rows] = one
        at[rows] -= size
        earlier = {name: run[:-size] for name, run in runs.items()}
        later = {name: run[size:] for name, run in runs.items()}
        grown = _joined(earlier, later)
        # those before have not so many values up to them, and are not asked for
        runs = {name: np.concatenate((runs[name][:size], one)) for name, one in grown.items()}
        size *= 2
    count = found["count"]
    with np.errstate(divide="ignore"):
        if "std" in functions:
            found["std"] = np.sqrt(found["squares"] / (count - 1))
        if "mean" in functions:
            found["mean"] = found["sum"] / count
    return found


def _each(values: Floats, functions: set[str]) -> Part:
    there = ~np.isnan(values)
    filled = np.where(there, values, 0.0)
    found: Part = {"count": there.astype(np.float64)}
    if functions & {"sum", "mean"}:
        found["sum"] = filled
    if "min" in functions:
        found["min"] = np.where(there, values, np.inf)
    if "max" in functions:
        found["max"] = np.where(there, values, -np.inf)
    if "std" in functions:
        found["center"], found["squares"] = filled, np.zeros(len(values))
    return found


def _none(name: str, rows: int) -> Floats:
    return np.full(rows, {"min": np.inf, "max": -np.inf}.get(name, 0.0))


def _joined(one: Part, other: Part) -> Part:
    """Of both together; squared distances by the formula of Chan, Golub and LeVeque (1979)."""
    found = {name: _JOIN[name](part, other[name]) for name, part in one.items() if name in _JOIN}
    if "center" in one:
        count = np.maximum(found["count"], 1)
        share = other["count"] / count
        apart = other["center"] - one["center"]
        found["center"] = np.where(
            one["count"] == 0, other["center"], one["center"] + apart * share
        )
        found["squares"] = one["squares"] + other["squares"] + apart * apart * one["count"] * share
    return found


_JOIN = {"count": np.add, "sum": np.add, "min": np.minimum, "max": np.maximum}


def floats_of(column: pa.Array) -> Floats:
    """As float64, NaN where null."""
    values = numpy_view(to_floats(column)).astype(np.float64)
    if column.null_count:
        values[numpy_view(column.is_null().cast(pa.uint8())) == 1] = np.nan
    return values


def masked_floats(values: Floats, valid: NDArray[np.bool_]) -> pa.DoubleArray:
    """An Arrow array, null where not ``valid``."""
    data = np.where(valid, values, 0.0)
    bits = pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(pa.float64(), len(data), [bits, pa.py_buffer(data)])
