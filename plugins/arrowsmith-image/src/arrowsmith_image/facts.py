"""What is known of a picture beside it, as one JSON object a row."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from arrowsmith.errors import SchemaMismatch
from arrowsmith.kernels.jsontext import (
    Encoder,
    JsonRules,
    encoder,
    escaped,
    json_text,
    large_text,
    objects,
)
from arrowsmith.kernels.valuetext import base64, decimals, floats, temporal


def json_objects(schema: pa.Schema) -> Callable[[pa.RecordBatch], list[str]]:
    """A function from batches of these columns, of which there is at least one, to their texts.

    Numbers are bare, NaN and infinities among them as Python's ``json`` has them, times are ISO
    8601, durations numbers of their unit, binary is base64, maps are objects or lists of key and
    value.

    Raises:
        SchemaMismatch: a type that JSON cannot hold.
    """
    encoders = [encoder(field, JsonRules(_leaf, distinct=True)) for field in schema]

    def render(batch: pa.RecordBatch) -> list[str]:
        texts: list[str] = objects(schema.names, encoders, batch.columns).to_pylist()
        return texts

    return render


def _leaf(field: pa.Field) -> Encoder:
    kind, types = field.type, pa.types
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return Encoder(lambda column: escaped(large_text(column)), quoted=True)
    if types.is_floating(kind):
        return Encoder(json_text(field, lambda _: floats))
    if types.is_decimal(kind):
        return Encoder(lambda column: large_text(decimals(column)))
    if types.is_timestamp(kind) or types.is_date(kind) or types.is_time(kind):
        write = temporal(field, "T")
        return Encoder(lambda column: large_text(write(column)), quoted=True)
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind):
        return Encoder(base64, quoted=True)
    if types.is_fixed_size_binary(kind):
        return Encoder(lambda column: base64(column.cast(pa.binary())), quoted=True)
    if (
        types.is_integer(kind)
        or types.is_boolean(kind)
        or types.is_null(kind)
        or types.is_duration(kind)
    ):
        return Encoder(large_text)
    raise SchemaMismatch(
        f"column {field.name!r} is of type {kind}, which JSON cannot hold",
        hint="leave it out, or write another format",
    )
