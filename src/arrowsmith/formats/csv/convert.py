"""Turns text into typed values and tells which do not fit: the parser's careful counterpart."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.formats.csv.columns import GRAMMARS, Column
from arrowsmith.formats.csv.guard import EXACT
from arrowsmith.formats.csv.masks import Mask, blanked, doubles, matches, valid

BLANKS = " \t"
_WHOLE = r"^[+-]?[0-9]+$"
_INFINITE = r"^[+-]?(?i:inf|infinity)$"
_SOME_DIGIT = r"^[^eE]*[1-9]"


def convert(text: pa.StringArray, column: Column) -> tuple[pa.Array, Mask]:
    """The values of ``text`` as ``column`` has them, null where they do not fit, and which do not.

    An inferred column takes what :mod:`arrowsmith.formats.csv.columns` lists; one with an explicit
    type what Arrow's cast takes.
    """
    if column.tokens:
        text = blanked(text, matches(text, token_pattern(column.tokens)))
    if pa.types.is_string(column.type):
        return text, np.zeros(len(text), np.bool_)
    if pa.types.is_large_string(column.type) or pa.types.is_binary(column.type):
        return text.cast(column.type), np.zeros(len(text), np.bool_)
    if _trims(column):
        text = pc.ascii_trim(text, BLANKS)
    if column.explicit:
        return cast(text, column.type)
    present = valid(text)
    bad = present & ~matches(text, GRAMMARS[column.type])
    values, failed = cast(blanked(text, bad), column.type)
    bad |= failed
    if column.type == pa.float64():
        inexact = present & ~bad & _inexact(text, doubles(values))
        values, bad = blanked(values, inexact), bad | inexact
    return values, bad


def token_pattern(tokens: tuple[str, ...]) -> str:
    """An RE2 pattern for any of the texts."""
    return "^(?:" + "|".join(r"\Q" + token + r"\E" for token in tokens) + ")$"


def _trims(column: Column) -> bool:
    """Arrow's parser drops blanks around these; around others they make a value unfit."""
    kind = column.type
    return (
        column.explicit
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_date(kind)
        or pa.types.is_time(kind)
    )


def _inexact(text: pa.StringArray, values: np.ndarray) -> Mask:
    """Whole numbers that a double may not hold, and numbers that became infinite or zero."""
    bad = np.zeros(len(values), np.bool_)
    large = np.abs(values) >= EXACT
    if large.any():
        bad |= large & matches(text, _WHOLE)
        bad |= np.isinf(values) & ~matches(text, _INFINITE)
    zero = values == 0
    if zero.any():
        bad |= zero & matches(text, _SOME_DIGIT)
    return bad


def cast(text: pa.StringArray, kind: pa.DataType) -> tuple[pa.Array, Mask]:
    """Arrow's cast, with null for the values that it refuses, and which these are.

    They are found by halving, so that a column with few of them costs few casts.
    """
    bad = np.zeros(len(text), np.bool_)
    pending = [(0, len(text))]
    while pending:
        start, stop = pending.pop()
        try:
            done = _cast(text.slice(start, stop - start), kind)
        except pa.ArrowInvalid:
            if stop - start == 1:
                bad[start] = True
            else:
                middle = (start + stop) // 2
                pending += [(start, middle), (middle, stop)]
        else:
            if stop - start == len(text):
                return done, bad
    return _cast(blanked(text, bad), kind), bad


def _cast(text: pa.StringArray, kind: pa.DataType) -> pa.Array:
    """Arrow's cast, and by way of a timestamp the one that it lacks, to a time."""
    if not pa.types.is_time(kind):
        return text.cast(kind)
    moments = pc.utf8_replace_slice(text, start=0, stop=0, replacement="1970-01-01T")
    return moments.cast(pa.timestamp(kind.unit)).cast(kind)
