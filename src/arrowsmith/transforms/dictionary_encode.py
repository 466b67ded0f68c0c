"""``dictionary_encode``: store columns as indices into their distinct values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from arrowsmith.plugin import RunContext
from arrowsmith.transforms.categories import (
    CategoryFitter,
    check_categories,
    from_codes,
    indices_of,
    learned_values,
    value_type,
)
from arrowsmith.transforms.columns import ReplaceColumns, Replacement
from arrowsmith.transforms.options import DictionaryEncodeOptions


class DictionaryEncode:
    """Gives every batch the same dictionary: all values, in the order of their first row."""

    def __init__(self, options: DictionaryEncodeOptions, ctx: RunContext) -> None:
        self._options = options
        self._ctx = ctx

    def fitter(self, schema: pa.Schema) -> CategoryFitter:
        names = self._options.columns
        check_categories(schema, names)
        limit = self._options.max_values
        return CategoryFitter(schema, names, limit=limit, option="max_values", ctx=self._ctx)

    def bind(self, schema: pa.Schema, state: Mapping[str, Any]) -> ReplaceColumns:
        check_categories(schema, self._options.columns)
        return ReplaceColumns(
            schema,
            {name: _encoded(schema.field(name), state) for name in self._options.columns},
        )


def _encoded(field: pa.Field, state: Mapping[str, Any]) -> Replacement:
    codes, _ = learned_values(state, field.name, field.type)
    values = from_codes(codes, field.type)
    kind = pa.dictionary(pa.int32(), value_type(field.type))

    def make(array: pa.Array) -> Sequence[pa.Array]:
        found = indices_of(array, codes, field.name, unknown=None)
        return (pa.DictionaryArray.from_arrays(found, values),)

    return Replacement((field.with_type(kind),), make)
