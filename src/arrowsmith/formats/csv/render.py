"""Columns as text, one rule a type, by Arrow kernels over whole columns.

A renderer gives a column that pyarrow's cast to string writes as we want it: text, or a type whose
cast is right already (integers, booleans, dates), which the fast route hands on as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.errors import SchemaMismatch
from arrowsmith.kernels.arrays import decoded
from arrowsmith.kernels.jsontext import json_text
from arrowsmith.kernels.valuetext import Render, decimals, floats, hexadecimal, temporal


@dataclass(frozen=True, slots=True)
class Renderer:
    """How one column becomes text.

    Attributes:
        render: the column's values as text, or as a type whose cast to string is right.
        free: the text may hold any character, so that it may need quotes.
    """

    render: Render
    free: bool


def renderer(field: pa.Field, separator: str) -> Renderer:
    """The renderer for a column; ``separator`` stands between date and time.

    Raises:
        SchemaMismatch: for types that have no text (unions, calendar intervals).
    """
    kind = field.type
    if isinstance(kind, pa.BaseExtensionType):
        inner = renderer(pa.field(field.name, kind.storage_type), separator)
        return Renderer(lambda column: inner.render(column.storage), inner.free)
    if pa.types.is_dictionary(kind):
        inner = renderer(pa.field(field.name, kind.value_type), separator)
        return Renderer(lambda column: inner.render(decoded(column)), inner.free)
    if pa.types.is_run_end_encoded(kind):
        inner = renderer(pa.field(field.name, kind.value_type), separator)
        return Renderer(lambda column: inner.render(pc.run_end_decode(column)), inner.free)
    if pa.types.is_nested(kind) and not pa.types.is_union(kind):
        return _nested(field, separator)
    render = _flat(field, separator)
    if render is None:
        raise SchemaMismatch(
            f"column {field.name!r} is of type {kind}, which CSV cannot hold",
            hint="leave it out with columns, or write to parquet or arrow",
        )
    return Renderer(
        render,
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind),
    )


def _flat(field: pa.Field, separator: str) -> Render | None:
    kind = field.type
    types = pa.types
    if types.is_string_view(kind):
        return lambda column: column.cast(pa.large_string())
    if types.is_floating(kind):
        return floats
    if types.is_decimal(kind):
        return decimals
    if types.is_timestamp(kind) or types.is_date(kind) or types.is_time(kind):
        return temporal(field, separator)
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind):
        return hexadecimal
    if types.is_fixed_size_binary(kind):
        return lambda column: hexadecimal(column.cast(pa.binary()))
    plain = (types.is_integer, types.is_boolean, types.is_string, types.is_large_string)
    if any(test(kind) for test in (*plain, types.is_null, types.is_duration)):
        return lambda column: column
    return None


def _nested(field: pa.Field, separator: str) -> Renderer:
    def leaf(inner: pa.Field) -> Render:
        return renderer(inner, separator).render

    write = json_text(field, leaf)
    return Renderer(write, True)
