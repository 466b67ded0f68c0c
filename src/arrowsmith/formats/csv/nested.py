"""Lists, structs and maps as JSON text (RFC 8259), by Arrow kernels, level by level.

Strings are JSON strings, numbers and booleans are bare, everything else is its CSV text as a
string. A map is an object when its keys are strings, else a list of ``{"key": ..., "value": ...}``.
NaN and infinities are written as Python's ``json`` does (``NaN``, ``Infinity``).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

Render = Callable[[pa.Array], pa.Array]


def _scalar(text: str) -> pa.StringScalar:
    data = text.encode()
    offsets = np.array([0, len(data)], np.int64)
    return pa.LargeStringArray.from_buffers(1, pa.py_buffer(offsets), pa.py_buffer(data))[0]


_EMPTY, _COMMA, _COLON, _QUOTE, _NULL = (_scalar(text) for text in ("", ",", ":", '"', "null"))

_MISSING = pa.Array.from_buffers(
    pa.large_string(), 1, [pa.py_buffer(b"\0"), pa.py_buffer(bytes(16)), pa.py_buffer(b"")]
)[0]


def json_text(field: pa.Field, leaf: Callable[[pa.Field], Render]) -> Render:
    """A function from a nested column to its JSON text; a null stays null.

    ``leaf`` gives the renderer of a flat type, and raises ``SchemaMismatch`` where there is none.
    """
    encode = _encoder(field, leaf)

    def render(column: pa.Array) -> pa.Array:
        return pc.if_else(pc.is_valid(column), encode(column), _MISSING)

    return render


def _encoder(field: pa.Field, leaf: Callable[[pa.Field], Render]) -> Render:
    """A function to large strings in which a null is the text ``null``."""
    kind = field.type
    types = pa.types
    if types.is_struct(kind):
        body = _struct(field, leaf)
    elif types.is_map(kind):
        body = _map(field, leaf)
    elif pa.types.is_nested(kind) and not types.is_union(kind):
        body = _list(field, leaf)
    else:
        body = _value(field, leaf(field))
    return lambda column: pc.if_else(pc.is_valid(column), body(column), _NULL)


def _value(field: pa.Field, render: Render) -> Render:
    kind = field.type
    types = pa.types
    if types.is_floating(kind):
        return lambda column: _numbers(column, render)
    bare = types.is_integer(kind) or types.is_decimal(kind) or types.is_boolean(kind)
    if bare or types.is_null(kind):
        return lambda column: render(column).cast(pa.large_string())
    return lambda column: _strings(render(column).cast(pa.large_string()))


def _numbers(column: pa.Array, render: Render) -> pa.Array:
    text = render(column).cast(pa.large_string())
    for ours, theirs in (("nan", "NaN"), ("inf", "Infinity")):
        text = pc.replace_substring(text, ours, theirs)
    return text


def _strings(text: pa.Array) -> pa.Array:
    """Each value escaped and in quotes; the rarer escapes are tried only where they occur."""
    data = text.buffers()[2]
    held = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    for byte in (0x5C, 0x22, *range(0x20)):
        if (held == byte).any():
            escaped = orjson.dumps(chr(byte)).decode()[1:-1]
            text = pc.replace_substring(text, chr(byte), escaped)
    return pc.binary_join_element_wise(_QUOTE, text, _QUOTE, _EMPTY)


def _struct(field: pa.Field, leaf: Callable[[pa.Field], Render]) -> Render:
    inner = list(field.type)
    encoders = [_encoder(child, leaf) for child in inner]
    labels = [_scalar(orjson.dumps(child.name).decode() + ":") for child in inner]

    def encode(column: pa.Array) -> pa.Array:
        parts: list[pa.Array | pa.Scalar] = [_scalar("{")]
        for number, child in enumerate(column.flatten()):
            parts += [_COMMA] * (number > 0) + [labels[number], encoders[number](child)]
        if not encoders:
            parts.append(pc.if_else(pc.is_valid(column), _EMPTY, _EMPTY))
        return pc.binary_join_element_wise(*parts, _scalar("}"), _EMPTY)

    return encode


def _list(field: pa.Field, leaf: Callable[[pa.Field], Render]) -> Render:
    element = _encoder(field.type.value_field, leaf)
    return lambda column: _joined(column, element(column.flatten()), "[", "]")


def _map(field: pa.Field, leaf: Callable[[pa.Field], Render]) -> Render:
    kind = field.type
    entries = pa.large_list(pa.field("entries", pa.struct([kind.key_field, kind.item_field])))
    named = pa.types.is_string(kind.key_type) or pa.types.is_large_string(kind.key_type)
    key, item = _encoder(kind.key_field, leaf), _encoder(kind.item_field, leaf)
    first, second = (_EMPTY, _EMPTY) if named else (_scalar('{"key":'), _scalar("}"))
    between = _COLON if named else _scalar(',"value":')

    def encode(column: pa.Array) -> pa.Array:
        pairs = column.cast(entries).flatten()
        keys, items = pairs.flatten()
        parts = (first, key(keys), between, item(items), second)
        text = pc.binary_join_element_wise(*parts, _EMPTY)
        return _joined(column, text, *("{}" if named else "[]"))

    return encode


def _joined(column: pa.Array, elements: pa.Array, opening: str, closing: str) -> pa.Array:
    """The elements of each list behind one another; ``elements`` holds those of all lists."""
    if pa.types.is_map(column.type):
        column = column.cast(pa.list_(pa.struct([column.type.key_field, column.type.item_field])))
    lengths = pc.fill_null(pc.list_value_length(column).cast(pa.int64()), _zero())
    sizes = np.frombuffer(lengths.buffers()[1], np.int64)[lengths.offset :][: len(lengths)]
    offsets = np.zeros(len(column) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    starts = pa.Array.from_buffers(pa.int64(), len(offsets), [None, pa.py_buffer(offsets)])
    lists = pa.LargeListArray.from_arrays(starts, elements)
    inner = pc.binary_join(lists, _COMMA)
    return pc.binary_join_element_wise(_scalar(opening), inner, _scalar(closing), _EMPTY)


def _zero() -> pa.Scalar:
    return pa.Array.from_buffers(pa.int64(), 1, [None, pa.py_buffer(bytes(8))])[0]
