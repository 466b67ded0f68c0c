"""Finds text that Arrow's parser would take for a number that does not give it back.

Arrow reads ``007`` as 7 and ``0x1F`` as 31. Looking at each value as text would cost more than
parsing, so the raw bytes are searched for a zero that begins a field and has a digit or letter
behind it, in blocks that stay in the cache: about 0.3 s CPU for a gigabyte. What is found is placed
in its column, as text columns may hold it. ``-0``, ``+5`` and numbers beyond a double's precision
are looked for only where the values suggest them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.formats.csv.columns import Column
from arrowsmith.formats.csv.dialect import CR, Dialect
from arrowsmith.formats.csv.masks import doubles, valid
from arrowsmith.formats.csv.quotes import (
    BLOCK,
    Bytes,
    Mask,
    Positions,
    Spans,
    positions,
    quoted_spans,
    separators,
)
from arrowsmith.formats.csv.ranges import Range, line_ends

EXACT = float(2**53)
_ZERO, _PLUS, _MINUS, _DOT = 48, 43, 45, 46
_LEAD = 16
_BLOCK = 192 << 10  # with three masks of that size it fits into a cache of the second level
_FIRST = re.compile(rb"[^0-9A-Za-z]{0,2}0[0-9xX]")


def doubtful(
    piece: Range,
    batch: pa.RecordBatch,
    columns: Sequence[Column],
    dialect: Dialect,
    names: Sequence[str],
) -> bool:
    """Whether a guarded column of ``batch``, which ``piece`` gave, may have lost its text."""
    guarded = [place for place, c in enumerate(columns) if c.guarded and not c.late]
    if not guarded:
        return False
    integers = [batch.column(p) for p in guarded if pa.types.is_integer(columns[p].type)]
    floats = [batch.column(p) for p in guarded if pa.types.is_floating(columns[p].type)]
    if any(_beyond(values) for values in floats):
        return True
    data = np.frombuffer(piece.buffer, np.uint8, piece.size)
    begins = [_leading_zeros(data, dialect)]
    if any(_has_zero(values, np.int64) for values in integers):
        begins.append(_negative_zeros(data))
    if floats and piece.buffer.find(b"+", 0, piece.size) >= 0:
        begins.append(positions(data, _PLUS))
    within = np.empty(0, np.int64)
    if any(_has_zero(values, np.float64) for values in floats):
        within = _tiny(data)
    places = np.concatenate(begins)
    if not len(places) and not len(within):
        return False
    spans = quoted_spans(data, dialect) if piece.quoted else None
    places = np.concatenate((_beginnings(data, places, dialect, spans), within))
    if not len(places):
        return False
    hit = set(_field_numbers(data, np.sort(places), dialect, spans).tolist())
    return not hit.isdisjoint(_places_of(columns, guarded, names))


def _places_of(
    columns: Sequence[Column], guarded: Sequence[int], names: Sequence[str]
) -> Iterator[int]:
    """Where the guarded columns stand in the file."""
    places = {name: place for place, name in enumerate(names)}
    return (places[columns[place].name] for place in guarded)


def _beyond(array: pa.DoubleArray) -> bool:
    """Whether a whole number among the values may not be what its digits say."""
    values = doubles(array)
    if not len(values) or (values.min() > -EXACT and values.max() < EXACT):
        return False
    ends = pc.min_max(array)
    low, high = ends["min"].as_py(), ends["max"].as_py()
    return low is not None and (low <= -EXACT or high >= EXACT)


def _has_zero(array: pa.Array, kind: type) -> bool:
    """Whether a value may be zero; what stands for a null is one as well."""
    every: np.ndarray = np.frombuffer(array.buffers()[1], kind)
    values = every[array.offset : array.offset + len(array)]
    zero = values == 0
    return bool(zero.any()) and (not array.null_count or bool((zero & valid(array)).any()))


def _leading_zeros(data: Bytes, dialect: Dialect) -> Positions:
    """Zeros that seem to begin a field, a sign, blank or quote aside, and go on as a number.

    Candidates follow a separator, or two bytes up to ``-``, all of which signs, blanks and quotes
    are; a zero in such text is found as well, which does no harm.
    """
    scratch = np.empty((3, _BLOCK), np.bool_)
    found = [np.empty(0, np.int64)]
    if first := _FIRST.match(data[:4].tobytes()):
        found.append(np.array([first.end() - 2]))
    high = [b for b in (dialect.delimiter_byte, dialect.quote_byte) if b > _MINUS]
    for start in range(0, len(data) - 3, _BLOCK - 3):
        block = data[start : start + _BLOCK]
        size = len(block) - 3
        low = scratch[0, : size + 1]
        zero, other = scratch[1:, :size]
        _low(block[: size + 1], high, out=low, scratch=scratch[2, : size + 1])
        np.equal(block[2 : size + 2], _ZERO, out=zero)
        zero &= np.greater(block[3:], 47, out=other)
        zero &= low[1:]
        if not zero.any():
            continue
        for byte in high:
            zero &= np.not_equal(block[3:], byte, out=other)
        begins, before = low[:size], block[1 : size + 1]
        begins |= np.less_equal(before, CR, out=other)
        if dialect.delimiter_byte > CR:
            begins |= np.equal(before, dialect.delimiter_byte, out=other)
        zero &= begins
        if zero.any():
            found.append(np.flatnonzero(zero) + start + 2)
    return np.concatenate(found)


def _low(block: Bytes, high: Sequence[int], *, out: Mask, scratch: Mask) -> None:
    """Bytes that may separate fields or stand before a number."""
    np.less_equal(block, _MINUS, out=out)
    for byte in high:
        out |= np.equal(block, byte, out=scratch)


def _negative_zeros(data: Bytes) -> Positions:
    """Minus signs before a zero that no fraction follows."""
    found = [np.empty(0, np.int64)]
    for start in range(0, len(data), BLOCK):
        block = data[start : start + BLOCK + 2]
        signs = (block[:-1] == _MINUS) & (block[1:] == _ZERO)
        after = block[2:]
        signs[: len(after)] &= (after != _DOT) & ((after - np.uint8(_ZERO)) > 9)
        if signs.any():
            found.append(np.flatnonzero(signs) + start)
    return np.concatenate(found)


def _tiny(data: Bytes) -> Positions:
    """Minus signs of exponents of three digits and more."""
    places = positions(data, _MINUS)
    places = places[(places > 0) & (places + 3 < len(data))]
    places = places[(data[places - 1] | 32) == ord("e")]
    for ahead in (1, 2, 3):
        places = places[(data[places + ahead] - np.uint8(_ZERO)) <= 9]
    return places


def _beginnings(data: Bytes, places: Positions, dialect: Dialect, spans: Spans | None) -> Positions:
    """Those of ``places`` with nothing but signs, blanks and a quote between them and the
    separator before; a separator within quotes is none."""
    lead = np.zeros(256, np.bool_)
    lead[[ord(c) for c in " \t+-" + dialect.quote if c != dialect.delimiter]] = True
    before = places - 1
    for _ in range(_LEAD):
        more = lead[data[np.maximum(before, 0)]] & (before >= 0)
        if not more.any():
            break
        before = before - more
    kept = (before < 0) | separators(data[np.maximum(before, 0)], dialect) | more
    if spans is not None:
        kept &= ~spans.inside(before)
    return places[kept]


def _field_numbers(
    data: Bytes, places: Positions, dialect: Dialect, spans: Spans | None
) -> Positions:
    """The columns, from 0, in which ``places`` (sorted) lie; each column once."""
    delimiters = positions(data, dialect.delimiter_byte)
    ends = line_ends(data)
    if spans is not None:
        delimiters = delimiters[~spans.inside(delimiters)]
        ends = ends[~spans.inside(ends)]
    row = np.searchsorted(ends, places)
    starts = np.concatenate(([-1], ends))[row]
    numbers = np.searchsorted(delimiters, places) - np.searchsorted(delimiters, starts)
    return np.flatnonzero(np.bincount(numbers))
