"""``ordinal``: the rank of a value among the sorted values of its column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from arrowsmith.plugin import RunContext
from arrowsmith.transforms.categories import (
    CategoryFitter,
    check_categories,
    indices_of,
    learned_values,
    sorted_values,
)
from arrowsmith.transforms.columns import ReplaceColumns, Replacement
from arrowsmith.transforms.options import OrdinalOptions


class Ordinal:
    """Ranks from 0, int32, as scikit-learn's OrdinalEncoder has them; nulls stay null."""

    def __init__(self, options: OrdinalOptions, ctx: RunContext) -> None:
        self._options = options
        self._ctx = ctx

    def fitter(self, schema: pa.Schema) -> CategoryFitter:
        names = self._options.columns
        check_categories(schema, names)
        limit = self._options.max_categories
        return CategoryFitter(schema, names, limit=limit, option="max_categories", ctx=self._ctx)

    def bind(self, schema: pa.Schema, state: Mapping[str, Any]) -> ReplaceColumns:
        check_categories(schema, self._options.columns)
        return ReplaceColumns(
            schema,
            {name: self._ranked(schema.field(name), state) for name in self._options.columns},
        )

    def _ranked(self, field: pa.Field, state: Mapping[str, Any]) -> Replacement:
        values, _ = sorted_values(learned_values(state, field.name, field.type))
        unknown = None if self._options.unknown == "error" else -1

        def make(array: pa.Array) -> Sequence[pa.Array]:
            return (indices_of(array, values, field.name, unknown=unknown),)

        return Replacement((field.with_type(pa.int32()),), make)
