"""Literals made to fit a column, so that a comparison means what it says.

Integers, decimals and times are stored as whole numbers of some step. A literal between two
steps, or beyond what the type holds, changes the comparison instead of being rounded: on integers
``x > 1.5`` is ``x > 1``, ``x = 1.5`` is false. Only floats round the literal, to the nearest value
of the column's own width, so that ``x = 0.1`` finds what was written as 0.1.
"""

from __future__ import annotations

import datetime
import re
import struct
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.kernels.plain import unwrapped, unwrapped_type

Operator = Literal["=", "!=", "<", "<=", ">", ">="]

FLIPPED: dict[str, Operator] = {
    "=": "=",
    "!=": "!=",
    "<": ">",
    "<=": ">=",
    ">": "<",
    ">=": "<=",
}
"""The operator that says the same with the sides exchanged."""

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_HALF_MAX = 65_504.0
_FAR = 100
_NEAR = -400
_DATE = r"(?P<date>\d{4}-\d\d-\d\d)"
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<part>\d{1,12}))?)?"
_ZONE = r"(?P<zone>Z|z|[+-]\d\d(?::?\d\d)?)?"
_STAMP = re.compile(rf"{_DATE}(?:[ Tt]{_TIME} ?{_ZONE})?", re.ASCII)
_CLOCK = re.compile(_TIME, re.ASCII)


class MisfitError(Exception):
    """A literal that a column cannot be compared with; the text says why."""


@dataclass(frozen=True, slots=True)
class Test:
    """A comparison with a column: with ``scalar``, or with one ``outcome`` for every value."""

    operator: Operator
    scalar: pa.Scalar | None
    outcome: bool = False


def scalar(kind: pa.DataType, data: bytes) -> pa.Scalar:
    """A scalar of a fixed-width type from its little-endian bytes."""
    return pa.Array.from_buffers(kind, 1, [None, pa.py_buffer(data)])[0]


def text_scalar(kind: pa.DataType, text: str) -> pa.Scalar:
    """A scalar of a string or binary type."""
    data = text.encode("utf-8", "surrogatepass")
    large = pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)
    ends = struct.pack("<qq" if large else "<ii", 0, len(data))
    return pa.Array.from_buffers(kind, 1, [None, pa.py_buffer(ends), pa.py_buffer(data)])[0]


def boolean(value: bool | None) -> pa.BooleanScalar:
    """A boolean scalar; None is null."""
    valid = pa.py_buffer(b"\0") if value is None else None
    data = pa.py_buffer(b"\1" if value else b"\0")
    return pa.Array.from_buffers(pa.bool_(), 1, [valid, data])[0]


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type in which a column is compared: decoded, unwrapped, no views, no half floats."""
    kind = unwrapped_type(kind)
    if pa.types.is_fixed_size_binary(kind):
        return pa.binary()
    if pa.types.is_decimal(kind) and kind.scale < 0:
        return pa.decimal256(kind.precision - kind.scale, 0)
    return pa.float32() if pa.types.is_float16(kind) else kind


def plain(column: pa.Array) -> pa.Array:
    """The column in its ``plain_type``."""
    column = unwrapped(column)
    wanted = plain_type(column.type)
    return column if wanted.equals(column.type) else column.cast(wanted)


def fit(operator: Operator, literal: Decimal | str | bool, kind: pa.DataType) -> Test:
    """The comparison of a column of some type, made plain, with a literal.

    Raises:
        MisfitError: the literal is of the wrong sort for the type.
    """
    types = pa.types
    half = types.is_float16(kind)
    kind = plain_type(kind)
    if types.is_null(kind):
        return Test(operator, None)
    if types.is_boolean(kind):
        return _fit_boolean(operator, literal)
    if types.is_integer(kind) or types.is_decimal(kind):
        step = 10**kind.scale if types.is_decimal(kind) else 1
        return _on_steps(operator, _number(literal) * step, kind)
    if types.is_floating(kind):
        return _fit_float(operator, literal, kind, half)
    if types.is_timestamp(kind) or types.is_date(kind) or types.is_time(kind):
        return _on_steps(operator, _moment(literal, kind), kind)
    if _is_text(kind):
        if not isinstance(literal, str):
            raise MisfitError(f"put the value in single quotes: '{_shown(literal)}'")
        return Test(operator, text_scalar(kind, literal))
    raise MisfitError("only is null and is not null work on this type")


def _is_text(kind: pa.DataType) -> bool:
    types = pa.types
    text = types.is_string(kind) or types.is_large_string(kind)
    return text or types.is_binary(kind) or types.is_large_binary(kind)


def _shown(literal: Decimal | bool) -> str:
    return str(literal).lower()


def _fit_boolean(operator: Operator, literal: Decimal | str | bool) -> Test:
    if not isinstance(literal, bool):
        raise MisfitError("compare it with true or false")
    return Test(operator, boolean(literal))


def _fit_float(
    operator: Operator, literal: Decimal | str | bool, kind: pa.DataType, half: bool
) -> Test:
    if isinstance(literal, str | bool):
        raise MisfitError("write the number without quotes")
    value = float(literal)
    if half and abs(value) <= _HALF_MAX:
        value = struct.unpack("<e", struct.pack("<e", value))[0]
    wide = scalar(pa.float64(), struct.pack("<d", value))
    return Test(operator, wide.cast(kind))


def _number(literal: Decimal | str | bool) -> Fraction:
    """The exact value; beyond any column's range, or below any column's step, near enough."""
    if isinstance(literal, str | bool):
        raise MisfitError("write the number without quotes")
    if not literal:
        return Fraction(0)
    sign = -1 if literal < 0 else 1
    if literal.adjusted() > _FAR:
        return Fraction(sign * 10**_FAR)
    if literal.adjusted() < _NEAR:
        return Fraction(sign, 10**-_NEAR)
    return Fraction(literal)


def _on_steps(operator: Operator, value: Fraction, kind: pa.DataType) -> Test:
    """The comparison on whole numbers of the type's step."""
    lowest, highest = _range(kind)
    below = value.numerator // value.denominator
    between = value.denominator != 1
    inside = lowest <= below <= highest
    if operator in ("=", "!="):
        if between or not inside:
            return Test(operator, None, operator == "!=")
    elif not inside:
        return Test(operator, None, (below < lowest) == (operator in (">", ">=")))
    if between:
        operator = "<=" if operator in ("<", "<=") else ">"
    width = kind.bit_width // 8
    return Test(operator, scalar(kind, below.to_bytes(width, "little", signed=lowest < 0)))


