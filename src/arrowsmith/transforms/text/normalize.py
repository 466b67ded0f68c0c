"""``normalize_text``: one form of Unicode, of control characters and of whitespace.

Forms: Unicode Standard Annex 15, by utf8proc. Whitespace is what Unicode calls White_Space.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.plugin import RunContext
from arrowsmith.transforms.columns import ReplaceColumns, Replacement
from arrowsmith.transforms.text.columns import as_string, check_text
from arrowsmith.transforms.text.options import NormalizeTextOptions

_SPACE = r"[\t-\r \x{85}\p{Z}]"
_CONTROL = r"[\x00-\x08\x0e-\x1f\x7f-\x{84}\x{86}-\x{9f}]"


class NormalizeText:
    """Columns of text stay where they are, as plain strings; nulls stay null."""

    def __init__(self, options: NormalizeTextOptions, ctx: RunContext) -> None:
        self._options = options

    def bind(self, schema: pa.Schema) -> ReplaceColumns:
        names = self._options.columns
        check_text(schema, names)
        replaced = {
            name: Replacement(
                (schema.field(name).with_type(pa.string()),), lambda array: (self._normal(array),)
            )
            for name in names
        }
        return ReplaceColumns(schema, replaced)

    def _normal(self, array: pa.Array) -> pa.StringArray:
        options, texts = self._options, as_string(array)
        if options.form != "keep" and not pc.all(pc.string_is_ascii(texts)).as_py():
            texts = pc.utf8_normalize(texts, options.form.upper())
        if options.control != "keep":
            instead = " " if options.control == "space" else ""
            texts = _replaced(texts, _CONTROL, instead)
        if options.whitespace == "collapse":
            texts = _replaced(texts, f"{_SPACE}+", " ")
        if options.whitespace != "keep":
            texts = _replaced(texts, f"^{_SPACE}+|{_SPACE}+$", "")
        return texts


def _replaced(texts: pa.StringArray, pattern: str, instead: str) -> pa.StringArray:
    return pc.replace_substring_regex(texts, pattern, instead)
