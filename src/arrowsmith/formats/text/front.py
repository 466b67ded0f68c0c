"""The YAML at the head of Markdown documents, as columns.

The block between ``---`` and ``---`` is composed by PyYAML's safe loader without aliases, and never
constructed: a plain scalar is a number, a boolean or a date only if it would be written like that
again, so that ``007`` and ``1.10`` stay text.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

from arrowsmith.errors import DataError
from arrowsmith.kernels.scalars import text_array

HEAD = 64 << 10
"""Bytes within which front matter ends."""
_BLOCK = re.compile(r"---[ \t]*\r?\n(.*?)(?:^(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z))", re.DOTALL | re.M)
_INT = re.compile(r"0|-?[1-9][0-9]{0,17}")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]{0,15})\.[0-9]{1,16}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_KEYS, _DEPTH = 1000, 32
_EXACT = 1 << 53  # up to it every integer is a double

Values = Mapping[str, Any]


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # it has no types
    """Composes nodes, none of them twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias")
        return super().compose_node(parent, index)


def front_matter(text: str) -> tuple[Values, int]:
    """The values at the head of a document, and where its body begins.

    Raises:
        DataError: there is a block, but it is no mapping in YAML.
    """
    if not text.startswith("---"):
        return {}, 0
    found = _BLOCK.match(text, 0, HEAD)
    if found is None:
        return {}, 0
    try:
        node = yaml.compose(found[1], Loader=_Loader)
        if node is None:
            return {}, found.end()
        if not isinstance(node, yaml.MappingNode) or len(node.value) > _KEYS:
            raise yaml.YAMLError("no mapping")
        values = {_key(key): _value(value, 0) for key, value in node.value}
        if len(values) < len(node.value):
            raise yaml.YAMLError("a key that is there twice")
    except (yaml.YAMLError, RecursionError, ValueError, TypeError, AttributeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = 2 + (mark.line if mark is not None else 0)
        what = getattr(error, "problem", None) or str(error)
        raise DataError(
            f"the front matter cannot be read: {what}",
            place=f"line {line}",
            hint="mend it, or read it as text with -r front_matter=false",
        ) from None
    return values, found.end()


def _key(node: Any) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise yaml.YAMLError("a key that is no text")
    key = str(node.value)
    key.encode()  # half of a surrogate pair is no text
    return key


def _value(node: Any, depth: int) -> Any:
    """A node as a Python value."""
    if depth > _DEPTH:
        raise yaml.YAMLError("nested too deep")
    if isinstance(node, yaml.MappingNode):
        return {_key(key): _value(value, depth + 1) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, depth + 1) for item in node.value]
    text = str(node.value)
    text.encode()
    return text if node.style is not None else _plain(text)


def _plain(text: str) -> Any:
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "false"):
        return text == "true"
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and repr(float(text)) == text:
        return float(text)
    if _DATE.fullmatch(text):
        try:
            return dt.date.fromisoformat(text)
        except ValueError:
            return text
    return text


# --- columns -------------------------------------------------------------------------------------


class Columns:
    """The columns that hold the values of several documents.

    Args:
        taken: names that are in use; a key of that name becomes ``meta_KEY``.
        given: types that are not found out.
    """

    def __init__(self, taken: Iterable[str], given: Mapping[str, pa.DataType]) -> None:
        self._taken = frozenset(taken)
        self._given = given
        self._types: dict[str, pa.DataType | None] = dict(given)
        self._big: set[str] = set()

    def add(self, values: Values) -> None:
        """Widen the types so that they hold these values, too."""
        for key, value in values.items():
            if key in self._given:
                continue
            known = self._types.get(key)
            kind = _kind(value)
            if isinstance(value, int) and abs(value) > _EXACT:
                self._big.add(key)
            if known is None or kind is None:
                self._types[key] = known or kind
            elif not known.equals(kind):
                numbers = {str(known), str(kind)} == {"int64", "double"}
                exact = numbers and key not in self._big
                self._types[key] = pa.float64() if exact else pa.string()
            if key in self._big and self._types[key] == pa.float64():
                self._types[key] = pa.string()

    def check(self, values: Values) -> None:
        """Raise ``DataError`` where a value is not of the type given for it."""
        for key, kind in self._given.items():
            try:
                _array([values.get(key)], kind)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                raise DataError(
                    f"'{key}' of the front matter is no {kind}: {_text(values[key])[:80]!r}",
                    place="line 1",
                    hint="give it another type, such as string",
                ) from None

    @property
    def fields(self) -> list[pa.Field]:
        """A field for each key, in the order in which they came."""
        return [pa.field(self._name(key), kind or pa.string()) for key, kind in self._types.items()]

    def _name(self, key: str) -> str:
        """The column of a key: ``meta_`` stands before one that is taken, until it is free."""
        name = key
        while name in self._taken or (name != key and name in self._types):
            name = f"meta_{name}"
        return name

    def arrays(self, documents: list[Values], names: frozenset[str]) -> dict[str, pa.Array]:
        """The columns asked for, a row for each document."""
        return {
            self._name(key): _array([doc.get(key) for doc in documents], kind or pa.string())
            for key, kind in self._types.items()
            if self._name(key) in names
        }


def _kind(value: Any) -> pa.DataType | None:
    if value is None:
        return None
    if isinstance(value, list):
        flat = all(isinstance(item, str) for item in value)
        return pa.list_(pa.string()) if flat else pa.string()
    kinds = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), dt.date: pa.date32()}
    return kinds.get(type(value), pa.string())


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    """Values by way of their texts, which imports no pandas as ``pa.array`` does."""
    if pa.types.is_list(kind):
        ends = np.zeros(len(values) + 1, np.int32)
        np.cumsum([len(value or ()) for value in values], out=ends[1:])
        items = text_array([item for value in values for item in value or ()])
        buffers = [_validity(values), pa.py_buffer(ends)]
        return pa.Array.from_buffers(kind, len(values), buffers, children=[items])
    texts = text_array(["" if value is None else _text(value) for value in values])
    buffers = [_validity(values), *texts.buffers()[1:]]
    return pa.Array.from_buffers(pa.string(), len(values), buffers).cast(kind)


def _validity(values: list[Any]) -> pa.Buffer | None:
    valid = [value is not None for value in values]
    return None if all(valid) else pa.py_buffer(np.packbits(valid, bitorder="little"))


def _text(value: Any) -> str:
    """A value in a column of text: scalars as they were written, others as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, dt.date):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False, default=str)
