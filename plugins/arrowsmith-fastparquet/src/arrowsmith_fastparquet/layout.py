"""How Arrow columns stand in a Parquet file, and as the pandas columns that fastparquet encodes.

fastparquet encodes physical values: integers, booleans, bytes. What they mean stands in the schema
of the file, and the Arrow schema beside it.
Types: https://github.com/apache/parquet-format/blob/master/LogicalTypes.md
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from fastparquet import parquet_thrift
from fastparquet.cencoding import ThriftObject

from arrowsmith.errors import SchemaMismatch
from arrowsmith.plugin.types import families

_REFUSED = frozenset(("nested", "tensor", "union", "interval", "negative scale"))
_WORDS = (pa.string(), pa.large_string(), pa.binary(), pa.large_binary())
# fastparquet writes the footer of a row group into a buffer of 1000 bytes a column.
_NAME_BYTES = 500
_CONVERTED = parquet_thrift.ConvertedType


@dataclass(frozen=True, slots=True)
class Leaf:
    """A column of the file.

    Attributes:
        field: the Arrow field as it is written.
        encoded: the physical type of which fastparquet encodes the values.
        physical: the one that they have in the file: floats are encoded as integers of their bits.
        width: bytes of a value of FIXED_LEN_BYTE_ARRAY, else 0.
        meaning: fields of the schema element that tell the logical type.
        ordered: numbers in the file are in the order of the values.
    """

    field: pa.Field
    encoded: str
    physical: str
    width: int = 0
    meaning: dict[str, Any] = field(default_factory=dict)
    ordered: bool = False

    def element(self, physical: str, **meaning: Any) -> ThriftObject:
        return parquet_thrift.SchemaElement(
            name=self.field.name,
            type=getattr(parquet_thrift.Type, physical),
            type_length=self.width or None,
            repetition_type=int(self.field.nullable),
            i32=True,
            **meaning,
        )


def written_schema(schema: pa.Schema, path: str) -> pa.Schema:
    """The columns as they are written, and come back.

    Raises:
        SchemaMismatch: a type is refused, or a name.
    """
    if not len(schema):
        raise SchemaMismatch(
            "there are no columns, and Parquet counts rows by its columns", path=path
        )
    for place, one in enumerate(schema):
        if not _REFUSED.isdisjoint(families(one.type)):
            raise SchemaMismatch(
                f"column '{one.name}' has the type {one.type}, which this format does not write",
                path=path,
                hint="write it with --to parquet, cast it, or leave it out",
            )
        if len(one.name.encode()) > _NAME_BYTES:
            raise SchemaMismatch(
                f"the name of column '{one.name[:40]}...' is longer than {_NAME_BYTES} bytes",
                path=path,
                hint="rename it",
            )
        if schema.names.count(one.name) > 1:
            raise SchemaMismatch(f"two columns are called '{one.name}'", path=path)
        schema = schema.set(place, one.with_type(_written(one.type)))
    return schema


def _written(kind: pa.DataType) -> pa.DataType:
    types = pa.types
    if types.is_run_end_encoded(kind):
        return _written(kind.value_type)
    if types.is_dictionary(kind):
        if kind.value_type not in _WORDS:
            return _written(kind.value_type)
        text = families(kind.value_type) & {"text"}
        return pa.dictionary(pa.int32(), pa.string() if text else pa.binary(), kind.ordered)
    if types.is_timestamp(kind) and kind.unit == "s":
        return pa.timestamp("ms", kind.tz)
    if kind == pa.time32("s"):
        return pa.time32("ms")
    if types.is_float16(kind):
        return pa.float32()
    return pa.date32() if types.is_date64(kind) else kind


def leaf(one: pa.Field) -> Leaf:
    """How a column of a written schema is laid out."""
    kind = one.type
    while isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_floating(kind):
        wide = kind.bit_width == 64
        return Leaf(one, "INT64" if wide else "INT32", "DOUBLE" if wide else "FLOAT")
    if pa.types.is_boolean(kind):
        return Leaf(one, "BOOLEAN", "BOOLEAN")
    names = families(kind)
    if names & {"text", "bytes"} and not pa.types.is_fixed_size_binary(kind):
        meaning = {"converted_type": _CONVERTED.UTF8} if "text" in names else {}
        return Leaf(one, "BYTE_ARRAY", "BYTE_ARRAY", meaning=meaning)
    if "decimal" in names:
        meaning = {"converted_type": _CONVERTED.DECIMAL}
        meaning |= {"scale": kind.scale, "precision": kind.precision}
        return _fixed(one, kind.bit_width // 8, meaning)
    if pa.types.is_fixed_size_binary(kind):
        return _fixed(one, kind.byte_width, {})
    if pa.types.is_null(kind):
        return Leaf(one, "INT32", "INT32", meaning=_logical(UNKNOWN={}))
    physical = "INT64" if kind.bit_width == 64 else "INT32"
    ordered = not pa.types.is_unsigned_integer(kind)
    return Leaf(one, physical, physical, meaning=_meaning(kind), ordered=ordered)


def _fixed(one: pa.Field, width: int, meaning: dict[str, Any]) -> Leaf:
    name = "FIXED_LEN_BYTE_ARRAY"
    return Leaf(one, name, name, width=width, meaning=meaning)


def _meaning(kind: pa.DataType) -> dict[str, Any]:
    """What the schema says of numbers and times; durations are known by the Arrow schema alone."""
    if pa.types.is_date(kind):
        return {"converted_type": _CONVERTED.DATE}
    if pa.types.is_integer(kind):
        signed = pa.types.is_signed_integer(kind)
        name = f"{'INT' if signed else 'UINT'}_{kind.bit_width}"
        return {"converted_type": getattr(_CONVERTED, name)}
    if pa.types.is_duration(kind):
        return {}
    name = "TIMESTAMP" if pa.types.is_timestamp(kind) else "TIME"
    unit = {"ms": "MILLIS", "us": "MICROS", "ns": "NANOS"}[kind.unit]
    zoned = pa.types.is_timestamp(kind) and kind.tz is not None
    meaning = _logical(
        **{
            name: ThriftObject.from_fields(
                f"{name.capitalize()}Type",
                isAdjustedToUTC=zoned,
                unit=ThriftObject.from_fields("TimeUnit", **{unit: {}}),
            )
        }
    )
    # The older annotation means UTC, so that it stands beside a zone alone.
    if zoned and unit != "NANOS":
        meaning["converted_type"] = getattr(_CONVERTED, f"{name}_{unit}")
    return meaning


def _logical(**kinds: Any) -> dict[str, Any]:
    return {"logicalType": ThriftObject.from_fields("LogicalType", **kinds)}


def as_series(column: pa.Array, one: Leaf) -> pd.Series:
    """The physical values of a column for fastparquet, nulls masked or None.

    Raises:
        pa.ArrowInvalid: a value does not fit the type that is written.
    """
    values = _stored(column, one.field.type)
    if pa.types.is_dictionary(values.type):
        if values.null_count < len(values):
            return _categories(values, one)
        values = pa.nulls(len(values), pa.binary())
    if one.encoded == "BYTE_ARRAY":
        return _objects(_bytes(values).to_numpy(zero_copy_only=False), one)
    nulls = values.is_null().to_numpy(zero_copy_only=False)
    if one.encoded == "FIXED_LEN_BYTE_ARRAY":
        return _objects(_cells(values, one.width, nulls), one)
    if one.encoded == "BOOLEAN":
        truths = values.fill_null(False).to_numpy(zero_copy_only=False)
        made = pd.arrays.BooleanArray(truths, nulls) if nulls.any() else truths
        return pd.Series(made, name=one.field.name)
    numbers = _bits(values, one.encoded)
    made = pd.arrays.IntegerArray(numbers, nulls) if nulls.any() else numbers
    return pd.Series(made, name=one.field.name)


def _stored(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """A column as the written type says, without its extension type."""
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.storage
    while isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_run_end_encoded(column.type):
        column = pc.run_end_decode(column)
    if not pa.types.is_dictionary(column.type):
        return column if column.type == kind else column.cast(kind)
    plain = _unviewed(column.dictionary).take(column.indices)
    if not pa.types.is_dictionary(kind):
        return _stored(plain, kind)
    plain = plain.cast(kind.value_type)
    words = plain.unique().drop_null()
    if kind.ordered:  # theirs is the order that counts; each once, and no null
        words = column.dictionary.cast(kind.value_type).unique().drop_null()
    return pa.DictionaryArray.from_arrays(pc.index_in(plain, value_set=words), words)


def _unviewed(values: pa.Array) -> pa.Array:
    """Views as plain texts and bytes, which more kernels take."""
    plain = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
    return next((values.cast(to) for view, to in plain.items() if values.type == view), values)


def _categories(values: pa.DictionaryArray, one: Leaf) -> pd.Series:
    words = _bytes(values.dictionary).to_numpy(zero_copy_only=False)
    codes = values.indices.fill_null(-1).to_numpy()
    labels = pd.Index(words, dtype=object)
    return pd.Series(pd.Categorical.from_codes(codes, labels), name=one.field.name)


def _bytes(values: pa.Array) -> pa.Array:
    if values.type == pa.large_string():
        return values.cast(pa.large_binary())
    return values if values.type == pa.large_binary() else values.cast(pa.binary())


def _objects(values: np.ndarray, one: Leaf) -> pd.Series:
    return pd.Series(values, dtype=object, name=one.field.name)


def _cells(values: pa.Array, width: int, nulls: np.ndarray) -> np.ndarray:
    """Values of a fixed number of bytes as objects; decimals with the highest byte first."""
    raw = np.frombuffer(values.buffers()[1], np.uint8)
    cells = raw[values.offset * width : (values.offset + len(values)) * width].reshape(-1, width)
    if pa.types.is_decimal(values.type):
        cells = np.ascontiguousarray(cells[:, ::-1])
    found = cells.view(f"S{width}").ravel().astype(object)
    found[nulls] = None
    return found


def _bits(values: pa.Array, encoded: str) -> np.ndarray:
    """Numbers of up to 32 bits as int32, of 64 bits as int64 of the same bits."""
    if pa.types.is_null(values.type):
        return np.zeros(len(values), np.int32)
    if values.type.bit_width < 32:
        values = values.cast(pa.int32())
    kind = np.int64 if encoded == "INT64" else np.int32
    return np.frombuffer(values.buffers()[1], kind)[values.offset : values.offset + len(values)]
