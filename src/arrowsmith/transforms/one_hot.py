"""``one_hot``: a column of 0 and 1 for each category of a column.

Categories and their order, and which are infrequent, are those of scikit-learn's OneHotEncoder
with ``max_categories``: https://scikit-learn.org/stable/modules/preprocessing.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from arrowsmith.errors import SchemaMismatch
from arrowsmith.kernels.arrays import numpy_view
from arrowsmith.plugin import RunContext
from arrowsmith.transforms.categories import (
    CategoryFitter,
    check_categories,
    from_codes,
    indices_of,
    learned_values,
    sorted_values,
)
from arrowsmith.transforms.columns import ReplaceColumns, Replacement, first_repeated
from arrowsmith.transforms.options import OneHotOptions

_MOST_VALUES = 1_000_000  # distinct values that are counted to find the most frequent


class OneHot:
    """Columns ``COLUMN_value`` of uint8 in the place of the column; a null is 0 in all of them."""

    def __init__(self, options: OneHotOptions, ctx: RunContext) -> None:
        self._options = options
        self._ctx = ctx

    def fitter(self, schema: pa.Schema) -> CategoryFitter:
        names = [self._options.column]
        check_categories(schema, names)
        return CategoryFitter(schema, names, limit=_MOST_VALUES, option=None, ctx=self._ctx)

    def bind(self, schema: pa.Schema, state: Mapping[str, Any]) -> ReplaceColumns:
        name = self._options.column
        check_categories(schema, [name])
        field = schema.field(name)
        counted = sorted_values(learned_values(state, name, field.type))
        return ReplaceColumns(schema, {name: self._spread(field, *counted)})

    def _spread(self, field: pa.Field, values: pa.Array, counts: NDArray[np.int64]) -> Replacement:
        rare = _infrequent(counts, self._options.max_categories)
        # the column of each value: its place among the frequent, or the last one
        columns = np.where(rare, int((~rare).sum()), np.cumsum(~rare) - 1)
        labels = from_codes(values, field.type).cast(pa.string()).to_pylist()
        names = [f"{field.name}_{label}" for label, no in zip(labels, rare, strict=True) if not no]
        if rare.any():
            names.append(f"{field.name}_infrequent")
        repeated = first_repeated(names)
        if repeated is not None:
            raise SchemaMismatch(
                f"two categories of column '{field.name}' would be columns '{repeated}'",
                hint="rename the value, or raise max_categories",
            )
        lenient = rare.any() and self._options.unknown == "infrequent"
        fallback = len(names) - 1 if lenient else -1
        # two places more: for values that are unknown, and for null, which is in no column
        lookup = np.append(columns, [fallback, -1])
        unknown = None if self._options.unknown == "error" else len(columns)

        def make(array: pa.Array) -> Sequence[pa.Array]:
            found = indices_of(array, values, field.name, unknown=unknown, null=-1)
            return _matrix(lookup[numpy_view(found)], len(names))

        return Replacement([pa.field(name, pa.uint8()) for name in names], make)


def _infrequent(counts: NDArray[np.int64], most: int) -> NDArray[np.bool_]:
    """Which categories share a column: of equally frequent ones, those that sort first.

    As in scikit-learn, one shares with nobody where there are just as many as may be.
    """
    rare = np.zeros(len(counts), bool)
    if len(counts) >= most:
        order = np.argsort(counts, kind="stable")
        rare[order[: len(counts) - (most - 1)]] = True
    return rare


def _matrix(place: NDArray[np.int64], width: int) -> list[pa.Array]:
    rows = len(place)
    matrix = np.zeros((width, rows), np.uint8)
    there = np.flatnonzero(place >= 0)
    matrix[place[there], there] = 1
    return [pa.Array.from_buffers(pa.uint8(), rows, [None, pa.py_buffer(row)]) for row in matrix]
