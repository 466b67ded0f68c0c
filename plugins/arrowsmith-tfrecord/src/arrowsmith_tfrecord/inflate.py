"""TFRecord's own compression type ZLIB: a zlib stream, which the host does not peel.

Source of the format: RFC 1950.
"""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, BinaryIO, cast

from arrowsmith.errors import CorruptCompression
from arrowsmith.plugin import Source

if TYPE_CHECKING:
    import pyarrow as pa
    from _typeshed import WriteableBuffer

_BLOCK = 256 << 10


def is_zlib(head: bytes) -> bool:
    """Whether a file begins as a zlib stream does, and what follows can be inflated."""
    if len(head) < 2 or head[0] & 0x0F != 8 or int.from_bytes(head[:2], "big") % 31:
        return False
    try:
        zlib.decompressobj().decompress(head, 16)
    except zlib.error:
        return False
    return True


class ZlibSource:
    """A source whose zlib compression is peeled. Implements ``Source``."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.path = source.path
        self.name = source.name
        self.size: int | None = None
        self.seekable = False
        self.mappable = False
        self.compression: str | None = "zlib"

    def open(self) -> BinaryIO:
        return cast(BinaryIO, _Inflated(self._source))

    def head(self, size: int) -> bytes:
        buffer = bytearray(size)
        done = 0
        with self.open() as stream:
            while done < size:
                got = stream.readinto(memoryview(buffer)[done:])  # type: ignore[attr-defined]
                if not got:
                    break
                done += got
        return bytes(buffer[:done])

    def read_at(self, offset: int, size: int) -> bytes:
        raise io.UnsupportedOperation("a compressed file is read from front to end")

    def read_into(self, offset: int, buffer: bytearray | memoryview) -> int:
        raise io.UnsupportedOperation("a compressed file is read from front to end")

    def map(self) -> pa.Buffer:
        raise io.UnsupportedOperation("a compressed file is not mapped")

    def check_unchanged(self) -> None:
        self._source.check_unchanged()


class _Inflated(io.RawIOBase):
    """The bytes of a zlib stream, a block at a time."""

    def __init__(self, source: Source) -> None:
        self._path = source.path
        self._stream = source.open()
        self._decoder = zlib.decompressobj()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        while len(view):
            waiting = self._decoder.unconsumed_tail or self._stream.read(_BLOCK)
            if self._decoder.eof:
                waiting = self._decoder.unused_data + waiting
                if not waiting:
                    return 0
                self._decoder = zlib.decompressobj()  # another stream behind the first
            try:
                data = self._decoder.decompress(waiting, len(view))
            except zlib.error as error:
                raise self._corrupt(f"is damaged: {error}") from None
            if not (data or waiting or self._decoder.eof):
                raise self._corrupt("is cut short: the zlib stream has no end")
            if data:
                view[: len(data)] = data
                return len(data)
        return 0

    def _corrupt(self, what: str) -> CorruptCompression:
        return CorruptCompression(what, path=self._path)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()
