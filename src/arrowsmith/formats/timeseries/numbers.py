"""Numbers, moments and lists of them from text, whole ranges at a time."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from arrowsmith.kernels.arrays import int64_array, numpy_view
from arrowsmith.kernels.scalars import text_scalar

Ints = NDArray[np.int64]

_MISSING = text_scalar("?")
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$|^-?(?i:nan|inf|infinity)$"
_SPECIAL = r"^-?(?i:nan|inf|infinity)$"
_DASHED = r"^([0-9]{4}-[0-9]{2}-[0-9]{2})[ T]([0-9]{2})-([0-9]{2})-([0-9]{2})$"
_NULL_TEXT = pa.nulls(1, pa.string())[0]


def numbers(tokens: pa.StringArray) -> tuple[pa.DoubleArray, Ints]:
    """The values of texts, ``?`` being null, and the places of those that are no numbers.

    Example:
        >>> found, bad = numbers(pa.array(["1", "?", "x"]))
        >>> found.to_pylist(), bad.tolist()
        ([1.0, None, None], [2])
    """
    none = np.empty(0, np.int64)
    try:
        values = tokens.cast(pa.float64())
    except pa.ArrowInvalid:
        tokens, none = _cleaned(tokens)
        values = tokens.cast(pa.float64())
    return values, np.union1d(none, _disguised(tokens, values))


def _cleaned(tokens: pa.StringArray) -> tuple[pa.StringArray, Ints]:
    """Texts that can be cast, null where they are missing or bad, and the places of the bad."""
    tokens = pc.ascii_trim_whitespace(tokens)
    tokens = pc.if_else(pc.equal(tokens, _MISSING), _NULL_TEXT, tokens)
    good = pc.match_substring_regex(tokens, _NUMBER)
    tokens = pc.if_else(good, tokens, _NULL_TEXT)
    bad = np.flatnonzero(numpy_view(pc.invert(good).cast(pa.uint8()).fill_null(_ZERO)))
    return tokens, bad


_FALSE = pa.nulls(1, pa.bool_()).is_valid()[0]
_ZERO = pa.Array.from_buffers(pa.uint8(), 1, [None, pa.py_buffer(b"\0")])[0]


def _disguised(tokens: pa.StringArray, values: pa.DoubleArray) -> Ints:
    """Where the cast made NaN or infinity of what does not say so, such as ``1e999``."""
    odd = np.flatnonzero(~np.isfinite(numpy_view(values)))
    if values.null_count:
        odd = odd[numpy_view(values.is_valid().cast(pa.uint8()))[odd] == 1]
    if not len(odd):
        return odd
    said = pc.match_substring_regex(tokens.take(int64_array(odd)), _SPECIAL)
    return odd[numpy_view(said.cast(pa.uint8())) == 0]


def split_lists(fields: pa.StringArray, separator: str) -> tuple[pa.StringArray, Ints]:
    """The parts of texts, one behind another, and where those of each begin: one more than texts.

    An empty text has none.

    Example:
        >>> parts, bounds = split_lists(pa.array(["a,b", "", "c"]), ",")
        >>> parts.to_pylist(), bounds.tolist()
        (['a', 'b', 'c'], [0, 2, 2, 3])
    """
    if separator == " ":
        lists = pc.ascii_split_whitespace(pc.ascii_trim_whitespace(fields))
    else:
        lists = pc.split_pattern(fields, separator)
    counts = numpy_view(pc.list_value_length(lists)).astype(np.int64)
    parts = lists.flatten()
    empty = numpy_view(pc.binary_length(fields)) == 0
    if empty.any():
        begins = np.cumsum(counts) - counts
        kept = np.ones(len(parts), np.bool_)
        kept[begins[empty]] = False
        parts = parts.take(int64_array(np.flatnonzero(kept)))
        counts[empty] = 0
    return parts, np.concatenate(([0], np.cumsum(counts)))


def moments(
    tokens: pa.StringArray, kind: pa.DataType, pattern: str | None = None
) -> tuple[pa.Array, Ints]:
    """Times of a type, and the places of those that are none.

    Without a ``pattern`` for ``strptime`` they are of ISO 8601; ``2020-01-31 00-00-00``, as
    ``.tsf`` has it, is read as ``2020-01-31 00:00:00``.
    """
    if pattern is not None:
        times = pc.strptime(tokens, pattern, "s", error_is_null=True)
        # strptime takes what it would not write, such as 2024-1-5 and February 31
        same = pc.equal(pc.strftime(times, pattern), tokens).fill_null(_FALSE)
        wrong = pc.and_(tokens.is_valid(), pc.invert(same))
        return times.cast(kind), np.flatnonzero(numpy_view(wrong.cast(pa.uint8())))
    none = np.empty(0, np.int64)
    try:
        return tokens.cast(kind), none
    except pa.ArrowInvalid:
        tokens = pc.ascii_trim_whitespace(tokens)
        tokens = pc.replace_substring_regex(tokens, _DASHED, r"\1 \2:\3:\4")
    try:
        return tokens.cast(kind), none
    except pa.ArrowInvalid:
        bad = np.array(_refused(tokens, kind), np.int64)
    good = np.ones(len(tokens), np.bool_)
    good[bad] = False
    places = np.where(good, np.arange(len(tokens)), -1)
    return taken_or_null(tokens, places).cast(kind), bad


def _refused(tokens: pa.StringArray, kind: pa.DataType) -> list[int]:
    """Where values cannot be cast, found by halving, so that few of them cost few passes."""
    pending, found = [(0, len(tokens))], []
    while pending:
        start, stop = pending.pop()
        try:
            tokens.slice(start, stop - start).cast(kind)
        except pa.ArrowInvalid:
            middle = (start + stop) // 2
            if stop - start == 1:
                found.append(start)
            else:
                pending += [(middle, stop), (start, middle)]
    return found


def taken_or_null(array: pa.Array, places: Ints) -> pa.Array:
    """The values at these places, null at those below 0."""
    absent = places < 0
    if not absent.any():
        return array.take(int64_array(places))
    bits = np.packbits(~absent, bitorder="little")
    data = np.ascontiguousarray(np.where(absent, 0, places), np.int64)
    buffers = [pa.py_buffer(bits), pa.py_buffer(data)]
    return array.take(pa.Array.from_buffers(pa.int64(), len(places), buffers))
