"""Strings and binaries as NumPy sees them: where each value begins and how long it is."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from arrowsmith.kernels.scratch import Scratch

WORD = 8
_WORD: np.dtype[np.void] = np.dtype([("first", "<u8")])
_PAIR: np.dtype[np.void] = np.dtype([("first", "<u8"), ("second", "<u8")])
_BLOCK = 7000  # pairs taken at a time: the C library gets more memory than these need page by page

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

    Args:
        array: strings, binaries, or binaries of a fixed size.
        scratch: where what is found stands until the next ones are made with it.

    Example:
        >>> spans = Spans(pa.array(["ab", "c"]))
        >>> spans.starts.tolist(), spans.lengths.tolist(), spans.first.tolist()
        ([0, 2], [2, 1], [25185, 99])
    """

    def __init__(self, array: pa.Array, scratch: Scratch | None = None) -> None:
        self._scratch = scratch = Scratch() if scratch is None else scratch
        kind, size = array.type, len(array)
        buffers = array.buffers()
        bounds = scratch.array("bounds", size + 1, np.int64)
        if pa.types.is_fixed_size_binary(kind):
            bounds[:] = np.arange(array.offset, array.offset + size + 1) * kind.byte_width
        elif size:
            wide = pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)
            offsets = np.frombuffer(buffers[1], np.int64 if wide else np.int32)
            bounds[:] = offsets[array.offset : array.offset + size + 1]
        else:
            bounds[:] = 0
        self.data: pa.Buffer = buffers[-1] if buffers[-1] is not None else pa.py_buffer(b"")
        self.starts: NDArray[np.int64] = bounds[:-1]
        self.lengths: NDArray[np.int64] = scratch.array("lengths", size, np.int64)
        np.subtract(bounds[1:], bounds[:-1], out=self.lengths)
        self.shortest = int(self.lengths.min()) if size else 0
        self.longest = int(self.lengths.max(initial=0))

    @property
    def total(self) -> int:
        """Bytes of all values together, of those that stand for nulls too."""
        return int(self.starts[-1] + self.lengths[-1] - self.starts[0]) if len(self.starts) else 0

    @property
    def is_ascii(self) -> bool:
        """Whether no byte of any value is beyond 127."""
        if not self.total:
            return True
        return bool(np.frombuffer(self.data, np.int8, self.total, int(self.starts[0])).min() >= 0)

    @cached_property
    def words(self) -> Words:
        """The eight bytes from every place on, as little-endian numbers."""
        data = self.data
        if data.size < WORD:
            data = pa.py_buffer(data.to_pybytes() + bytes(WORD))
        view: Words = np.ndarray((data.size - WORD + 1,), "<u8", buffer=data, strides=(1,))
        return view

    @property
    def first(self) -> Words:
        """The first up to eight bytes of each value, the rest of the word zero."""
        return self._leading[0]

    @property
    def second(self) -> Words:
        """The next up to eight bytes of each value, at the upper end of the word, the rest zero."""
        return self._leading[1]

    @cached_property
    def _leading(self) -> tuple[Words, Words]:
        """The first two words, taken together: what takes time is to find the place."""
        size, wide = len(self.starts), self.longest > WORD
        first: Words = self._scratch.array("first", size, "<u8")
        second: Words = self._scratch.array("second", size, "<u8")
        step = max(size, 1) if self.shortest == self.longest else _BLOCK
        for begin in range(0, size, step):
            block = slice(begin, begin + step)
            found = self._windows(block, _PAIR if wide else _WORD)
            first[block] = found["first"]
            if wide:
                second[block] = found["second"]
        if not wide:
            second[:] = 0
        elif self.shortest < 2 * WORD:
            second <<= self._spare(2 * WORD)
        if self.shortest < WORD:
            spare = self._spare(WORD)
            first <<= spare
            first >>= spare
        return first, second

    def _windows(self, block: slice, kind: np.dtype[np.void]) -> NDArray[np.void]:
        """What stands from the beginning of each value on, be it the value's or not."""
        starts, width = self.starts[block], self.longest
        sure = self.data.size - kind.itemsize  # beyond it less than that is left
        near = int(np.searchsorted(starts, sure, side="right"))
        found: NDArray[np.void] = np.empty(0, kind)
        if near and self.shortest == width:  # they stand at even distances
            found = np.ndarray((near,), kind, self.data, int(starts[0]), (width,))
        elif near:
            found = _everywhere(self.data, kind)[starts[:near]].view(kind)
        if near < len(starts):
            base = max(sure, 0)
            rest = pa.py_buffer(self.data[base:].to_pybytes() + bytes(kind.itemsize))
            late = _everywhere(rest, kind)[starts[near:] - base].view(kind)
            found = np.concatenate([found, late])
        return found

    def _spare(self, width: int) -> Words | np.uint64:
        """How many bits of the last word of ``width`` bytes are not the value's."""
        if self.shortest == self.longest:
            return np.uint64(min(max(width - self.longest, 0), WORD) * 8)
        unused: NDArray[np.int64] = self._scratch.array("spare", len(self.lengths), np.int64)
        np.subtract(width, self.lengths, out=unused)
        if self.longest > width or self.shortest < width - WORD:
            np.clip(unused, 0, WORD, out=unused)
        unused *= 8
        return unused.view(np.uint64)

    def bounds(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Where values stand among which the smallest is, in the order of bytes, and among which
        the largest is."""
        ranks: Words = self._scratch.array("ranks", len(self.starts), np.uint64)
        ranks[:] = self.first.view(">u8")
        same: NDArray[np.bool_] = self._scratch.array("same", len(ranks), np.bool_)
        smallest = np.flatnonzero(np.equal(ranks, ranks.min(), out=same))
        return smallest, np.flatnonzero(np.equal(ranks, ranks.max(), out=same))


def _everywhere(data: pa.Buffer, kind: np.dtype[np.void]) -> NDArray[np.void]:
    """The bytes from every place on, without fields, which NumPy would copy one by one."""
    size = kind.itemsize
    view: NDArray[np.void] = np.ndarray((data.size - size + 1,), f"V{size}", data, strides=(1,))
    return view
