"""Arrow types by name, as options and messages write them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
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


def families(kind: pa.DataType) -> frozenset[str]:
    """The names that a type goes by in a :class:`~arrowsmith.plugin.specs.Loss`.

    - its own, without parameters: ``int32``, ``large_string``, ``decimal128``, ``fixed_size_list``;
      with the unit where it has one: ``timestamp[ns]``, ``time32[s]``;
    - its family: ``integer``, ``float``, ``text`` (strings), ``bytes`` (binary), ``date``,
      ``time``, ``timestamp``, ``duration``, ``decimal``, ``lists``, ``nested``, ``union``,
      ``interval``;
    - ``zoned timestamp`` and ``zoned timestamp[ns]`` with a time zone, which are no ``timestamp``,
      and ``local timestamp`` where the zone is another than UTC;
    - ``dictionary`` and ``dictionary of X`` for each name of its values;
    - ``extension`` and its own name, such as ``arrow.uuid``; of a tensor ``tensor`` alone;
    - those of the values, items and fields within it; ``inner lists`` and ``inner
      run_end_encoded`` for such types in there;
    - ``any`` for every type, ``negative scale`` for such decimals, ``empty struct`` for a struct
      without fields.

    Example:
        >>> sorted(families(pa.list_(pa.int32())))
        ['any', 'int32', 'integer', 'list', 'lists', 'nested']
    """
    try:
        return _families(kind)  # a wide table has one type ten thousand times
    except TypeError:  # an extension type of Python's need not be hashable
        return _families.__wrapped__(kind)


@lru_cache(maxsize=1024)
def _families(kind: pa.DataType) -> frozenset[str]:
    import pyarrow as pa

    if isinstance(kind, pa.FixedShapeTensorType):
        return families(kind.value_type) | {"tensor"}
    if isinstance(kind, pa.BaseExtensionType):
        return families(kind.storage_type) | {"extension", kind.extension_name}
    if pa.types.is_dictionary(kind):
        inner = families(kind.value_type)
        return inner | {"dictionary"} | {f"dictionary of {name}" for name in inner}
    if pa.types.is_run_end_encoded(kind):
        return families(kind.value_type) | {"run_end_encoded"}
    if pa.types.is_map(kind):
        return _inside([kind.key_type, kind.item_type]) | {"map", "nested"}
    inside = [kind.field(place).type for place in range(kind.num_fields)]
    return _inside(inside).union(_own_names(kind))


def _inside(kinds: list[pa.DataType]) -> frozenset[str]:
    """The names of what stands within a nested type."""
    found = frozenset({"any"}).union(*map(families, kinds))
    return found | {f"inner {name}" for name in found & {"lists", "run_end_encoded"}}


def _own_names(kind: pa.DataType) -> Iterator[str]:
    import pyarrow.types as pt

    name = re.split(r"[<\[(]", str(kind))[0]
    name = {"halffloat": "float16", "float": "float32", "double": "float64"}.get(name, name)
    if pt.is_timestamp(kind):
        name = "timestamp" if kind.tz is None else "zoned timestamp"
        if kind.tz not in (None, "UTC"):
            yield "local timestamp"
    if pt.is_decimal(kind) and kind.scale < 0:
        yield "negative scale"
    if pt.is_struct(kind) and not kind.num_fields:
        yield "empty struct"
    unit = getattr(kind, "unit", None)
    yield name
    if unit is not None and not pt.is_date(kind):
        yield f"{name}[{unit}]"
    yield from (family for family, tests in _FAMILIES.items() if _any(kind, tests))


def _any(kind: pa.DataType, tests: str) -> bool:
    import pyarrow.types as pt

    return any(getattr(pt, f"is_{test}")(kind) for test in tests.split())


_FAMILIES = {
    "integer": "integer",
    "float": "floating",
    "text": "string large_string string_view",
    "bytes": "binary large_binary binary_view fixed_size_binary",
    "date": "date",
    "time": "time",
    "decimal": "decimal",
    "lists": "list large_list list_view large_list_view fixed_size_list",
    "nested": "nested",
    "union": "union",
    "interval": "interval",
}


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
