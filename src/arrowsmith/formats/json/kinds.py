"""What values of a column may be, and the one kind that has the values of two.

A kind is narrower than an Arrow type: it knows how large the numbers were, so that joining two
never loses a value, and it tells apart three reasons for a string.

- ``string``: only strings were seen. ``text``: scalars of several kinds, each as its JSON text,
  strings as they are. ``json``: objects or lists among other values, each as its JSON text, strings
  in quotes.
- Integers are int64, uint64 where they are beyond it, or decimal128(38, 0), and text beyond that.
- Numbers with a fraction or exponent are float64, the nearest double of up to 17 digits. With more
  digits, or with integers among them that no double holds, they are decimal128(38, s), and text
  where 38 digits do not do.
- Strings are dates, times and timestamps where all are written so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import pyarrow as pa

TIMES: dict[str, pa.DataType] = {
    "date": pa.date32(),
    "time": pa.time64("us"),
    "us": pa.timestamp("us"),
    "ns": pa.timestamp("ns"),
    "utc": pa.timestamp("us", "UTC"),
}
_TIME_JOINS = {
    frozenset(("date", "us")): "us",
    frozenset(("date", "ns")): "ns",
    frozenset(("us", "ns")): "ns",
}
_DIGITS = 38


@dataclass(frozen=True)
class Kind:
    """One kind.

    Attributes:
        tag: ``null``, ``bool``, ``number``, ``string``, ``text``, ``json``, ``list``, ``struct``,
            ``given``, or one of ``TIMES``.
        item: of a list's elements.
        fields: of a struct's fields, in the order of appearance.
        given: the type that the user named.
        low, high: bounds of the integers.
        real: some number has a fraction or exponent.
        exact: every integer is a double; every moment is within the range of nanoseconds.
        long: some number has more digits than a double, or is beyond its range.
        digits, scale: at most so many before and behind the point; the scale is only known where
            ``long`` or not ``exact``.
    """

    tag: str
    item: Kind | None = None
    fields: tuple[tuple[str, Kind], ...] = ()
    given: pa.DataType | None = None
    low: int = 0
    high: int = 0
    real: bool = False
    exact: bool = True
    long: bool = False
    digits: int = 1
    scale: int = 0

    def join(self, other: Kind) -> Kind:
        """The narrowest kind that has the values of both."""
        if self == other or other.tag == "null" or self.tag in ("given", "json"):
            return self
        if self.tag == "null" or other.tag in ("given", "json"):
            return other
        tags = {self.tag, other.tag}
        if len(tags) == 1 and self.tag in ("number", "list", "struct"):
            return _JOINS[self.tag](self, other)
        if tags & {"list", "struct"}:
            return JSON
        if tags <= TIMES.keys():
            exact = self.exact and other.exact
            joined = self.tag if len(tags) == 1 else _TIME_JOINS.get(frozenset(tags))
            return Kind(joined, exact=exact) if joined and (exact or joined != "ns") else STRING
        if tags <= {*TIMES, "string"}:
            return STRING
        return TEXT

    @cached_property
    def type(self) -> pa.DataType:
        """The Arrow type of a column of this kind. What was never seen is text."""
        if self.tag in TIMES:
            return TIMES[self.tag]
        if self.given is not None:
            return self.given
        if self.tag == "bool":
            return pa.bool_()
        if self.tag == "number":
            return self._number()
        if self.item is not None:
            return pa.list_(self.item.type)
        if self.fields:
            return pa.struct([(name, kind.type) for name, kind in self.fields])
        return pa.string()

    def _number(self) -> pa.DataType:
        if self.real and self.exact and not self.long:
            return pa.float64()
        if not self.real and not self.long:
            if self.low >= -(2**63) and self.high < 2**63:
                return pa.int64()
            if self.low >= 0 and self.high < 2**64:
                return pa.uint64()
        if self.digits + self.scale <= _DIGITS:
            return pa.decimal128(_DIGITS, self.scale)
        return pa.string()

    @cached_property
    def form(self) -> str:
        """How values are written for the parser; two kinds of one form and type are one."""
        if self.item is not None:
            return f"[{self.item.form}]"
        if self.tag == "struct":
            return "{" + ",".join(f"{name!r}:{kind.form}" for name, kind in self.fields) + "}"
        if self.tag == "number" and pa.types.is_string(self.type):
            return "text"
        if self.given is not None:
            return "text" if is_text(self.given) else "given"
        return self.tag

    def same(self, other: Kind) -> bool:
        """Whether a column of the one kind is a column of the other."""
        return self is other or (self.form == other.form and self.type.equals(other.type))

    @cached_property
    def direct(self) -> bool:
        """Arrow's parser may read the values as they stand."""
        if self.tag == "json" or (self.tag == "struct" and not self.fields):
            return False
        return all(kind.direct for kind in self.parts)

    @cached_property
    def open(self) -> bool:
        """Somewhere within no value was seen yet."""
        return self.tag == "null" or any(kind.open for kind in self.parts)

    @property
    def parts(self) -> Iterable[Kind]:
        """The kinds within."""
        return (self.item,) if self.item is not None else tuple(kind for _, kind in self.fields)

    @cached_property
    def physical(self) -> pa.DataType:
        """The type that Arrow's parser is asked for; converted to ``type`` afterwards."""
        if self.item is not None:
            return pa.list_(self.item.physical)
        if self.fields:
            return pa.struct([(name, kind.physical) for name, kind in self.fields])
        return physical(self.type)


NULL, BOOL, STRING, TEXT, JSON = (Kind(tag) for tag in ("null", "bool", "string", "text", "json"))


def is_text(kind: pa.DataType) -> bool:
    """Whether any value may be given as text in that type."""
    types = pa.types
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_dictionary(kind)
    )


def physical(kind: pa.DataType) -> pa.DataType:
    """The type to parse a flat value as that becomes ``kind``."""
    types = pa.types
    if types.is_boolean(kind) or types.is_integer(kind) or types.is_decimal(kind):
        return kind
    if types.is_floating(kind):
        return pa.float64()
    return pa.string()


def _join_numbers(left: Kind, right: Kind) -> Kind:
    return Kind(
        "number",
        low=min(left.low, right.low),
        high=max(left.high, right.high),
        real=left.real or right.real,
        exact=left.exact and right.exact,
        long=left.long or right.long,
        digits=max(left.digits, right.digits),
        scale=max(left.scale, right.scale),
    )


def _join_lists(left: Kind, right: Kind) -> Kind:
    assert left.item is not None
    assert right.item is not None
    return replace(left, item=left.item.join(right.item))


def _join_structs(left: Kind, right: Kind) -> Kind:
    fields = dict(left.fields)
    for name, kind in right.fields:
        fields[name] = fields[name].join(kind) if name in fields else kind
    return replace(left, fields=tuple(fields.items()))


_JOINS = {"number": _join_numbers, "list": _join_lists, "struct": _join_structs}


def with_types(kind: Kind, types: Iterable[tuple[str, pa.DataType]]) -> Kind:
    """The record's kind with the fields at the dotted paths given a type."""
    for path, given in types:
        fields = dict(kind.fields)
        names = (name for name in fields if path.startswith(f"{name}."))
        outer = None if path in fields else next((n for n in names if fields[n].fields), None)
        if outer is None:
            fields[path] = Kind("given", given=given)
        else:
            fields[outer] = with_types(fields[outer], [(path[len(outer) + 1 :], given)])
        kind = replace(kind, fields=tuple(fields.items()))
    return kind
