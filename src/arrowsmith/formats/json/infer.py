"""Guesses the kind of a column from values that were decoded one by one, a column at a time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from arrowsmith.formats.json.convert import converted
from arrowsmith.formats.json.decode import Number
from arrowsmith.formats.json.gather import strings
from arrowsmith.formats.json.kinds import BOOL, JSON, NULL, STRING, TEXT, TIMES, Kind

_EXACT = 2**53
_BEYOND = 1000
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d|\d\d:\d\d(:|$)", re.ASCII)
_GLANCE = 64
_SCALARS = {int, float, Number, bool, str}
_NUMBERS = {int, float, Number}


def infer(values: Sequence[Any]) -> Kind:
    """The narrowest kind that has all the values.

    Example:
        >>> infer([1, None, 2.5]).type
        DataType(double)
    """
    kinds = set(map(type, values)) - {type(None)}
    if not kinds:
        return NULL
    if kinds == {str}:
        return _strings([value for value in values if value is not None])
    if kinds <= _NUMBERS:
        return _numbers(values, kinds)
    if kinds == {bool}:
        return BOOL
    if kinds == {dict}:
        return _objects([value for value in values if value is not None])
    if kinds == {list}:
        inner = [value for some in values if some is not None for value in some]
        return Kind("list", item=infer(inner))
    return TEXT if kinds <= _SCALARS else JSON


def _objects(values: Sequence[dict[str, Any]]) -> Kind:
    names: dict[str, None] = {}
    for value in values:
        if value.keys() != names.keys():
            names.update(dict.fromkeys(value))
    return Kind(
        "struct",
        fields=tuple((name, infer([value.get(name) for value in values])) for name in names),
    )


def _numbers(values: Sequence[Any], kinds: set[type]) -> Kind:
    whole = [value for value in values if type(value) is int]
    reals = [value for value in values if type(value) is float]
    others = [value for value in values if type(value) is Number]
    large = [value for value in others if not re.search("[.eE]", value.text)]
    long = [value for value in others if value not in large] if large else others
    whole += [int(value.value) for value in large if len(value.text) < 100]
    low, high = (min(whole), max(whole)) if whole else (0, 0)
    kind = Kind(
        "number",
        low=low,
        high=high,
        real=bool(reals or long),
        exact=len(large) < 1 and all(map(_is_exact, (low, high, *_doubtful(whole)))),
        long=bool(long) or any(len(value.text) >= 100 for value in large),
        digits=max(len(str(abs(low))), len(str(abs(high)))),
    )
    if not (reals or others):
        return kind
    return _decimal(kind, reals, others)


def _doubtful(whole: Sequence[int]) -> list[int]:
    return [value for value in whole if not -_EXACT <= value <= _EXACT]


def _is_exact(value: int) -> bool:
    return -_EXACT <= value <= _EXACT or int(float(value)) == value


def _decimal(kind: Kind, reals: Sequence[float], others: Sequence[Number]) -> Kind:
    """The kind with the digits that numbers with a fraction have."""
    exact = [value.value for value in others]
    largest = [Decimal(repr(max(map(abs, reals))))] if reals else []
    digits = max(map(_digits, (*exact, *largest)))
    scale = max((0, *map(_scale, exact), *map(_scale_of_real, reals)))
    return Kind(
        "number",
        low=kind.low,
        high=kind.high,
        real=kind.real,
        exact=kind.exact,
        long=kind.long,
        digits=max(kind.digits, digits),
        scale=scale,
    )


def _digits(value: Decimal) -> int:
    """Digits before the point; of a number beyond all decimals, more than any type has."""
    return value.adjusted() + 1 if value.is_finite() else _BEYOND


def _scale(value: Decimal) -> int:
    """Digits behind the point when it is written without an exponent."""
    exponent = value.as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0


def _scale_of_real(value: float) -> int:
    """The same of the shortest text of a double, much faster."""
    mantissa, _, power = repr(value).partition("e")
    fraction = len(mantissa.partition(".")[2])
    return fraction - int(power) if power else fraction


def _strings(values: Sequence[str]) -> Kind:
    if not _MOMENT.match(values[0]):
        return STRING
    for size in (_GLANCE, len(values)):
        tags = [tag for tag in TIMES if _all(values[:size], TIMES[tag])]
        if not tags:
            return STRING
    return Kind(tags[0], exact="ns" in tags or tags[0] in ("time", "utc"))


def _all(values: Sequence[str], kind: pa.DataType) -> bool:
    try:
        converted(strings(values), kind)
    except pa.ArrowInvalid:
        return False
    return True
