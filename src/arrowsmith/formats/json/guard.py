"""Finds what Arrow's parser takes without a word, but should not.

It reads bytes that are no UTF-8, ``null`` as a record, several records in a line, NaN, and numbers
with more digits than a double has. Looking at each value as text would cost more than parsing, so
the bytes of a range are searched for what such values share.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.formats.json.gather import (
    Bytes,
    Flags,
    Positions,
    gathered,
    is_digit,
    strings,
)
from arrowsmith.formats.json.kinds import Kind

EXACT = float(2**53)
_DOUBLE_DIGITS = 17
_LARGE_DIGITS = 16
_INT_DIGITS = 19  # of int64; the cast refuses those beyond it
_MOST = 2**63 - 1024  # the largest double that is one
_LF, _CR, _SPACE, _QUOTE, _MINUS, _DOT, _ZERO, _COLON, _BACKSLASH = b'\n\r "-.0:\\'
_E = ord("e")
_LONGEST = 64  # bytes of a number that is not looked at any closer


@dataclass(frozen=True)
class Doubles:
    """Where numbers stand that became doubles since the sample said so.

    Attributes:
        names: of the fields, however deep; strings.
        listed: there are some in lists, which have no name before them.
    """

    names: pa.StringArray
    listed: bool


def doubles_of(kinds: Iterable[tuple[str, Kind]]) -> Doubles | None:
    """The inferred doubles in columns of those kinds, or None where there are none."""
    names: dict[str, None] = {}
    listed = False
    pending: list[tuple[str | None, Kind]] = list(kinds)
    while pending:
        name, kind = pending.pop()
        if kind.item is not None:
            pending.append((None, kind.item))
        pending += kind.fields
        if kind.tag == "number" and pa.types.is_floating(kind.type):
            listed = listed or name is None
            if name is not None:
                names[name] = None
    return Doubles(strings(list(names)), listed) if names or listed else None


def one_a_line(data: Bytes) -> int:
    """The number of lines if each begins with a brace and ends with one, else -1.

    Between a brace that closes and one that opens nothing but a record's end can stand, so that
    as many records as lines means one in each.
    """
    ends = np.flatnonzero(data == _LF)
    if not len(ends) or ends[-1] != len(data) - 1:
        ends = np.append(ends, len(data))
    if ends[0] == 0:
        return -1
    last = data[ends - 1]
    if (last == _CR).any():
        last = np.where(last == _CR, data[np.maximum(ends - 2, 0)], last)
    tight = data[0] == ord("{") and (last == ord("}")).all()
    return len(ends) if tight and (data[ends[:-1] + 1] == ord("{")).all() else -1


def is_utf8(text: memoryview) -> bool:
    """Whether the bytes are UTF-8."""
    offsets = np.array([0, len(text)], np.int32)
    whole = pa.StringArray.from_buffers(1, pa.py_buffer(offsets), pa.py_buffer(text))
    try:
        whole.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def too_deep(data: Bytes, max_depth: int) -> bool:
    """Whether brackets may be nested so deep; those in strings count, which does no harm."""
    low = data | 32
    if int(np.count_nonzero(low == 123)) <= max_depth:
        return False
    places = np.flatnonzero((low == 123) | (low == 125))
    steps = np.where(low[places] == 123, 1, -1)
    depth = np.cumsum(steps)
    return bool((depth - np.minimum.accumulate(np.minimum(depth, 0))).max() > max_depth)


def constants(data: Bytes) -> bool:
    """Whether NaN or Infinity stands outside strings, where a value that is not read may be."""
    for word in (b"NaN", b"Inf"):
        places = np.flatnonzero(data[:-2] == word[0])
        for ahead in (1, 2):
            places = places[data[places + ahead] == word[ahead]]
        if len(places) and not _in_string(_quotes(data), places).all():
            return True
    return False


def lossy(data: Bytes, columns: list[pa.Array], doubles: Doubles) -> bool:
    """Whether a double among the values of ``columns`` may not be what its digits say.

    What the values are tells which kinds of numbers to look for in the text, and the name before
    each number that is found whether it is a double at all.
    """
    zero = large = False
    for values, nulls in _doubles(columns):
        if not len(values):
            continue
        low, high = float(values.min()), float(values.max())
        if not (low > -np.inf and high < np.inf):  # also where one is NaN
            return True
        large = large or low <= -EXACT or high >= EXACT
        zero = zero or len(values) - int(np.count_nonzero(values)) > nulls
    if zero and (places := _tiny(data)) is not None and _is_zero(data, places, doubles):
        return True
    return _any_long(data, large, doubles)


def _doubles(columns: list[pa.Array]) -> list[tuple[npt.NDArray[np.float64], int]]:
    """The values of all columns of doubles, however deep, and how many are null, which is 0."""
    found = []
    for column in columns:
        kind = column.type
        if pa.types.is_float64(kind):
            buffer = column.buffers()[1]
            if buffer is not None:
                found.append((np.frombuffer(buffer, np.float64, len(column)), column.null_count))
        elif pa.types.is_list(kind):
            found += _doubles([column.values])
        elif pa.types.is_struct(kind):
            found += _doubles([column.field(place) for place in range(kind.num_fields)])
    return found


def _tiny(data: Bytes) -> Positions | None:
    """Where exponents of three digits and more stand that may have made a number zero."""
    places = np.flatnonzero(data == _MINUS)
    places = places[(places > 0) & (places + 3 < len(data))]
    places = places[(data[places - 1] | 32) == _E]
    for ahead in (1, 2, 3):
        places = places[is_digit(data[places + ahead])]
    return places - 1 if len(places) else None


def _is_zero(data: Bytes, places: Positions, doubles: Doubles) -> bool:
    """Whether one of the numbers with exponents at ``places`` is zero, and may be a double."""
    starts, ends = places.copy(), places + 2
    for step, bounds, ahead in ((-1, starts, -1), (1, ends, 0)):
        rows = np.arange(len(places))
        for _ in range(_LONGEST):  # a number with more digits before its exponent is found as long
            rows = rows[(bounds[rows] > 0) & (bounds[rows] < len(data))]
            rows = rows[_digit(data[bounds[rows] + ahead])]
            if not len(rows):
                break
            bounds[rows] += step
    quotes = _quotes(data)
    kept = ~_in_string(quotes, starts)
    kept[kept] = _may_be_doubles(data, starts[kept], quotes, doubles)
    starts, ends = starts[kept], ends[kept]
    if not len(starts):
        return False
    values = gathered(data, starts, ends, None).cast(pa.float64())
    return bool((values.to_numpy() == 0).any())


def _long_runs(data: Bytes) -> tuple[Positions, Positions]:
    """Where runs of 16 digits and points or more begin and end."""
    run = _digit(data)
    for step in (1, 2, 4, 8):  # whether so many from here on are, doubled
        run = run[:-step] & run[step:]
    padded = np.zeros(len(run) + 2, np.bool_)
    padded[1:-1] = run
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    return edges[0::2], edges[1::2] + (_LARGE_DIGITS - 1)


def _digit(values: Bytes) -> Flags:
    return is_digit(values) | (values == _DOT)


def _any_long(data: Bytes, large: bool, doubles: Doubles) -> bool:
    """Whether a number of ``doubles`` is too long.

    Args:
        large: integers of 16 digits matter, too, unless they are doubles exactly.
    """
    starts, ends = _long_runs(data)
    if not len(starts):
        return False
    points = np.flatnonzero(data == _DOT)
    fraction = np.searchsorted(points, ends) > np.searchsorted(points, starts)
    real = fraction | (data[np.minimum(ends, len(data) - 1)] | 32 == _E)
    digits = ends - starts - fraction
    doubtful = (digits > _DOUBLE_DIGITS) & real
    rows = np.flatnonzero(doubtful)
    doubtful[rows] = digits[rows] - leading_zeros(data, starts[rows]) > _DOUBLE_DIGITS
    doubtful |= real & (ends - starts >= _LONGEST)
    if large:
        doubtful |= ~real
    rows = np.flatnonzero(doubtful)
    if not len(rows):
        return False
    quotes = _quotes(data)
    rows = rows[~_in_string(quotes, starts[rows])]
    rows = rows[_may_be_doubles(data, starts[rows], quotes, doubles)]
    if real[rows].any() or (ends[rows] - starts[rows] > _INT_DIGITS).any():
        return True
    if not len(rows):
        return False
    whole = gathered(data, starts[rows], ends[rows], None).cast(pa.int64()).to_numpy()
    if int(whole.max()) > _MOST:
        return True
    return bool((whole.astype(np.float64).astype(np.int64) != whole).any())


def _may_be_doubles(data: Bytes, starts: Positions, quotes: Positions, doubles: Doubles) -> Flags:
    """Which of the numbers outside strings may be of ``doubles``, by what stands before them."""
    found = np.zeros(len(starts), np.bool_)
    if not len(starts):
        return found
    ends = _without_blanks(data, starts - (data[starts - 1] == _MINUS))
    named = data[ends - 1] == _COLON
    found[~named] = doubles.listed
    rows = np.flatnonzero(named)
    if not len(rows):
        return found
    close = np.searchsorted(quotes, ends[rows]) - 1  # the last quote before: the name's
    begins, ends = quotes[close - 1] + 1, quotes[close]
    names = gathered(data, begins, ends, None)
    found[rows] = pc.is_in(names, value_set=doubles.names).to_numpy(zero_copy_only=False)
    slashes = np.flatnonzero(data == _BACKSLASH)
    if len(slashes):  # a name may be spelt in several ways
        found[rows] |= np.searchsorted(slashes, ends) > np.searchsorted(slashes, begins)
    return found


def _without_blanks(data: Bytes, ends: Positions) -> Positions:
    """``ends`` moved back over the blanks before them."""
    ends = ends.copy()
    rows = np.arange(len(ends))
    while len(rows):
        rows = rows[data[ends[rows] - 1] <= _SPACE]
        ends[rows] -= 1
    return ends


def leading_zeros(data: Bytes, starts: Positions) -> npt.NDArray[np.int64]:
    """How many zeros stand before the first other digit of each number, 64 at most."""
    counts = np.zeros(len(starts), np.int64)
    rows = np.arange(len(starts))
    for ahead in range(_LONGEST):
        marks = data[np.minimum(starts[rows] + ahead, len(data) - 1)]
        goes_on = (marks == _ZERO) | (marks == _DOT)
        rows = rows[goes_on]
        if not len(rows):
            break
        counts[rows] += marks[goes_on] == _ZERO
    return counts


def _in_string(quotes: Positions, places: Positions) -> Flags:
    """Which of ``places`` stand in a string."""
    return (np.searchsorted(quotes, places) & 1).astype(np.bool_)


def _quotes(data: Bytes) -> Positions:
    """Where strings begin and end."""
    return np.flatnonzero(_real_quotes(data))


def _real_quotes(data: Bytes) -> Flags:
    """Quotes that no backslash escapes."""
    quotes: Flags = data == _QUOTE
    slashes = np.flatnonzero(data == _BACKSLASH)
    if not len(slashes):
        return quotes
    first = np.flatnonzero(np.diff(slashes, prepend=-2) != 1)
    lengths = np.diff(first, append=len(slashes))
    behind = (slashes[first] + lengths)[(lengths & 1) == 1]
    quotes[behind[behind < len(data)]] = False
    return quotes
