"""``fill_null``: put values in the place of nulls."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from decimal import Decimal

import pyarrow as pa

from arrowsmith.errors import OptionError, SchemaMismatch
from arrowsmith.kernels.plain import unwrapped_type
from arrowsmith.kernels.scalars import text_scalar
from arrowsmith.plugin import RunContext, check_columns
from arrowsmith.transforms.columns import ReplaceColumns, Replacement
from arrowsmith.transforms.options import FillNullOptions

_PLAIN = (str, bool, int, float, Decimal, datetime.date, datetime.time)


class FillNull:
    """Puts a value of the column's type in the place of each null; NaN stays NaN."""

    def __init__(self, options: FillNullOptions, ctx: RunContext) -> None:
        self._values = options.values

    def bind(self, schema: pa.Schema) -> ReplaceColumns:
        check_columns(schema, self._values, fits=_can_fill, wanted="something that can be filled")
        replaced = {}
        for name, value in self._values.items():
            field = schema.field(name)
            replaced[name] = _filled(field, _scalar(name, value, unwrapped_type(field.type)))
        return ReplaceColumns(schema, replaced)


def _can_fill(kind: pa.DataType) -> bool:
    try:
        pa.nulls(0, pa.string()).cast(kind)
    except pa.ArrowException:
        return False
    return not pa.types.is_dictionary(kind)


def _scalar(name: str, value: object, kind: pa.DataType) -> pa.Scalar:
    if isinstance(value, pa.Scalar):
        value = value.as_py()
    if not isinstance(value, _PLAIN):
        raise OptionError(f"column '{name}' cannot be filled with {type(value).__name__}")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    try:
        return text_scalar(text).cast(kind)
    except pa.ArrowException:
        raise SchemaMismatch(
            f"column '{name}' of type {kind} cannot be filled with {text!r}",
            hint="cast the column first",
        ) from None


def _filled(field: pa.Field, scalar: pa.Scalar) -> Replacement:
    def make(array: pa.Array) -> Sequence[pa.Array]:
        if not array.null_count:
            return (array,)
        # through the scalar's type, since the kernel takes no views
        return (array.cast(scalar.type).fill_null(scalar).cast(field.type),)

    return Replacement((field,), make)
