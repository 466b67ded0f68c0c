"""Arrow arrays out of the bytes of a text, and marks on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.int64]

_ZERO = ord("0")


def is_digit(values: Bytes) -> Flags:
    """Which bytes are digits."""
    found: Flags = values - np.uint8(_ZERO) <= 9
    return found


def bits(flags: Flags) -> pa.Buffer:
    """One bit for each flag, as Arrow has them."""
    return pa.py_buffer(np.packbits(flags, bitorder="little"))


def gathered(
    data: Bytes, starts: Positions, ends: Positions, valid: Flags | None
) -> pa.StringArray:
    """Strings from places in ``data``, in order, copied out of it."""
    count = len(starts)
    bounds = np.empty(2 * count + 1, np.int32)
    bounds[:-1:2] = starts
    bounds[1::2] = ends
    bounds[-1] = bounds[-2]
    buffers = [None, pa.py_buffer(bounds), pa.py_buffer(data)]
    laid = pa.Array.from_buffers(pa.string(), 2 * count, buffers)  # every other is what is between
    places = np.arange(0, 2 * count, 2, dtype=np.int32)
    found = laid.take(pa.Array.from_buffers(pa.int32(), count, [None, pa.py_buffer(places)]))
    if valid is None:
        return found
    _, offsets, held = found.buffers()
    return pa.Array.from_buffers(pa.string(), count, [bits(valid), offsets, held])


def strings(values: Sequence[str]) -> pa.StringArray:
    """An Arrow array of texts, none of them None."""
    encoded = [value.encode() for value in values]
    offsets = np.zeros(len(encoded) + 1, np.int32)
    np.cumsum(list(map(len, encoded)), out=offsets[1:])
    return pa.StringArray.from_buffers(
        len(encoded), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))
    )


def shortest(values: npt.NDArray[np.float64]) -> pa.StringArray:
    """The shortest texts that give the values back, which are finite."""
    text = np.frombuffer(orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY), np.uint8)
    commas = np.flatnonzero(text == ord(","))
    starts = np.concatenate(([1], commas + 1))
    return gathered(text, starts, np.append(commas, len(text) - 1), None)
