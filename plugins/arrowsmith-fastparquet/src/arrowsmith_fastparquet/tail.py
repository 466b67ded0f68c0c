"""The end of a file: the footer, of parts that fastparquet has written.

fastparquet writes a whole footer into a buffer whose size it guesses, and keeps all row groups in
memory. So it writes them one by one here, and they are put together as Thrift does it.
Fields: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import ExitStack
from typing import BinaryIO

import pyarrow as pa
from fastparquet import parquet_thrift
from fastparquet.util import created_by

from arrowsmith.plugin import RunContext
from arrowsmith_fastparquet.layout import Leaf
from arrowsmith_fastparquet.thrift import STRUCT, varint

_BLOCK = 1 << 20
_I32_FIELD, _I64_FIELD, _TEXT_FIELD, _LIST_FIELD = (bytes([1 << 4 | kind]) for kind in (5, 6, 8, 9))


class RowGroups:
    """The footers of the row groups written so far, on disk when they are many.

    Attributes:
        count, rows, size: row groups, their rows, and bytes of their footers.
    """

    def __init__(self, ctx: RunContext) -> None:
        self.count = self.rows = self.size = 0
        self._ctx = ctx
        self._recent = bytearray()
        self._scratch: BinaryIO | None = None
        self._release = ExitStack()

    def add(self, footer: bytes, rows: int) -> None:
        self.count += 1
        self.rows += rows
        self.size += len(footer)
        self._recent += footer
        if len(self._recent) > _BLOCK:
            if self._scratch is None:
                self._scratch = self._release.enter_context(self._ctx.scratch())
            self._scratch.write(self._recent)
            self._recent = bytearray()

    def parts(self) -> Iterator[bytes]:
        if self._scratch is not None:
            self._scratch.seek(0)
            while part := self._scratch.read(_BLOCK):
                yield part
        yield bytes(self._recent)

    def close(self) -> None:
        self._release.close()


def before_groups(leaves: list[Leaf], groups: RowGroups) -> bytes:
    """The footer up to its row groups: version, schema and the number of rows."""
    root = parquet_thrift.SchemaElement(name="schema", num_children=len(leaves), i32=True)
    elements = [root, *(one.element(one.physical, **one.meaning) for one in leaves)]
    return b"".join(
        (
            _I32_FIELD + _zigzag(1),
            _LIST_FIELD + _list(len(elements)),
            *(bytes(element.to_bytes()) for element in elements),
            _I64_FIELD + _zigzag(groups.rows),
            _LIST_FIELD + _list(groups.count),
        )
    )


def after_groups(schema: pa.Schema) -> bytes:
    """The rest of the footer: the schema's metadata, the Arrow schema, and who wrote it."""
    pairs = dict(schema.metadata or {})
    pairs[b"ARROW:schema"] = base64.b64encode(schema.serialize())
    entries = (_TEXT_FIELD + _text(k) + _TEXT_FIELD + _text(v) + b"\0" for k, v in pairs.items())
    writer = created_by.encode() if isinstance(created_by, str) else created_by
    return b"".join((_LIST_FIELD + _list(len(pairs)), *entries, _TEXT_FIELD + _text(writer), b"\0"))


def _zigzag(value: int) -> bytes:
    return varint(value << 1)


def _list(size: int) -> bytes:
    return bytes([size << 4 | STRUCT]) if size < 15 else bytes([0xF0 | STRUCT]) + varint(size)


def _text(value: bytes) -> bytes:
    return varint(len(value)) + value
