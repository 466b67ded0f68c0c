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

_GUESS = 16  # bytes of a value of a type whose layout does not tell


class Chunker:
    """Collects batches and gives back chunks: lists of zero-copy slices, and their bytes.

    Example:
        >>> chunker = Chunker(Chunk(rows=2, nbytes=1 << 20), pa.schema({"a": pa.int64()}))
        >>> batch = pa.record_batch({"a": [1, 2, 3]})
        >>> [sum(b.num_rows for b in parts) for parts, nbytes in chunker.push(batch)]
        [2]
        >>> [b.num_rows for b in chunker.flush()[0]]
        [1]
    """

    def __init__(self, chunk: Chunk, schema: pa.Schema) -> None:
        self.chunk = chunk
        self._sizes = BatchSizes(schema)
        self._parts: list[pa.RecordBatch] = []
        self._rows = 0
        self._nbytes = 0

    def push(self, batch: pa.RecordBatch) -> Iterator[tuple[list[pa.RecordBatch], int]]:
        """Take a batch; the chunks that it completes."""
        size = self._sizes.of(batch)
        start = 0
        while start < batch.num_rows:
            taken = self._fitting(size, start, batch.num_rows)
            if taken:
                self._parts.append(batch.slice(start, taken))
                self._rows += taken
                self._nbytes += size(start, start + taken)
                start += taken
            if start < batch.num_rows or self._rows == self.chunk.rows:
                yield self.flush()

    def flush(self) -> tuple[list[pa.RecordBatch], int]:
        """What has been collected, which may be nothing."""
        chunk = self._parts, self._nbytes
        self._parts, self._rows, self._nbytes = [], 0, 0
        return chunk

    @property
    def held(self) -> int:
        """Bytes of the rows that are not in a chunk yet."""
        return self._nbytes

    def _fitting(self, size: Size, start: int, stop: int) -> int:
        """How many rows from ``start`` still go into the open chunk."""
        most = min(stop - start, self.chunk.rows - self._rows)
        taken = fitting(size, start, most, self.chunk.nbytes - self._nbytes)
        return taken if taken or self._rows else 1


def fitting(size: Size, start: int, most: int, room: int) -> int:
    """How many rows from ``start``, at most ``most``, have no more than ``room`` bytes."""
    if size(start, start + most) <= room:
        return most
    low, high = 0, most  # size(low) fits, size(high) does not
    while high - low > 1:
        middle = (low + high) // 2
        if size(start, start + middle) <= room:
            low = middle
        else:
            high = middle
    return low


class BatchSizes:
    """Gives the bytes of any row range of a batch in a few look-ups.

    Columns of fixed width are added up once for the schema: files may have ten thousand of them.
    """

    def __init__(self, schema: pa.Schema) -> None:
        widths = [fixed_width(field.type) for field in schema]
        self._fixed = sum(width for width in widths if width is not None)
        self._varying = [place for place, width in enumerate(widths) if width is None]

    def of(self, batch: pa.RecordBatch) -> Size:
        fixed = self._fixed
        sizes = [_array_size(batch.column(place)) for place in self._varying]
        return lambda start, stop: (stop - start) * fixed + sum(size(start, stop) for size in sizes)


def fixed_width(kind: pa.DataType) -> int | None:
    """Bytes of a value, whole ones so that sizes add up; None where values differ in size."""
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return fixed_width(kind.storage_type)
    if types.is_dictionary(kind):
        return fixed_width(kind.index_type)
    if types.is_null(kind):
        return 0
    if types.is_union(kind) or types.is_run_end_encoded(kind) or _is_list_view(kind):
        return _GUESS
    try:
        return -(-kind.bit_width // 8)
    except ValueError:
        return None


def _is_list_view(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind))


def _array_size(array: pa.Array) -> Size:
    kind = array.type
    width = fixed_width(kind)
    if width is not None:
        return lambda start, stop: (stop - start) * width
    if isinstance(kind, pa.BaseExtensionType):
        return _array_size(array.storage)
    if pa.types.is_struct(kind):
        children = [_array_size(array.field(i)) for i in range(kind.num_fields)]
        return lambda start, stop: sum(child(start, stop) for child in children)
    if pa.types.is_fixed_size_list(kind):
        return _fixed_list_size(array)
    if _has_offsets(kind):
        return _offsets_size(array)
    return _view_size(array)


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
