"""64-bit hashes of the values of an array, whole arrays at a time.

Fixed-width values and the words of strings are mixed by the steps of MurmurHash3's finalizer
(https://github.com/aappleby/smhasher/wiki/MurmurHash3, public domain), without its last shift,
which changes the lower bits alone. Equal values have equal hashes in any array of one type: slices,
zeros of both signs and all NaNs included.

Not for adversaries: whoever knows the constants can make values that collide.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from arrowsmith.kernels.arrays import numpy_view
from arrowsmith.kernels.scratch import Scratch
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


def hash_values(array: pa.Array, scratch: Scratch | None = None) -> Hashes:
    """A hash for each value, shape ``(len(array),)``; what nulls get means nothing.

    Args:
        array: of a type for which ``can_hash`` is true.
        scratch: where the hashes stand until it is used again; memory of their own without it.

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
    scratch = Scratch() if scratch is None else scratch
    if types.is_boolean(kind):
        return _mixed(numpy_view(array.cast(pa.uint8())).astype(np.uint64), scratch)
    if types.is_fixed_size_binary(kind) or is_ragged(kind):
        return hash_spans(Spans(array, scratch), scratch)
    return _hash_numbers(array, scratch)


def _mixed(values: Hashes, scratch: Scratch) -> Hashes:
    """Every bit spread over all above it; ``values`` may be what was mixed before."""
    return _step(_step(values, _FIRST, scratch), _SECOND, scratch)


def _step(values: Hashes, factor: np.uint64, scratch: Scratch) -> Hashes:
    shifted = scratch.array("shifted", len(values), np.uint64)
    mixed: Hashes = scratch.array("mixed", len(values), np.uint64)
    np.right_shift(values, _HALF, out=shifted)
    np.bitwise_xor(values, shifted, out=mixed)
    mixed *= factor
    return mixed


def _hash_numbers(array: pa.Array, scratch: Scratch) -> Hashes:
    kind, size = array.type, array.type.bit_width // 8
    buffer = array.buffers()[1]
    if size > WORD:  # decimals of 128 and 256 bits, intervals
        words = np.frombuffer(buffer, np.uint64)[array.offset * size // WORD :]
        table = words[: len(array) * size // WORD].reshape(len(array), -1)
        hashes = np.zeros(len(array), np.uint64)
        for column in range(table.shape[1]):
            hashes = _mixed((hashes + _STEP) ^ table[:, column], scratch)
        return hashes
    start, stop = array.offset, array.offset + len(array)
    if pa.types.is_floating(kind):
        numbers = np.frombuffer(buffer, f"f{size}")[start:stop]
        floats = scratch.array("mixed", len(numbers), np.float64)
        np.add(numbers, 0.0, out=floats, dtype=np.float64)
        bits = floats.view(np.uint64)
        if np.isnan(floats.min(initial=np.inf)):
            bits[np.isnan(floats)] = _NAN
        return _mixed(bits, scratch)
    values = np.frombuffer(buffer, f"u{size}")[start:stop]
    if size < WORD:
        wide = scratch.array("mixed", len(values), np.uint64)
        wide[:] = values
        values = wide
    return _mixed(values, scratch)


def hash_spans(spans: Spans, scratch: Scratch) -> Hashes:
    """The hashes of strings or binaries: length and first two words, then word by word in
    lockstep."""
    starts, lengths = spans.starts, spans.lengths
    hashes: Hashes = scratch.array("mixed", len(lengths), np.uint64)
    np.multiply(lengths.view(np.uint64), _STEP, out=hashes)
    hashes ^= spans.first
    _step(hashes, _FIRST, scratch)
    if spans.longest > WORD:
        hashes ^= spans.second
    _step(hashes, _SECOND, scratch)
    for at in range(2 * WORD, min(spans.longest, _LONG), WORD):
        # the last word of a value overlaps the one before it: all of it stands in the value
        if spans.shortest > at:
            hashes ^= spans.words[starts + np.minimum(at, lengths - WORD)]
            _step(hashes, _FIRST, scratch)
        else:
            deep = np.flatnonzero(lengths > at)
            places = starts[deep] + np.minimum(at, lengths[deep] - WORD)
            hashes[deep] = _step(hashes[deep] ^ spans.words[places], _FIRST, Scratch())
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
