"""Takes a range apart, so that only the records near a doubtful one are decoded one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from arrowsmith.formats.json.fast import read_fast
from arrowsmith.formats.json.gather import Positions
from arrowsmith.formats.json.plan import Plan
from arrowsmith.formats.json.ranges import Range
from arrowsmith.formats.json.structure import Flaw, Scan

_WAYS = 16
_LEAST = 64  # records that are worth a call of the parser
_DECODED = 64 << 10  # bytes of text that are decoded at a time: Python takes up to 50 for each


@dataclass(frozen=True, slots=True)
class Spans:
    """Where records stand in their range.

    Attributes:
        numbers: of the records, flaws counted.
    """

    numbers: Positions
    starts: Positions
    ends: Positions

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, some: slice) -> Spans:
        return Spans(self.numbers[some], self.starts[some], self.ends[some])

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        places = (self.numbers.tolist(), self.starts.tolist(), self.ends.tolist())
        return zip(*places, strict=True)


def numbered(piece: Range) -> tuple[Spans, list[tuple[int, Flaw]]]:
    """The places of all records of a range, and its flaws, both with their numbers."""
    starts, ends = piece.records()
    numbers = np.arange(len(starts))
    if not piece.flaws:
        return Spans(numbers, starts, ends), []
    flaws = sorted(piece.flaws, key=lambda flaw: flaw.start)
    places = np.array([flaw.start for flaw in flaws])
    numbers += np.searchsorted(places, starts, "right")
    before = np.searchsorted(starts, places, "left") + np.arange(len(flaws))
    return Spans(numbers, starts, ends), list(zip(before.tolist(), flaws, strict=True))


def sifted(piece: Range, spans: Spans, plan: Plan) -> Iterator[tuple[Spans, pa.RecordBatch | None]]:
    """The records in order: some with their rows, those around a doubtful one without.

    A range that was refused as a whole is read in 16 parts, and so is each part that is refused,
    so that the parser goes over all of it two or three times at most.
    """
    if not plan.direct or len(spans) <= _LEAST:
        for some in few(spans):
            yield some, None
        return
    size = max(-(-len(spans) // _WAYS), _LEAST)
    for at in range(0, len(spans), size):
        some = spans[at : at + size]
        batch = read_fast(_part(piece, some), plan)
        if batch is None:
            yield from sifted(piece, some, plan)
        else:
            yield some, batch


def few(spans: Spans) -> Iterator[Spans]:
    """The records a few at a time, to be decoded."""
    at = 0
    while at < len(spans):
        most = int(spans.starts[at]) + _DECODED
        stop = max(int(np.searchsorted(spans.ends, most, "right")), at + 1)
        yield spans[at:stop]
        at = stop


def _part(piece: Range, spans: Spans) -> Range:
    """The records alone, a line end behind each."""
    if piece.scan is None:
        buffer = piece.buffer[int(spans.starts[0]) : int(spans.ends[-1])] + b"\n"
        return Range(buffer, len(buffer), 0)
    buffer = bytearray()
    for _, start, end in spans:
        buffer += piece.buffer[start:end]
        buffer += b"\n"
    lengths = spans.ends - spans.starts
    ends = np.cumsum(lengths + 1) - 1
    return Range(buffer, len(buffer), 0, Scan(ends - lengths, ends, -1, -1))
