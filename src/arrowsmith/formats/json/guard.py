"""Finds what Arrow's parser takes without a word, but should not.

It reads bytes that are no UTF-8, ``null`` as a record, several records in a line, NaN, and numbers
with more digits than a double has. Looking at each value as text would cost more than parsing, so
the bytes of a range are searched for what such values share.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]

EXACT = float(2**53)
_STEP = 8
_DOUBLE_DIGITS = 17
_LARGE_DIGITS = 16
_LF, _CR, _QUOTE, _MINUS, _DOT, _ZERO = 10, 13, 34, 45, 46, 48
_LONGEST = 64  # bytes of a number that is not looked at any closer


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
        if len(places) and not _in_string(data, places).all():
            return True
    return False


def lossy(data: Bytes, columns: list[pa.Array]) -> bool:
    """Whether a double among the values of ``columns`` may not be what its digits say."""
    zero = large = False
    for values, nulls in _doubles(columns):
        if not len(values):
            continue
        low, high = float(values.min()), float(values.max())
        if not (low > -np.inf and high < np.inf):  # also where one is NaN
            return True
        large = large or low <= -EXACT or high >= EXACT
        zero = zero or len(values) - int(np.count_nonzero(values)) > nulls
    if zero and _tiny(data):
        return True
    return _long(data, large)


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


def _tiny(data: Bytes) -> bool:
    """Whether an exponent of three digits and more may have made a number zero."""
    places = np.flatnonzero(data == _MINUS)
    places = places[(places > 0) & (places + 3 < len(data))]
    places = places[(data[places - 1] | 32) == ord("e")]
    for ahead in (1, 2, 3):
        places = places[(data[places + ahead] - np.uint8(_ZERO)) <= 9]
    return bool(len(places))


def _long(data: Bytes, large: bool) -> bool:
    """Whether a number has more digits than a double.

    A run of 16 digits and points has two bytes in a row at every eighth place.

    Args:
        large: integers of 16 digits matter, too.
    """
    coarse = data[::_STEP]
    digits = (coarse - np.uint8(_ZERO)) <= 9
    digits |= coarse == _DOT
    places = np.flatnonzero(digits[:-1] & digits[1:]) * _STEP
    for ahead in range(1, _STEP):
        if not len(places):
            return False
        places = places[_digit(data[places + ahead])]
    return bool(len(places)) and _any_long(data, large)


def _digit(values: Bytes) -> npt.NDArray[np.bool_]:
    return ((values - np.uint8(_ZERO)) <= 9) | (values == _DOT)


def _any_long(data: Bytes, large: bool) -> bool:
    """Whether a number outside strings is too long, where there may be one."""
    within = np.zeros(len(data) + 2, np.bool_)
    within[1:-1] = _digit(data)
    edges = np.flatnonzero(within[1:] != within[:-1])
    starts, ends = edges[0::2], edges[1::2]
    kept = ends - starts >= _LARGE_DIGITS
    starts, ends = starts[kept], ends[kept]
    points = np.flatnonzero(data == _DOT)
    fraction = np.searchsorted(points, ends) > np.searchsorted(points, starts)
    real = fraction | (data[np.minimum(ends, len(data) - 1)] | 32 == ord("e"))
    digits = ends - starts - fraction
    doubtful = (digits > _DOUBLE_DIGITS) & real
    rows = np.flatnonzero(doubtful)
    doubtful[rows] = digits[rows] - leading_zeros(data, starts[rows]) > _DOUBLE_DIGITS
    doubtful |= real & (ends - starts >= _LONGEST)
    if large:
        doubtful |= ~real
    return bool(doubtful.any()) and not _in_string(data, starts[doubtful]).all()


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


def _in_string(data: Bytes, places: Positions) -> npt.NDArray[np.bool_]:
    """Which of ``places`` stand in a string."""
    quotes = np.flatnonzero(data == _QUOTE)
    if (data == 92).any():
        quotes = np.flatnonzero(_real_quotes(data))
    return (np.searchsorted(quotes, places) & 1).astype(np.bool_)


def _real_quotes(data: Bytes) -> npt.NDArray[np.bool_]:
    """Quotes that no backslash escapes."""
    quotes = data == _QUOTE
    slashes = np.flatnonzero(data == 92)
    first = np.flatnonzero(np.diff(slashes, prepend=-2) != 1)
    lengths = np.diff(first, append=len(slashes))
    behind = (slashes[first] + lengths)[(lengths & 1) == 1]
    quotes[behind[behind < len(data)]] = False
    return quotes
