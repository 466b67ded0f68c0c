"""Runs Arrow's JSON parser over objects, one after another, all types given."""

from __future__ import annotations

import pyarrow as pa
from pyarrow import json

from arrowsmith.formats.json.convert import converted


def parse(text: memoryview | bytes, schema: pa.Schema, *, ignore: bool) -> pa.RecordBatch:
    """The fields of ``schema`` of each object in ``text``.

    Args:
        ignore: other fields are passed over, rather than being an error.

    Raises:
        pa.ArrowInvalid: the text is no JSON, or a value is not of its type.
    """
    if text[-1] != 10:
        text = bytes(text) + b"\n"  # else what follows the last line end is a block of its own
    table = json.read_json(
        pa.BufferReader(pa.py_buffer(text)),
        read_options=json.ReadOptions(use_threads=False, block_size=len(text) + 1),
        parse_options=json.ParseOptions(
            explicit_schema=schema, unexpected_field_behavior="ignore" if ignore else "error"
        ),
    )
    arrays = [
        column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
        for column in table.columns
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=table.schema)


def typed(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The parser's columns in the types of ``schema``.

    Raises:
        pa.ArrowInvalid: a value does not fit.
    """
    if batch.schema.equals(schema):
        return batch
    arrays = [
        converted(column, kind) for column, kind in zip(batch.columns, schema.types, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