def _range(kind: pa.DataType) -> tuple[int, int]:
    if pa.types.is_decimal(kind):
        return 1 - 10**kind.precision, 10**kind.precision - 1
    if pa.types.is_unsigned_integer(kind):
        return 0, 2**kind.bit_width - 1
    half = 1 << (kind.bit_width - 1)
    return -half, half - 1


def _moment(literal: Decimal | str | bool, kind: pa.DataType) -> Fraction:
    """The time in the type's unit since its zero."""
    clock = pa.types.is_time(kind)
    example = "'13:30:00'" if clock else "'2024-01-31' or '2024-01-31 13:30:00'"
    if not isinstance(literal, str):
        raise MisfitError(f"compare it with a quoted time such as {example}")
    match = (_CLOCK if clock else _STAMP).fullmatch(literal.strip())
    if match is None:
        raise MisfitError(f"{literal!r} is not a time such as {example}")
    try:
        seconds = _seconds(match, kind)
    except ValueError as error:
        raise MisfitError(f"{literal!r} is not a time: {error}") from None
    if pa.types.is_date32(kind):
        return seconds / 86_400
    return seconds * (1000 if pa.types.is_date64(kind) else _PER_SECOND[kind.unit])


def _seconds(match: re.Match[str], kind: pa.DataType) -> Fraction:
    parts = match.groupdict()
    hour, minute, second = (int(parts[name] or 0) for name in ("hour", "minute", "second"))
    datetime.time(hour, minute, second)
    part = parts["part"] or "0"
    whole = hour * 3600 + minute * 60 + second
    if parts.get("date"):
        day = datetime.date.fromisoformat(parts["date"])
        whole += (day - datetime.date(1970, 1, 1)).days * 86_400
    zone = parts.get("zone")
    zoned = pa.types.is_timestamp(kind) and kind.tz is not None
    if zone and not zoned:
        raise ValueError("the column has no time zone")
    if zoned:
        whole = whole - _offset(zone) if zone else _local(whole, kind.tz)
    return whole + Fraction(int(part), 10 ** len(part))


def _offset(zone: str) -> int:
    if zone in "Zz":
        return 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -seconds if zone[0] == "-" else seconds


def _local(seconds: int, zone: str) -> int:
    """Wall-clock seconds in a zone as seconds since the epoch; the earlier one where two fit."""
    naive = scalar(pa.timestamp("s"), struct.pack("<q", seconds))
    fixed = re.fullmatch(r"[+-]\d\d:?\d\d", zone)
    if fixed:
        return seconds - _offset(zone)
    try:
        moment = pc.assume_timezone(naive, zone, ambiguous="earliest", nonexistent="earliest")
    except pa.ArrowInvalid as error:
        raise ValueError(str(error)) from None
    return int(moment.value)
