"""The JSON of flat values, one rule a type, and the names that an object can hold."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.errors import DataError, SchemaMismatch
from arrowsmith.formats.json.write_options import JsonWriteOptions
from arrowsmith.kernels.jsontext import Encoder, JsonRules, escaped, large_text
from arrowsmith.kernels.scalars import text_scalar
from arrowsmith.kernels.valuetext import (
    NULL,
    Render,
    base64,
    decimals,
    floats,
    temporal,
)

_NAMES = {
    text_scalar(test).cast(pa.large_string()): text_scalar(f'"{name}"').cast(pa.large_string())
    for test, name in (("nan", "NaN"), ("inf", "Infinity"), ("-inf", "-Infinity"))
}


def rules(options: JsonWriteOptions, warn: Callable[[str], None]) -> JsonRules:
    """The rules of a sink with these options; ``warn`` is told of values that become null."""
    return JsonRules(
        leaf=lambda field: _leaf(field, options, warn),
        maps=options.maps == "object",
        distinct=True,
        omit_nulls=options.nulls == "omit",
    )


def check_schema(schema: pa.Schema) -> None:
    """Refuse names that are twice in one object.

    Raises:
        SchemaMismatch: it names the column.
    """
    _check_names("the schema", schema.names)
    for field in schema:
        _check_type(f"column {field.name!r}", field.type)


def _check_type(owner: str, kind: pa.DataType) -> None:
    if isinstance(kind, pa.BaseExtensionType):
        _check_type(owner, kind.storage_type)
    elif pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        _check_type(owner, kind.value_type)
    elif pa.types.is_nested(kind):
        inner = [kind.field(place) for place in range(kind.num_fields)]
        if pa.types.is_struct(kind):
            _check_names(owner, [field.name for field in inner])
        for field in inner:
            _check_type(owner, field.type)


def _check_names(owner: str, names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise SchemaMismatch(
                f"{owner} has the name {name!r} twice, and a JSON object cannot",
                hint="rename one of them",
            )
        seen.add(name)


# --- flat values ---------------------------------------------------------------------------------


def _leaf(field: pa.Field, options: JsonWriteOptions, warn: Callable[[str], None]) -> Encoder:
    kind = field.type
    types = pa.types
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return Encoder(lambda column: escaped(large_text(column)), quoted=True)
    if types.is_floating(kind):
        return Encoder(_numbers(field, options.non_finite, warn))
    if types.is_decimal(kind):
        return Encoder(lambda column: large_text(decimals(column)))
    if types.is_timestamp(kind) or types.is_date(kind) or types.is_time(kind):
        write = temporal(field, "T" if options.timestamp_separator == "T" else " ")
        return Encoder(lambda column: large_text(write(column)), quoted=True)
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind):
        return Encoder(base64, quoted=True)
    if types.is_fixed_size_binary(kind):
        return Encoder(lambda column: base64(column.cast(pa.binary())), quoted=True)
    plain = (types.is_integer, types.is_boolean, types.is_null, types.is_duration)
    if any(test(kind) for test in plain):
        return Encoder(large_text)
    raise SchemaMismatch(
        f"column {field.name!r} is of type {kind}, which JSON cannot hold",
        hint="leave it out with columns, or write to arrow",
    )


def _numbers(field: pa.Field, non_finite: str, warn: Callable[[str], None]) -> Render:
    """Floats as numbers, and what is asked for where there is none."""

    def render(column: pa.Array) -> pa.Array:
        finite = pc.is_finite(column)
        text = large_text(floats(column))
        if pc.all(finite).as_py() is not False:
            return text
        if non_finite == "string":
            for name, shown in _NAMES.items():
                text = pc.if_else(pc.equal(text, name), shown, text)
            return text
        if non_finite == "error":
            raise DataError(
                f"column {field.name!r} has NaN or an infinity, for which JSON has no number",
                hint="write it as a string or null with non_finite",
            )
        warn(
            f"column {field.name!r} has NaN or an infinity, written as null; "
            "non_finite=string or error keeps that from happening"
        )
        return pc.if_else(finite, text, NULL)

    return render
