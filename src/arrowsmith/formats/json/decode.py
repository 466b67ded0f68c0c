"""One record's bytes as Python values, every number exact, with a reason where they are no JSON.

Follows RFC 8259; beyond it, a name may stand only once in an object, and strings are Unicode text
(no lone surrogates).
"""

from __future__ import annotations

import json
import re
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context
from typing import Any

import orjson

_SURROGATE = re.compile("[\ud800-\udfff]")
_LONGEST_INT = 20
_DOUBLE_DIGITS = 17
_SHORT_FLOAT = _DOUBLE_DIGITS + 1  # with a point


_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])


class Number:
    """A number that neither an integer of 64 bits nor a double holds.

    Attributes:
        text: as it stands in the file.
        value: the same, exactly.
    """

    __slots__ = ("text", "value")

    def __init__(self, text: str) -> None:
        self.text = text
        self.value = _EXACT.create_decimal(text)

    def __repr__(self) -> str:
        return self.text


class RecordError(ValueError):
    """What is wrong with a record; ``column`` where it is known."""

    def __init__(self, reason: str, column: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.column = column


def _integer(text: str) -> int | Number:
    if len(text) > _LONGEST_INT:
        return Number(text)
    value = int(text)
    return value if -(2**63) <= value < 2**64 else Number(text)


def _real(text: str) -> float | Number:
    value = float(text)
    plain = "e" not in text and "E" not in text
    if plain and (len(text) <= _SHORT_FLOAT or len(text.lstrip("-0")) <= _SHORT_FLOAT):
        return value
    mantissa = re.split("[eE]", text)[0].lstrip("-")
    digits = mantissa.replace(".", "").strip("0")
    if value in (float("inf"), float("-inf")) or (value == 0 and digits):
        return Number(text)
    return value if len(digits) <= _DOUBLE_DIGITS else Number(text)


def _constant(text: str) -> Any:
    raise RecordError(f"{text} is not JSON")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise RecordError(f"the field {twice!r} stands there twice", twice)
    return found


_decoder = json.JSONDecoder(
    parse_int=_integer, parse_float=_real, parse_constant=_constant, object_pairs_hook=_pairs
)


def decode(raw: bytes, max_depth: int) -> dict[str, Any]:
    """The object that ``raw`` is.

    Raises:
        RecordError: it is none.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise RecordError(f"byte 0x{raw[error.start]:02x} is not UTF-8") from None
    if raw.count(b"{") + raw.count(b"[") > max_depth:
        _check_depth(text, max_depth)
    try:
        value = _decoder.decode(text)
    except json.JSONDecodeError as error:
        raise RecordError(_reason(error, text)) from None
    except RecursionError:
        raise RecordError(_deep(max_depth)) from None
    if not isinstance(value, dict):
        raise RecordError(f"{_named(value)} where an object should be")
    if "\\u" in text:
        _check_surrogates(value)
    return value


def _reason(error: json.JSONDecodeError, text: str) -> str:
    if error.pos >= len(text.rstrip()):
        return "the record is cut off"
    what = error.msg[0].lower() + error.msg[1:].removesuffix(" at").removesuffix(" starting")
    return f"no JSON at its character {error.pos + 1}: {what}"


def _named(value: object) -> str:
    if value is None:
        return "null"
    names = {bool: "a boolean", str: "a string", list: "an array"}
    return names.get(type(value), "a number")


def _deep(max_depth: int) -> str:
    return f"nested deeper than max_depth={max_depth}"


def _check_depth(text: str, max_depth: int) -> None:
    depth = 0
    for part in re.finditer(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', text, re.DOTALL):
        mark = part[0]
        if mark in "[{":
            depth += 1
            if depth > max_depth:
                raise RecordError(_deep(max_depth))
        elif mark in "]}":
            depth -= 1


def _check_surrogates(value: Any) -> None:
    if isinstance(value, str):
        if _SURROGATE.search(value):
            raise RecordError("half of a surrogate pair is no character")
    elif isinstance(value, dict):
        for name, inner in value.items():
            _check_surrogates(name)
            _check_surrogates(inner)
    elif isinstance(value, list):
        for inner in value:
            _check_surrogates(inner)


def encode(value: Any) -> bytes:
    """Compact JSON of what :func:`decode` gave."""
    return orjson.dumps(value, default=_fragment)


def _fragment(value: Any) -> orjson.Fragment:
    if isinstance(value, Number):
        return orjson.Fragment(value.text.encode())
    raise TypeError
