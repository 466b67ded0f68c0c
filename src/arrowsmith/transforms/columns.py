"""A step that puts other columns, one or several or none, in the place of single ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from arrowsmith.errors import SchemaMismatch


def first_repeated(names: Sequence[str]) -> str | None:
    """The first name that comes again, or None."""
    if len(set(names)) == len(names):
        return None
    often = Counter(names)
    return next(name for name in names if often[name] > 1)


@dataclass(frozen=True, slots=True)
class Replacement:
    """What takes the place of a column.

    Attributes:
        fields: of the columns that come instead.
        make: gives their arrays from the column's array.
    """

    fields: Sequence[pa.Field]
    make: Callable[[pa.Array], Sequence[pa.Array]]


class ReplaceColumns:
    """Applies replacements by the name of a column; the others stay as they are.

    Raises:
        SchemaMismatch: two columns of one name would come out, or none at all.
    """

    kind: Literal["stateless"] = "stateless"

    def __init__(self, schema: pa.Schema, replaced: Mapping[str, Replacement]) -> None:
        self._replaced = {name: replaced[name] for name in schema.names if name in replaced}
        fields = [
            new
            for field in schema
            for new in (replaced[field.name].fields if field.name in replaced else (field,))
        ]
        names = [field.name for field in fields]
        if not names:
            raise SchemaMismatch("no column would be left")
        repeated = first_repeated(names) if self._replaced else None
        if repeated is not None:
            raise SchemaMismatch(f"two columns would be named '{repeated}'")
        self.schema = pa.schema(fields, metadata=schema.metadata)
        self.unchanged = frozenset(name for name in schema.names if name not in self._replaced)

    def needed(self, outputs: frozenset[str]) -> frozenset[str]:
        made = {
            name
            for name, replacement in self._replaced.items()
            if any(field.name in outputs for field in replacement.fields)
        }
        return (outputs & self.unchanged) | made

    def narrowed(self, schema: pa.Schema) -> ReplaceColumns:
        return ReplaceColumns(schema, self._replaced)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        arrays: list[pa.Array] = []
        for name, array in zip(batch.schema.names, batch.columns, strict=True):
            replacement = self._replaced.get(name)
            arrays += (array,) if replacement is None else replacement.make(array)
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)
