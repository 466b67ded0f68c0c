"""Reads a range with Arrow's parser alone, as long as nothing speaks against it."""

from __future__ import annotations

import pyarrow as pa

from arrowsmith.formats.csv.columns import Column
from arrowsmith.formats.csv.convert import convert
from arrowsmith.formats.csv.guard import doubtful
from arrowsmith.formats.csv.parse import parse
from arrowsmith.formats.csv.plan import Plan
from arrowsmith.formats.csv.ranges import Range


def read_fast(piece: Range, plan: Plan) -> pa.RecordBatch | None:
    """The rows of ``piece``, or None where a record or value may be wrong."""
    if piece.faulty or piece.buffer.find(b"\0", 0, piece.size) >= 0:
        return None
    types = {c.name: pa.string() if c.late else c.type for c in plan.read}
    try:
        batch = parse(piece.text, plan.dialect, plan.names, types, plan.nulls, quoted=piece.quoted)
    except pa.ArrowInvalid:
        return None
    if doubtful(piece, batch, plan.read, plan.dialect, plan.names):
        return None
    return _converted(batch, plan.read)


def _converted(batch: pa.RecordBatch, columns: tuple[Column, ...]) -> pa.RecordBatch | None:
    """The batch with the columns converted that were parsed as text; None if one does not fit."""
    if not any(column.late for column in columns):
        return batch
    arrays = batch.columns
    for place, column in enumerate(columns):
        if column.late:
            arrays[place], bad = convert(arrays[place], column)
            if bad.any():
                return None
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)
