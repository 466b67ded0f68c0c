"""Arrow arrays of Python values, without the detour that imports pandas where it is installed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa


def _validity(values: Sequence[object]) -> pa.Buffer | None:
    if None not in values:
        return None
    return pa.py_buffer(np.packbits([value is not None for value in values], bitorder="little"))


def binaries(
    values: Sequence[bytes | memoryview | None], kind: pa.DataType | None = None
) -> pa.Array:
    """Bytes as binary, or as another type of that layout.

    Example:
        >>> binaries([b"ab", None, b""]).to_pylist()
        [b'ab', None, b'']
    """
    ends = np.zeros(len(values) + 1, np.int64)
    np.cumsum([0 if value is None else len(value) for value in values], out=ends[1:])
    if ends[-1] >= 1 << 31:
        raise OverflowError("values of more than 2 GB")
    data = b"".join([value for value in values if value is not None])
    buffers = [_validity(values), pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(data)]
    return pa.Array.from_buffers(kind or pa.binary(), len(values), buffers)


def texts(values: Sequence[str | None]) -> pa.StringArray:
    """Texts; what UTF-8 cannot write becomes a question mark.

    Example:
        >>> texts(["a", None]).to_pylist()
        ['a', None]
    """
    encoded = [None if value is None else value.encode("utf-8", "replace") for value in values]
    return binaries(encoded, pa.string())


def numbers(values: Sequence[int | float | None], kind: pa.DataType) -> pa.Array:
    """Integers or floats of a type.

    Example:
        >>> numbers([1, None], pa.int32()).to_pylist()
        [1, None]
    """
    data = np.array([0 if value is None else value for value in values], kind.to_pandas_dtype())
    return pa.Array.from_buffers(kind, len(values), [_validity(values), pa.py_buffer(data)])
