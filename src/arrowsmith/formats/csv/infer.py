"""Guesses the types of columns from their text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from arrowsmith.formats.csv.columns import NS, TIME_US, US, UTC, Column
from arrowsmith.formats.csv.convert import convert, token_pattern
from arrowsmith.formats.csv.masks import Mask, blanked, matches, valid

NULL_TOKENS = ("", "NA", "N/A", "null", "NULL", "None", "\\N")
"""Null in a column whose other values are all of one type other than text. The empty text among
them was quoted."""

_CANDIDATES = (
    pa.int64(),
    pa.float64(),
    pa.bool_(),
    pa.date32(),
    TIME_US,
    US,
    NS,
    UTC,
)
_JOINS = {
    frozenset((pa.int64(), pa.float64())): pa.float64(),
    frozenset((pa.date32(), US)): US,
    frozenset((pa.date32(), NS)): NS,
    frozenset((US, NS)): NS,
}
_GLANCE = 64


@dataclass(frozen=True, slots=True)
class Guess:
    """A type, ``pa.null()`` where there was no other value, and whether null tokens were seen."""

    type: pa.DataType
    tokens: bool = False

    def join(self, other: Guess) -> Guess:
        """The narrowest guess that has the values of both.

        From integers to floats, and from microseconds to nanoseconds, a value may still not fit:
        the text has to be looked at again.
        """
        tokens = self.tokens or other.tokens
        if self.type == other.type or pa.types.is_null(other.type):
            joined = self.type
        elif pa.types.is_null(self.type):
            joined = other.type
        else:
            joined = _JOINS.get(frozenset((self.type, other.type)), pa.string())
        return Guess(joined, tokens and not pa.types.is_string(joined))

    def column(self, name: str) -> Column:
        """A column of that type; one without any value is text."""
        if pa.types.is_null(self.type):
            return Column(name, pa.string())
        return Column(name, self.type, tokens=NULL_TOKENS if self.tokens else ())


def guess(text: pa.StringArray, candidates: Sequence[pa.DataType] | None = None) -> Guess:
    """The narrowest type that has all values of ``text`` without loss; text if there is none.

    Args:
        candidates: the types to try, in order; None: all.
    """
    candidates = _CANDIDATES if candidates is None else candidates
    if text.null_count == len(text):
        return Guess(pa.null())
    if found := _typed(text, candidates):
        return Guess(found)
    tokens = matches(text, token_pattern(NULL_TOKENS))
    if (tokens == valid(text)).all():
        return Guess(pa.null(), tokens=True)
    if candidates and tokens.any() and (found := _typed(blanked(text, tokens), candidates)):
        return Guess(found, tokens=True)
    return Guess(pa.string())


def _typed(text: pa.StringArray, candidates: Sequence[pa.DataType]) -> pa.DataType | None:
    some = text.drop_null()
    glance = some.slice(0, _GLANCE)
    for candidate in candidates:
        column = Column("", candidate)
        if convert(glance, column)[1].any():
            continue
        if len(some) <= _GLANCE or not convert(some, column)[1].any():
            return candidate
    return None


@dataclass(frozen=True, slots=True)
class Cells:
    """What each cell of one record may be, found for all cells at once.

    Attributes:
        fits: a row for each candidate type and a column for each cell; a cell that is null or a
            token for it fits all.
        void: cells that are null or a token.
        tokens: cells that are a token.
    """

    fits: Mask
    void: Mask
    tokens: Mask

    @classmethod
    def of(cls, text: pa.StringArray) -> Cells:
        tokens = matches(text, token_pattern(NULL_TOKENS))
        void = tokens | ~valid(text)
        fits = [~convert(blanked(text, tokens), Column("", kind))[1] for kind in _CANDIDATES]
        return cls(np.array(fits), void, tokens)

    def guess(self, place: int) -> Guess:
        """The guess for one cell alone."""
        if self.void[place]:
            return Guess(pa.null(), tokens=bool(self.tokens[place]))
        return Guess(next(iter(self.candidates(place)), pa.string()))

    def candidates(self, place: int) -> tuple[pa.DataType, ...]:
        """The types that the cell fits."""
        return tuple(_CANDIDATES[row] for row in np.flatnonzero(self.fits[:, place]))
