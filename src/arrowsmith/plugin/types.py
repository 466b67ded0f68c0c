"""Arrow types by name, as options and messages write them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from arrowsmith.errors import OptionError

if TYPE_CHECKING:
    import pyarrow as pa

_ALIASES = {
    "str": "string",
    "text": "string",
    "int": "int64",
    "integer": "int64",
    "float": "float64",
    "double": "float64",
    "boolean": "bool",
    "date": "date32",
    "timestamp": "timestamp[us]",
    "datetime": "timestamp[us]",
    "time": "time64[us]",
}
_SIMPLE = frozenset(
    (
        *("null", "bool", "date32", "date64"),
        *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64"),
        *("string", "large_string", "string_view", "binary", "large_binary", "binary_view"),
    )
)
_TIMED = re.compile(r"(timestamp|time32|time64|duration)\[(s|ms|us|ns)(?:,\s*(?:tz=)?([^\]]+))?\]")
_DECIMAL = re.compile(r"decimal(32|64|128|256)\((\d+),\s*(-?\d+)\)")
_DICTIONARY = re.compile(r"dictionary(?:\[(.+)\]|<(.+)>)?")


def parse_type(name: str) -> pa.DataType:
    """The Arrow type that ``name`` stands for.

    Takes Arrow's own names (``int32``, ``timestamp[us, UTC]``, ``decimal128(10, 2)``) and common
    ones (``int``, ``float``, ``text``, ``date``). ``dictionary`` is a dictionary of strings.

    Raises:
        OptionError: no such type.

    Example:
        >>> parse_type("timestamp[us, UTC]")
        TimestampType(timestamp[us, tz=UTC])
    """
    import pyarrow as pa

    text = " ".join(name.strip().split())
    text = _ALIASES.get(text.lower(), text)
    if text in _SIMPLE:
        make: Any = {"bool": pa.bool_}.get(text) or getattr(pa, text)
        return make()
    if found := _TIMED.fullmatch(text):
        return _timed(name, *found.groups())
    if found := _DECIMAL.fullmatch(text):
        bits, precision, scale = map(int, found.groups())
        try:
            return getattr(pa, f"decimal{bits}")(precision, scale)
        except ValueError as error:
            raise OptionError(f"'{name}': {error}") from None
    if found := _DICTIONARY.fullmatch(text):
        values = found[1] or found[2]
        return pa.dictionary(pa.int32(), parse_type(values) if values else pa.string())
    raise _unknown(name)


def _timed(name: str, kind: str, unit: str, zone: str | None) -> pa.DataType:
    import pyarrow as pa

    if zone is not None:
        if kind != "timestamp":
            raise _unknown(name)
        return pa.timestamp(unit, zone.strip())
    try:
        return getattr(pa, kind)(unit)
    except ValueError:
        raise _unknown(name) from None


def _unknown(name: str) -> OptionError:
    return OptionError(
        f"no type '{name}'",
        hint="types are written int64, float64, bool, string, date32, timestamp[us],"
        " timestamp[us, UTC], time64[us], decimal128(10, 2), dictionary ...",
    )
