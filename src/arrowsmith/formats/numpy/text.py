"""Fixed-width texts of NumPy and Arrow's texts, whole batches at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

_MOST_BYTES = (1 << 31) - 1


def texts_from_utf32(values: np.ndarray) -> pa.Array:
    """Strings from an array of ``<U``: the NULs at an end are padding, as in NumPy.

    Raises:
        ValueError: a value is no Unicode text; the message has the row.
    """
    points = _padded(values, np.dtype(np.uint32))
    lengths = _lengths(points)
    flat = points[_kept(points, lengths)]
    ends = np.cumsum(lengths, dtype=np.int64)
    try:
        data = flat.astype("<u4", copy=False).tobytes().decode("utf-32-le").encode()
    except UnicodeDecodeError as error:
        row = int(np.searchsorted(ends, error.start // 4, side="right"))
        raise ValueError(
            f"element {row} has a code point that is no character (0x{flat[error.start // 4]:X})"
        ) from None
    if len(data) == len(flat):
        return _binary(pa.string(), ends, data)
    sizes = 1 + (flat >= 0x80).astype(np.int64) + (flat >= 0x800) + (flat >= 0x10000)
    upto = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    return _binary(pa.string(), upto[ends], data)


def binary_from_bytes(values: np.ndarray) -> pa.Array:
    """Binary from an array of ``|S``: the NULs at an end are padding, as in NumPy."""
    data = _padded(values, np.dtype(np.uint8))
    lengths = _lengths(data)
    flat = data[_kept(data, lengths)]
    return _binary(pa.binary(), np.cumsum(lengths, dtype=np.int64), flat)


def utf32_from_texts(data: bytes, sizes: np.ndarray, width: int) -> np.ndarray:
    """An array of ``<U`` from UTF-8.

    Args:
        data: all texts, one after the other.
        sizes: bytes of each.
        width: characters of the longest.
    """
    raw = np.frombuffer(data, np.uint8)
    # Bytes 10xxxxxx continue a character: what is left begins one.
    begins = np.concatenate([np.zeros(1, np.int64), np.cumsum((raw & 0xC0) != 0x80)])
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    lengths = np.diff(begins[ends])
    points = np.frombuffer(data.decode().encode("utf-32-le"), "<u4")
    return _spread(points, lengths, width).view(f"<U{width}").reshape(-1)


def bytes_from_binary(data: bytes, sizes: np.ndarray, width: int) -> np.ndarray:
    """An array of ``|S``, each value padded with NULs to ``width``."""
    return _spread(np.frombuffer(data, np.uint8), sizes, width).view(f"|S{width}").reshape(-1)


def _spread(flat: np.ndarray, lengths: np.ndarray, width: int) -> np.ndarray:
    out: np.ndarray = np.zeros((len(lengths), width), flat.dtype)
    out[np.arange(width) < lengths[:, None]] = flat
    return out


def _padded(values: np.ndarray, unit: np.dtype[Any]) -> np.ndarray:
    """A row of code points or bytes an element."""
    width = values.dtype.itemsize // unit.itemsize
    native = np.ascontiguousarray(values)
    if not width:
        return np.zeros((len(values), 0), unit)
    order = unit.newbyteorder(values.dtype.byteorder if unit.itemsize > 1 else "=")
    return native.view(order).reshape(len(values), width)


def _lengths(rows: np.ndarray) -> np.ndarray:
    """Elements up to the last that is not 0."""
    count, width = rows.shape
    if not width or not count:
        return np.zeros(count, np.int64)
    behind = np.argmax(rows[:, ::-1] != 0, axis=1)
    return np.where(rows.any(axis=1), width - behind, 0).astype(np.int64)


def _kept(rows: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    return np.arange(rows.shape[1]) < lengths[:, None]


def _binary(kind: pa.DataType, ends: np.ndarray, data: Any) -> pa.Array:
    total = int(ends[-1]) if len(ends) else 0
    if total > _MOST_BYTES:
        raise ValueError("the texts of one batch are larger than 2 GiB")
    offsets = np.zeros(len(ends) + 1, np.int32)
    offsets[1:] = ends
    return pa.Array.from_buffers(kind, len(ends), [None, pa.py_buffer(offsets), pa.py_buffer(data)])
