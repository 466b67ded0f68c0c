"""Columns, their types and the spellings that each type takes.

What becomes a typed value, and in which normal form it would be written again:

- ``int64``: ``-?`` digits without a leading zero; blanks around it are dropped.
- ``float64``: the nearest double of a decimal number with fraction or exponent (``1.50`` is 1.5,
  ``+1e3`` is 1000.0); whole numbers up to 2**53; ``inf``, ``infinity`` and ``nan`` in any case.
  Numbers that would become infinite or zero are not floats.
- ``bool``: ``true``, ``True``, ``TRUE`` and likewise false; not 0 and 1, which are integers.
- ``date32``: ``YYYY-MM-DD``. ``time64[us]``: ``HH:MM[:SS[.ffffff]]``.
- ``timestamp[us]``: a date, with ``T`` or a blank and a time, where a date alone is its midnight;
  with seven to nine digits of a second ``timestamp[ns]``.
- ``timestamp[us, UTC]``: the same with ``Z`` or an offset: the instant, in UTC.

Anything else stays text: ``007``, ``0x1F``, ``-0``, ``+5``, integers beyond 64 bits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyarrow as pa

from arrowsmith.errors import OptionError

INTEGER = r"^(?:0|-?[1-9][0-9]*)$"
FLOAT = (
    r"^(?:-?(?:0|[1-9][0-9]*)"
    r"|[+-]?(?:0|[1-9][0-9]*)?\.[0-9]+(?:[eE][+-]?[0-9]+)?"
    r"|[+-]?(?:0|[1-9][0-9]*)(?:\.|\.?[eE][+-]?[0-9]+)"
    r"|[+-]?(?i:inf|infinity|nan))$"
)
BOOLEAN = r"^(?:true|True|TRUE|false|False|FALSE)$"
_YEAR = r"(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"  # no calendar has a year 0
_DAY = rf"^{_YEAR}-[0-9]{{2}}-[0-9]{{2}}"
DATE = rf"{_DAY}$"
_CLOCK = r"[0-9]{2}(?::?[0-9]{2}(?::?[0-9]{2}"
_ZONE = r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)$"
TIME = r"^[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?$"
STAMP_US = _DAY + r"(?:[ T]" + _CLOCK + r"(?:\.[0-9]{1,6})?)?)?)?$"
STAMP_NS = _DAY + r"(?:[ T]" + _CLOCK + r"(?:\.[0-9]{1,9})?)?)?)?$"
STAMP_UTC = _DAY + r"[ T]" + _CLOCK + r"(?:\.[0-9]{1,6})?)?)?" + _ZONE

TRUE = ["true", "True", "TRUE"]
FALSE = ["false", "False", "FALSE"]

US = pa.timestamp("us")
NS = pa.timestamp("ns")
UTC = pa.timestamp("us", "UTC")
TIME_US = pa.time64("us")

GRAMMARS: dict[pa.DataType, str] = {
    pa.bool_(): BOOLEAN,
    pa.int64(): INTEGER,
    pa.float64(): FLOAT,
    pa.date32(): DATE,
    TIME_US: TIME,
    US: STAMP_US,
    NS: STAMP_NS,
    UTC: STAMP_UTC,
}

_PLAIN = {
    "null": pa.null(),
    "bool": pa.bool_(),
    **{f"{sign}int{bits}": getattr(pa, f"{sign}int{bits}")() for sign in ("", "u")
       for bits in (8, 16, 32, 64)},
    "float32": pa.float32(),
    "float": pa.float32(),
    "float64": pa.float64(),
    "double": pa.float64(),
    "string": pa.string(),
    "large_string": pa.large_string(),
    "binary": pa.binary(),
    "date32": pa.date32(),
    "date32[day]": pa.date32(),
    "date64": pa.date64(),
    "date64[ms]": pa.date64(),
}  # fmt: skip
_STAMP = re.compile(r"timestamp\[(s|ms|us|ns)(?:, *(?:tz=)?([\w/+:-]+))?\]")
_TIME = re.compile(r"time(32|64)\[(s|ms|us|ns)\]")
_DECIMAL = re.compile(r"decimal(128|256)?\((\d+), *(-?\d+)\)")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the file.

    Attributes:
        explicit: the type was asked for with ``types=``, so that a value that does not fit is at
            fault, not the type.
        tokens: texts that are null in this column, beside those that are null everywhere.
    """

    name: str
    type: pa.DataType
    explicit: bool = False
    tokens: tuple[str, ...] = ()

    @property
    def late(self) -> bool:
        """It is parsed as text and converted afterwards."""
        return bool(self.tokens) or (self.explicit and pa.types.is_boolean(self.type))

    @property
    def guarded(self) -> bool:
        """The parser would take text for a number that the number does not give back."""
        return not self.explicit and (self.type == pa.int64() or self.type == pa.float64())


def parse_type(name: str, column: str) -> pa.DataType:
    """The Arrow type of that name, as pyarrow prints it.

    Raises:
        OptionError: there is none, or CSV cannot hold it.

    Example:
        >>> parse_type("timestamp[us, UTC]", "at")
        TimestampType(timestamp[us, tz=UTC])
    """
    text = name.strip()
    try:
        if text in _PLAIN:
            return _PLAIN[text]
        if found := _STAMP.fullmatch(text):
            return pa.timestamp(found[1], found[2])
        if found := _TIME.fullmatch(text):
            return pa.time32(found[2]) if found[1] == "32" else pa.time64(found[2])
        if found := _DECIMAL.fullmatch(text):
            make = pa.decimal256 if found[1] == "256" else pa.decimal128
            return make(int(found[2]), int(found[3]))
    except ValueError as error:
        raise OptionError(f"types: column {column!r}: {error}") from error
    known = ", ".join([*_PLAIN, "timestamp[us]", "timestamp[us, UTC]", "time64[us]"])
    raise OptionError(
        f"types: column {column!r}: no type {name!r}", hint=f"known are {known}, decimal128(p, s)"
    )
