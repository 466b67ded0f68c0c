"""``vocab``: numbers tokens by how frequent they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.errors import DataError, SchemaMismatch
from arrowsmith.kernels.scalars import int_scalar, text_array
from arrowsmith.plugin import RunContext, check_columns
from arrowsmith.transforms.categories import CategoryFitter
from arrowsmith.transforms.text.columns import AddColumns, as_string, is_text
from arrowsmith.transforms.text.options import VocabOptions

_TOKENS = pa.schema([("tokens", pa.string())])


class Vocab:
    """Adds a column of int32, or of lists of such: the place of each token in the vocabulary.

    Special entries come first, then tokens by falling frequency, equally frequent ones in the order
    of their UTF-8. What was learned is ``{"tokens": [...], "counts": [...]}``.
    """

    def __init__(self, options: VocabOptions, ctx: RunContext) -> None:
        self._options = options
        self._ctx = ctx

    def fitter(self, schema: pa.Schema) -> VocabFitter:
        _check(schema, self._options.column)
        return VocabFitter(self._options, self._ctx)

    def bind(self, schema: pa.Schema, state: Mapping[str, Any]) -> AddColumns:
        options = self._options
        _check(schema, options.column)
        entries = _entries(state)
        listed = pa.types.is_list(schema.field(options.column).type)
        known = text_array(entries)
        named = options.unknown and options.unknown in entries
        unknown = entries.index(options.unknown) if named else None

        def make(array: pa.Array) -> Sequence[pa.Array]:
            if not listed:
                return (_ids(as_string(array), known, unknown, options.column),)
            ids = _ids(as_string(array.flatten()), known, unknown, options.column)
            return (_relisted(array, ids),)

        kind = pa.list_(pa.int32()) if listed else pa.int32()
        return AddColumns(schema, options.column, [pa.field(options.into, kind)], make)


class VocabFitter:
    """Counts tokens."""

    def __init__(self, options: VocabOptions, ctx: RunContext) -> None:
        self._options = options
        self.columns = frozenset([options.column])
        self._counts = CategoryFitter(
            _TOKENS, ["tokens"], limit=options.max_distinct, option="max_distinct", ctx=ctx
        )

    def partial(self, rows: pa.RecordBatch) -> Any:
        array = rows.column(self._options.column)
        tokens = as_string(array.flatten() if pa.types.is_list(array.type) else array)
        return self._counts.partial(pa.RecordBatch.from_arrays([tokens], schema=_TOKENS))

    def merge(self, partial: Any) -> None:
        self._counts.merge(partial)

    def state(self) -> Mapping[str, Any]:
        found = self._counts.state()["columns"]["tokens"]
        special = dict.fromkeys(self._options.specials, 0)
        counted = []
        for token, count in zip(found["values"], found["counts"], strict=True):
            if token in special:
                special[token] = count
            elif count >= self._options.min_count:
                counted.append((-count, token.encode(), token))
        counted.sort()
        del counted[self._options.size - len(special) :]
        return {
            "tokens": [*special, *(token for _, _, token in counted)],
            "counts": [*special.values(), *(-count for count, _, _ in counted)],
        }


def _check(schema: pa.Schema, name: str) -> None:
    check_columns(
        schema,
        [name],
        fits=lambda kind: is_text(kind.value_type if pa.types.is_list(kind) else kind),
        wanted="text or lists of text",
        hint="put tokenize before it",
    )


def _entries(state: Mapping[str, Any]) -> list[str]:
    tokens = state.get("tokens")
    fits = isinstance(tokens, list) and all(isinstance(token, str) for token in tokens)
    if not fits or not tokens or len(set(tokens)) < len(tokens):
        raise SchemaMismatch("what was learned is no vocabulary")
    return tokens


def _ids(tokens: pa.StringArray, known: pa.Array, unknown: int | None, name: str) -> pa.Int32Array:
    """The places of tokens; null for nulls."""
    found = pc.index_in(tokens, value_set=known)
    if found.null_count == tokens.null_count:
        return found
    if unknown is None:
        odd = tokens.filter(pc.and_(found.is_null(), tokens.is_valid()))
        raise DataError(
            f"column '{name}' has the token {odd[0].as_py()[:80]!r}, which is not in the "
            "vocabulary",
            hint="name the entry for such tokens with unknown=",
        )
    missing = pc.and_(found.is_null(), tokens.is_valid())
    return pc.if_else(missing, int_scalar(unknown).cast(pa.int32()), found)


def _relisted(array: pa.ListArray, items: pa.Array) -> pa.ListArray:
    """Lists of the same lengths over other items."""
    sizes = pc.fill_null(pc.list_value_length(array), int_scalar(0).cast(pa.int32()))
    ends = np.zeros(len(array) + 1, np.int32)
    np.cumsum(
        np.frombuffer(sizes.buffers()[1], np.int32)[sizes.offset :][: len(array)], out=ends[1:]
    )
    valid = None
    if array.null_count:
        flags = array.is_valid().cast(pa.uint8())
        bits = np.frombuffer(flags.buffers()[1], np.uint8)[: len(array)]
        valid = pa.py_buffer(np.packbits(bits, bitorder="little"))
    kind = pa.list_(items.type)
    return pa.Array.from_buffers(kind, len(array), [valid, pa.py_buffer(ends)], children=[items])
