"""From what Arrow's JSON parser gives to the types of the columns."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

_CLOCK = r"^[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?$"


def converted(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """``array``, as the parser gave it, as ``kind``; nested values likewise.

    Raises:
        pa.ArrowInvalid: a value does not fit.
    """
    if array.type.equals(kind):
        return array
    types = pa.types
    if types.is_list(kind):
        inner = converted(array.values, kind.value_type)
        return _rebuilt(array, kind, [inner])
    if types.is_struct(kind):
        inner = [converted(array.field(place), field.type) for place, field in enumerate(kind)]
        return _rebuilt(array, kind, inner)
    if types.is_time(kind):
        return _clock(array, kind)
    if types.is_dictionary(kind):
        return array.dictionary_encode().cast(kind)
    return array.cast(kind)


def _rebuilt(array: pa.Array, kind: pa.DataType, children: list[pa.Array]) -> pa.Array:
    buffers = array.buffers()[: 2 if pa.types.is_list(kind) else 1]
    return pa.Array.from_buffers(
        kind, len(array), buffers, array.null_count, array.offset, children=children
    )


def _clock(text: pa.StringArray, kind: pa.DataType) -> pa.Array:
    """Text as a time of day, by way of a timestamp, since Arrow has no cast for it."""
    fits = pc.match_substring_regex(text, _CLOCK)
    if pc.any(pc.invert(fits)).as_py():
        raise pa.ArrowInvalid(f"a value is no {kind}")
    moments = pc.utf8_replace_slice(text, start=0, stop=0, replacement="1970-01-01T")
    return moments.cast(pa.timestamp(kind.unit)).cast(kind)
