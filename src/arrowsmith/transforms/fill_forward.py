"""``fill_forward``: put the last value before it in the place of a null."""

from __future__ import annotations

from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.kernels.plain import unwrapped_type
from arrowsmith.plugin import RunContext, check_columns
from arrowsmith.transforms.options import ColumnsOptions


class FillForward:
    """Fills nulls with the last value before them, across batches; the first ones stay null."""

    def __init__(self, options: ColumnsOptions, ctx: RunContext) -> None:
        self._columns = options.columns

    def bind(self, schema: pa.Schema) -> BoundFillForward:
        check_columns(schema, self._columns, fits=_can_fill, wanted="something that can be filled")
        return BoundFillForward(schema, self._columns)


class BoundFillForward:
    """The step for one run: it remembers the last values."""

    kind: Literal["ordered"] = "ordered"

    def __init__(self, schema: pa.Schema, columns: tuple[str, ...]) -> None:
        self.schema = schema
        self._columns = columns
        self._last: dict[str, pa.Array] = {}
        self.unchanged = frozenset(schema.names) - set(columns)

    def needed(self, outputs: frozenset[str]) -> frozenset[str]:
        return outputs

    def narrowed(self, schema: pa.Schema) -> BoundFillForward:
        return BoundFillForward(schema, tuple(n for n in self._columns if n in schema.names))

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if not batch.num_rows:
            return batch
        arrays = batch.columns
        for name in self._columns:
            place = self.schema.get_field_index(name)
            arrays[place] = self._filled(name, arrays[place])
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _filled(self, name: str, array: pa.Array) -> pa.Array:
        kind = array.type
        array = array.cast(_filling_type(kind))
        last = self._last.get(name)
        if array.null_count and last is not None and not array[0].is_valid:
            array = pc.fill_null_forward(pa.concat_arrays([last, array])).slice(1)
        elif array.null_count:
            array = pc.fill_null_forward(array)
        # a copy of one value, so that the batch is let go
        self._last[name] = pa.concat_arrays([array.slice(len(array) - 1), pa.nulls(0, array.type)])
        return array.cast(kind)


def _filling_type(kind: pa.DataType) -> pa.DataType:
    """The type that the kernel takes: none of views."""
    view = pa.types.is_string_view(kind) or pa.types.is_binary_view(kind)
    return unwrapped_type(kind) if view else kind


def _can_fill(kind: pa.DataType) -> bool:
    try:
        pc.fill_null_forward(pa.nulls(1, _filling_type(kind)))
    except pa.ArrowException:
        return False
    return not pa.types.is_dictionary(kind)
