"""Arrow values as plain Python values for JSON and tables, without the imports of ``as_py``.

``to_pylist()`` of nanosecond times imports pandas where it is installed; here times are rendered by
Arrow's own kernels, and nested arrays are taken apart by their children.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

_REPLACED = {math.inf: "Infinity", -math.inf: "-Infinity"}


def rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """The rows of a batch as JSON objects, see :func:`plain`.

    Example:
        >>> list(rows(pa.record_batch({"a": [1, None], "b": ["x", "y"]})))
        [{'a': 1, 'b': 'x'}, {'a': None, 'b': 'y'}]
    """
    names = batch.schema.names
    columns = [plain(column) for column in batch.columns]
    if not columns:
        return iter([{}] * batch.num_rows)
    return (dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True))


def plain(array: pa.Array) -> list[Any]:
    """Values that JSON can hold, one an element of ``array``; null is None.

    Numbers, booleans and strings are themselves; NaN and the infinities are strings, as are dates,
    times and decimals, the way Arrow writes them; binary is base64; a duration is a whole number
    of its unit; a struct is an object, a list an array, a map an array of pairs.
    """
    kind = array.type
    if isinstance(kind, pa.FixedShapeTensorType):
        return [_shaped(values, kind.shape) for values in plain(array.storage)]
    if isinstance(kind, pa.BaseExtensionType):
        return plain(array.storage)
    if pt.is_dictionary(kind):
        return plain(array.dictionary_decode())
    if pt.is_run_end_encoded(kind):
        import pyarrow.compute as pc

        return plain(pc.run_end_decode(array))
    if pt.is_struct(kind):
        return _structs(array)
    if pt.is_nested(kind) and hasattr(array, "values"):  # lists of all kinds, and maps
        return _lists(array)
    if pt.is_duration(kind):
        return list(array.view(pa.int64()).to_pylist())
    if pt.is_temporal(kind) and not pt.is_interval(kind):
        return _times(array)
    if pt.is_decimal(kind):
        return list(array.cast(pa.string()).to_pylist())
    return _scalars(array)


def _scalars(array: pa.Array) -> list[Any]:
    kind = array.type
    if pt.is_floating(kind):
        if pt.is_float16(kind):
            array = array.cast(pa.float32())
        return [_number(value) for value in array.to_pylist()]
    values = array.to_pylist()
    if values and isinstance(next((v for v in values if v is not None), None), bytes):
        return [None if v is None else base64.b64encode(v).decode() for v in values]
    if pt.is_primitive(kind) or pt.is_null(kind) or _is_text(kind):
        return list(values)
    return [None if value is None else str(value) for value in values]


def _is_text(kind: pa.DataType) -> bool:
    return pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind)


def _number(value: float | None) -> float | str | None:
    if value is None or math.isfinite(value):
        return value
    return _REPLACED.get(value, "NaN")


def _shaped(values: list[Any] | None, shape: list[int]) -> list[Any] | None:
    """The elements of a tensor in lists of lists, as deep as it has dimensions."""
    if values is None or len(shape) < 2:
        return values
    size = len(values) // shape[0] if shape[0] else 0
    rows = (values[at * size : (at + 1) * size] for at in range(shape[0]))
    return [_shaped(row, shape[1:]) for row in rows]


def _structs(array: pa.StructArray) -> list[Any]:
    names = [field.name for field in array.type]
    columns = [plain(array.field(number)) for number in range(len(names))]
    valid = array.is_valid().to_pylist()
    return [
        {name: column[at] for name, column in zip(names, columns, strict=True)} if there else None
        for at, there in enumerate(valid)
    ]


def _times(array: pa.Array) -> list[Any]:
    try:
        return list(array.cast(pa.string()).to_pylist())
    except pa.ArrowInvalid:  # its zone is not known on this machine: show it in UTC
        bare = array.cast(pa.timestamp(array.type.unit)).cast(pa.string()).to_pylist()
        return [None if value is None else f"{value}Z" for value in bare]


def _lists(array: Any) -> list[Any]:
    """The elements of all lists at once, cut at the bounds of each."""
    starts, ends = _bounds(array)
    first, last = min(starts, default=0), max(ends, default=0)

    def part(child: pa.Array) -> list[Any]:
        return plain(child.slice(first, max(last - first, 0)))

    if pt.is_map(array.type):
        keys, values = part(array.keys), part(array.items)
        items: list[Any] = [list(pair) for pair in zip(keys, values, strict=True)]
    else:
        items = part(array.values)
    valid = array.is_valid().to_pylist()
    return [
        items[start - first : end - first] if there else None
        for start, end, there in zip(starts, ends, valid, strict=True)
    ]


def _bounds(array: Any) -> tuple[list[int], list[int]]:
    """Where each list begins and ends among the elements of all."""
    kind = array.type
    if pt.is_fixed_size_list(kind):
        size = kind.list_size
        starts = [(array.offset + at) * size for at in range(len(array))]
        return starts, [start + size for start in starts]
    offsets = array.offsets.to_pylist()
    if pt.is_list_view(kind) or pt.is_large_list_view(kind):
        sizes = array.sizes.to_pylist()
        return offsets, [a + b for a, b in zip(offsets, sizes, strict=True)]
    return offsets[:-1], offsets[1:]
