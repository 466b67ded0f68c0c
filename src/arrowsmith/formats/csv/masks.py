"""Arrow booleans to NumPy and back, over the bits themselves."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Mask = npt.NDArray[np.bool_]


def bits(buffer: pa.Buffer, offset: int, length: int) -> Mask:
    """``length`` booleans from a bitmap."""
    packed = np.frombuffer(buffer, np.uint8)[offset // 8 : (offset + length + 7) // 8]
    unpacked = np.unpackbits(packed, bitorder="little")
    return unpacked[offset % 8 : offset % 8 + length].view(np.bool_)


def valid(array: pa.Array) -> Mask:
    """Which values are not null."""
    buffer = array.buffers()[0]
    if buffer is None or not array.null_count:
        return np.ones(len(array), np.bool_)
    return bits(buffer, array.offset, len(array))


def true(array: pa.BooleanArray) -> Mask:
    """Which values are true; null is not."""
    if not len(array):
        return np.zeros(0, np.bool_)
    return bits(array.buffers()[1], array.offset, len(array)) & valid(array)


def boolean(mask: Mask) -> pa.BooleanArray:
    """The mask as an Arrow array."""
    packed = np.packbits(mask, bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(mask), [None, pa.py_buffer(packed)])


def matches(text: pa.StringArray, pattern: str) -> Mask:
    """Which values match the RE2 pattern; null does not."""
    return true(pc.match_substring_regex(text, pattern))


def blanked(array: pa.Array, mask: Mask) -> pa.Array:
    """The array with null where ``mask`` is true."""
    if not mask.any():
        return array
    return pc.if_else(boolean(mask), pa.nulls(len(array), array.type), array)


def doubles(array: pa.DoubleArray) -> npt.NDArray[np.float64]:
    """The values in place; what stands for null is anything."""
    values = np.frombuffer(array.buffers()[1], np.float64)
    return values[array.offset : array.offset + len(array)]
