"""Cutting a stream of batches into chunks whose bounds depend on the data alone.

Parquet and IPC files vary with the sizes of what is written at a time. To give the same bytes for
any threads, budget and batch size, the stream is cut at fixed numbers of rows, or earlier where the
rows are wide, and row sizes are counted in a way that slicing does not change: values and offsets,
no bitmaps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from arrowsmith.plugin.protocols import Chunk

Size = Callable[[int, int], int]  # bytes of the rows start..stop


class Chunker:
    """Collects batches and gives back chunks as lists of zero-copy slices.

    Example:
        >>> chunker = Chunker(Chunk(rows=2, nbytes=1 << 20))
        >>> batch = pa.record_batch({"a": [1, 2, 3]})
        >>> [sum(b.num_rows for b in chunk) for chunk in chunker.push(batch)]
        [2]
        >>> [b.num_rows for b in chunker.flush()]
        [1]
    """

    def __init__(self, chunk: Chunk) -> None:
        self._chunk = chunk
        self._parts: list[pa.RecordBatch] = []
        self._rows = 0
        self._nbytes = 0

    def push(self, batch: pa.RecordBatch) -> Iterator[list[pa.RecordBatch]]:
        """Take a batch; the chunks that it completes."""
        size = batch_size(batch)
        start = 0
        while start < batch.num_rows:
            taken = self._fitting(size, start, batch.num_rows)
            if taken:
                self._parts.append(batch.slice(start, taken))
                self._rows += taken
                self._nbytes += size(start, start + taken)
                start += taken
            if start < batch.num_rows or self._rows == self._chunk.rows:
                yield self.flush()

    def flush(self) -> list[pa.RecordBatch]:
        """What has been collected, which may be nothing."""
        parts, self._parts = self._parts, []
        self._rows = self._nbytes = 0
        return parts

    def _fitting(self, size: Size, start: int, stop: int) -> int:
        """How many rows from ``start`` still go into the open chunk."""
        most = min(stop - start, self._chunk.rows - self._rows)
        room = self._chunk.nbytes - self._nbytes
        if size(start, start + most) <= room:
            return most
        low, high = 0, most  # size(low) fits, size(high) does not
        while high - low > 1:
            middle = (low + high) // 2
            if size(start, start + middle) <= room:
                low = middle
            else:
                high = middle
        return low if low or self._rows else 1


def batch_size(batch: pa.RecordBatch) -> Size:
    """A function that gives the bytes of any row range of ``batch`` in a few look-ups."""
    sizes = [_array_size(column) for column in batch.columns]
    return lambda start, stop: sum(size(start, stop) for size in sizes)


def _array_size(array: pa.Array) -> Size:
    kind = array.type
    if isinstance(kind, pa.ExtensionType):
        return _array_size(array.storage)
    if pa.types.is_dictionary(kind):
        return _array_size(array.indices)
    if pa.types.is_struct(kind):
        children = [_array_size(array.field(i)) for i in range(kind.num_fields)]
        return lambda start, stop: sum(child(start, stop) for child in children)
    if pa.types.is_fixed_size_list(kind):
        return _fixed_list_size(array)
    if _has_offsets(kind):
        return _offsets_size(array)
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        return _view_size(array)
    try:
        bits = kind.bit_width
    except ValueError:  # null, unions, run-end encoded, list views
        bits = 0 if pa.types.is_null(kind) else 128
    width = -(-bits // 8)  # whole bytes, so that sizes add up however the rows are sliced
    return lambda start, stop: (stop - start) * width


def _has_offsets(kind: pa.DataType) -> bool:
    types = pa.types
    return any(
        test(kind)
        for test in (
            types.is_string,
            types.is_binary,
            types.is_large_string,
            types.is_large_binary,
            types.is_list,
            types.is_large_list,
            types.is_map,
        )
    )


def _offsets_size(array: pa.Array) -> Size:
    kind, base = array.type, array.offset
    types = pa.types
    large = types.is_large_string(kind) or types.is_large_binary(kind) or types.is_large_list(kind)
    width = 8 if large else 4
    buffer = array.buffers()[1]
    if len(array) == 0 or buffer is None or buffer.size == 0:
        return lambda start, stop: 0
    offsets = np.frombuffer(buffer, dtype=np.int64 if large else np.int32)
    if types.is_list(kind) or types.is_large_list(kind):
        child = _array_size(array.values)
    elif types.is_map(kind):
        keys, items = _array_size(array.keys), _array_size(array.items)

        def child(start: int, stop: int) -> int:
            return keys(start, stop) + items(start, stop)
    else:

        def child(start: int, stop: int) -> int:
            return stop - start

    def size(start: int, stop: int) -> int:
        first, last = int(offsets[base + start]), int(offsets[base + stop])
        return (stop - start) * width + child(first, last)

    return size


def _fixed_list_size(array: pa.Array) -> Size:
    width, base = array.type.list_size, array.offset
    child = _array_size(array.values)
    return lambda start, stop: child((base + start) * width, (base + stop) * width)


def _view_size(array: pa.Array) -> Size:
    # a view is 16 bytes of which the first four are the length
    views = np.frombuffer(array.buffers()[1], dtype=np.int32)[::4]
    lengths = views[array.offset : array.offset + len(array)].astype(np.int64)
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    return lambda start, stop: (stop - start) * 16 + int(ends[stop] - ends[start])
