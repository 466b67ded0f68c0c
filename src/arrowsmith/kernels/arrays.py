"""Arrow arrays over NumPy ones, without the detour that imports pandas where it is installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def int64_array(values: NDArray[np.integer[Any]]) -> pa.Int64Array:
    """An Arrow array of integers; a view where they are 64 bits wide.

    Example:
        >>> int64_array(np.arange(3)).to_pylist()
        [0, 1, 2]
    """
    data = np.ascontiguousarray(values, np.int64)
    return pa.Array.from_buffers(pa.int64(), len(data), [None, pa.py_buffer(data)])


def arrow_view(values: NDArray[Any], kind: pa.DataType | None = None) -> pa.Array:
    """The numbers of a contiguous array as Arrow has them, without nulls: a view.

    Args:
        values: integers or floats.
        kind: of the same width, such as a time of integers; by default the type of the numbers.

    Example:
        >>> arrow_view(np.array([1, 2], np.int32), pa.date32()).type
        DataType(date32[day])
    """
    wanted = kind if kind is not None else pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(wanted, len(values), [None, pa.py_buffer(values)])


def decoded(column: pa.DictionaryArray) -> pa.Array:
    """A dictionary's values row by row, of view types too, which Arrow has no kernel for.

    Example:
        >>> decoded(pa.array(["a", None, "a"]).dictionary_encode()).to_pylist()
        ['a', None, 'a']
    """
    kind = column.type.value_type
    strings = pa.types.is_string_view(kind)
    if not strings and not pa.types.is_binary_view(kind):
        return column.dictionary_decode()
    plain = column.dictionary.cast(pa.large_string() if strings else pa.large_binary())
    return pa.DictionaryArray.from_arrays(column.indices, plain).dictionary_decode().cast(kind)


def numpy_view(array: pa.Array) -> NDArray[Any]:
    """The values of a fixed-width array of 1 to 8 bytes as NumPy has them, nulls as what stands
    there: integers of the same width for dates and times.

    Example:
        >>> numpy_view(pa.array([1.5, 2.5]).slice(1)).tolist()
        [2.5]
    """
    kind = array.type
    width = kind.bit_width // 8
    letter = "f" if pa.types.is_floating(kind) else "i"
    if pa.types.is_unsigned_integer(kind):
        letter = "u"
    buffer = array.buffers()[1]
    if buffer is None:
        return np.empty(0, f"{letter}{width}")
    return np.frombuffer(buffer, f"{letter}{width}")[array.offset : array.offset + len(array)]
