"""Names of columns that a step was given, checked against the schema of its input."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from arrowsmith.errors import SchemaMismatch, UnknownColumn

if TYPE_CHECKING:
    import pyarrow as pa

_SHOWN = 20


def check_columns(
    schema: pa.Schema,
    names: Iterable[str],
    *,
    fits: Callable[[pa.DataType], bool] | None = None,
    wanted: str = "",
    hint: str | None = None,
    path: str | None = None,
) -> None:
    """Make sure that a step's columns are there, each once, and of types that it can take.

    Args:
        schema: of the step's input.
        names: what the step was given.
        fits: whether a type will do; None for any.
        wanted: the types that will do, in words, for the message: ``"numbers"``.
        hint: what to do about another type.
        path: the file that has them, for the message.

    Raises:
        UnknownColumn: no such column, with the nearest name, or several of that name.
        SchemaMismatch: a column of another type.

    Example:
        >>> check_columns(pa.schema([("id", pa.int64())]), ["id"], fits=pa.types.is_integer)
    """
    for name in names:
        count = len(schema.get_all_field_indices(name))  # names are a new list each time
        if count != 1:
            raise _unknown(schema, name, count, path)
        kind = schema.field(name).type
        if fits is not None and not fits(kind):
            raise SchemaMismatch(
                f"column '{name}' is of type {kind}" + f", not {wanted}" * bool(wanted),
                path=path,
                hint=hint,
            )


def _unknown(schema: pa.Schema, name: str, count: int, path: str | None) -> UnknownColumn:
    if count:
        what = f"{count} columns are called '{name}'"
        return UnknownColumn(what, path=path, hint="rename all but one")
    import difflib

    near = difflib.get_close_matches(name, schema.names, n=1)
    hint = f"did you mean '{near[0]}'?" if near else None
    more = ", ..." if len(schema.names) > _SHOWN else ""
    shown = ", ".join(schema.names[:_SHOWN]) + more
    return UnknownColumn(f"no column '{name}' among: {shown}", path=path, hint=hint)
