"""What a footer says of column chunks, checked before pyarrow is asked for it.

pyarrow ends the process where a chunk's sizes, levels or bounds do not fit the schema: the error is
thrown where Python cannot catch it. So the footer is walked once more, a row group at a time and no
further than the row group that is wanted. Field numbers and enumerations are those of
``parquet.thrift``:
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from __future__ import annotations

from threading import Lock
from typing import Any

import pyarrow.parquet as pq

from arrowsmith.formats.parquet.thrift import (
    BINARY,
    I16,
    I32,
    I64,
    LIST,
    STRUCT,
    TRUE,
    Cursor,
    Shape,
    ThriftError,
    read_struct,
)

_TYPES = {
    "BOOLEAN": (0, 1),
    "INT32": (1, 4),
    "INT64": (2, 8),
    "INT96": (3, 12),
    "FLOAT": (4, 4),
    "DOUBLE": (5, 8),
    "BYTE_ARRAY": (6, None),
    "FIXED_LEN_BYTE_ARRAY": (7, None),
}
_BYTE_ARRAY = 6
_CODECS = frozenset(range(8))
_ENCODINGS = frozenset({0, 2, 3, 4, 5, 6, 7, 8, 9})

_STATISTICS: Shape = {
    **dict.fromkeys((1, 2, 5, 6), (BINARY, 0, None)),
    **dict.fromkeys((3, 4), (I64, 0, None)),
    **dict.fromkeys((7, 8), (TRUE, 0, None)),
}
_SIZES: Shape = {1: (I64, 0, None), 2: (LIST, I64, None), 3: (LIST, I64, None)}
_PAIR: Shape = {1: (BINARY, 0, None), 2: (BINARY, 0, None)}
_PAGES: Shape = dict.fromkeys((1, 2, 3), (I32, 0, None))
_METADATA: Shape = {
    **dict.fromkeys((1, 4, 15), (I32, 0, None)),
    **dict.fromkeys((5, 6, 7, 9, 10, 11, 14), (I64, 0, None)),
    2: (LIST, I32, None),
    3: (LIST, BINARY, None),
    8: (LIST, STRUCT, _PAIR),
    12: (STRUCT, 0, _STATISTICS),
    13: (LIST, STRUCT, _PAGES),
    16: (STRUCT, 0, _SIZES),
}
_CHUNK: Shape = {
    1: (BINARY, 0, None),
    2: (I64, 0, None),
    3: (STRUCT, 0, _METADATA),
    4: (I64, 0, None),
    5: (I32, 0, None),
    6: (I64, 0, None),
    7: (I32, 0, None),
    8: (STRUCT, 0, {}),
    9: (BINARY, 0, None),
}
_GROUP: Shape = {
    1: (LIST, STRUCT, _CHUNK),
    **dict.fromkeys((2, 3, 5, 6), (I64, 0, None)),
    4: (LIST, STRUCT, {}),
    7: (I16, 0, None),
}
_ROW_GROUPS = 4


class ChunkCheck:
    """Checks the column chunks of a footer's row groups.

    Args:
        footer: its bytes, which are let go of when the last row group has been checked.
        schema: what pyarrow made of its schema.
        file_size: bytes of the file.
    """

    def __init__(self, footer: bytes, schema: pq.ParquetSchema, file_size: int) -> None:
        self._footer = footer
        self._file_size = file_size
        self._leaves = [_leaf(schema.column(i)) for i in range(len(schema))]
        self._untold: list[frozenset[int]] = []
        self._left = -1
        self._at = 0
        self._lock = Lock()

    def untold(self, number: int) -> frozenset[int]:
        """The leaves of a row group whose bounds cannot be taken from the footer.

        Raises:
            ThriftError: the row group, or one before it, is damaged.
        """
        with self._lock:
            if self._left < 0:
                self._find()
            while len(self._untold) <= number:
                self._next()
            return self._untold[number]

    def _find(self) -> None:
        cursor = Cursor(self._footer)
        for field, kind in cursor.fields():
            if field == _ROW_GROUPS:
                size, inner = cursor.list() if kind == LIST else (0, 0)
                if inner != STRUCT and size:
                    break
                self._left, self._at = size, cursor.at
                return
            cursor.skip(kind)
        raise ThriftError("its row groups are missing")

    def _next(self) -> None:
        if not self._left:
            raise ThriftError(f"the footer has {len(self._untold)} row groups")
        group, self._at = read_struct(self._footer, self._at, _GROUP)
        chunks = group.get(1, [])
        if len(chunks) != len(self._leaves):
            raise ThriftError(f"it has {len(chunks)} columns, the schema {len(self._leaves)}")
        empty = group.get(3) == 0
        untold = set()
        for i, (chunk, leaf) in enumerate(zip(chunks, self._leaves, strict=True)):
            meta = chunk.get(3)
            if meta is None or 8 in chunk or 9 in chunk:
                raise ThriftError(f"the metadata of column {i} is encrypted or missing")
            wrong = _wrong(meta, leaf)
            if not (wrong or empty or 1 in chunk):
                wrong = _misplaced(meta, self._file_size)
            if wrong:
                raise ThriftError(f"column {i}: {wrong}")
            if 12 in meta and not _bounded(meta[12], leaf[3]):
                untold.add(i)
        self._untold.append(frozenset(untold))
        self._left -= 1
        if not self._left:
            self._footer = b""


# Its type's number, its greatest repetition and definition level, the size of a bound.
_Leaf = tuple[int, int, int, int | None]


def _leaf(column: pq.ColumnSchema) -> _Leaf:
    kind = column.physical_type
    number, size = _TYPES[kind]
    if kind == "FIXED_LEN_BYTE_ARRAY":
        size = column.length
    return number, column.max_repetition_level, column.max_definition_level, size


def _wrong(meta: dict[int, Any], leaf: _Leaf) -> str | None:
    kind, repetition, definition, _ = leaf
    if meta.get(1) != kind:
        return f"it has the type {meta.get(1)}, the schema {kind}"
    if meta.get(4) not in _CODECS:
        return f"there is no codec {meta.get(4)}"
    encodings = meta.get(2, ())
    if not _ENCODINGS.issuperset(encodings):
        return f"there are no encodings {encodings}"
    for field in (5, 6, 7, 9):
        if meta.get(field, -1) < 0:
            return f"field {field} of its metadata is {meta.get(field)}"
    sizes = meta.get(16)
    if sizes is None:
        return None
    if 1 in sizes and kind != _BYTE_ARRAY:
        return "it has the size of texts but is no text"
    for field, top in ((2, repetition), (3, definition)):
        if len(sizes.get(field, ())) not in (0, top + 1):
            return f"a histogram has {len(sizes[field])} levels, the schema {top + 1}"
    return None


def _misplaced(meta: dict[int, Any], file_size: int) -> str | None:
    """Where its pages lie; 0 for a dictionary means that there is none."""
    pages, dictionary = meta[9], meta.get(11, 0)
    start = min(pages, dictionary) if dictionary else pages
    if start < 4 or start + meta[7] > file_size:
        return f"it claims bytes {start} to {start + meta[7]} of a file of {file_size}"
    return None


def _bounded(statistics: dict[int, Any], size: int | None) -> bool:
    """Whether each bound has as many bytes as the type; pyarrow reads them without looking."""
    return size is None or all(
        len(statistics[field]) == size for field in (1, 2, 5, 6) if field in statistics
    )
