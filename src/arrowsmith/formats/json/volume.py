"""How much JSON a schema makes, so that chunks can be cut where their text stays small.

A column of bytes with a long name is written as dozens of times its size in memory. What is told
here depends on the schema alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import orjson
import pyarrow as pa

_NUMBER = 24  # a number or a moment; most are shorter, only wide decimals are longer
_AROUND = 3  # the comma and the quotes or brackets of a value
_OFFSET = 4
_LEAST_RATIO = 1.5


@dataclass(frozen=True, slots=True)
class Volume:
    """What one value of a type takes, a list having one element and a text none.

    Attributes:
        text: bytes of JSON.
        width: bytes of Arrow data.
        ratio: the most text per Arrow byte of any list within, whatever its length.
        strings: it holds strings, whose text is escaped.
    """

    text: int
    width: int
    ratio: float = _LEAST_RATIO
    strings: bool = False


def row_volume(schema: pa.Schema) -> Volume:
    """The volume of one row; its ratio is that of the row or of any list in it, if greater.

    Example:
        >>> row_volume(pa.schema([("n", pa.int64())])).text
        33
    """
    row = _members(list(schema))
    return replace(row, ratio=max(row.ratio, row.text / max(row.width, 1)))


def _members(fields: list[pa.Field]) -> Volume:
    inner = [_volume(field.type) for field in fields]
    labels = sum(len(orjson.dumps(field.name)) + 1 + _AROUND for field in fields)
    return Volume(
        2 + labels + sum(volume.text for volume in inner),
        sum(volume.width for volume in inner),
        max((volume.ratio for volume in inner), default=_LEAST_RATIO),
        any(volume.strings for volume in inner),
    )


def _volume(kind: pa.DataType) -> Volume:
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return _volume(kind.storage_type)
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return _volume(kind.value_type)
    if types.is_struct(kind):
        return _members([kind.field(place) for place in range(kind.num_fields)])
    if types.is_fixed_size_list(kind):
        element = _volume(kind.value_type)
        count = kind.list_size
        text, width = count * (element.text + _AROUND), count * element.width
        return replace(element, text=text, width=width)
    if types.is_map(kind):
        return _list(_members([kind.key_field, kind.item_field]))
    if types.is_nested(kind) and not types.is_union(kind):
        return _list(_volume(kind.value_type))
    try:
        width = -(-kind.bit_width // 8)
    except ValueError:  # texts and bytes of any length
        return Volume(2, _OFFSET, strings=not _is_binary(kind))
    if types.is_fixed_size_binary(kind):
        return Volume(width * 4 // 3 + _AROUND, width)
    return Volume(_NUMBER + max(width - 8, 0) * 2, max(width, 1))


def _list(element: Volume) -> Volume:
    text = element.text + _AROUND
    ratio = max(element.ratio, text / max(element.width, 1))
    return Volume(text, element.width + _OFFSET, ratio, element.strings)


def _is_binary(kind: pa.DataType) -> bool:
    types = pa.types
    return any(
        test(kind) for test in (types.is_binary, types.is_large_binary, types.is_binary_view)
    )
