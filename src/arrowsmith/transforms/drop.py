"""``drop``: leave columns out."""

from __future__ import annotations

import pyarrow as pa

from arrowsmith.plugin import RunContext, check_columns
from arrowsmith.transforms.columns import ReplaceColumns, Replacement
from arrowsmith.transforms.options import ColumnsOptions

_NOTHING = Replacement((), lambda array: ())


class Drop:
    """Leaves the named columns out; they are not read where the format allows it."""

    def __init__(self, options: ColumnsOptions, ctx: RunContext) -> None:
        self._columns = options.columns

    def bind(self, schema: pa.Schema) -> ReplaceColumns:
        check_columns(schema, self._columns)
        return ReplaceColumns(schema, dict.fromkeys(self._columns, _NOTHING))
