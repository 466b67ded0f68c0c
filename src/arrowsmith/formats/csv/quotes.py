"""Which quotes open and close fields, found for a whole range at once.

In well-formed text the quotes before a place are odd in number exactly when it stands inside a
quoted field, doubled quotes included (the parity rule of Langdale and Lemire's simdjson, 2019, and
of Ge et al., "Speculative distributed CSV data parsing", SIGMOD 2019). It only holds where every
quote is structural, which :func:`well_formed` checks; :func:`quoted_spans` handles the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from arrowsmith.formats.csv.dialect import CR, LF, Dialect

Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


BLOCK = 128 << 10
"""Bytes to look at in one go: temporaries of that size stay in the cache and in the heap."""


def positions(data: Bytes, byte: int) -> Positions:
    """Where ``byte`` stands."""
    found = [np.empty(0, np.int64)]
    for start in range(0, len(data), BLOCK):
        places = np.flatnonzero(data[start : start + BLOCK] == byte)
        if len(places):
            found.append(places + start)
    return np.concatenate(found)


@dataclass(frozen=True, slots=True)
class Spans:
    """Quoted fields, in order.

    Attributes:
        opens, closes: positions of their quotes; an unclosed one closes behind the end.
        broken: positions of closing quotes that text follows.
        unclosed: where the quote stands that is never closed, or -1.
    """

    opens: Positions
    closes: Positions
    broken: Positions
    unclosed: int

    def inside(self, places: Positions) -> Mask:
        """Which of ``places`` lie in a quoted field."""
        opened = np.searchsorted(self.opens, places, side="left")
        closed = np.searchsorted(self.closes, places, side="left")
        return np.not_equal(opened, closed)


def separators(values: Bytes, dialect: Dialect) -> Mask:
    """Which of the bytes end a field."""
    return (values == dialect.delimiter_byte) | (values == LF) | (values == CR)


def well_formed(data: Bytes, quotes: Positions, dialect: Dialect) -> bool:
    """Whether each quote opens, closes or is doubled, so that parity tells inside from outside.

    ``data`` begins with a record; it may end anywhere.
    """
    opens, closes = quotes[0::2], quotes[1::2]
    before = data[np.maximum(opens - 1, 0)]
    if not (separators(before, dialect) | (before == dialect.quote_byte)).all():
        return False
    after = data[np.minimum(closes + 1, len(data) - 1)]
    return bool((separators(after, dialect) | (after == dialect.quote_byte)).all())


def quoted_spans(data: Bytes, dialect: Dialect) -> Spans:
    """The quoted fields of ``data``, which begins with a record.

    A quote inside an unquoted field is a plain character. Inside a quoted one an even run of
    quotes is escaped text and an odd run ends the field.
    """
    none = np.empty(0, np.int64)
    quotes = positions(data, dialect.quote_byte) if dialect.quote else none
    if not len(quotes):
        return Spans(none, none, none, -1)
    first = np.flatnonzero(np.diff(quotes, prepend=-2) != 1)
    starts = quotes[first]
    lengths = np.diff(first, append=len(quotes))
    opener = separators(data[np.maximum(starts - 1, 0)], dialect) | (starts == 0)
    odd = np.flatnonzero(lengths & 1)
    opening, closing = _pair(opener[odd])
    opens, last = starts[odd[opening]], odd[closing]
    closes = starts[last] + lengths[last] - 1
    unclosed = int(opens[-1]) if len(opens) > len(closes) else -1
    if unclosed >= 0:
        closes = np.append(closes, len(data))
    whole = np.flatnonzero((lengths & 1 == 0) & opener)
    whole = whole[~Spans(opens, closes, none, -1).inside(starts[whole])]
    ends = np.concatenate((closes, starts[whole] + lengths[whole] - 1))
    ends = ends[ends < len(data) - 1]
    broken = np.sort(ends[~separators(data[ends + 1], dialect)])
    return Spans(opens, closes, broken, unclosed)


def _pair(opener: Mask) -> tuple[Positions, Positions]:
    """Indexes of odd runs that open and of those that close.

    They alternate until a run that should open stands within a field: that is skipped, and the
    alternation begins anew. One turn of the loop per run skipped, not per run.
    """
    count = len(opener)
    able = np.flatnonzero(opener)
    unable = np.flatnonzero(~opener)
    strays = (unable[unable % 2 == 0], unable[unable % 2 == 1])
    opening, closing = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    at = 0
    while (found := int(np.searchsorted(able, at))) < len(able):
        at = int(able[found])
        stray = strays[at % 2]
        following = int(np.searchsorted(stray, at))
        end = int(stray[following]) if following < len(stray) else count
        opening.append(np.arange(at, end, 2))
        closing.append(np.arange(at + 1, end, 2))
        at = end
    return np.concatenate(opening), np.concatenate(closing)
