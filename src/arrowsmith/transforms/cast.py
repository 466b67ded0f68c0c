"""``cast``: convert columns to other types."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from arrowsmith.errors import DataError, OptionError, SchemaMismatch
from arrowsmith.plugin import RunContext, check_columns
from arrowsmith.plugin.types import parse_type
from arrowsmith.transforms.columns import ReplaceColumns, Replacement
from arrowsmith.transforms.options import CastOptions


class Cast:
    """Converts columns; a value that the type cannot hold is a ``DataError``.

    Raises:
        OptionError: no such type.
    """

    def __init__(self, options: CastOptions, ctx: RunContext) -> None:
        self._types = {name: _as_type(kind) for name, kind in options.columns.items()}

    def bind(self, schema: pa.Schema) -> ReplaceColumns:
        check_columns(schema, self._types)
        replaced = {}
        for name, kind in self._types.items():
            field = schema.field(name)
            if field.type.equals(kind):
                continue
            try:
                pa.nulls(0, field.type).cast(kind)
            except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
                raise SchemaMismatch(
                    f"column '{name}' of type {field.type} cannot be cast to {kind}"
                ) from None
            replaced[name] = _to(field.with_type(kind))
        return ReplaceColumns(schema, replaced)


def _as_type(kind: object) -> pa.DataType:
    if isinstance(kind, pa.DataType):
        return kind
    if isinstance(kind, str):
        return parse_type(kind)
    raise OptionError(f"cast takes types or their names, not {type(kind).__name__}")


def _to(field: pa.Field) -> Replacement:
    def make(array: pa.Array) -> Sequence[pa.Array]:
        try:
            return (array.cast(field.type),)
        except pa.ArrowInvalid as error:
            raise DataError(
                f"column '{field.name}' cannot be cast to {field.type}: {error}",
                hint="cast to a wider type, or filter such rows out before",
            ) from None

    return Replacement((field,), make)
