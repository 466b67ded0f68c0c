"""A Parquet file as pyarrow wants it: a seekable file object over a source.

Bytes are read at offsets, not mapped: a file cut short while it is mapped would kill the process,
and column chunks are read whole, so that a copy of the compressed bytes costs next to nothing.
"""

from __future__ import annotations

import io
import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa

from arrowsmith.plugin import RunContext, Source


@dataclass(frozen=True, slots=True)
class Bytes:
    """Bytes that can be read at any offset: the source's own, or a copy on disk.

    Attributes:
        size: how many there are.
        source: where they are read.
        copy: instead of the source, one that cannot seek (compressed, or a pipe).
    """

    size: int
    source: Source
    copy: BinaryIO | None = None

    def read_at(self, offset: int, size: int) -> bytes:
        if self.copy is not None:
            return os.pread(self.copy.fileno(), size, offset)
        return self.source.read_at(offset, size)

    def read_buffer(self, offset: int, size: int) -> pa.Buffer:
        """The same in Arrow's own memory: large blocks of the C library's are slow to come back."""
        buffer = pa.allocate_buffer(size)
        view = memoryview(buffer)
        if self.copy is not None:
            filled = os.preadv(self.copy.fileno(), [view], offset)
        else:
            filled = self.source.read_into(offset, view)
        return buffer if filled == size else buffer.slice(0, filled)

    def open(self) -> RangeFile:
        """A file of its own position, for one thread."""
        return RangeFile(self)


class RangeFile(io.RawIOBase):
    """A read-only file over :class:`Bytes`."""

    def __init__(self, data: Bytes) -> None:
        self._data = data
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

    def read(self, size: int = -1) -> pa.Buffer:
        left = max(0, self._data.size - self._at)
        data = self._data.read_buffer(self._at, left if size < 0 else min(size, left))
        self._at += data.size
        return data

    def size(self) -> int:
        return self._data.size


def spooled(source: Source, ctx: RunContext) -> AbstractContextManager[BinaryIO | None]:
    """A place for a copy of a source that cannot seek; None for one that can."""
    return nullcontext(None) if source.seekable else ctx.scratch()


def open_bytes(source: Source, copy: BinaryIO | None, ctx: RunContext) -> Bytes:
    """The bytes of a source, copied to disk first where ``copy`` is a file."""
    if copy is None:
        return Bytes(source.size or 0, source)
    with source.open() as stream:
        while block := stream.read(1 << 20):
            ctx.check_cancelled()
            copy.write(block)
    copy.flush()
    return Bytes(copy.tell(), source, copy)
