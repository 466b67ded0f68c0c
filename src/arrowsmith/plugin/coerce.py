"""Values of options: from what users give to the type that a field is annotated with, and back.

Lists are written ``a,b``, mappings ``a:int64,b:string``; a part with a separator in it stands in
double quotes, and inside brackets (``decimal128(10,2)``) separators do not count.
"""

from __future__ import annotations

import operator
import re
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})
_SIZE = re.compile(r"\s*(\d{1,18}(?:\.\d{1,9})?)\s*(?:([kmgt])?(?:i?b)?|bytes?)\s*", re.IGNORECASE)
_POWER = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


class Unfit(Exception):  # noqa: N818 - a signal inside this package, never seen by users
    """The value does not fit the annotation."""


def coerce(value: object, annotation: Any, size: bool) -> Any:
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation in (Any, object):
        return value
    if origin in (Union, types.UnionType):
        return _union(value, args, size)
    if origin is Literal:
        return _literal(value, args)
    if origin is tuple:
        return _tuple(value, args, size)
    if origin is not None and isinstance(origin, type) and issubclass(dict, origin):
        return _mapping(value, args[-1], size)
    if annotation is int and size:
        return to_size(value)
    if annotation in _SCALARS:
        return _SCALARS[annotation](value)
    if isinstance(annotation, type) and isinstance(value, annotation):
        return value
    raise Unfit


def _bool(value: object) -> bool:
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
    elif isinstance(value, bool):
        return value
    raise Unfit


def _int(value: object) -> int:
    if isinstance(value, bool):
        raise Unfit
    try:
        return int(value) if isinstance(value, str) else operator.index(value)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        raise Unfit from None


def _float(value: object) -> float:
    if isinstance(value, bool) or not (isinstance(value, str) or hasattr(value, "__float__")):
        raise Unfit
    try:
        return float(value)
    except (ValueError, TypeError, OverflowError):
        raise Unfit from None


def _str(value: object) -> str:
    if not isinstance(value, str):
        raise Unfit
    return value


_SCALARS = {bool: _bool, int: _int, float: _float, str: _str}


def to_size(value: object) -> int:
    if not isinstance(value, str):
        result = _int(value)
        if result < 0:
            raise Unfit
        return result
    match = _SIZE.fullmatch(value)
    if match is None:
        raise Unfit
    number, unit = match.groups()
    whole, _, part = number.partition(".")
    scale = 1024 ** _POWER[(unit or "").lower()]
    return int(whole) * scale + (int(part) * scale // 10 ** len(part) if part else 0)


def _literal(value: object, choices: tuple[Any, ...]) -> object:
    for choice in choices:
        if type(value) is type(choice) and value == choice:
            return choice
        if isinstance(value, str) and value == str(choice):
            return choice
    raise Unfit


def _union(value: object, members: tuple[Any, ...], size: bool) -> Any:
    if value is None or type(value) in members:
        if value is None and types.NoneType not in members:
            raise Unfit
        if not isinstance(value, str):
            return value
    # A string is tried as the narrowest type first: "1" is a number before it is a boolean.
    for member in sorted(members, key=_width):
        try:
            return coerce(value, member, size)
        except Unfit:
            pass
    none = isinstance(value, str) and value.strip().lower() == "none"
    if none and types.NoneType in members:
        return None
    raise Unfit


def _width(member: Any) -> int:
    if get_origin(member) is Literal:
        return 0
    order = (int, float, bool)
    if member in order:
        return 1 + order.index(member)
    return 9 if member is str else 5


def _tuple(value: object, kinds: tuple[Any, ...], size: bool) -> tuple[Any, ...]:
    if isinstance(value, str):
        items: list[Any] = [_unquoted(part) for part in _split(value, ",")] if value else []
    elif isinstance(value, list | tuple):
        items = list(value)
    else:
        raise Unfit
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = kinds[:1] * len(items)
    if len(kinds) != len(items):
        raise Unfit
    return tuple(coerce(item, kind, size) for item, kind in zip(items, kinds, strict=True))


def _mapping(value: object, kind: Any, size: bool) -> dict[str, Any]:
    if isinstance(value, str):
        pairs: list[Any] = [_pair(part) for part in _split(value, ",", "([<")] if value else []
    elif isinstance(value, Mapping):
        pairs = list(value.items())
    else:
        raise Unfit
    result = {_str(key): coerce(item, kind, size) for key, item in pairs}
    if len(result) != len(pairs):
        raise Unfit
    return result


def _pair(text: str) -> tuple[str, str]:
    parts = _split(text, ":", "([<")
    if len(parts) < 2:
        raise Unfit
    return _unquoted(parts[0]), _unquoted(text[len(parts[0]) + 1 :])


def _split(text: str, separator: str, opening: str = "") -> list[str]:
    """The parts between separators that stand outside double quotes and outside brackets."""
    closing = {"(": ")", "[": "]", "<": ">"}
    parts, start, depth, quoted = [], 0, 0, False
    ends = {closing[bracket] for bracket in opening}
    for at, char in enumerate(text):
        if char == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif char in opening:
            depth += 1
        elif char in ends:
            depth = max(depth - 1, 0)
        elif char == separator and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    if quoted:
        raise Unfit
    return [*parts, text[start:]]


def _unquoted(part: str) -> str:
    part = part.strip()
    if len(part) >= 2 and part[0] == part[-1] == '"':
        return part[1:-1].replace('""', '"')
    return part


# --- words ---------------------------------------------------------------------------------------


def in_words(annotation: Any, metadata: Mapping[str, Any]) -> str:
    """What an option takes, in words."""
    choices = metadata.get("choices")
    text = "|".join(map(str, choices)) if choices else _kind(annotation, bool(metadata.get("size")))
    show = _short_size if metadata.get("size") else str
    low, high = metadata.get("min"), metadata.get("max")
    if low is not None and high is not None:
        return f"{text} ({show(low)} to {show(high)})"
    if low is not None:
        return f"{text} (at least {show(low)})"
    return text if high is None else f"{text} (at most {show(high)})"


def _kind(annotation: Any, size: bool) -> str:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return "|".join(_kind(member, size) for member in args)
    if origin is Literal:
        return "|".join(map(str, args))
    if origin is tuple:
        return ",".join("..." if kind is Ellipsis else _kind(kind, size) for kind in args)
    if origin is not None and args:
        return f"name:{_kind(args[-1], size)},..."
    names = {int: "size" if size else "int", bool: "true|false", types.NoneType: "none"}
    return names.get(annotation) or str(getattr(annotation, "__name__", annotation))


def as_typed(value: object, metadata: Mapping[str, Any]) -> str:
    """A value as users would type it."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and metadata.get("size"):
        return _short_size(value)
    if isinstance(value, Mapping):
        pairs = ((_quoted(str(k)), _quoted(as_typed(v, metadata))) for k, v in value.items())
        return ",".join(map(":".join, pairs))
    if isinstance(value, tuple):
        return ",".join(_quoted(as_typed(item, metadata)) for item in value)
    return str(value)


def _quoted(text: str) -> str:
    plain = text and text == text.strip() and not set(text) & set(',:"([<')
    return text if plain else '"' + text.replace('"', '""') + '"'


def _short_size(value: float) -> str:
    for power, unit in ((4, "TB"), (3, "GB"), (2, "MB"), (1, "KB")):
        if value and value % 1024**power == 0:
            return f"{int(value) // 1024**power}{unit}"
    return str(int(value))


def shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
