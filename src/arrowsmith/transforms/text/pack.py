"""``pack``: documents of tokens in sequences of one length, with nothing left unused.

Documents stand one behind another; one that does not fit goes on in the next sequence. Positions
count from 0 in each document and each sequence anew, as attention that is cut at the boundaries
of documents needs them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from arrowsmith.errors import DataError
from arrowsmith.kernels.arrays import numpy_view
from arrowsmith.kernels.scalars import int_scalar
from arrowsmith.plugin import RunContext, check_columns
from arrowsmith.transforms.text.options import PackOptions

Ints = NDArray[np.int32]


class Pack:
    """Gives rows of four columns, in place of those of its input:

    - ``ids``: the tokens, fixed_size_list<int32>[length];
    - ``positions``: of each in its document, from 0;
    - ``documents``: which document of the sequence it belongs to, from 1; 0 where it is padded;
    - ``boundaries``: list<int32>, where documents begin in the sequence.
    """

    def __init__(self, options: PackOptions, ctx: RunContext) -> None:
        self._options = options

    def bind(self, schema: pa.Schema) -> BoundPack:
        check_columns(
            schema,
            [self._options.column],
            fits=_is_ids,
            wanted="lists of whole numbers",
            hint="put tokenize or vocab before it",
        )
        return BoundPack(self._options)


class BoundPack:
    """The step for one run: it keeps what does not fill a sequence yet."""

    kind: Literal["ordered"] = "ordered"

    def __init__(self, options: PackOptions) -> None:
        self._options = options
        fixed = pa.list_(pa.int32(), options.length)
        self.schema = pa.schema(
            [
                ("ids", fixed),
                ("positions", fixed),
                ("documents", fixed),
                ("boundaries", pa.list_(pa.int32())),
            ]
        )
        self._ids = np.empty(0, np.int32)
        self._starts = np.empty(0, np.bool_)

    def needed(self, outputs: frozenset[str]) -> frozenset[str]:
        return frozenset([self._options.column])

    def narrowed(self, schema: pa.Schema) -> BoundPack:
        return BoundPack(self._options)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        ids, starts = self._tokens(batch.column(self._options.column))
        ids = np.concatenate((self._ids, ids))
        starts = np.concatenate((self._starts, starts))
        full = len(ids) // self._options.length * self._options.length
        self._ids, self._starts = ids[full:].copy(), starts[full:].copy()
        return self._batch(ids[:full], starts[:full], full)

    def finish(self) -> Iterator[pa.RecordBatch]:
        """The last sequence, padded."""
        size = len(self._ids)
        if size and self._options.last == "pad":
            missing = self._options.length - size
            ids = np.concatenate((self._ids, np.full(missing, self._options.pad, np.int32)))
            starts = np.concatenate((self._starts, np.zeros(missing, np.bool_)))
            yield self._batch(ids, starts, size)
        self._ids, self._starts = self._ids[:0], self._starts[:0]

    def _tokens(self, lists: pa.Array) -> tuple[Ints, NDArray[np.bool_]]:
        """All tokens one behind another, and which of them begin a document."""
        items = lists.flatten()
        if items.null_count:
            raise DataError(f"column '{self._options.column}' has a null among its tokens")
        try:
            values = numpy_view(items.cast(pa.int32()))
        except pa.ArrowInvalid as error:
            raise DataError(
                f"column '{self._options.column}' has a token that is no int32: {error}"
            ) from None
        sizes = pc.fill_null(pc.list_value_length(lists), int_scalar(0).cast(pa.int32()))
        lengths = numpy_view(sizes.cast(pa.int64()))
        lengths = lengths[lengths > 0]
        ends = np.cumsum(lengths)
        if self._options.separator is not None:
            values = np.insert(values, ends, np.int32(self._options.separator))
            ends = ends + np.arange(1, len(ends) + 1)
        starts = np.zeros(len(values), np.bool_)
        starts[:1] = True
        starts[ends[:-1]] = True
        return values, starts

    def _batch(self, ids: Ints, starts: NDArray[np.bool_], used: int) -> pa.RecordBatch:
        """Whole sequences of which the first ``used`` tokens are no padding."""
        length = self._options.length
        rows = len(ids) // length
        first = starts.copy()
        first[::length] = True  # what goes on from the sequence before begins anew
        places = np.arange(len(ids))
        positions = places - np.maximum.accumulate(np.where(first, places, 0))
        documents = np.cumsum(first.reshape(rows, length), axis=1, dtype=np.int32).reshape(-1)
        positions[used:] = documents[used:] = 0
        boundaries = np.flatnonzero(starts)
        ends = np.searchsorted(boundaries, np.arange(rows + 1) * length).astype(np.int32)
        columns = [
            *(self._fixed(values, rows) for values in (ids, positions, documents)),
            pa.Array.from_buffers(
                self.schema.field("boundaries").type,
                rows,
                [None, pa.py_buffer(ends)],
                children=[_int32(boundaries % length)],
            ),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _fixed(self, values: NDArray[np.integer], rows: int) -> pa.Array:
        kind = self.schema.field("ids").type
        return pa.Array.from_buffers(kind, rows, [None], children=[_int32(values)])


def _int32(values: NDArray[np.integer]) -> pa.Int32Array:
    data = np.ascontiguousarray(values, np.int32)
    return pa.Array.from_buffers(pa.int32(), len(data), [None, pa.py_buffer(data)])


def _is_ids(kind: pa.DataType) -> bool:
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(test(kind) for test in lists) and pa.types.is_integer(kind.value_type)
