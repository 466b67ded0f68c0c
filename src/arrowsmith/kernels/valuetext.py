"""Numbers, moments and bytes as text, by Arrow and NumPy kernels over whole columns.

What two text formats write alike: each function gives text, or a type whose cast to string by
pyarrow is right already.
"""

from __future__ import annotations

import binascii
import datetime
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.errors import DataError
from arrowsmith.kernels.arrays import int64_array
from arrowsmith.kernels.scalars import text_scalar

Render = Callable[[pa.Array], pa.Array]

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_EPOCH = datetime.date(1970, 1, 1)
_FIRST_DAY = (datetime.date.min - _EPOCH).days
_LAST_DAY = (datetime.date.max - _EPOCH).days
_DATE_DIGITS = len("2024-01-02")
_HEX = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), np.uint16)


_EMPTY = text_scalar("")
_DOT = text_scalar(".")
_DOT_ZERO = text_scalar(".0")
_MINUS = text_scalar("-")
NULL = pa.Array.from_buffers(
    pa.large_string(), 1, [pa.py_buffer(b"\0"), pa.py_buffer(bytes(16)), pa.py_buffer(b"")]
)[0]
"""A large string that is null."""


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


def decimals(column: pa.Array) -> pa.Array:
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


def temporal(field: pa.Field, separator: str) -> Render:
    """ISO 8601 with ``separator`` between date and time; zoned timestamps in UTC with a Z.

    Raises:
        DataError: when it renders a year that ISO 8601 cannot write in four digits.
    """
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
            return _separated(column.cast(pa.string()), separator)
        return column

    return render


def _separated(text: pa.Array, separator: str) -> pa.Array:
    """Timestamps with another byte between date and time; the date has ten digits."""
    valid, ends, data = text.buffers()
    offsets = np.frombuffer(ends, np.int32)[text.offset : text.offset + len(text) + 1]
    if data is None or not len(text):
        return text
    held = np.array(np.frombuffer(data, np.uint8))
    filled = offsets[:-1][offsets[1:] > offsets[:-1]]
    held[filled + _DATE_DIGITS] = ord(separator)
    buffers = [valid, ends, pa.py_buffer(held)]
    return pa.Array.from_buffers(text.type, len(text), buffers, offset=text.offset)


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


def spanned(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Offsets (int64, one more than rows, from 0) and bytes (uint8) of a text or binary column.

    Both are views of the column's buffers where its offsets begin at 0 and are of 64 bits.
    """
    large = pa.types.is_large_string(column.type) or pa.types.is_large_binary(column.type)
    if not len(column):
        return np.zeros(1, np.int64), np.empty(0, np.uint8)
    _, ends, data = column.buffers()
    offsets = np.frombuffer(ends, np.int64 if large else np.int32)
    offsets = offsets[column.offset : column.offset + len(column) + 1]
    held = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    first = int(offsets[0])
    held = held[first : int(offsets[-1])]
    if first:
        return offsets.astype(np.int64) - first, held
    return offsets.astype(np.int64, copy=False), held


def hexadecimal(column: pa.Array) -> pa.Array:
    """Two lowercase digits a byte."""
    large = column.cast(pa.large_binary())
    offsets, held = spanned(large)
    return _text(column, offsets * 2, _HEX[held])


def base64(column: pa.Array) -> pa.Array:
    """RFC 4648 with padding, the alphabet with ``+`` and ``/``.

    Every value is padded with zero bytes to whole groups of three, so that one call encodes the
    bytes of all; then the padding's letters become ``=``.
    """
    large = column.cast(pa.large_binary())
    offsets, _ = spanned(large)
    short = (-np.diff(offsets)) % 3
    if short.any():
        large = pc.binary_join_element_wise(large, _FILL.take(int64_array(short)), _NO_BYTES)
        offsets, _ = spanned(large)
    _, held = spanned(large)
    letters = np.array(np.frombuffer(binascii.b2a_base64(held.data, newline=False), np.uint8))
    ends = offsets // 3 * 4
    filled = np.diff(ends) > 0
    for count in (1, 2):
        letters[ends[1:][filled & (short >= count)] - count] = ord("=")
    return _text(column, ends, letters)


def _binary(offsets: list[int], data: bytes) -> pa.Array:
    ends = pa.py_buffer(np.array(offsets, np.int64))
    count = len(offsets) - 1
    return pa.Array.from_buffers(pa.large_binary(), count, [None, ends, pa.py_buffer(data)])


_FILL = _binary([0, 0, 1, 3], bytes(3))
_NO_BYTES = _binary([0, 0], b"")[0]


def _text(column: pa.Array, offsets: np.ndarray, data: np.ndarray) -> pa.Array:
    """Large strings of these offsets and bytes, null where the column is."""
    text = pa.LargeStringArray.from_buffers(
        len(column), pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(data))
    )
    return where_valid(column, text)


def where_valid(column: pa.Array, text: pa.Array) -> pa.Array:
    """The large strings, null where the column is."""
    return pc.if_else(pc.is_valid(column), text, NULL) if column.null_count else text
