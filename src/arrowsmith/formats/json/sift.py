"""Takes a range apart, so that only the records near a doubtful one are decoded one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from arrowsmith.formats.json.fast import read_fast
from arrowsmith.formats.json.plan import Plan
from arrowsmith.formats.json.ranges import Range
from arrowsmith.formats.json.structure import Flaw, Scan

_WAYS = 16
_LEAST = 64  # records that are worth a call of the parser


class Span(NamedTuple):
    """Where a record stands in its range.

    Attributes:
        number: of the record, flaws counted.
    """

    number: int
    start: int
    end: int


def numbered(piece: Range) -> tuple[list[Span], list[tuple[int, Flaw]]]:
    """The places of all records of a range, and its flaws, both with their numbers."""
    spans = piece.records()
    if not piece.flaws:
        return [Span(number, *span) for number, span in enumerate(spans)], []
    found: list[tuple[int, int, Flaw | None]] = [(start, end, None) for start, end in spans]
    found += [(flaw.start, flaw.start, flaw) for flaw in piece.flaws]
    found.sort(key=lambda one: one[:2])
    good = [Span(n, start, end) for n, (start, end, flaw) in enumerate(found) if flaw is None]
    return good, [(n, flaw) for n, (_, _, flaw) in enumerate(found) if flaw is not None]


def sifted(
    piece: Range, spans: Sequence[Span], plan: Plan
) -> Iterator[tuple[Sequence[Span], pa.RecordBatch | None]]:
    """The records in order: some with their rows, those around a doubtful one without.

    A range that was refused as a whole is read in 16 parts, and so is each part that is refused,
    so that the parser goes over all of it two or three times at most.
    """
    if not plan.direct or len(spans) <= _LEAST:
        yield spans, None
        return
    size = max(-(-len(spans) // _WAYS), _LEAST)
    for at in range(0, len(spans), size):
        some = spans[at : at + size]
        batch = read_fast(_part(piece, some), plan)
        if batch is None:
            yield from sifted(piece, some, plan)
        else:
            yield some, batch


def _part(piece: Range, spans: Sequence[Span]) -> Range:
    """The records alone, a line end behind each."""
    buffer = bytearray()
    for _, start, end in spans:
        buffer += piece.buffer[start:end]
        buffer += b"\n"
    if piece.scan is None:
        return Range(buffer, len(buffer), 0)
    lengths = np.array([end - start for _, start, end in spans], np.int64)
    ends = np.cumsum(lengths + 1) - 1
    return Range(buffer, len(buffer), 0, Scan(ends - lengths, ends, -1, -1))
