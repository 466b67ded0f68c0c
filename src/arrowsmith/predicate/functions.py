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

from arrowsmith.kernels.plain import unwrapped
from arrowsmith.kernels.scalars import text_scalar
from arrowsmith.predicate.literals import FLIPPED, boolean, fit

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
    if isinstance(value, pa.Scalar):
        return value
    value = unwrapped(value)
    return value.cast(pa.float32()) if pa.types.is_float16(value.type) else value


def _floating(value: Value) -> Value:
    return value if pa.types.is_floating(value.type) else pc.cast(value, pa.float64(), safe=False)


def _float(value: Value) -> Value:
    """As float64, integers beyond its precision rounded; a text that is no number is an error."""
    return pc.cast(value, pa.float64(), safe=False)


def _unsigned(left: Value, right: Value) -> tuple[Value, Value]:
    """Beside uint64, a whole number that is written in the formula is one too: Arrow would take
    both for int64, which large ones do not fit."""
    for value, other in ((left, right), (right, left)):
        if pa.types.is_uint64(value.type) and isinstance(other, pa.Int64Scalar):
            if other.is_valid and other.as_py() >= 0:
                other = other.cast(pa.uint64())
            return (value, other) if value is left else (other, value)
    return left, right


def _arithmetic(kernel: Callable[[Value, Value], Value]) -> Callable[[Value, Value], Value]:
    return lambda left, right: kernel(*_unsigned(left, right))


def divide(left: Value, right: Value) -> Value:
    return pc.divide(_floating(left), _floating(right))


def remainder(left: Value, right: Value) -> Value:
    left, right = _unsigned(left, right)
    if pa.types.is_integer(left.type) and pa.types.is_integer(right.type):
        whole = pc.divide_checked(left, right)
    else:
        left, right = _floating(left), _floating(right)
        whole = pc.trunc(pc.divide(left, right))
    return pc.subtract(left, pc.multiply(whole, right))


def compare(operator: str, left: Value, right: Value) -> Value:
    """A comparison; a text beside a date or time is read as such.

    Raises:
        MisfitError: it is none.
    """
    if isinstance(left, pa.StringScalar) and pa.types.is_temporal(right.type):
        operator, left, right = FLIPPED[operator], right, left
    if isinstance(right, pa.StringScalar) and pa.types.is_temporal(left.type):
        test = fit(operator, right.as_py(), left.type)  # type: ignore[arg-type]
        if test.scalar is None:
            return pc.if_else(pc.is_valid(left), boolean(test.outcome), boolean(None))
        operator, right = test.operator, test.scalar
    return COMPARISONS[operator](*_unsigned(left, right))


def negate(value: Value) -> Value:
    return pc.negate_checked(value)


def _length(value: Value) -> Value:
    kind = value.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pc.utf8_length(value)
    binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    binary = binary or pa.types.is_fixed_size_binary(kind)
    return pc.binary_length(value) if binary else pc.list_value_length(value)


def _coalesce(*values: Value) -> Value:
    kind = next((value.type for value in values if not pa.types.is_null(value.type)), pa.null())
    return pc.coalesce(*(pc.cast(v, kind) if pa.types.is_null(v.type) else v for v in values))


def _concat(*values: Value) -> Value:
    large = any(pa.types.is_large_string(value.type) for value in values)
    kind = pa.large_string() if large else pa.string()
    texts = [pc.cast(value, kind) for value in (*values, _EMPTY)]
    return pc.binary_join_element_wise(*texts)


def _choice(condition: Value, then: Value, otherwise: Value) -> Value:
    """As SQL has it: what is not true, null too, is ``otherwise``."""
    return pc.if_else(pc.coalesce(condition, boolean(False)), then, otherwise)


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
    "+": _arithmetic(pc.add_checked),
    "-": _arithmetic(pc.subtract_checked),
    "*": _arithmetic(pc.multiply_checked),
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
    "float": Function(_float),
    "floor": Function(pc.floor),
    "hour": Function(pc.hour),
    "if": Function(_choice, 3, 3),
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
