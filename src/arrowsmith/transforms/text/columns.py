"""What the transforms of text share: columns of text, columns that are added, words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import pyarrow as pa

from arrowsmith.errors import SchemaMismatch
from arrowsmith.plugin import check_columns

WORD = r"[\p{L}\p{M}\p{N}_]"
"""A character of a word: letters, marks, numbers and the underscore, by RE2."""


def is_text(kind: pa.DataType) -> bool:
    """Strings of any layout, and dictionaries of such."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def check_text(schema: pa.Schema, names: Sequence[str]) -> None:
    """Raise ``SchemaMismatch`` unless the columns hold text."""
    check_columns(
        schema, names, fits=is_text, wanted="text", hint="make it text with cast or with_column"
    )


def as_string(array: pa.Array) -> pa.StringArray:
    """Texts as plain strings."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    return array if pa.types.is_string(array.type) else array.cast(pa.string())


class AddColumns:
    """Computes columns from one; each stands in the place of one of its name, or at the end.

    Raises:
        SchemaMismatch: two columns of the name are there.
    """

    kind: Literal["stateless"] = "stateless"

    def __init__(
        self,
        schema: pa.Schema,
        column: str,
        fields: Sequence[pa.Field],
        make: Callable[[pa.Array], Sequence[pa.Array]],
    ) -> None:
        self._column = column
        self._fields = {field.name: field for field in fields}
        self._make = make
        for name in self._fields:
            if schema.names.count(name) > 1:
                raise SchemaMismatch(f"{schema.names.count(name)} columns are called '{name}'")
        old = [self._fields.get(field.name, field) for field in schema]
        new = [field for field in fields if field.name not in schema.names]
        self.schema = pa.schema(old + new, metadata=schema.metadata)
        self.unchanged = frozenset(schema.names) - frozenset(self._fields)
        self._added = frozenset(field.name for field in new)

    def needed(self, outputs: frozenset[str]) -> frozenset[str]:
        made = outputs & frozenset(self._fields)
        # a column that is replaced is asked for all the same, since it holds the place
        return (outputs - self._added) | ({self._column} if made else frozenset())

    def narrowed(self, schema: pa.Schema) -> AddColumns:
        made = list(self._fields.values()) if self._column in schema.names else []
        return AddColumns(schema, self._column, made, self._make)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if not self._fields:
            return batch
        arrays = self._make(batch.column(self._column))
        made = dict(zip(self._fields, arrays, strict=True))
        columns = [made[name] if name in made else batch.column(name) for name in self.schema.names]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)
