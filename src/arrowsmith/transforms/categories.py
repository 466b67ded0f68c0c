"""The distinct values of columns and how often they come: what encoders of categories learn.

Values are kept as texts or whole numbers: a date as its days, a boolean as 0 or 1. So they sort as
NumPy sorts them, and stand in JSON as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from arrowsmith.errors import DataError, SchemaMismatch
from arrowsmith.kernels.arrays import int64_array, numpy_view
from arrowsmith.kernels.plain import unwrapped
from arrowsmith.kernels.scalars import int_array, int_scalar, text_array
from arrowsmith.plugin import RunContext, check_columns

_PENDING = 1 << 16  # values that wait to be merged, at least
_MOST_BYTES = 256 << 20
Counted = tuple[pa.Array, NDArray[np.int64]]


def check_categories(schema: pa.Schema, names: Sequence[str]) -> None:
    """Raise ``SchemaMismatch`` unless the columns hold what can be categories."""
    check_columns(
        schema,
        names,
        fits=_is_category,
        wanted="text, integers, booleans, dates or times",
        hint="cast it to string first",
    )


def _is_category(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_category(kind.value_type)
    types = pa.types
    return any(
        test(kind)
        for test in (
            types.is_string,
            types.is_large_string,
            types.is_string_view,
            types.is_integer,
            types.is_boolean,
            types.is_date,
            types.is_time,
            types.is_timestamp,
        )
    )


def value_type(kind: pa.DataType) -> pa.DataType:
    """The type of the values, without dictionaries and large or view layouts."""
    if pa.types.is_dictionary(kind):
        return value_type(kind.value_type)
    large = pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return pa.string() if large else kind


def code_type(kind: pa.DataType) -> pa.DataType:
    """The type in which values of a column are kept: string, int64 or uint64."""
    kind = value_type(kind)
    return kind if pa.types.is_string(kind) or pa.types.is_uint64(kind) else pa.int64()


def to_codes(array: pa.Array) -> pa.Array:
    """Values as texts or whole numbers, null where a dictionary's value is."""
    array = unwrapped(array)
    kind = array.type
    if kind.equals(pa.date32()) or pa.types.is_time32(kind):
        array = array.cast(pa.int32())
    return array.cast(code_type(kind))


def from_codes(codes: pa.Array, kind: pa.DataType) -> pa.Array:
    """What ``to_codes`` was given, without dictionaries and large or view layouts.

    Raises:
        SchemaMismatch: a number is beyond what the type holds.
    """
    kind = value_type(kind)
    try:
        if kind.equals(pa.date32()) or pa.types.is_time32(kind):
            codes = codes.cast(pa.int32())
        return codes.cast(kind)
    except pa.ArrowException as error:
        raise SchemaMismatch(f"the categories learned are no values of {kind}: {error}") from None


