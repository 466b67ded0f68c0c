"""Feather V1, which Arrow IPC files replaced: arrays laid over the mapped file.

pyarrow still has a reader, but one that trusts the file: a flipped bit may kill the process.
Format: https://github.com/apache/arrow/blob/main/cpp/src/arrow/ipc/feather.fbs
"""

from __future__ import annotations

import pyarrow as pa

from arrowsmith.formats.arrow.flat import FlatError, Table, root

FEATHER_V1_MAGIC = b"FEA1"

# By the numbers of the enum Type. Numbers 13 to 16 name what the column's metadata says better.
_TYPES: dict[int, pa.DataType] = dict(
    enumerate(
        (
            pa.bool_(),
            *(pa.int8(), pa.int16(), pa.int32(), pa.int64()),
            *(pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
            *(pa.float32(), pa.float64(), pa.utf8(), pa.binary()),
        )
    )
) | {17: pa.large_utf8(), 18: pa.large_binary()}
_CATEGORY, _TIMESTAMP, _DATE, _TIME = range(1, 5)
_UNITS = ("s", "ms", "us", "ns")
_PADDED_SINCE = 2


def read_feather_v1(buffer: pa.Buffer) -> pa.Table:
    """The table, its arrays over ``buffer``.

    Raises:
        FlatError: the file is damaged.
        pa.ArrowInvalid: an array is.
    """
    data = memoryview(buffer)
    end = len(data) - len(FEATHER_V1_MAGIC) - 4
    if end < 8 or bytes(data[-len(FEATHER_V1_MAGIC) :]) != FEATHER_V1_MAGIC:
        raise FlatError("it does not end in FEA1: it is cut short")
    size = int.from_bytes(data[end : end + 4], "little")
    if size > end:
        raise FlatError(f"its metadata claims {size} bytes in a file of {len(data)}")
    top = root(bytes(data[end - size : end]))
    rows, padded = top.number(1, "<q"), top.number(3, "<i") >= _PADDED_SINCE
    columns = top.tables(2)
    arrays = [_column(buffer, column, padded) for column in columns]
    for array in arrays:
        if len(array) != rows:
            raise FlatError(f"a column has {len(array)} rows, the table {rows}")
        array.validate(full=True)
    names = [column.text(0) or "" for column in columns]
    return pa.Table.from_arrays(arrays, names=names)


def _column(buffer: pa.Buffer, column: Table, padded: bool) -> pa.Array:
    values, kind, metadata = column.table(1), column.number(2, "<B"), column.table(3)
    if values is None:
        raise FlatError("a column has no values")
    if kind == _DATE:
        return _array(buffer, values, padded, pa.date32())
    if metadata is None or kind not in (_CATEGORY, _TIMESTAMP, _TIME):
        return _array(buffer, values, padded, _type(values))
    if kind == _CATEGORY:
        levels = metadata.table(0)
        if levels is None:
            raise FlatError("a category has no levels")
        indices = _array(buffer, values, padded, _type(values))
        named = _array(buffer, levels, padded, _type(levels))
        named.validate(full=True)
        ordered = bool(metadata.number(1, "<B"))
        return pa.DictionaryArray.from_arrays(indices, named, ordered=ordered)
    unit = _UNITS[metadata.number(0, "<B")]
    if kind == _TIMESTAMP:
        return _array(buffer, values, padded, pa.timestamp(unit, metadata.text(1)))
    return _array(
        buffer, values, padded, pa.time32(unit) if unit in ("s", "ms") else pa.time64(unit)
    )


def _type(values: Table) -> pa.DataType:
    number = values.number(0, "<B")
    if number not in _TYPES:
        raise FlatError(f"there is no type {number}")
    return _TYPES[number]


def _array(buffer: pa.Buffer, values: Table, padded: bool, kind: pa.DataType) -> pa.Array:
    """An array whose null bits, ends of texts and values stand one after the other."""
    at, rows, nulls, size = (values.number(slot, "<q") for slot in (2, 3, 4, 5))
    if at < 0 or size < 0 or at + size > buffer.size or not 0 <= rows <= size * 8:
        raise FlatError(f"a column claims bytes {at} to {at + size} of {buffer.size}")
    stop = at + size
    sizes = [-(-rows // 8) if nulls else 0]
    if kind in (pa.utf8(), pa.binary()):
        sizes.append((rows + 1) * 4)
    elif kind in (pa.large_utf8(), pa.large_binary()):
        sizes.append((rows + 1) * 8)
    parts: list[pa.Buffer | None] = []
    for part in sizes:
        if at + part > stop:
            raise FlatError("a column is shorter than its rows")
        parts.append(buffer.slice(at, part) if part else None)
        at = min(stop, at + (-(-part // 8) * 8 if padded else part))
    parts.append(buffer.slice(at, stop - at))
    array = pa.Array.from_buffers(kind, rows, parts)
    array.validate()
    return array
