"""Values as JSON text (RFC 8259), by Arrow and NumPy kernels, level by level.

An encoder turns a column into the JSON text of each value and leaves nulls null; whoever puts the
texts together writes ``null``. Texts of strings come without their quotes, which are then part of
the constants between the values and cost nothing.

Every step copies its texts. What a step has read is let go of when it is done, and so goes to the
next without a name that would keep it: no more than two copies of a text are there at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.errors import DataError
from arrowsmith.kernels.arrays import int64_array, numpy_view
from arrowsmith.kernels.scalars import text_scalar
from arrowsmith.kernels.valuetext import Render, spanned, where_valid


def _scalar(text: str) -> pa.Scalar:
    return text_scalar(text).cast(pa.large_string())


_EMPTY, _COMMA, _QUOTE = (_scalar(text) for text in ("", ",", '"'))


@dataclass(frozen=True, slots=True)
class Encoder:
    """How one column becomes JSON.

    Attributes:
        render: the column as large strings, null where it is null.
        quoted: the texts are the insides of JSON strings.
    """

    render: Render
    quoted: bool = False

    def whole(self, column: pa.Array) -> pa.Array:
        """The complete texts, null where the column is null."""
        text = self.render(column)
        return _joined(_QUOTE, text, _QUOTE, nulls=True) if self.quoted else text


@dataclass(frozen=True, slots=True)
class JsonRules:
    """What JSON leaves open.

    Attributes:
        leaf: the encoder of a flat type, given a field named by its path from the top, as in
            ``"column.child"``; it raises ``SchemaMismatch`` where there is none.
        maps: maps with text keys as objects, else a list of ``{"key": ..., "value": ...}``. Maps of
            other keys are such lists always.
        distinct: a key that is twice in one object is an error, not written twice.
        omit_nulls: leave out the members of objects whose value is null.
    """

    leaf: Callable[[pa.Field], Encoder]
    maps: bool = True
    distinct: bool = False
    omit_nulls: bool = False


def json_text(field: pa.Field, leaf: Callable[[pa.Field], Render]) -> Render:
    """A function from a nested column to its JSON text; a null stays null.

    Strings are JSON strings, numbers and booleans are bare, everything else is what ``leaf``
    renders as a string. NaN and infinities are written as Python's ``json`` does (``NaN``,
    ``Infinity``). ``leaf`` raises ``SchemaMismatch`` for a type that it cannot render.
    """
    return encoder(field, JsonRules(lambda inner: _plain_leaf(inner, leaf(inner)))).render


def _plain_leaf(field: pa.Field, render: Render) -> Encoder:
    kind = field.type
    types = pa.types
    if types.is_floating(kind):
        return Encoder(lambda column: _named_floats(large_text(render(column))))
    bare = types.is_integer(kind) or types.is_decimal(kind) or types.is_boolean(kind)
    if bare or types.is_null(kind):
        return Encoder(lambda column: large_text(render(column)))
    return Encoder(lambda column: escaped(large_text(render(column))), quoted=True)


def large_text(column: pa.Array) -> pa.Array:
    """The column as large strings."""
    return column.cast(pa.large_string())


def _named_floats(text: pa.Array) -> pa.Array:
    for ours, theirs in (("nan", "NaN"), ("inf", "Infinity")):
        text = pc.replace_substring(text, ours, theirs)
    return text


def encoder(field: pa.Field, rules: JsonRules) -> Encoder:
    """The encoder of a column of any type that ``rules`` has a leaf for.

    Raises:
        SchemaMismatch: a type within it has no JSON, says ``rules.leaf``.

    Example:
        >>> ints = JsonRules(lambda field: Encoder(large_text))
        >>> column = pa.array([[1, None], None, []], pa.list_(pa.int8()))
        >>> encoder(pa.field("a", column.type), ints).render(column).to_pylist()
        ['[1,null]', None, '[]']
    """
    kind = field.type
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        inner = encoder(field.with_type(kind.storage_type), rules)
        return replace(inner, render=lambda column: inner.render(column.storage))
    if types.is_dictionary(kind):
        inner = encoder(field.with_type(kind.value_type), rules)
        return replace(inner, render=lambda column: inner.render(_decoded(column)))
    if types.is_run_end_encoded(kind):
        inner = encoder(field.with_type(kind.value_type), rules)
        return replace(inner, render=lambda column: _runs(column, inner.render))
    if types.is_struct(kind):
        return Encoder(_struct(field, rules))
    if types.is_map(kind):
        return Encoder(_map(field, rules))
    if types.is_nested(kind) and not types.is_union(kind):
        return Encoder(_list(field, rules))
    return rules.leaf(field)


# --- strings -------------------------------------------------------------------------------------

_ESCAPES = {byte: orjson.dumps(chr(byte))[1:-1] for byte in (*range(0x20), 0x22, 0x5C)}
_ADDED = np.zeros(256, np.int64)  # bytes that the escape is longer than its character
for _byte, _escape in _ESCAPES.items():
    _ADDED[_byte] = len(_escape) - 1
_BYTES = [bytes([byte]) for byte in range(256)]
_NOWHERE = np.zeros(0, np.intp)
_BLOCK = 128 << 10  # bytes of text at a time: what escaping them takes stays in the cache


def escaped(text: pa.Array) -> pa.Array:
    """Large strings with quotes, backslashes and control characters escaped.

    Beside the result, which has up to six bytes for each of the text, it takes a fixed amount of
    memory: one pass over blocks of the text counts, a second one writes.

    Example:
        >>> escaped(pa.array(['a"b', None, "c"], pa.large_string())).to_pylist()
        ['a\\\\"b', None, 'c']
    """
    offsets, held = spanned(text)
    starts = range(0, held.size, _BLOCK)
    growths = [_growth(held[start : start + _BLOCK]) for start in starts]
    growth = sum(growths)
    if not growth:
        return text
    out = np.empty(held.size + growth, np.uint8)
    ends = np.full(len(offsets), out.size, np.int64)
    filled = row = 0
    for start, grown in zip(starts, growths, strict=True):
        block = held[start : start + _BLOCK]
        written = out[filled : filled + block.size + grown]
        beyond = int(np.searchsorted(offsets, start + block.size))
        bounds = offsets[row:beyond] - start
        if grown:
            bounds += _write_escaped(block, written, bounds)
        else:
            written[:] = block
        ends[row:beyond] = bounds + filled
        filled += written.size
        row = beyond
    result = pa.LargeStringArray.from_buffers(len(text), pa.py_buffer(ends), pa.py_buffer(out))
    return where_valid(text, result)


def _special(block: np.ndarray) -> np.ndarray:
    """Where the bytes are that have an escape."""
    special = block == 0x22
    special |= block == 0x5C
    if block.min() < 0x20:
        special |= block < 0x20
    return np.flatnonzero(special) if special.any() else _NOWHERE


def _growth(block: np.ndarray) -> int:
    """By how many bytes the block's text gets longer."""
    return int(_ADDED[block[_special(block)]].sum())