class CategoryFitter:
    """Counts the distinct values of columns, in the order in which they first come.

    Args:
        schema: of the rows.
        names: the columns; checked already.
        limit: more distinct values of a column are an error.
        option: what raises the limit, for the message; None where nothing does.
        ctx: its memory limit bounds the bytes of the values.
    """

    def __init__(
        self,
        schema: pa.Schema,
        names: Sequence[str],
        *,
        limit: int,
        option: str | None,
        ctx: RunContext,
    ) -> None:
        self.columns = frozenset(names)
        self._names = list(names)
        self._limit = limit
        self._option = option
        self._most_bytes = min(_MOST_BYTES, max(ctx.memory_limit // 8, 1 << 20))
        none = np.empty(0, np.int64)
        self._known: dict[str, Counted] = {
            name: (pa.nulls(0, code_type(schema.field(name).type)), none) for name in names
        }
        self._pending: dict[str, list[Counted]] = {name: [] for name in names}

    def partial(self, rows: pa.RecordBatch) -> list[Counted]:
        return [_counted(to_codes(rows.column(name)).drop_null()) for name in self._names]

    def merge(self, partial: list[Counted]) -> None:
        for name, counted in zip(self._names, partial, strict=True):
            pending = self._pending[name]
            pending.append(counted)
            waiting = sum(len(values) for values, _ in pending)
            heavy = sum(values.nbytes for values, _ in pending) > self._most_bytes // 4
            if heavy or waiting > max(_PENDING, len(self._known[name][0])):
                self._settle(name)

    def state(self) -> Mapping[str, Any]:
        for name in self._names:
            self._settle(name)
        return {
            "columns": {
                name: {"values": values.to_pylist(), "counts": counts.tolist()}
                for name, (values, counts) in self._known.items()
            }
        }

    def _settle(self, name: str) -> None:
        parts = [self._known[name], *self._pending[name]]
        self._pending[name] = []
        encoded = pa.concat_arrays([values for values, _ in parts]).dictionary_encode()
        counts = np.zeros(len(encoded.dictionary), np.int64)
        np.add.at(counts, numpy_view(encoded.indices), np.concatenate([n for _, n in parts]))
        self._known[name] = encoded.dictionary, counts
        if len(counts) > self._limit:
            raise self._too_many(name, f"{self._limit:,} distinct values", self._option)
        if encoded.dictionary.nbytes > self._most_bytes:
            size = f"{self._most_bytes >> 20} MB of distinct values"
            raise self._too_many(name, size, "--memory or budget=")

    def _too_many(self, name: str, what: str, way: str | None) -> DataError:
        raise_it = f"raise {way}, or " if way is not None else ""
        return DataError(
            f"column '{name}' has more than {what}",
            hint=f"{raise_it}leave the column out: it may be no set of categories",
        )


def _counted(codes: pa.Array) -> Counted:
    found = codes.value_counts()
    return found.field(0), np.array(numpy_view(found.field(1)), np.int64)


# --- what was learned ----------------------------------------------------------------------------


def learned_values(state: Mapping[str, Any], name: str, kind: pa.DataType) -> Counted:
    """The values of a column and how often each came, from a state that may come from a file.

    Raises:
        SchemaMismatch: it is not what ``CategoryFitter`` gives for a column of this type.
    """
    wrong = SchemaMismatch(f"what was learned of column '{name}' of type {kind} is not usable")
    try:
        column = state["columns"][name]
        values, counts = column["values"], column["counts"]
        wanted = str if pa.types.is_string(code_type(kind)) else int
        if any(type(value) is not wanted for value in values):
            raise wrong
        if any(type(count) is not int or count < 0 for count in counts):
            raise wrong
        if len(counts) != len(values) or len(set(values)) != len(values):
            raise wrong
        array = text_array(values) if wanted is str else int_array(values, code_type(kind))
        return array, np.array(counts, np.int64)
    except (KeyError, TypeError, OverflowError, UnicodeEncodeError):
        raise wrong from None


def sorted_values(counted: Counted) -> Counted:
    """Values in the order of scikit-learn: numbers by size, texts by code points."""
    values, counts = counted
    order = pc.array_sort_indices(values)
    return values.take(order), counts[numpy_view(order).astype(np.int64)]


def indices_of(
    array: pa.Array, values: pa.Array, name: str, *, unknown: int | None, null: int | None = None
) -> pa.Array:
    """The place of each value among ``values``, int32.

    Args:
        array: the column.
        values: as codes, each once.
        name: of the column.
        unknown: what stands for a value that is not among them; with None that is an error.
        null: what stands for null; None for null.

    Raises:
        DataError: a value is unknown, and nothing stands for such.
    """
    codes = to_codes(array)
    found = pc.index_in(codes, value_set=values)
    if found.null_count > codes.null_count:
        strange = pc.and_(codes.is_valid(), found.is_null())
        if unknown is None:
            raise _unknown(codes, strange, array.type, name)
        found = pc.if_else(strange, int_scalar(unknown).cast(pa.int32()), found)
    if null is not None and found.null_count:
        found = found.fill_null(int_scalar(null).cast(pa.int32()))
    return found


def _unknown(codes: pa.Array, strange: pa.BooleanArray, kind: pa.DataType, name: str) -> DataError:
    place = int64_array(np.flatnonzero(numpy_view(strange.cast(pa.uint8())))[:1])
    value = str(from_codes(codes.take(place), kind)[0].as_py())
    return DataError(
        f"column '{name}' has the value {value[:80]!r}, which was not there in the fit",
        hint="fit again, or say what becomes of unknown values with unknown=",
    )
