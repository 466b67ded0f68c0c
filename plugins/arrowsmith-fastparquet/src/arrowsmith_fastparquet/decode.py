"""fastparquet decodes a column's pages to physical values, which become Arrow arrays exactly.

fastparquet is told the physical types alone. What it would make of the logical ones (decimals as
floats, texts without the bytes that are not UTF-8, missing numbers as NaN) never happens.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from fastparquet import core, parquet_thrift
from fastparquet.cencoding import ThriftObject
from fastparquet.schema import SchemaHelper

from arrowsmith_fastparquet.pages import Column, NotReadError

_MASKED = {
    "BOOLEAN": (pd.arrays.BooleanArray, np.dtype(np.bool_)),
    "INT32": (pd.arrays.IntegerArray, np.dtype(np.int32)),
    "INT64": (pd.arrays.IntegerArray, np.dtype(np.int64)),
    "FLOAT": (pd.arrays.FloatingArray, np.dtype(np.float32)),
    "DOUBLE": (pd.arrays.FloatingArray, np.dtype(np.float64)),
}


def decoded(pages: bytes, column: Column, kind: pa.DataType) -> pa.Array:
    """The values of a column, of type ``kind``.

    Args:
        pages: what :func:`~arrowsmith_fastparquet.pages.rewritten` gave.
        column: what the footer says of it.
        kind: a type without nesting, no dictionary and no extension type.

    Raises:
        NotReadError: the physical type does not convert to ``kind``.
        Exception: whatever fastparquet raises on damaged pages.
    """
    values = _target(column)
    core.read_col(_chunk(column, len(pages)), _schema(column), io.BytesIO(pages), assign=values)
    if column.physical in _MASKED:
        return _numbers(values._data, values._mask, kind)
    if column.physical == "INT96":
        moments = values.view(np.int64)
        return _numbers(moments, np.isnat(values), pa.timestamp("ns"), kind)
    if column.physical == "BYTE_ARRAY":
        return _texts(values, kind)
    return _fixed(values, column.width, kind)


def _target(column: Column) -> Any:
    """What fastparquet writes the values into: with a mask of nulls wherever pandas has one."""
    if column.physical in _MASKED:
        array, dtype = _MASKED[column.physical]
        return array(np.zeros(column.values, dtype), np.zeros(column.values, np.bool_))
    if column.physical == "INT96":
        return np.zeros(column.values, "M8[ns]")
    return np.empty(column.values, dtype=object)


def _chunk(column: Column, size: int) -> ThriftObject:
    return ThriftObject.from_fields(
        "ColumnChunk",
        file_offset=0,
        meta_data=ThriftObject.from_fields(
            "ColumnMetaData",
            type=getattr(parquet_thrift.Type, column.physical),
            path_in_schema=[column.name],
            codec=parquet_thrift.CompressionCodec.UNCOMPRESSED,
            num_values=column.values,
            total_compressed_size=size,
            data_page_offset=0,
        ),
    )


def _schema(column: Column) -> SchemaHelper:
    root = parquet_thrift.SchemaElement(name="schema", num_children=1)
    leaf = parquet_thrift.SchemaElement(
        name=column.name,
        type=getattr(parquet_thrift.Type, column.physical),
        type_length=column.width or None,
        repetition_type=int(column.optional),
    )
    return SchemaHelper([root, leaf])


def _numbers(
    values: np.ndarray, nulls: np.ndarray, kind: pa.DataType, wanted: pa.DataType | None = None
) -> pa.Array:
    """Values of a fixed width as an array of ``kind``, cast to ``wanted``."""
    if pa.types.is_null(kind):
        return pa.nulls(len(values))
    if pa.types.is_decimal(kind):
        return _decimals(values.astype("<i8").view("u1").reshape(-1, 8)[:, ::-1], nulls, kind)
    raw = pa.array(values, mask=nulls if nulls.any() else None, from_pandas=False)
    if raw.type != kind and pa.types.is_unsigned_integer(kind):
        raw = raw.view(pa.uint32() if values.dtype.itemsize == 4 else pa.uint64())
    if pa.types.is_date64(kind):
        raw = raw.view(pa.date32())
    elif pa.types.is_temporal(kind) and raw.type != kind:
        if kind.bit_width != raw.type.bit_width:
            raise NotReadError(f"{kind} is stored in {raw.type.bit_width} bits")
        raw = raw.view(kind)
    raw = raw if raw.type == kind else raw.cast(kind)
    return raw if wanted is None or raw.type == wanted else raw.cast(wanted)


def _texts(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    if pa.types.is_decimal(kind):
        raise NotReadError("decimals in bytes of no fixed length are not read here")
    wide = pa.array(values, pa.large_binary(), from_pandas=False)
    if pa.types.is_null(kind):
        return pa.nulls(len(values))
    if kind in (pa.string(), pa.string_view()):
        return wide.cast(pa.string()).cast(kind)
    if kind == pa.binary_view():
        return wide.cast(pa.binary()).cast(kind)
    return wide.cast(kind)


def _fixed(values: np.ndarray, width: int, kind: pa.DataType) -> pa.Array:
    """Values of ``width`` bytes; fastparquet drops the zeros at their ends, NumPy adds them."""
    nulls = np.array(values == None, dtype=np.bool_)  # noqa: E711  (a comparison of each value)
    dense = np.where(nulls, b"", values).astype(f"S{width}") if len(values) else values.astype("S1")
    cells = dense.view("u1").reshape(len(values), -1)
    if pa.types.is_decimal(kind):
        return _decimals(cells, nulls, kind)
    return _of_cells(np.ascontiguousarray(cells), nulls, kind)


def _decimals(cells: np.ndarray, nulls: np.ndarray, kind: pa.DataType) -> pa.Array:
    """Decimals from their digits as big-endian numbers, a row of bytes each."""
    size = kind.bit_width // 8
    if cells.shape[1] > size:
        cells = cells[:, cells.shape[1] - size :]
    wide = np.empty((len(cells), size), np.uint8)
    wide[:, : cells.shape[1]] = cells[:, ::-1]
    wide[:, cells.shape[1] :] = np.where(cells[:, :1] >= 128, 255, 0)
    return _of_cells(wide, nulls, kind)


def _of_cells(cells: np.ndarray, nulls: np.ndarray, kind: pa.DataType) -> pa.Array:
    valid = None
    if nulls.any():
        valid = pc.invert(pa.array(nulls)).buffers()[1]
    return pa.Array.from_buffers(kind, len(cells), [valid, pa.py_buffer(cells)])
