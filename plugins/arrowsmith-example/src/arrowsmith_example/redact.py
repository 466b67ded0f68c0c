"""``redact``: mask what a regular expression finds."""

from __future__ import annotations

from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.errors import OptionError, SchemaMismatch
from arrowsmith.plugin import RunContext
from arrowsmith_example import RedactOptions


class Redact:
    """Replaces every match in the named columns of strings.

    Raises:
        OptionError: the pattern is no RE2 regular expression.
    """

    def __init__(self, options: RedactOptions, ctx: RunContext) -> None:
        self._options = options
        try:
            _masked(pa.nulls(1, pa.string()), options)
        except pa.ArrowInvalid as error:
            raise OptionError(f"redact cannot use the pattern: {error}") from None

    def bind(self, schema: pa.Schema) -> BoundRedact:
        for name in self._options.columns:
            index = schema.get_field_index(name)
            kind = schema.field(index).type if index >= 0 else "missing"
            if kind not in (pa.string(), pa.large_string()):
                raise SchemaMismatch(
                    f"redact masks columns of strings, and '{name}' is {kind}",
                    hint=f"the columns are {', '.join(schema.names)}",
                )
        return BoundRedact(schema, self._options)


class BoundRedact:
    """The step for one schema, which it does not change."""

    kind: Literal["stateless"] = "stateless"

    def __init__(self, schema: pa.Schema, options: RedactOptions) -> None:
        self.schema = schema
        self._options = options

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        arrays = [
            _masked(array, self._options) if name in self._options.columns else array
            for name, array in zip(batch.schema.names, batch.columns, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def _masked(text: pa.Array, options: RedactOptions) -> pa.Array:
    # a backslash in the mask would refer to a group of the pattern
    mask = options.mask.replace("\\", "\\\\")
    return pc.replace_substring_regex(text, options.pattern, mask)
