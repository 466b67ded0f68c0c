"""Compressors for files that are written; the suffix of the target chooses.

The same input gives the same bytes with the same version of the libraries: a gzip header has
neither time nor name.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_BLOCK = 1 << 20  # bytes handed to a compressor at once, which bounds what it gives back
_XZ_PRESET = 2  # compresses within 17 MiB; the usual 6 would take 94

Write = Callable[[Any], object]
"""Takes any buffer and writes all of it."""


class Encoder(Protocol):
    """Compresses what it is given and hands it on."""

    def write(self, data: memoryview) -> None: ...

    def finish(self) -> None:
        """Write what is left and the trailer."""
        ...


class _MemberEncoder:
    """gzip, bz2 and xz by a compressor of the standard library."""

    def __init__(self, compression: str, write: Write) -> None:
        self._compressor = _compressor(compression)
        self._write = write

    def write(self, data: memoryview) -> None:
        for start in range(0, len(data), _BLOCK):
            packed = self._compressor.compress(data[start : start + _BLOCK])
            if packed:
                self._write(packed)

    def finish(self) -> None:
        self._write(self._compressor.flush())


def _compressor(compression: str) -> Any:
    if compression == "gzip":
        import zlib

        # zlib's own gzip header: no name and no time, so the same input gives the same bytes.
        return zlib.compressobj(wbits=31)
    if compression == "bz2":
        import bz2

        return bz2.BZ2Compressor()
    import lzma

    return lzma.LZMACompressor(preset=_XZ_PRESET)


class _RawWriter(io.RawIOBase):
    """What pyarrow writes the compressed bytes to."""

    def __init__(self, write: Write) -> None:
        self._write = write

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        self._write(data)
        return memoryview(data).nbytes


class _ArrowEncoder:
    """zstd and lz4 by pyarrow's codecs, one frame."""

    def __init__(self, compression: str, write: Write) -> None:
        import pyarrow as pa

        raw = pa.PythonFile(_RawWriter(write), mode="w")
        self._stream = pa.CompressedOutputStream(raw, compression)

    def write(self, data: memoryview) -> None:
        self._stream.write(data)

    def finish(self) -> None:
        self._stream.close()


def encoder(compression: str, write: Write) -> Encoder:
    """A compressor that hands its output to ``write``; deterministic for the library's version."""
    if compression in ("zstd", "lz4"):
        return _ArrowEncoder(compression, write)
    return _MemberEncoder(compression, write)
