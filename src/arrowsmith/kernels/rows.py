"""Rows of a batch by their numbers or by a mask, of every type.

Arrow's ``take`` and ``filter`` lack kernels for string and binary views, which Polars writes, and
for run-end encoded values. Such columns take the way over the type that has one.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.kernels.arrays import int64_array, numpy_view


def taken(rows: pa.RecordBatch, places: pa.Int64Array) -> pa.RecordBatch:
    """The rows at these places, in the order given.

    Args:
        rows: of any types.
        places: without nulls, from 0.

    Example:
        >>> batch = pa.record_batch({"a": pa.array(["x", "y"], pa.string_view())})
        >>> taken(batch, int64_array(np.array([1, 0, 1])))["a"].to_pylist()
        ['y', 'x', 'y']
    """
    try:
        return rows.take(places)
    except pa.ArrowNotImplementedError:
        columns = [_taken(column, places) for column in rows.columns]
        return pa.RecordBatch.from_arrays(columns, schema=rows.schema)


def filtered(rows: pa.RecordBatch, mask: pa.BooleanArray) -> pa.RecordBatch:
    """The rows for which the mask is true.

    Example:
        >>> batch = pa.record_batch({"a": pa.array(["x", "y"], pa.string_view())})
        >>> filtered(batch, pa.array([False, True]))["a"].to_pylist()
        ['y']
    """
    try:
        return rows.filter(mask)
    except pa.ArrowNotImplementedError:
        kept = numpy_view(pc.fill_null(mask.cast(pa.uint8()), _FALSE))
        return taken(rows, int64_array(np.flatnonzero(kept)))


_FALSE = pa.Array.from_buffers(pa.uint8(), 1, [None, pa.py_buffer(b"\0")])[0]


def _taken(column: pa.Array, places: pa.Int64Array) -> pa.Array:
    try:
        return column.take(places)
    except pa.ArrowNotImplementedError:
        pass
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, _taken(column.storage, places))
    if pa.types.is_run_end_encoded(kind):
        values = _taken(pc.run_end_decode(column), places)
        return pc.run_end_encode(values, run_end_type=kind.run_end_type)
    try:
        return column.cast(_without_views(kind)).take(places).cast(kind)
    except pa.ArrowNotImplementedError:  # what is left is rare: runs and views inside of lists
        rows = numpy_view(places).tolist()
        return pa.concat_arrays([column.slice(0, 0), *(column.slice(row, 1) for row in rows)])


def _without_views(kind: pa.DataType) -> pa.DataType:
    """The type with large strings and binaries in the place of views, at any depth."""
    types = pa.types
    if types.is_string_view(kind):
        return pa.large_string()
    if types.is_binary_view(kind):
        return pa.large_binary()
    if types.is_struct(kind):
        return pa.struct([_plain_field(field) for field in kind])
    if types.is_list(kind):
        return pa.list_(_plain_field(kind.value_field))
    if types.is_large_list(kind):
        return pa.large_list(_plain_field(kind.value_field))
    if types.is_fixed_size_list(kind):
        return pa.list_(_plain_field(kind.value_field), kind.list_size)
    if types.is_map(kind):
        return pa.map_(_plain_field(kind.key_field), _plain_field(kind.item_field))
    return kind


def _plain_field(field: pa.Field) -> pa.Field:
    return field.with_type(_without_views(field.type))
