"""Columns as features: the values of each row as they stand in a list of its kind.

What every kind of column becomes is settled once, from its type (:func:`feature_of`); each batch is
then laid out as a :class:`Part`: how many bytes each row's values take, and how to write them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from arrowsmith.errors import DataError, SchemaMismatch
from arrowsmith.kernels.arrays import numpy_view
from arrowsmith.kernels.spans import Spans
from arrowsmith_tfrecord.kinds import BYTES, FLOAT, INT
from arrowsmith_tfrecord.wire import Flags, Ints, copy_ragged, offsets_of

_I64 = np.iinfo(np.int64)


@dataclass(frozen=True, slots=True)
class Feature:
    """A column as it is written.

    Attributes:
        name: of the column.
        kind: ``BYTES``, ``FLOAT`` or ``INT``; None for a column of nulls.
        lists: each row has any number of values.
        width: of fixed-size lists and tensors, how many values; else 1.
    """

    name: str
    kind: int | None
    lists: bool
    width: int


@dataclass(frozen=True, slots=True)
class Part:
    """The values of a batch.

    Attributes:
        present: which rows have the feature.
        sizes: bytes that the content of each row's list takes.
        write: writes the contents of all rows to places in a buffer.
    """

    present: Flags
    sizes: Ints
    write: Callable[[NDArray[np.uint8], Ints], None]


def feature_of(field: pa.Field, *, times: bool) -> Feature:
    """How a column is written.

    Args:
        times: times are written as numbers.

    Raises:
        SchemaMismatch: an Example has nothing for that type.
    """
    kind, lists, width = field.type, False, 1
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_fixed_size_list(kind):
        width, kind = kind.list_size, kind.value_type
        lists = width == 0
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        lists, kind = True, kind.value_type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_null(kind):
        return Feature(field.name, None, lists, width)
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return Feature(field.name, INT, lists, width)
    if pa.types.is_floating(kind):
        return Feature(field.name, FLOAT, lists, width)
    if _is_bytes(kind):
        return Feature(field.name, BYTES, lists, width)
    if pa.types.is_temporal(kind) and not pa.types.is_interval(kind):
        if times:
            return Feature(field.name, INT, lists, width)
        hint = "-w times=int64 writes numbers in their unit, or cast the column"
    else:
        hint = "cast the column, or leave it out"
    raise SchemaMismatch(
        f"an Example has no feature for column '{field.name}' of type {field.type}", hint=hint
    )


def _is_bytes(kind: pa.DataType) -> bool:
    types = pa.types
    return any(
        test(kind)
        for test in (
            types.is_string, types.is_large_string, types.is_string_view,
            types.is_binary, types.is_large_binary, types.is_binary_view,
            types.is_fixed_size_binary,
        )
    ) and not types.is_decimal(kind)  # fmt: skip


def part_of(feature: Feature, column: pa.Array, warn: Callable[[str], None]) -> Part:
    """The values of a batch of a column.

    Raises:
        DataError: a null within a list, or an integer beyond 64 bits with a sign.
    """
    rows = len(column)
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if _is_view(column.type):  # which have few kernels
        column = column.cast(pa.large_binary())
    if pa.types.is_dictionary(column.type):  # a null may stand among the values
        column = _looked_up(column)
    present = _present(column)
    if feature.kind is None:
        return _empty(rows, present, feature)
    counts = np.full(rows, feature.width, np.int64)
    values = column
    if feature.lists or isinstance(column, pa.FixedSizeListArray):
        values = column.flatten()  # without those of null lists
        if feature.lists and feature.width:
            counts = numpy_view(pc.list_value_length(column)).astype(np.int64)
    elif column.null_count:
        values = column.drop_null()
    if pa.types.is_dictionary(values.type):
        values = _looked_up(values)
    if values.null_count:
        raise DataError(
            f"column '{feature.name}' has a null within a list, which no Example has",
            hint="fill it, or leave the column out",
        )
    counts = np.where(present, counts, 0)
    if feature.kind == FLOAT:
        return _floats(present, counts, values, feature, warn)
    if feature.kind == INT:
        return _integers(present, counts, values, feature)
    return _bytes(present, counts, values)


def _looked_up(column: pa.DictionaryArray) -> pa.Array:
    """The values of a dictionary array."""
    if _is_view(column.type.value_type):
        words = column.dictionary.cast(pa.large_binary())
        column = pa.DictionaryArray.from_arrays(column.indices, words)
    return column.dictionary_decode()


def _is_view(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string_view(kind) or pa.types.is_binary_view(kind))


def _empty(rows: int, present: Flags, feature: Feature) -> Part:
    if present.any():
        raise DataError(f"column '{feature.name}' has lists of nulls, which no Example has")
    return Part(np.zeros(rows, np.bool_), np.zeros(rows, np.int64), lambda out, places: None)


def _present(column: pa.Array) -> Flags:
    if pa.types.is_null(column.type):
        return np.zeros(len(column), np.bool_)
    if not column.null_count:
        return np.ones(len(column), np.bool_)
    buffer = column.buffers()[0]
    bits = np.unpackbits(np.frombuffer(buffer, np.uint8), bitorder="little")
    return bits[column.offset : column.offset + len(column)].astype(np.bool_)


def _sized(counts: Ints, payload: Ints) -> Ints:
    """Bytes of packed lists: a tag, the payload's size, the payload; none of an empty list."""
    return np.where(counts > 0, 1 + varint_sizes(payload) + payload, 0)


