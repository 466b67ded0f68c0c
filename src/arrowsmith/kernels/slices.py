"""Cutting a batch down to the sizes that a scan may give."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa


def sliced(batch: pa.RecordBatch, rows: int, nbytes: int) -> Iterator[pa.RecordBatch]:
    """Views of at most ``rows`` rows and about ``nbytes`` bytes, none of them empty.

    Example:
        >>> [part.num_rows for part in sliced(pa.record_batch({"a": [1, 2, 3]}), 2, 1 << 20)]
        [2, 1]
    """
    for start in range(0, batch.num_rows, rows):
        yield from _halved(batch.slice(start, rows), nbytes)


def _halved(batch: pa.RecordBatch, nbytes: int) -> Iterator[pa.RecordBatch]:
    if batch.num_rows > 1 and batch.nbytes > nbytes:
        middle = batch.num_rows // 2
        yield from _halved(batch.slice(0, middle), nbytes)
        yield from _halved(batch.slice(middle), nbytes)
    else:
        yield batch
