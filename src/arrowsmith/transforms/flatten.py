"""``flatten``: make columns of the fields of structs."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from arrowsmith.plugin import RunContext, check_columns
from arrowsmith.transforms.columns import ReplaceColumns, Replacement
from arrowsmith.transforms.options import FlattenOptions


class Flatten:
    """Puts the fields of structs in their place; where a struct is null, all its fields are."""

    def __init__(self, options: FlattenOptions, ctx: RunContext) -> None:
        self._options = options

    def bind(self, schema: pa.Schema) -> ReplaceColumns:
        names = self._options.columns
        check_columns(
            schema,
            names,
            fits=pa.types.is_struct,
            wanted="a struct",
            hint="flatten without columns takes all structs",
        )
        structs = names or [field.name for field in schema if pa.types.is_struct(field.type)]
        return ReplaceColumns(
            schema, {name: self._replacement(schema.field(name)) for name in structs}
        )

    def _replacement(self, field: pa.Field) -> Replacement:
        recursive = self._options.recursive
        fields = _fields(field, self._options.separator, recursive, field.nullable)
        return Replacement(fields, lambda array: _arrays(array, recursive))


def _fields(field: pa.Field, separator: str, recursive: bool, nullable: bool) -> list[pa.Field]:
    found = []
    for child in field.type:
        named = child.with_name(f"{field.name}{separator}{child.name}")
        named = named.with_nullable(nullable or child.nullable)
        if recursive and pa.types.is_struct(child.type):
            found += _fields(named, separator, recursive, named.nullable)
        else:
            found.append(named)
    return found


def _arrays(array: pa.Array, recursive: bool) -> Sequence[pa.Array]:
    found: list[pa.Array] = []
    for child in array.flatten():
        nested = recursive and pa.types.is_struct(child.type)
        found += _arrays(child, recursive) if nested else [child]
    return found
