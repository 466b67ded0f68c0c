"""Reads a range with Arrow's parser alone, as long as nothing speaks against it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from arrowsmith.formats.json.guard import constants, is_utf8, lossy, one_a_line, too_deep
from arrowsmith.formats.json.parse import parse, typed
from arrowsmith.formats.json.plan import Plan
from arrowsmith.formats.json.ranges import Range
from arrowsmith.formats.json.regular import read_regular


def read_fast(piece: Range, plan: Plan) -> pa.RecordBatch | None:
    """The rows of ``piece``, or None where a record or value may be wrong."""
    if piece.flaws or not plan.direct or not is_utf8(piece.text):
        return None
    try:
        batch = read_regular(piece, plan)
        if batch is None:
            batch = _parsed(piece, plan)
        return None if batch is None else typed(batch, plan.schema)
    except pa.ArrowInvalid:
        return None


def _parsed(piece: Range, plan: Plan) -> pa.RecordBatch | None:
    """What Arrow's parser makes of the range, or None where it may be wrong.

    Raises:
        pa.ArrowInvalid: it is no JSON, or a value is not of its type.
    """
    text, rows = _tidy(piece)
    if rows <= 0:
        return None
    data = np.frombuffer(text, np.uint8)
    ignore = plan.ignore or not plan.whole
    if ignore and (too_deep(data, plan.max_depth) or constants(data)):
        return None
    batch = parse(text, plan.physical, ignore=ignore)
    if batch.num_rows != rows:
        return None
    if plan.doubles and lossy(data, batch.columns, plan.doubles):
        return None
    if len(plan.numeric):
        parse(text, plan.numeric, ignore=True)
    return batch


def _tidy(piece: Range) -> tuple[memoryview | bytes, int]:
    """The range's records and their number, -1 where that is not clear."""
    text = piece.text
    if piece.scan is not None:
        return text, len(piece.scan.starts)
    rows = one_a_line(np.frombuffer(text, np.uint8)) if len(text) else -1
    if rows >= 0:
        return text, rows
    raw = bytes(text)
    places = (each.tolist() for each in piece.records())
    lines = [raw[start:end] for start, end in zip(*places, strict=True)]
    if not all(line.startswith(b"{") and line.endswith(b"}") for line in lines):
        return text, -1
    return b"\n".join(lines), len(lines)
