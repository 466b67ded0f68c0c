"""Scalars and arrays of a few Python values, without the detour that imports pandas."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import numpy as np
import pyarrow as pa


def text_scalar(text: str) -> pa.StringScalar:
    """A string scalar.

    Example:
        >>> text_scalar("a").as_py()
        'a'
    """
    return text_array([text])[0]


def int_scalar(value: int) -> pa.Int64Scalar:
    """An int64 scalar; ``OverflowError`` beyond 64 bits.

    Example:
        >>> int_scalar(-3).as_py()
        -3
    """
    data = value.to_bytes(8, "little", signed=True)
    return pa.Array.from_buffers(pa.int64(), 1, [None, pa.py_buffer(data)])[0]


def float_scalar(value: float) -> pa.DoubleScalar:
    """A float64 scalar.

    Example:
        >>> float_scalar(0.5).as_py()
        0.5
    """
    data = struct.pack("<d", value)
    return pa.Array.from_buffers(pa.float64(), 1, [None, pa.py_buffer(data)])[0]


def bool_scalar(value: bool) -> pa.BooleanScalar:
    """A boolean scalar.

    Example:
        >>> bool_scalar(True).as_py()
        True
    """
    return pa.Array.from_buffers(pa.bool_(), 1, [None, pa.py_buffer(bytes([value]))])[0]


def text_array(texts: Iterable[str]) -> pa.StringArray:
    """An array of strings.

    Raises:
        UnicodeEncodeError: a text has half a surrogate pair, which UTF-8 cannot write.

    Example:
        >>> text_array(["a", "", "bc"]).to_pylist()
        ['a', '', 'bc']
    """
    parts = [text.encode() for text in texts]
    ends = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=ends[1:])
    if ends[-1] >= 1 << 31:
        raise OverflowError("texts of more than 2 GB")
    buffers = [None, pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(b"".join(parts))]
    return pa.Array.from_buffers(pa.string(), len(parts), buffers)


def int_array(values: Iterable[int], kind: pa.DataType | None = None) -> pa.Array:
    """An array of int64, or of uint64; ``OverflowError`` for what such do not hold.

    Example:
        >>> int_array([1, -2]).to_pylist()
        [1, -2]
    """
    kind = kind or pa.int64()
    data = np.array(list(values), np.uint64 if pa.types.is_uint64(kind) else np.int64)
    return pa.Array.from_buffers(kind, len(data), [None, pa.py_buffer(data)])
