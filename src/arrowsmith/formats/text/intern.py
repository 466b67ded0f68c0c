"""A dictionary of texts that grows from batch to batch, each batch's being the beginning of it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.kernels.arrays import numpy_view

_ENTRY = 4  # bytes of an offset, and the least that an entry takes


class Interner:
    """Gives each distinct text a number, in the order in which they come.

    The texts stand in one buffer of ``limit`` bytes that is never moved, so that the dictionaries
    of all batches are views of it. When it is full a new one begins; when that happens depends on
    the texts alone.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._begin(limit)

    def encoded(self, texts: pa.StringArray) -> pa.DictionaryArray:
        """The texts as int32 indices into a dictionary that later batches share."""
        local = texts.dictionary_encode()
        places = self._places(local.dictionary)
        if places is None:
            self._begin(max(self._limit, _need(local.dictionary)))
            places = self._places(local.dictionary)
            assert places is not None
        indices = places[numpy_view(local.indices)].astype(np.int32)
        array = pa.Array.from_buffers(pa.int32(), len(indices), [None, pa.py_buffer(indices)])
        return pa.DictionaryArray.from_arrays(array, self._known())

    def _begin(self, size: int) -> None:
        self._count = 0
        self._text = np.empty(size, np.uint8)
        self._offsets = np.zeros(size // _ENTRY + 2, np.int32)

    def _known(self) -> pa.StringArray:
        buffers = [None, pa.py_buffer(self._offsets), pa.py_buffer(self._text)]
        return pa.Array.from_buffers(pa.string(), self._count, buffers)

    def _places(self, texts: pa.StringArray) -> np.ndarray | None:
        """Where the texts stand, new ones added; None where there is no room for these."""
        found = pc.index_in(texts, value_set=self._known())
        fresh = found.is_null()
        new = texts.filter(fresh)
        used = int(self._offsets[self._count])
        lengths = numpy_view(pc.binary_length(new))
        total = int(lengths.sum(dtype=np.int64))
        if used + total > len(self._text) or self._count + len(new) >= len(self._offsets):
            return None
        ends = used + np.cumsum(lengths, dtype=np.int64)
        if total:
            start = numpy_view(pa.Array.from_buffers(pa.int32(), len(new) + 1, new.buffers()[:2]))
            at = int(start[new.offset])
            values = np.frombuffer(new.buffers()[2], np.uint8)[at : at + total]
            self._text[used : used + total] = values
        self._offsets[self._count + 1 : self._count + 1 + len(new)] = ends
        places = np.array(numpy_view(found), np.int64)
        places[numpy_view(fresh.cast(pa.uint8())) == 1] = self._count + np.arange(len(new))
        self._count += len(new)
        return places


def _need(texts: pa.StringArray) -> int:
    lengths = numpy_view(pc.binary_length(texts))
    return max(int(lengths.sum(dtype=np.int64)), (len(texts) + 2) * _ENTRY) + 1