def _packed(
    counts: Ints, payload: Ints, write: Callable[[NDArray[np.uint8], Ints], None]
) -> Callable[[NDArray[np.uint8], Ints], None]:
    full = np.flatnonzero(counts)

    def whole(out: NDArray[np.uint8], places: Ints) -> None:
        at = places[full]
        out[at] = 0x0A
        write(out, write_varints(out, at + 1, payload[full]))

    return whole


def _floats(
    present: Flags, counts: Ints, values: pa.Array, feature: Feature, warn: Callable[[str], None]
) -> Part:
    numbers = numpy_view(values)
    single = np.ascontiguousarray(numbers, "<f4") if numbers.dtype != np.float64 else _single(
        numbers, feature, warn
    )  # fmt: skip
    payload = counts * 4
    some = counts[counts > 0]

    def write(out: NDArray[np.uint8], places: Ints) -> None:
        copy_ragged(single, offsets_of(some * 4)[:-1], out, places, some * 4)

    return Part(present, _sized(counts, payload), _packed(counts, payload, write))


def _single(
    numbers: NDArray[np.float64], feature: Feature, warn: Callable[[str], None]
) -> NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        single = numbers.astype("<f4")
    if not np.array_equal(single, numbers, equal_nan=True):
        warn(f"column '{feature.name}': float64 is rounded to float32, which is what Examples have")
    return single


def _integers(present: Flags, counts: Ints, values: pa.Array, feature: Feature) -> Part:
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.uint8())
    numbers = numpy_view(values)
    if numbers.dtype == np.uint64 and len(numbers) and int(numbers.max()) > _I64.max:
        raise DataError(
            f"column '{feature.name}' has {int(numbers.max())}, beyond int64",
            hint="cast the column to text",
        )
    words = numbers.astype(np.int64).view(np.uint64)
    sizes = varint_sizes(words)
    ends = offsets_of(sizes)
    bounds = offsets_of(counts)
    payload = np.diff(ends[bounds])
    text = np.empty(int(ends[-1]), np.uint8)
    write_varints(text, ends[:-1], words, sizes)
    full = payload[counts > 0]

    def write(out: NDArray[np.uint8], places: Ints) -> None:
        copy_ragged(text, offsets_of(full)[:-1], out, places, full)

    return Part(present, _sized(counts, payload), _packed(counts, payload, write))


def _bytes(present: Flags, counts: Ints, values: pa.Array) -> Part:
    if _is_view(values.type):
        values = values.cast(pa.large_binary())
    spans = Spans(values)
    lengths = spans.lengths
    sizes = 1 + varint_sizes(lengths) + lengths
    ends = offsets_of(sizes)
    bounds = offsets_of(counts)
    whole = np.diff(ends[bounds])

    def write(out: NDArray[np.uint8], places: Ints) -> None:
        # where each value goes: behind those of its row that come before it
        owner = np.repeat(np.arange(len(counts)), counts)
        at = places[owner] + ends[:-1] - ends[bounds[owner]]
        out[at] = 0x0A
        copy_ragged(spans.data, spans.starts, out, write_varints(out, at + 1, lengths), lengths)

    return Part(present, whole, write)


# --- varints -------------------------------------------------------------------------------------


def varint_sizes(values: NDArray[Any]) -> Ints:
    """How many bytes these numbers take, none of them negative.

    Example:
        >>> varint_sizes(np.array([0, 127, 128, 1 << 35])).tolist()
        [1, 1, 2, 6]
    """
    words = values.astype(np.uint64)
    sizes = np.ones(len(words), np.int64)
    most = int(words.max(initial=0))
    for bits in range(7, 64, 7):
        if most >> bits == 0:
            break
        sizes += words >= np.uint64(1 << bits)
    return sizes


def write_varints(
    out: NDArray[np.uint8], places: Ints, values: NDArray[Any], sizes: Ints | None = None
) -> Ints:
    """Write numbers to places; where each ends."""
    if sizes is None:
        sizes = varint_sizes(values)
    words = values.astype(np.uint64)
    longest = int(sizes.max(initial=0))
    for number in range(longest):
        if number:
            more = np.flatnonzero(sizes > number)
            at, byte, size = places[more] + number, words[more], sizes[more]
        else:
            at, byte, size = places, words, sizes
        byte = (byte >> np.uint64(7 * number)).astype(np.uint8) & np.uint8(0x7F)
        out[at] = byte | ((size > number + 1).astype(np.uint8) << np.uint8(7))
    return places + sizes
