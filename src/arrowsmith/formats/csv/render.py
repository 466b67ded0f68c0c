"""Columns as text, one rule a type, by Arrow kernels over whole columns.

A renderer gives a column that pyarrow's cast to string writes as we want it: text, or a type whose
cast is right already (integers, booleans, dates), which the fast route hands on as it is.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.errors import DataError, SchemaMismatch
from arrowsmith.formats.csv.nested import json_text

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_EPOCH = datetime.date(1970, 1, 1)
_FIRST_DAY = (datetime.date.min - _EPOCH).days
_LAST_DAY = (datetime.date.max - _EPOCH).days
_HEX = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), np.uint16)

Render = Callable[[pa.Array], pa.Array]


@dataclass(frozen=True, slots=True)
class Renderer:
    """How one column becomes text.

    Attributes:
        render: the column's values as text, or as a type whose cast to string is right.
        free: the text may hold any character, so that it may need quotes.
    """

    render: Render
    free: bool


def text_scalar(text: str) -> pa.StringScalar:
    """A string scalar, made from buffers: ``pa.scalar`` imports pandas where it is installed."""
    data = text.encode()
    offsets = np.array([0, len(data)], np.int32)
    array = pa.StringArray.from_buffers(1, pa.py_buffer(offsets), pa.py_buffer(data))
    return array[0]


_EMPTY = text_scalar("")
_DOT = text_scalar(".")
_DOT_ZERO = text_scalar(".0")
_MINUS = text_scalar("-")
_NULL = pa.Array.from_buffers(
    pa.large_string(), 1, [pa.py_buffer(b"\0"), pa.py_buffer(bytes(16)), pa.py_buffer(b"")]
)[0]


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
        return Renderer(lambda column: inner.render(column.dictionary_decode()), inner.free)
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
        return _decimals
    if types.is_timestamp(kind) or types.is_date(kind) or types.is_time(kind):
        return _temporal(field, separator)
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind):
        return _hexadecimal
    if types.is_fixed_size_binary(kind):
        return lambda column: _hexadecimal(column.cast(pa.binary()))
    plain = (types.is_integer, types.is_boolean, types.is_string, types.is_large_string)
    if any(test(kind) for test in (*plain, types.is_null, types.is_duration)):
        return lambda column: column
    return None


def _nested(field: pa.Field, separator: str) -> Renderer:
    def leaf(inner: pa.Field) -> Render:
        return renderer(inner, separator).render

    write = json_text(field, leaf)
    return Renderer(write, True)


def floats(column: pa.Array) -> pa.Array:
    """The shortest digits that give the value back; whole ones end in ``.0`` and so stay floats."""
    if pa.types.is_float16(column.type):
        column = column.cast(pa.float32())
    whole = pc.and_(pc.equal(pc.floor(column), column), pc.is_finite(column))
    if not pc.any(whole).as_py():
        return column
    text = column.cast(pa.string())
    bare = pc.and_(whole, pc.invert(pc.match_substring(text, "e")))
    return pc.if_else(bare, pc.binary_join_element_wise(text, _DOT_ZERO, _EMPTY), text)


def _decimals(column: pa.Array) -> pa.Array:
    """All digits of the scale, never an exponent, which Arrow's cast uses for small values."""
    kind = column.type
    if 0 <= kind.scale <= 6:
        return column
    if kind.scale < 0:
        return column.cast(pa.decimal256(kind.precision - kind.scale, 0)).cast(pa.string())
    unscaled = pa.Array.from_buffers(
        _unscaled(kind), len(column), column.buffers(), offset=column.offset
    )
    text = unscaled.cast(pa.string())
    digits = pc.utf8_lpad(pc.ascii_ltrim(text, "-"), kind.scale + 1, "0")
    sign = pc.if_else(pc.starts_with(text, "-"), _MINUS, _EMPTY)
    before = pc.utf8_slice_codeunits(digits, 0, -kind.scale)
    after = pc.utf8_slice_codeunits(digits, -kind.scale)
    return pc.binary_join_element_wise(sign, before, _DOT, after, _EMPTY)


def _unscaled(kind: pa.DataType) -> pa.DataType:
    make = {32: pa.decimal32, 64: pa.decimal64, 128: pa.decimal128, 256: pa.decimal256}
    return make[kind.bit_width](kind.precision, 0)


def _temporal(field: pa.Field, separator: str) -> Render:
    """ISO 8601; zoned timestamps in UTC with a Z. Years that ISO cannot write are errors."""
    kind = field.type
    lowest, highest = _limits(kind)
    stamp = pa.types.is_timestamp(kind)
    target = pa.timestamp(kind.unit, "UTC") if stamp and kind.tz else kind
    if pa.types.is_date64(kind):
        target = pa.date32()

    def render(column: pa.Array) -> pa.Array:
        bounds = pc.min_max(column)
        least, most = bounds["min"].value, bounds["max"].value
        if least is not None and (least < lowest or most > highest):
            raise DataError(
                f"column {field.name!r} has a {kind} outside of the years 1 to 9999",
                hint="cast the column to an integer",
            )
        column = column.cast(target)
        if stamp and separator != " ":
            text = column.cast(pa.string())
            return pc.replace_substring(text, " ", separator, max_replacements=1)
        return column

    return render


def _limits(kind: pa.DataType) -> tuple[int, int]:
    """The least and the greatest stored value that has a text of four-digit years."""
    if pa.types.is_date32(kind):
        return _FIRST_DAY, _LAST_DAY
    if pa.types.is_date64(kind):
        return _FIRST_DAY * 86_400_000, _LAST_DAY * 86_400_000
    day = 86_400 * _PER_SECOND[kind.unit]
    if pa.types.is_time(kind):
        return 0, day - 1
    return _FIRST_DAY * day, (_LAST_DAY + 1) * day - 1


def _hexadecimal(column: pa.Array) -> pa.Array:
    """Two lowercase digits a byte."""
    large = column.cast(pa.large_binary())
    _, ends, data = large.buffers()
    count = len(large)
    offsets = np.frombuffer(ends, np.int64)[large.offset : large.offset + count + 1]
    held = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    digits = _HEX[held[offsets[0] : offsets[-1]]] if count else held
    starts = (offsets - offsets[0]) * 2 if count else np.zeros(1, np.int64)
    text = pa.LargeStringArray.from_buffers(count, pa.py_buffer(starts), pa.py_buffer(digits))
    return pc.if_else(pc.is_valid(column), text, _NULL)
