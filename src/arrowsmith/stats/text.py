"""Bounds and lengths of texts, binaries and lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from arrowsmith.kernels.arrays import int64_array, numpy_view
from arrowsmith.kernels.scratch import Scratch
from arrowsmith.kernels.spans import WORD, Spans, Words

Lengths = tuple[int, int, int]
"""The shortest, the longest and the sum of all."""
_LENGTH = np.uint64(56)  # the bit from which on a packed text has its length


def extremes(values: pa.Array, spans: Spans) -> tuple[pa.Scalar, pa.Scalar]:
    """The smallest and the largest in the order of bytes: their first words rule out most."""
    smallest, largest = spans.bounds()
    low = pc.min_max(values.take(int64_array(smallest)))["min"]
    high = pc.min_max(values.take(int64_array(largest)))["max"]
    return low, high


def lengths(values: pa.Array, spans: Spans) -> Lengths:
    """In characters of strings, in bytes of binaries."""
    types = pa.types
    string = types.is_string(values.type) or types.is_large_string(values.type)
    if string and not spans.is_ascii:
        return _bounds(pc.utf8_length(values))
    return spans.shortest, spans.longest, spans.total


def packed(spans: Spans, scratch: Scratch) -> Words | None:
    """Texts of up to seven bytes as a number each, bytes and length; None where some are longer."""
    if spans.longest >= WORD:
        return None
    numbers: Words = scratch.array("packed", len(spans.lengths), np.uint64)
    np.left_shift(spans.lengths.view(np.uint64), _LENGTH, out=numbers)
    numbers |= spans.first
    return numbers


def unpacked(kind: pa.DataType, numbers: Words) -> pa.Array:
    """The texts that ``packed`` made numbers of.

    Example:
        >>> unpacked(pa.string(), packed(Spans(pa.array(["ab", "", "c"])), Scratch())).to_pylist()
        ['ab', '', 'c']
    """
    lengths = (numbers >> _LENGTH).astype(np.int64)
    large = pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64 if large else np.int32)
    inside = np.arange(WORD) < lengths[:, np.newaxis]
    data = numbers.astype("<u8").view(np.uint8).reshape(-1, WORD)[inside]
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(ends), pa.py_buffer(data)])


def is_list(kind: pa.DataType) -> bool:
    """Whether ``list_lengths`` takes it."""
    types = pa.types
    plain = types.is_list(kind) or types.is_large_list(kind) or types.is_map(kind)
    return bool(plain or types.is_list_view(kind) or types.is_large_list_view(kind))


def list_lengths(values: pa.Array) -> Lengths:
    """In elements; nulls are passed over, and one list at least is there."""
    kind = values.type
    if pa.types.is_map(kind):
        values = values.cast(pa.list_(pa.struct([kind.key_field, kind.item_field])))
    return _bounds(pc.list_value_length(values).drop_null())


def _bounds(found: pa.Array) -> Lengths:
    numbers: NDArray[Any] = numpy_view(found)
    return int(numbers.min()), int(numbers.max()), int(numbers.sum(dtype=np.int64))