def _write_escaped(block: np.ndarray, out: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Write the block's text with escapes into ``out``; how much each of ``bounds`` moves."""
    places = _special(block)
    found = block[places]
    total = np.zeros(len(places) + 1, np.int64)
    np.cumsum(_ADDED[found], out=total[1:])
    text = block.tobytes()
    # The backslash, which the other escapes begin with, goes first.
    for byte in sorted(np.flatnonzero(np.bincount(found)).tolist(), reverse=True):
        text = text.replace(_BYTES[byte], _ESCAPES[byte])
    out[:] = np.frombuffer(text, np.uint8)
    return total[np.searchsorted(places, bounds)]


# --- objects -------------------------------------------------------------------------------------


def objects(
    names: Sequence[str],
    encoders: Sequence[Encoder],
    columns: Sequence[pa.Array],
    *,
    omit_nulls: bool = False,
    opening: str = "{",
    closing: str = "}",
) -> pa.Array:
    """One object a row, of at least one column, between ``opening`` and ``closing``.

    Args:
        names: the keys.
        encoders: one for each column.
        columns: of one length.
        omit_nulls: leave out the members whose value is null.
    """
    labels = [orjson.dumps(name).decode() + ":" for name in names]
    if omit_nulls:
        members = _present(
            [
                _joined(_scalar(label), encoder.whole(column), nulls=True)
                for label, encoder, column in zip(labels, encoders, columns, strict=True)
            ]
        )
        return _joined(_scalar(opening), members, _scalar(closing))
    parts: list[pa.Array | pa.Scalar] = []
    between = opening
    for label, encoder, column in zip(labels, encoders, columns, strict=True):
        bare = encoder.quoted and not column.null_count
        text = encoder.render(column) if bare else encoder.whole(column)
        quote = '"' if bare and not text.null_count else ""
        if bare and text.null_count:  # nulls that the column's own bitmap does not show
            text = _joined(_QUOTE, text, _QUOTE, nulls=True)
        parts += [_scalar(between + label + quote), text]
        between = quote + ","
    return _joined(*parts, _scalar(between[:-1] + closing))


def _present(members: list[pa.Array]) -> pa.Array:
    """The members of each row that are not null, with commas between them."""
    if all(member.null_count for member in members):
        absent = reduce(pc.and_, [pc.is_null(member) for member in members])
        # pyarrow's join leaves out a row in which it skips every part
        members = [pc.if_else(absent, _EMPTY, members[0]), *members[1:]]
    return pc.binary_join_element_wise(*members, _COMMA, null_handling="skip")


def _joined(*parts: pa.Array | pa.Scalar, nulls: bool = False) -> pa.Array:
    """The parts of each row behind one another; a null is written, or with ``nulls`` kept."""
    if nulls:
        return pc.binary_join_element_wise(*parts, _EMPTY)
    return pc.binary_join_element_wise(
        *parts, _EMPTY, null_handling="replace", null_replacement="null"
    )


def _struct(field: pa.Field, rules: JsonRules) -> Render:
    inner = list(field.type)
    names = [child.name for child in inner]
    encoders = [encoder(child.with_name(f"{field.name}.{child.name}"), rules) for child in inner]

    def render(column: pa.Array) -> pa.Array:
        if not inner:
            text = _repeated("{}", len(column))
        else:
            text = objects(names, encoders, column.flatten(), omit_nulls=rules.omit_nulls)
        return where_valid(column, text)

    return render


def _repeated(text: str, count: int) -> pa.Array:
    offsets = np.arange(count + 1, dtype=np.int64) * len(text)
    data = pa.py_buffer(text.encode() * count)
    return pa.LargeStringArray.from_buffers(count, pa.py_buffer(offsets), data)


# --- lists and maps ------------------------------------------------------------------------------


def _list(field: pa.Field, rules: JsonRules) -> Render:
    element = encoder(field.type.value_field.with_name(f"{field.name}[]"), rules)

    def lists(column: pa.Array) -> pa.Array:
        return _listed(_starts(column), element.whole(column.flatten()))

    def render(column: pa.Array) -> pa.Array:
        return where_valid(column, _bracketed(lists(column), "[", "]"))

    return render


def _map(field: pa.Field, rules: JsonRules) -> Render:
    kind = field.type
    entries = pa.large_list(pa.struct([kind.key_field, kind.item_field]))
    key = encoder(kind.key_field.with_name(f"{field.name}.key"), rules)
    item = encoder(kind.item_field.with_name(f"{field.name}.value"), rules)
    named = rules.maps and _is_text(kind.key_type)
    colon, brackets = _scalar(":"), "{}" if named else "[]"

    def pairs(column: pa.Array) -> pa.Array:
        lists = column.cast(entries)
        keys, items = lists.flatten().flatten()
        starts = _starts(lists)
        if not named:
            return _listed(starts, objects(["key", "value"], [key, item], [keys, items]))
        if rules.distinct:
            _check_distinct(field.name, keys, starts)
        values = item.whole(items)
        valid = pc.is_valid(values) if rules.omit_nulls and values.null_count else None
        texts = _joined(key.whole(keys), colon, values)
        del values
        if valid is not None:
            texts, starts = _without_nulls(texts, valid, starts)
        return _listed(starts, texts)

    def render(column: pa.Array) -> pa.Array:
        return where_valid(column, _bracketed(pairs(column), brackets[0], brackets[1]))

    return render


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(test(kind) for test in tests)


def _starts(column: pa.Array) -> np.ndarray:
    """Where each list begins among the elements of all, null lists being empty; and the end."""
    lengths = pc.fill_null(pc.list_value_length(column).cast(pa.int64()), _ZERO)
    starts = np.zeros(len(column) + 1, np.int64)
    np.cumsum(numpy_view(lengths), out=starts[1:])
    return starts


def _listed(starts: np.ndarray, texts: pa.Array) -> pa.Array:
    """The texts as lists that begin at ``starts``."""
    if texts.null_count:
        texts = pc.fill_null(texts, _scalar("null"))
    return pa.LargeListArray.from_arrays(int64_array(starts), texts)


def _bracketed(lists: pa.Array, opening: str, closing: str) -> pa.Array:
    """The texts of each list with commas between them."""
    text = pc.binary_join(lists, _COMMA)
    del lists
    return _joined(_scalar(opening), text, _scalar(closing))


def _without_nulls(
    texts: pa.Array, valid: pa.Array, starts: np.ndarray
) -> tuple[pa.Array, np.ndarray]:
    """The texts of members that have a value, and where the lists then begin."""
    kept = np.zeros(len(valid) + 1, np.int64)
    np.cumsum(numpy_view(valid.cast(pa.uint8())), out=kept[1:])
    return texts.filter(valid), kept[starts]


def _check_distinct(name: str, keys: pa.Array, starts: np.ndarray) -> None:
    codes = large_text(_decoded(keys)).dictionary_encode()
    count = len(codes.dictionary)
    rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    indices = numpy_view(codes.indices)
    seen = np.sort(rows * count + indices)
    twice = seen[1:][seen[1:] == seen[:-1]]
    if twice.size:
        key = codes.dictionary[int(twice[0]) % count].as_py()
        raise DataError(
            f"column {name!r} has a map with the key {key[:80]!r} twice",
            hint="write maps as pairs with maps=pairs",
        )


_ZERO = int64_array(np.zeros(1, np.int64))[0]


# --- encoded columns -----------------------------------------------------------------------------


def _decoded(column: pa.Array) -> pa.Array:
    """A dictionary's values row by row; other columns as they are."""
    if not pa.types.is_dictionary(column.type):
        return column
    if pa.types.is_string_view(column.type.value_type):
        words = column.dictionary.cast(pa.large_string())
        column = pa.DictionaryArray.from_arrays(column.indices, words)
    return column.dictionary_decode()


def _runs(column: pa.Array, render: Render) -> pa.Array:
    """Each run's value is rendered once and then repeated."""
    first, count = column.find_physical_offset(), column.find_physical_length()
    rows = np.arange(column.offset, column.offset + len(column))
    runs = np.searchsorted(numpy_view(column.run_ends), rows, side="right") - first
    texts = render(column.values.slice(first, count))
    return texts.take(int64_array(runs))
