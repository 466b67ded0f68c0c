"""Strings and binaries as NumPy sees them: where each value begins and how long it is."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

WORD = 8

Words = NDArray[np.uint64]


def is_ragged(kind: pa.DataType) -> bool:
    """Whether values lie behind one another in one buffer: strings and binaries, large ones too."""
    types = pa.types
    small = types.is_string(kind) or types.is_binary(kind)
    return bool(small or types.is_large_string(kind) or types.is_large_binary(kind))


class Spans:
    """The values of a ragged or fixed-size binary array, without a copy.

    Attributes:
        data: the bytes of all values.
        starts, lengths: int64, shape ``(len(array),)``; what they say of nulls means nothing.
        shortest, longest: of the lengths.

    Example:
        >>> spans = Spans(pa.array(["ab", "c"]))
        >>> spans.starts.tolist(), spans.lengths.tolist(), spans.first.tolist()
        ([0, 2], [2, 1], [25185, 99])
    """

    def __init__(self, array: pa.Array) -> None:
        kind, size = array.type, len(array)
        buffers = array.buffers()
        if pa.types.is_fixed_size_binary(kind):
            bounds = np.arange(array.offset, array.offset + size + 1) * kind.byte_width
        elif size:
            wide = pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)
            offsets = np.frombuffer(buffers[1], np.int64 if wide else np.int32)
            bounds = offsets[array.offset : array.offset + size + 1].astype(np.int64)
        else:
            bounds = np.zeros(1, np.int64)
        self.data: pa.Buffer = buffers[-1] if buffers[-1] is not None else pa.py_buffer(b"")
        self.starts = bounds[:-1]
        self.lengths = bounds[1:] - bounds[:-1]
        self.shortest = int(self.lengths.min()) if size else 0
        self.longest = int(self.lengths.max(initial=0))

    @cached_property
    def words(self) -> Words:
        """The eight bytes from every place on, as little-endian numbers; zeros behind the end."""
        data = self.data
        if data.size < WORD:
            data = pa.py_buffer(data.to_pybytes() + bytes(WORD))
        view: Words = np.ndarray((data.size - WORD + 1,), "<u8", buffer=data, strides=(1,))
        return view

    @cached_property
    def first(self) -> Words:
        """The first up to eight bytes of each value, the rest of the word zero."""
        if self.shortest >= WORD:
            return self.words[self.starts]
        # near the end of the data the word is loaded from before the value, and shifted
        places = np.minimum(self.starts, len(self.words) - 1)
        skipped = ((self.starts - places) * 8).clip(0, 63).astype(np.uint64)
        keep = (64 - 8 * self.lengths.clip(1, WORD)).astype(np.uint64)
        loaded = (self.words[places] >> skipped) << keep >> keep
        loaded[self.lengths == 0] = 0
        return loaded

    @property
    def smallest(self) -> NDArray[np.intp]:
        """Where values stand among which the smallest is, in the order of bytes."""
        ranks = self.first.byteswap()
        return np.flatnonzero(ranks == ranks.min())

    @property
    def largest(self) -> NDArray[np.intp]:
        """Where values stand among which the largest is."""
        ranks = self.first.byteswap()
        return np.flatnonzero(ranks == ranks.max())
