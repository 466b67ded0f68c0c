"""Write ``.npz``: the same bytes for the same arrays, each array aligned as its values need it."""

from __future__ import annotations

import io
import struct
import zipfile
from typing import Any, BinaryIO, Self

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first that zip can hold
_ALIGNED = 64
_LOCAL = 30
_ZIP64 = 20
# An extra field that says it is there for alignment; readers leave it aside.
_PADDING = struct.Struct("<HHH")
_PADDING_ID = 0xD935


class Archive:
    """A zip archive on a stream that cannot seek.

    Args:
        out: the stream.
        deflate: pack the members.
    """

    def __init__(self, out: BinaryIO, *, deflate: bool) -> None:
        self._out = _Counting(out)
        self._deflate = deflate
        self._zip = zipfile.ZipFile(self._out, "w")

    def member(self, name: str, size: int) -> Any:
        """A stream for a member of ``size`` bytes, to be used in a ``with`` statement."""
        info = zipfile.ZipInfo(name, _EPOCH)
        info.create_system = 3
        info.external_attr = 0o644 << 16
        info.file_size = size
        if self._deflate:
            info.compress_type = zipfile.ZIP_DEFLATED
        else:
            before = self._out.written + _LOCAL + len(name.encode()) + _ZIP64 + _PADDING.size
            padding = -before % _ALIGNED
            info.extra = _PADDING.pack(_PADDING_ID, 2 + padding, _ALIGNED) + bytes(padding)
        return self._zip.open(info, "w", force_zip64=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if error is not None:
            self._out.stop()  # the directory that closing writes would make it look whole
        self._zip.close()


class _Counting(io.RawIOBase):
    """Counts what is written, and says that it cannot seek.

    Attributes:
        written: bytes so far.
    """

    def __init__(self, out: BinaryIO) -> None:
        self._out: BinaryIO | None = out
        self.written = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        size = memoryview(data).nbytes
        if self._out is not None:
            self._out.write(data)
        self.written += size
        return size

    def stop(self) -> None:
        self._out = None
