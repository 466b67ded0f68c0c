"""``select``: keep columns, in the order given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pyarrow as pa

from arrowsmith.errors import OptionError
from arrowsmith.plugin import RunContext, check_columns
from arrowsmith.transforms.columns import first_repeated
from arrowsmith.transforms.options import ColumnsOptions


class Select:
    """Keeps the named columns.

    Raises:
        OptionError: no column, or one twice.
    """

    def __init__(self, options: ColumnsOptions, ctx: RunContext) -> None:
        self._columns = options.columns
        if not self._columns:
            raise OptionError("select needs at least one column")
        repeated = first_repeated(self._columns)
        if repeated is not None:
            raise OptionError(f"column '{repeated}' is selected twice")

    def bind(self, schema: pa.Schema) -> BoundSelect:
        check_columns(schema, self._columns)
        return BoundSelect(schema, self._columns)


class BoundSelect:
    """The step for one schema; it copies nothing."""

    kind: Literal["stateless"] = "stateless"

    def __init__(self, schema: pa.Schema, columns: Sequence[str]) -> None:
        self._columns = list(columns)
        self.schema = pa.schema([schema.field(name) for name in columns], metadata=schema.metadata)
        self.unchanged = frozenset(columns)

    def needed(self, outputs: frozenset[str]) -> frozenset[str]:
        return self.unchanged

    def narrowed(self, schema: pa.Schema) -> BoundSelect:
        return BoundSelect(schema, self._columns)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch if batch.schema.names == self._columns else batch.select(self._columns)
