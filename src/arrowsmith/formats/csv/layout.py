"""Where each record of a text stands and how many fields it has, without parsing it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arrowsmith.formats.csv.dialect import CR, LF, Dialect
from arrowsmith.formats.csv.quotes import Bytes, Mask, Positions, positions, quoted_spans
from arrowsmith.formats.csv.ranges import line_ends


@dataclass(frozen=True, slots=True)
class Layout:
    """The records of a text, blank lines left out unless they are records.

    Attributes:
        starts, ends: each record's bytes, without its line end.
        follows: where the next line begins.
        fields: how many fields each has.
        lines: the number of lines before each.
        broken: records in which text follows a closing quote.
        unclosed: where the quote stands that is never closed, or -1.
        unclosed_line: the number of lines before it.
        total_lines: of the whole text.
    """

    starts: Positions
    ends: Positions
    follows: Positions
    fields: Positions
    lines: Positions
    broken: Mask
    unclosed: int
    unclosed_line: int
    total_lines: int
    delimiters: Positions

    def faults(self, columns: int) -> Mask:
        """Records that are not well-formed or have not so many fields."""
        bad = self.broken | (self.fields != columns)
        if self.unclosed >= 0:
            bad[-1] = True
        return bad


def lay_out(data: Bytes, dialect: Dialect) -> Layout:
    """The layout of ``data``, which begins with a record."""
    spans = quoted_spans(data, dialect)
    every = line_ends(data)
    outer = every[~spans.inside(every)]
    follows = outer + 1
    if not len(follows) or follows[-1] < len(data):
        follows = np.append(follows, len(data))
    starts = np.concatenate(([0], follows[:-1]))
    ends = follows.copy()
    ends[: len(outer)] -= 1 + _second_halves(data, outer, starts[: len(outer)])
    if dialect.columns > 1:
        kept = ends > starts
        starts, ends, follows = starts[kept], ends[kept], follows[kept]
    delimiters = positions(data, dialect.delimiter_byte)
    delimiters = delimiters[~spans.inside(delimiters)]
    fields = np.searchsorted(delimiters, ends) - np.searchsorted(delimiters, starts) + 1
    broken = np.zeros(len(starts), np.bool_)
    broken[np.searchsorted(starts, spans.broken, side="right") - 1] = True
    return Layout(
        starts=starts,
        ends=ends,
        follows=follows,
        fields=fields,
        lines=np.searchsorted(every, starts),
        broken=broken,
        unclosed=spans.unclosed,
        unclosed_line=int(np.searchsorted(every, spans.unclosed)),
        total_lines=len(every),
        delimiters=delimiters,
    )


def _second_halves(data: Bytes, ends: Positions, starts: Positions) -> Mask:
    """Which line ends are the second byte of a CRLF."""
    return (data[ends] == LF) & (ends > starts) & (data[np.maximum(ends - 1, 0)] == CR)


def without(data: Bytes, layout: Layout, drop: Mask) -> bytes:
    """The records that are not dropped, each with its line end, joined."""
    if not drop.any():
        return data.tobytes()
    edges = np.zeros(len(data) + 1, np.int8)
    edges[layout.starts[drop]] += 1
    edges[layout.follows[drop]] -= 1
    places = np.flatnonzero(np.cumsum(edges[:-1], dtype=np.int8) == 0)
    kept = data[places]
    joints = np.flatnonzero(np.diff(places) > 1)
    made = joints[(kept[joints] == CR) & (kept[joints + 1] == LF)]
    kept[made] = LF  # a CR and an empty line, which would be one line end together
    return kept.tobytes()
