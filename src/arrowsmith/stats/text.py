"""Bounds and lengths of texts, binaries and lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from arrowsmith.kernels.arrays import int64_array, numpy_view
from arrowsmith.kernels.spans import Spans

Lengths = tuple[int, int, int]
"""The shortest, the longest and the sum of all."""


def extremes(values: pa.Array, spans: Spans) -> tuple[pa.Scalar, pa.Scalar]:
    """The smallest and the largest in the order of bytes: their first words rule out most."""
    low = pc.min_max(values.take(int64_array(spans.smallest)))["min"]
    high = pc.min_max(values.take(int64_array(spans.largest)))["max"]
    return low, high


def lengths(values: pa.Array) -> Lengths:
    """In characters of strings, in bytes of binaries."""
    types = pa.types
    string = types.is_string(values.type) or types.is_large_string(values.type)
    counted = string and not _is_ascii(values)
    return _bounds(pc.utf8_length(values) if counted else pc.binary_length(values))


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


def _is_ascii(values: pa.Array) -> bool:
    data = values.buffers()[2]
    return data is None or not np.frombuffer(data, np.int8).min(initial=0) < 0
