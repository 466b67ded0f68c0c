"""What the transforms of pictures share: their column, and what becomes of bad pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from arrowsmith.errors import BudgetExceeded, SchemaMismatch
from arrowsmith.plugin import Reject, RunContext, check_columns
from arrowsmith_image.pillow import BadPictureError
from arrowsmith_image.room import NoRoomError

_RAW = 4096


def is_encoded(kind: pa.DataType) -> bool:
    """Whether a column of that type may hold encoded pictures."""
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def check_encoded(schema: pa.Schema, name: str) -> None:
    """Raise ``SchemaMismatch`` unless there is such a column."""
    check_columns(schema, [name], fits=is_encoded, wanted="encoded pictures (binary)")


def replaced(schema: pa.Schema, name: str, new: pa.Field, *, keep: bool) -> pa.Schema:
    """The schema with a column in the place of another, or behind it.

    Raises:
        SchemaMismatch: another column has the new name.
    """
    place = schema.get_field_index(name)
    fields = list(schema)
    fields[place : place + 1] = [schema.field(place), new] if keep else [new]
    if len({field.name for field in fields}) < len(fields):
        raise SchemaMismatch(
            f"two columns would be named '{new.name}'", hint="give the new one another name: to="
        )
    return pa.schema(fields, metadata=schema.metadata)


def flags(values: Sequence[bool] | NDArray[np.bool_]) -> pa.BooleanArray:
    """Booleans as Arrow has them.

    Example:
        >>> flags([True, False]).to_pylist()
        [True, False]
    """
    bits = pa.py_buffer(np.packbits(np.asarray(values, bool), bitorder="little"))
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, bits])


class Bad:
    """Hands bad pictures of a batch over, and knows which rows are left."""

    def __init__(self, batch: pa.RecordBatch, column: str, ctx: RunContext) -> None:
        self._batch = batch
        self._column = column
        self._ctx = ctx
        self.good = np.ones(batch.num_rows, bool)

    def add(self, row: int, data: bytes, error: BadPictureError) -> None:
        """A row whose picture cannot be read; raises under ``on_error="raise"``.

        Raises:
            BudgetExceeded: it is none of a bad record, but memory has no room for it.
        """
        path = None
        if "path" in self._batch.schema.names:
            path = self._batch.column("path")[row].as_py()
        if isinstance(error, NoRoomError):
            enough = f"{-(-error.needed >> 20)}MB"
            raise BudgetExceeded(
                f"the picture {error}",
                needed=error.needed,
                path=path or f"a picture of column '{self._column}'",
                hint=f"give it more: --memory {enough} or budget=MemoryBudget('{enough}'), or have"
                " it left out: max_pixels",
            ) from None
        self.good[row] = False
        self._ctx.reject(
            Reject(
                source=path or f"a picture of column '{self._column}'",
                record=None,
                line=None,
                offset=None,
                column=self._column,
                reason=f"the picture {error}",
                raw=data[:_RAW],
            )
        )

    def kept(self, array: pa.Array) -> pa.Array:
        """The rows that are left."""
        if self.good.all():
            return array
        return array.filter(flags(self.good))
