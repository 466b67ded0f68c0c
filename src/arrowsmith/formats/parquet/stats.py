"""Bounds of columns from the statistics in a Parquet footer, as scalars of the Arrow type.

Statistics are left out where they may not be what a predicate takes them for: nested and
dictionary columns, extension types, half floats, INT96, bounds that are NaN or no valid text.
Meaning of the fields: https://parquet.apache.org/docs/file-format/metadata/ and ``parquet.thrift``.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.parquet as pq

from arrowsmith.plugin import ColumnStats


def group_stats(
    group: pq.RowGroupMetaData, leaves: Iterable[tuple[pa.Field, int]]
) -> dict[str, ColumnStats]:
    """What is known of the columns of a row group.

    Args:
        group: the row group's metadata.
        leaves: the columns wanted that have one leaf, with its number in the file.
    """
    return {field.name: _column(group, field.type, leaf) for field, leaf in leaves}


def _column(group: pq.RowGroupMetaData, kind: pa.DataType, leaf: int) -> ColumnStats:
    rows = group.num_rows
    stats = group.column(leaf).statistics
    if stats is None:
        return ColumnStats(None, None, None, rows)
    nulls = stats.null_count if stats.has_null_count else None
    if nulls is not None and not 0 <= nulls <= rows:
        nulls = None
    if not stats.has_min_max or stats.physical_type == "INT96":
        return ColumnStats(None, None, nulls, rows)
    low, high = as_scalar(stats.min_raw, kind), as_scalar(stats.max_raw, kind)
    if low is None or high is None:
        low = high = None
    return ColumnStats(low, high, nulls, rows)


def as_scalar(raw: object, kind: pa.DataType) -> pa.Scalar | None:
    """A value as the footer holds it as a scalar of ``kind``; None where that is in doubt.

    The scalar is made of its bytes: ``pa.scalar`` would import pandas where it is installed.
    """
    types = pa.types
    if types.is_boolean(kind):
        return _scalar(kind, b"\x01" if raw else b"\x00")
    if types.is_float32(kind) or types.is_float64(kind):
        if not isinstance(raw, float) or math.isnan(raw):
            return None
        return _scalar(kind, struct.pack("<d" if types.is_float64(kind) else "<f", raw))
    if types.is_decimal(kind):
        value = int.from_bytes(raw, "big", signed=True) if isinstance(raw, bytes) else raw
        return _integer(kind, value, kind.bit_width)
    if types.is_integer(kind) or types.is_temporal(kind):
        return _integer(kind, raw, kind.bit_width)
    if isinstance(raw, bytes):
        return _text(kind, raw)
    return None


def _integer(kind: pa.DataType, value: object, bits: int) -> pa.Scalar | None:
    if not isinstance(value, int) or value.bit_length() > bits:
        return None
    return _scalar(kind, (value % (1 << bits)).to_bytes(bits // 8, "little"))


def _text(kind: pa.DataType, raw: bytes) -> pa.Scalar | None:
    types = pa.types
    text = types.is_string(kind) or types.is_large_string(kind)
    if text:
        try:
            raw.decode()
        except UnicodeDecodeError:
            return None
    if text or types.is_binary(kind) or types.is_large_binary(kind):
        wide = types.is_large_string(kind) or types.is_large_binary(kind)
        ends = struct.pack("<qq" if wide else "<ii", 0, len(raw))
        return pa.Array.from_buffers(kind, 1, [None, pa.py_buffer(ends), pa.py_buffer(raw)])[0]
    return None


def _scalar(kind: pa.DataType, value: bytes) -> pa.Scalar:
    return pa.Array.from_buffers(kind, 1, [None, pa.py_buffer(value)])[0]
