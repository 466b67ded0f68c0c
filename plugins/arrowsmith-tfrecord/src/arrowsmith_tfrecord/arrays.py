"""Arrow arrays from values that were found: nulls filled in, offsets made, bytes gathered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from arrowsmith_tfrecord.kinds import Column
from arrowsmith_tfrecord.values import Values
from arrowsmith_tfrecord.wire import Flags, Ints, Octets, copy_ragged, offsets_of


def built(
    column: Column, octets: Octets, rows: int, present: Flags | None, steps: Ints | None,
    values: Values,
) -> pa.Array:  # fmt: skip
    """A column.

    Args:
        rows: its length.
        present: which rows have the feature, None for all.
        steps: of a feature list, how many features each row that has it has.
        values: of the features of these rows; their counts fit the column's shape.
    """
    validity = None if present is None else _bitmap(present)
    nulls = 0 if present is None else rows - int(np.count_nonzero(present))
    if steps is not None:
        inner = _lists(column, octets, len(values.counts), None, values)
        offsets = _offsets(steps, rows, present)
        return pa.Array.from_buffers(
            column.type, rows, [validity, offsets], nulls, children=[inner]
        )
    return _lists(column, octets, rows, present, values)


def _lists(
    column: Column, octets: Octets, rows: int, present: Flags | None, values: Values
) -> pa.Array:
    validity = None if present is None else _bitmap(present)
    nulls = 0 if present is None else rows - int(np.count_nonzero(present))
    if column.shape is None:
        child = _items(column, octets, values, 1, None)
        kind = pa.list_(column.item)
        offsets = _offsets(values.counts, rows, present)
        return pa.Array.from_buffers(kind, rows, [validity, offsets], nulls, children=[child])
    if column.shape == 0:
        return _items(column, octets, values, 1, present)
    child = _items(column, octets, values, column.shape, present, valid=True)
    kind = pa.list_(column.item, column.shape)
    return pa.Array.from_buffers(kind, rows, [validity], nulls, children=[child])


def _items(
    column: Column, octets: Octets, values: Values, width: int, present: Flags | None,
    *, valid: bool = False,
) -> pa.Array:  # fmt: skip
    """Values of ``width`` for each row; where a row has none, null, or with ``valid`` anything."""
    if values.numbers is not None:
        numbers: NDArray[Any] = values.numbers
        if present is not None:
            full = np.zeros((len(present), width), numbers.dtype)
            full[present] = numbers.reshape(-1, width)
            numbers = full.reshape(-1)
        buffers = [None, pa.py_buffer(np.ascontiguousarray(numbers))]
        size = len(numbers)
    else:
        assert values.starts is not None
        assert values.stops is not None
        lengths = values.stops - values.starts
        bounds = offsets_of(lengths)
        data = pa.allocate_buffer(int(bounds[-1]))
        if data.size:
            copy_ragged(octets.buffer, values.starts, data, bounds[:-1], lengths)
        if present is not None:
            full = np.zeros((len(present), width), np.int64)
            full[present] = lengths.reshape(-1, width)
            bounds = offsets_of(full.reshape(-1))
        buffers = [None, pa.py_buffer(bounds.astype(np.int32)), data]
        size = len(bounds) - 1
    if present is not None and not valid:
        buffers[0] = _bitmap(present)
        return pa.Array.from_buffers(
            column.item, size, buffers, size - int(np.count_nonzero(present))
        )
    return pa.Array.from_buffers(column.item, size, buffers, 0)


def _offsets(counts: Ints, rows: int, present: Flags | None) -> pa.Buffer:
    if present is not None:
        full = np.zeros(rows, np.int64)
        full[present] = counts
        counts = full
    return pa.py_buffer(offsets_of(counts).astype(np.int32))


def _bitmap(present: Flags) -> pa.Buffer:
    return pa.py_buffer(np.packbits(present, bitorder="little"))
