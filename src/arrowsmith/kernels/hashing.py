"""64-bit hashes of the values of an array, whole arrays at a time.

Fixed-width values and the words of strings go through the finalizer of MurmurHash3
(https://github.com/aappleby/smhasher/wiki/MurmurHash3, public domain). Equal values have equal
hashes in any array of one type: slices, zeros of both signs and all NaNs included.

Not for adversaries: whoever knows the constants can make values that collide.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from arrowsmith.kernels.arrays import numpy_view
from arrowsmith.kernels.spans import WORD, Spans, is_ragged

Hashes = NDArray[np.uint64]

_FIRST = np.uint64(0xFF51AFD7ED558CCD)
_SECOND = np.uint64(0xC4CEB9FE1A85EC53)
_STEP = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(33)
_LONG = 512  # bytes from which one value is worth a call of its own
_NAN = np.uint64(0x7FF8000000000000)


def can_hash(kind: pa.DataType) -> bool:
    """Whether ``hash_values`` takes arrays of this type: flat ones, and dictionaries of them."""
    types = pa.types
    if types.is_dictionary(kind):
        return can_hash(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType) or types.is_nested(kind) or types.is_null(kind):
        return False
    views = types.is_string_view(kind) or types.is_binary_view(kind)
    return not (views or types.is_run_end_encoded(kind))


def hash_values(array: pa.Array) -> Hashes:
    """A hash for each value, shape ``(len(array),)``; what nulls get means nothing.

    Args:
        array: of a type for which ``can_hash`` is true.

    Example:
        >>> a, b, c = hash_values(pa.array(["x", "a long text", "x"]))
        >>> bool(a == c), bool(a == b)
        (True, False)
    """
    kind = array.type
    types = pa.types
    if types.is_dictionary(kind):
        if not len(array.dictionary):
            return np.zeros(len(array), np.uint64)
        return hash_values(array.dictionary)[numpy_view(array.indices.fill_null(0))]
    if types.is_boolean(kind):
        return _mixed(numpy_view(array.cast(pa.uint8())).astype(np.uint64))
    if types.is_fixed_size_binary(kind) or is_ragged(kind):
        return hash_spans(Spans(array))
    return _hash_numbers(array)


def _mixed(values: Hashes) -> Hashes:
    """The finalizer, which spreads every bit over all."""
    shifted = values >> _HALF
    mixed = values ^ shifted
    for factor in (_FIRST, _SECOND):
        mixed *= factor
        np.right_shift(mixed, _HALF, out=shifted)
        mixed ^= shifted
    return mixed


def _hash_numbers(array: pa.Array) -> Hashes:
    kind, size = array.type, array.type.bit_width // 8
    buffer = array.buffers()[1]
    if size > WORD:  # decimals of 128 and 256 bits, intervals
        words = np.frombuffer(buffer, np.uint64)[array.offset * size // WORD :]
        table = words[: len(array) * size // WORD].reshape(len(array), -1)
        hashes = np.zeros(len(array), np.uint64)
        for column in range(table.shape[1]):
            hashes = _mixed((hashes + _STEP) ^ table[:, column])
        return hashes
    start, stop = array.offset, array.offset + len(array)
    if pa.types.is_floating(kind):
        numbers = np.frombuffer(buffer, f"f{size}")[start:stop].astype(np.float64) + 0.0
        bits = numbers.view(np.uint64)
        missing = np.isnan(numbers)
        if missing.any():
            bits[missing] = _NAN
        return _mixed(bits)
    values = np.frombuffer(buffer, f"u{size}")[start:stop]
    return _mixed(values if size == WORD else values.astype(np.uint64))


def hash_spans(spans: Spans) -> Hashes:
    """The hashes of strings or binaries: length and first word, then word by word in lockstep."""
    starts, lengths, words = spans.starts, spans.lengths, spans.words
    hashes = lengths.astype(np.uint64)
    hashes *= _STEP
    hashes ^= spans.first
    hashes = _mixed(hashes)
    for at in range(WORD, min(spans.longest, _LONG), WORD):
        # the last word of a value overlaps the one before it: all of it stands in the value
        if spans.shortest > at:
            places = starts + np.minimum(at, lengths - WORD)
            hashes += _STEP
            hashes ^= words[places]
            hashes = _mixed(hashes)
        else:
            deep = np.flatnonzero(lengths > at)
            places = starts[deep] + np.minimum(at, lengths[deep] - WORD)
            hashes[deep] = _mixed((hashes[deep] + _STEP) ^ words[places])
    if spans.longest > _LONG:
        _hash_long(hashes, spans)
    return hashes


def _hash_long(hashes: Hashes, spans: Spans) -> None:
    """Values of many words: a call each costs less than their bytes do."""
    view = memoryview(spans.data)
    for place in np.flatnonzero(spans.lengths > _LONG).tolist():
        start = int(spans.starts[place])
        end = start + int(spans.lengths[place])
        hashes[place] = xxhash.xxh3_64_intdigest(view[start:end])
