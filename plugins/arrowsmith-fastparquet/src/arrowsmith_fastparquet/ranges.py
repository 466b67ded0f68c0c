"""The bytes of a Parquet file at any offset, and a seekable file over them for pyarrow."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import BinaryIO

from arrowsmith.plugin import RunContext, Source

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Bytes:
    """The source's own bytes, or those of a copy on disk.

    Attributes:
        size: how many there are.
        source: where they are read.
        copy: instead of the source, where that cannot seek (compressed, or a pipe).
    """

    size: int
    source: Source
    copy: BinaryIO | None = None

    def read_at(self, offset: int, size: int) -> bytes:
        if self.copy is not None:
            return os.pread(self.copy.fileno(), size, offset)
        return self.source.read_at(offset, size)


def open_bytes(source: Source, copy: BinaryIO | None, ctx: RunContext) -> Bytes:
    """The bytes of a source, copied to disk first where ``copy`` is a file."""
    if copy is None:
        return Bytes(source.size or 0, source)
    with source.open() as stream:
        while block := stream.read(_BLOCK):
            ctx.check_cancelled()
            copy.write(block)
    copy.flush()
    return Bytes(copy.tell(), source, copy)


class RangeFile(io.RawIOBase):
    """A read-only file over :class:`Bytes`, of which one part may be held in memory.

    What is held is not read again: pyarrow then checks the very bytes that fastparquet decodes.
    """

    def __init__(self, data: Bytes, start: int = 0, held: bytes = b"") -> None:
        self._data = data
        self._start = start
        self._held = held
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._data.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._data.size - self._at)
        size = left if size < 0 else min(size, left)
        place = self._at - self._start
        if place >= 0 and place + size <= len(self._held):
            data = self._held[place : place + size]
        else:
            data = self._data.read_at(self._at, size)
        self._at += len(data)
        return data

    def size(self) -> int:
        return self._data.size
