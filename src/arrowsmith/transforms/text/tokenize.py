"""``tokenize``: texts as lists of words, or of the tokens of a Hugging Face tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.errors import OptionError, PluginError
from arrowsmith.kernels.scalars import text_array
from arrowsmith.plugin import RunContext
from arrowsmith.transforms.text.columns import WORD, AddColumns, as_string, check_text
from arrowsmith.transforms.text.options import TokenizeOptions

_OTHER = f"[^{WORD[1:-1]}]+"


class Tokenize:
    """Adds a column of lists; a null stays null, a text without a word is an empty list."""

    def __init__(self, options: TokenizeOptions, ctx: RunContext) -> None:
        self._options = options
        self._tokenizer = _loaded(options)

    def bind(self, schema: pa.Schema) -> AddColumns:
        options = self._options
        check_text(schema, [options.column])
        item = pa.int32() if options.output == "ids" else pa.string()
        field = pa.field(options.into, pa.list_(item))
        make = self._words if self._tokenizer is None else self._tokens
        return AddColumns(schema, options.column, [field], make)

    def _words(self, array: pa.Array) -> Sequence[pa.Array]:
        texts = as_string(array)
        if self._options.lowercase:
            texts = pc.utf8_lower(texts)
        return (words(texts),)

    def _tokens(self, array: pa.Array) -> Sequence[pa.Array]:
        texts = as_string(array)
        given = ["" if text is None else text for text in texts.to_pylist()]
        if self._options.lowercase:
            given = [text.lower() for text in given]
        found = self._tokenizer.encode_batch(given, add_special_tokens=self._options.specials)
        valid = np.array(texts.is_valid().to_pylist(), np.bool_)
        lists = [one if ok else None for one, ok in zip(found, valid, strict=True)]
        ends = np.zeros(len(lists) + 1, np.int32)
        np.cumsum([0 if one is None else len(one.ids) for one in lists], out=ends[1:])
        items: pa.Array
        if self._options.output == "ids":
            ids = np.array([i for one in lists if one is not None for i in one.ids], np.int32)
            items = pa.Array.from_buffers(pa.int32(), len(ids), [None, pa.py_buffer(ids)])
        else:
            items = text_array([t for one in lists if one is not None for t in one.tokens])
        return (_lists(items, ends, valid),)


def words(texts: pa.StringArray) -> pa.ListArray:
    """The words of each text: runs of letters, marks, numbers and underscores.

    Example:
        >>> words(pa.array(["Ça va, l'été?", "", None])).to_pylist()
        [['Ça', 'va', 'l', 'été'], [], None]
    """
    parts = pc.split_pattern_regex(texts, _OTHER)
    offsets = np.frombuffer(parts.buffers()[1], np.int32) if len(parts) else np.zeros(1, np.int32)
    offsets = offsets[parts.offset : parts.offset + len(parts) + 1]
    sizes = pc.binary_length(parts.values)
    filled = np.frombuffer(sizes.buffers()[1], np.int32)[sizes.offset :][: len(sizes)] > 0
    before = np.zeros(len(filled) + 1, np.int32)
    np.cumsum(filled, out=before[1:])
    bits = pa.py_buffer(np.packbits(filled, bitorder="little"))
    kept = parts.values.filter(pa.Array.from_buffers(pa.bool_(), len(filled), [None, bits]))
    valid = np.ones(len(texts), np.bool_)
    if texts.null_count:
        nulls = texts.is_valid().cast(pa.uint8())
        valid = np.frombuffer(nulls.buffers()[1], np.uint8)[: len(texts)] == 1
    ends = before[offsets]
    return _lists(kept.slice(int(ends[0])), ends - ends[0], valid)


def _lists(items: pa.Array, ends: np.ndarray, valid: np.ndarray) -> pa.ListArray:
    bits = None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))
    buffers = [bits, pa.py_buffer(np.ascontiguousarray(ends, np.int32))]
    return pa.Array.from_buffers(pa.list_(items.type), len(valid), buffers, children=[items])


def _loaded(options: TokenizeOptions) -> Any:
    """The tokenizer, None for words."""
    if options.tokenizer is None:
        if options.output == "ids":
            raise OptionError(
                "words have no ids", hint="give tokenizer=tokenizer.json, or use vocab behind it"
            )
        return None
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise PluginError(
            "the library tokenizers is not installed",
            hint="pip install 'arrowsmith[tokenizers]'",
        ) from None
    try:
        return Tokenizer.from_file(options.tokenizer)
    except Exception as error:  # the library raises nothing narrower
        raise OptionError(
            f"cannot be read as a tokenizer ({error})",
            path=options.tokenizer,
            hint="give a tokenizer.json as Hugging Face's library writes it",
        ) from None
