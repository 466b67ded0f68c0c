"""``text_stats``: figures of each text, beside it."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.kernels.scalars import int_scalar, text_scalar
from arrowsmith.plugin import RunContext
from arrowsmith.transforms.text.columns import WORD, AddColumns, as_string, check_text
from arrowsmith.transforms.text.options import TextStatsOptions

_FIGURES = ("chars", "bytes", "words", "lines", "letters", "digits", "spaces")
_PATTERNS = {
    "words": f"{WORD}+",
    "letters": r"\p{L}",
    "digits": r"\p{Nd}",
    "spaces": r"[\t-\r \x{85}\p{Z}]",
}


class TextStats:
    """Adds int64 columns; a null has null figures. Lines are the line feeds, and what is behind
    the last one."""

    def __init__(self, options: TextStatsOptions, ctx: RunContext) -> None:
        self._options = options

    def bind(self, schema: pa.Schema) -> AddColumns:
        column = self._options.column
        check_text(schema, [column])
        prefix = self._options.prefix
        prefix = f"{column}_" if prefix is None else prefix
        fields = [pa.field(prefix + figure, pa.int64()) for figure in _FIGURES]
        return AddColumns(schema, column, fields, _figures)


def _figures(array: pa.Array) -> Sequence[pa.Array]:
    texts = as_string(array)
    found = {name: pc.count_substring_regex(texts, what) for name, what in _PATTERNS.items()}
    found["chars"] = pc.utf8_length(texts)
    found["bytes"] = pc.binary_length(texts)
    feeds = pc.count_substring(texts, "\n").cast(pa.int64())
    ended = pc.or_(pc.ends_with(texts, "\n"), pc.equal(texts, text_scalar("")))
    found["lines"] = pc.add(feeds, pc.if_else(ended, int_scalar(0), int_scalar(1)))
    return [found[figure].cast(pa.int64()) for figure in _FIGURES]
