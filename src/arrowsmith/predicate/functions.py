"""What formulas compute: operators and functions over whole arrays.

Integers stay integers and an overflow is an error; ``/`` gives a float, with infinity and NaN as
IEEE 754 has them; ``%`` has the sign of the left side, as in SQL. A null makes a result null, but
for ``coalesce`` and ``if``, and for ``and`` and ``or``, which are Kleene's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.kernels.scalars import text_scalar

Value = Any  # pa.Array or pa.Scalar


@dataclass(frozen=True, slots=True)
class Function:
    """A function of formulas.

    Attributes:
        apply: from arrays and scalars to an array or scalar.
        least, most: how many arguments it takes.
    """

    apply: Callable[..., Value]
    least: int = 1
    most: int = 1


def plain_value(value: Value) -> Value:
    """Dictionaries decoded, views and half floats as what kernels take."""
    kind = value.type
    if isinstance(value, pa.Scalar):
        return value
    if isinstance(kind, pa.BaseExtensionType):
        return plain_value(value.storage)
    if pa.types.is_dictionary(kind):
        return plain_value(value.dictionary_decode())
    if pa.types.is_run_end_encoded(kind):
        return plain_value(pc.run_end_decode(value))
    if pa.types.is_string_view(kind):
        return value.cast(pa.string())
    return value.cast(pa.float32()) if pa.types.is_float16(kind) else value


def _floating(value: Value) -> Value:
    return value if pa.types.is_floating(value.type) else pc.cast(value, pa.float64(), safe=False)


def divide(left: Value, right: Value) -> Value:
    return pc.divide(_floating(left), _floating(right))


def remainder(left: Value, right: Value) -> Value:
    if pa.types.is_integer(left.type) and pa.types.is_integer(right.type):
        whole = pc.divide_checked(left, right)
    else:
        left, right = _floating(left), _floating(right)
        whole = pc.trunc(pc.divide(left, right))
    return pc.subtract(left, pc.multiply(whole, right))


def compare(operator: str, left: Value, right: Value) -> Value:
    """A comparison; text beside a time, date or number of another type is read as such."""
    if isinstance(right, pa.StringScalar) and pa.types.is_temporal(left.type):
        right = right.cast(left.type)
    elif isinstance(left, pa.StringScalar) and pa.types.is_temporal(right.type):
        left = left.cast(right.type)
    return COMPARISONS[operator](left, right)


def negate(value: Value) -> Value:
    return pc.negate_checked(value)


def _length(value: Value) -> Value:
    kind = value.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pc.utf8_length(value)
    binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    return pc.binary_length(value) if binary else pc.list_value_length(value)


def _coalesce(*values: Value) -> Value:
    kind = next((value.type for value in values if not pa.types.is_null(value.type)), pa.null())
    return pc.coalesce(*(pc.cast(v, kind) if pa.types.is_null(v.type) else v for v in values))


def _concat(*values: Value) -> Value:
    texts = [value if _is_text(value) else pc.cast(value, pa.string()) for value in values]
    return pc.binary_join_element_wise(*texts, _EMPTY)


def _is_text(value: Value) -> bool:
    return bool(pa.types.is_string(value.type) or pa.types.is_large_string(value.type))


_EMPTY = text_scalar("")

COMPARISONS = {
    "=": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}
ARITHMETIC: dict[str, Callable[[Value, Value], Value]] = {
    "+": pc.add_checked,
    "-": pc.subtract_checked,
    "*": pc.multiply_checked,
    "/": divide,
    "%": remainder,
}
FUNCTIONS = {
    "abs": Function(pc.abs_checked),
    "ceil": Function(pc.ceil),
    "coalesce": Function(_coalesce, 1, 64),
    "concat": Function(_concat, 1, 64),
    "day": Function(pc.day),
    "exp": Function(lambda value: pc.exp(_floating(value))),
    "float": Function(lambda value: pc.cast(value, pa.float64())),
    "floor": Function(pc.floor),
    "hour": Function(pc.hour),
    "if": Function(pc.if_else, 3, 3),
    "int": Function(lambda value: pc.cast(value, pa.int64())),
    "length": Function(_length),
    "ln": Function(lambda value: pc.ln(_floating(value))),
    "lower": Function(pc.utf8_lower),
    "minute": Function(pc.minute),
    "month": Function(pc.month),
    "round": Function(pc.round),
    "second": Function(pc.second),
    "sqrt": Function(lambda value: pc.sqrt(_floating(value))),
    "text": Function(lambda value: pc.cast(value, pa.string())),
    "trim": Function(pc.utf8_trim_whitespace),
    "upper": Function(pc.utf8_upper),
    "year": Function(pc.year),
}
