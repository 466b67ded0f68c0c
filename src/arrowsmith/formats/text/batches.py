"""Batches of the columns asked for, from the rows of ranges."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import pyarrow as pa

from arrowsmith.formats.text.intern import Interner
from arrowsmith.formats.text.options import TextReadOptions
from arrowsmith.formats.text.ranges import Range
from arrowsmith.formats.text.rows import rows_of
from arrowsmith.kernels.arrays import int64_array
from arrowsmith.kernels.scalars import text_array
from arrowsmith.plugin.feed import Buffers
from arrowsmith.plugin.protocols import RunContext, ScanRequest

NAMED = pa.dictionary(pa.int32(), pa.string())
"""The type of the column ``source``."""
_ROW_COST = 48  # places of a row: of marks, starts, ends, texts, and its numbers
_TEXT_COST = 2
_DECODED_COST = 9  # characters of up to four bytes, their UTF-8, and the texts
_ZEROS = pa.py_buffer(np.zeros(1 << 16, np.int32))


def named(source: str, rows: int) -> pa.DictionaryArray:
    """The same name for each row; the indices of all such arrays are one buffer."""
    zeros = _ZEROS if rows <= 1 << 16 else pa.py_buffer(np.zeros(rows, np.int32))
    indices = pa.Array.from_buffers(pa.int32(), rows, [None, zeros])
    return pa.DictionaryArray.from_arrays(indices, _name(source), safe=False)


@lru_cache(maxsize=16)
def _name(source: str) -> pa.StringArray:
    return text_array([source])


class TextTask:
    """One range to split."""

    def __init__(
        self,
        piece: Range,
        options: TextReadOptions,
        ctx: RunContext,
        schema: pa.Schema,
        request: ScanRequest,
        buffers: Buffers,
    ) -> None:
        self._piece: Range | None = piece
        per_byte = _TEXT_COST if piece.coding.is_utf8 else _DECODED_COST
        self._cost = int(piece.size * (1 + per_byte + piece.density * _ROW_COST))
        self._options = options
        self._ctx = ctx
        self._schema = schema
        self._request = request
        self._buffers = buffers

    @property
    def cost(self) -> int:
        return self._cost

    def read(self) -> Iterator[pa.RecordBatch]:
        piece, self._piece = self._piece, None
        if piece is None:
            return
        batch = batch_of(piece, self._options, self._ctx, self._schema, self._buffers)
        del piece
        yield from sliced(batch, self._request)


class ReadyTask:
    """A batch that was made in order, since its dictionary follows from those before."""

    def __init__(self, batch: pa.RecordBatch, request: ScanRequest) -> None:
        self._batch: pa.RecordBatch | None = batch
        self._request = request
        self.cost = batch.nbytes

    def read(self) -> Iterator[pa.RecordBatch]:
        batch, self._batch = self._batch, None
        if batch is not None:
            yield from sliced(batch, self._request)


def batch_of(
    piece: Range,
    options: TextReadOptions,
    ctx: RunContext,
    schema: pa.Schema,
    buffers: Buffers,
    interner: Interner | None = None,
) -> pa.RecordBatch:
    """The columns of ``schema`` of a range, which is read if it is not yet."""
    count = piece.tally.begin(piece.number) if piece.tally is not None else None
    try:
        piece.load(buffers)
        return _made(piece, options, ctx, schema, interner)
    except BaseException:
        if piece.tally is not None:
            piece.tally.leave(piece.number, count)
        raise
    finally:
        buffers.give(piece.buffer)


def _made(
    piece: Range,
    options: TextReadOptions,
    ctx: RunContext,
    schema: pa.Schema,
    interner: Interner | None,
) -> pa.RecordBatch:
    names = schema.names
    rows = rows_of(piece, options, ctx, with_text="text" in names)
    arrays: list[pa.Array] = []
    for name in names:
        if name == "text":
            arrays.append(interner.encoded(rows.text) if interner is not None else rows.text)
        elif name == "source":
            arrays.append(named(piece.source, len(rows.offsets)))
        elif name == "offset":
            arrays.append(int64_array(rows.offsets))
        else:
            arrays.append(int64_array(rows.numbers))
    if arrays:
        return pa.RecordBatch.from_arrays(arrays, schema=schema)
    return empty_rows(len(rows.offsets), schema)


def empty_rows(count: int, schema: pa.Schema) -> pa.RecordBatch:
    """Rows without a column."""
    flags = pa.Array.from_buffers(pa.bool_(), count, [None, pa.py_buffer(bytes(count // 8 + 1))])
    batch = pa.RecordBatch.from_arrays([flags], names=["row"]).select([])
    return batch.replace_schema_metadata(schema.metadata)


def sliced(batch: pa.RecordBatch, request: ScanRequest) -> Iterator[pa.RecordBatch]:
    """Slices of at most so many rows and about so many bytes, none of them empty."""
    if 0 < batch.num_rows <= request.batch_rows and batch.nbytes <= request.batch_bytes:
        yield batch
        return
    for start in range(0, batch.num_rows, request.batch_rows):
        yield from _halved(batch.slice(start, request.batch_rows), request.batch_bytes)


def _halved(batch: pa.RecordBatch, nbytes: int) -> Iterator[pa.RecordBatch]:
    if batch.num_rows > 1 and _own_bytes(batch) > nbytes:
        middle = batch.num_rows // 2
        yield from _halved(batch.slice(0, middle), nbytes)
        yield from _halved(batch.slice(middle), nbytes)
    else:
        yield batch


def _own_bytes(batch: pa.RecordBatch) -> int:
    """Bytes of the rows, without dictionaries, which smaller batches would have as well."""
    return sum(
        column.indices.nbytes if pa.types.is_dictionary(column.type) else column.nbytes
        for column in batch.columns
    )
