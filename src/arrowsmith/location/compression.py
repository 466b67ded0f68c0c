"""Compressed files: recognised by content and read in bounded memory.

The window that a file asks for, up to 128 MiB, is part of that and not of a run's budget.

A damaged or shortened file is an error, never a shorter stream: members and frames follow one
another to the last byte of the file, and bytes behind them that start no further one are damage.

Formats: gzip RFC 1952, zstd RFC 8878, bzip2 (https://sourceware.org/bzip2/), xz
(https://tukaani.org/xz/xz-file-format.txt), LZ4 frames
(https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md).
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from arrowsmith.errors import CorruptCompression, RatioExceeded, SourceError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

ReadAt = Callable[[int, int], bytes]
"""``read_at(offset, size)`` of the compressed file."""

SUFFIXES = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".xz": "xz", ".lz4": "lz4"}

_MAGICS: dict[str, tuple[bytes, ...]] = {
    "gzip": (b"\x1f\x8b\x08",),
    "zstd": (b"\x28\xb5\x2f\xfd",),
    # The level, then the magic of a block or (of an empty stream) of the end.
    "bz2": tuple(
        b"BZh%d" % level + block for level in range(1, 10) for block in (b"1AY&SY", b"\x17rE8P\x90")
    ),
    "xz": (b"\xfd7zXZ\x00",),
    "lz4": (b"\x04\x22\x4d\x18",),
}
_SKIPPABLE = range(0x50, 0x60)  # first bytes of such a frame
_FIRST = {magic[0] for magics in _MAGICS.values() for magic in magics} | set(_SKIPPABLE)
_PADDED = ("gzip", "xz")  # zero bytes may stand behind a member
_LOOKED_AT = 16  # bytes, more than any magic has
_SKIPPABLE_FRAMES = 64  # so many may stand before the first frame that tells zstd from lz4

_CHUNK = 64 << 10  # compressed bytes handed to a decompressor at once
_BLOCK = 1 << 20  # decompressed bytes taken from one at once
_RATIO_FLOOR = 64 << 20  # below so many decompressed bytes the ratio does not matter
_WINDOW = 128 << 20  # zstd's own limit, whatever the budget of a run; `xz -9` needs half of it


def format_suffix(path: str | os.PathLike[str]) -> tuple[str, str | None]:
    """The suffix that tells the format, in lower case, and the compression that follows it.

    Example:
        >>> format_suffix("raw/a.csv.gz"), format_suffix("b.Parquet"), format_suffix("c")
        (('.csv', 'gzip'), ('.parquet', None), ('', None))
    """
    root, suffix = os.path.splitext(os.path.basename(os.fspath(path)))
    compression = SUFFIXES.get(suffix.lower())
    if compression is not None:
        suffix = os.path.splitext(root)[1]
    return suffix.lower(), compression


def peeled_name(path: str) -> str:
    """The last part of a path without a compression suffix."""
    name = path.rpartition("/")[2]
    root, dot, suffix = name.rpartition(".")
    return root if root.strip(".") and (dot + suffix).lower() in SUFFIXES else name


def detect(read_at: ReadAt, path: str) -> str | None:
    """The compression of a file, by its first bytes; None for one that is not compressed.

    The suffix counts only where the file is cut off inside the magic bytes, or holds nothing but
    the skippable frames that zstd and lz4 share.
    """
    head = read_at(0, _LOOKED_AT)
    if len(head) == _LOOKED_AT and head[0] not in _FIRST:
        return None  # most files, at once
    offset = 0
    for _ in range(_SKIPPABLE_FRAMES):
        for compression, magics in _MAGICS.items():
            if head.startswith(magics) and (offset == 0 or compression in ("zstd", "lz4")):
                return compression
        if not _is_skippable(head):
            break
        offset += 8 + int.from_bytes(head[4:8], "little")
        head = read_at(offset, _LOOKED_AT)
    claimed = format_suffix(path)[1]
    if offset:
        return "lz4" if claimed == "lz4" else "zstd"
    cut = head and claimed and any(magic.startswith(head) for magic in _MAGICS[claimed])
    return claimed if cut else None


def _is_skippable(head: bytes) -> bool:
    return len(head) >= 8 and head[0] in _SKIPPABLE and head[1:4] == b"\x2a\x4d\x18"


# --- reading -------------------------------------------------------------------------------------


class _Decoder(Protocol):
    """Decompresses a file from front to end.

    Attributes:
        consumed: the compressed bytes taken so far.
        place: where a decompressor that fails now stands, as near as can be told.
    """

    @property
    def consumed(self) -> int: ...

    @property
    def place(self) -> int: ...

    def read_into(self, view: memoryview) -> int: ...


class _Inflate:
    """``zlib.decompressobj`` with the interface of bz2's and lzma's decompressors."""

    def __init__(self) -> None:
        import zlib

        self._zlib = zlib.decompressobj(wbits=31)  # a gzip header and trailer, both checked
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: ReadableBuffer, max_length: int) -> bytes:
        block = self._zlib.decompress(self._zlib.unconsumed_tail or data, max_length)
        self.needs_input = not self._zlib.unconsumed_tail and len(block) < max_length
        return block


def _member_factory(compression: str) -> Callable[[], Any]:
    if compression == "gzip":
        return _Inflate
    if compression == "bz2":
        import bz2

        return bz2.BZ2Decompressor
    import lzma

    return lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_WINDOW)


class _MemberDecoder:
    """gzip, bz2 and xz: one decompressor of the standard library after another."""

    def __init__(self, compression: str, read_at: ReadAt) -> None:
        self._new = _member_factory(compression)
        self._padded = compression in _PADDED
        self._read_at = read_at
        self._chunk = memoryview(b"")
        self._chunk_start = 0
        self._position = 0  # in the chunk
        self._member = self._new()
        self._begin_member()

    def _begin_member(self) -> None:
        self._fed = self.consumed
        # What a member leaves over is copied: small steps at first, for files of tiny members.
        self._step = 1 << 10

    @property
    def consumed(self) -> int:
        return self._chunk_start + self._position

    @property
    def place(self) -> int:
        return self._fed

    def read_into(self, view: memoryview) -> int:
        limit = min(len(view), _BLOCK)
        while True:
            if self._member.eof and not self._next_member():
                return 0
            data: ReadableBuffer = b""
            if self._member.needs_input:
                self._fed = self.consumed
                data = self._take()
                if not data:
                    raise EOFError
            block = self._member.decompress(data, limit)
            if self._member.eof:
                self._position -= len(self._member.unused_data)
            if block:
                view[: len(block)] = block
                return len(block)

    def _next_member(self) -> bool:
        """Go to the member behind the one that has ended; False at the end of the file."""
        while self._fill():
            rest = self._chunk[self._position :]
            if not self._padded or rest[0]:
                self._member = self._new()
                self._begin_member()
                return True
            self._position += len(rest) - len(bytes(rest).lstrip(b"\0"))
        return False

    def _take(self) -> memoryview:
        self._fill()
        data = self._chunk[self._position : self._position + self._step]
        self._position += len(data)
        self._step = min(self._step * 2, _CHUNK)
        return data

    def _fill(self) -> bool:
        if self._position == len(self._chunk):
            self._chunk_start += len(self._chunk)
            self._position = 0
            self._chunk = memoryview(self._read_at(self._chunk_start, _CHUNK))
        return len(self._chunk) > 0


class _RawReader(io.RawIOBase):
    """What pyarrow reads the compressed bytes from."""

    def __init__(self, read_at: ReadAt) -> None:
        self._read_at = read_at
        self.start = 0
        self.position = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._read_at(self.position, _CHUNK if size < 0 else size)
        self.start = self.position
        self.position += len(data)
        return data


class _ArrowDecoder:
    """zstd and lz4 by pyarrow's codecs, which go from frame to frame and notice a cut one."""

    def __init__(self, compression: str, read_at: ReadAt) -> None:
        import pyarrow as pa

        self._raw = _RawReader(read_at)
        self._stream = pa.CompressedInputStream(pa.PythonFile(self._raw, mode="r"), compression)

    @property
    def consumed(self) -> int:
        return self._raw.position

    @property
    def place(self) -> int:
        return self._raw.start

    def read_into(self, view: memoryview) -> int:
        return int(self._stream.readinto(view[:_BLOCK]))


class DecompressedFile(io.RawIOBase):
    """The decompressed bytes of a file as a raw stream; wrap it in ``io.BufferedReader``.

    Args:
        path: of the compressed file, for messages.
        compression: as :func:`detect` gives it.
        read_at: reads the compressed file.
        max_ratio: decompressed bytes for each compressed one, above 64 MiB of output.

    Raises:
        CorruptCompression: on reading; the file is cut short or damaged.
        RatioExceeded: on reading.
    """

    def __init__(self, path: str, compression: str, read_at: ReadAt, max_ratio: float) -> None:
        self._path = path
        self._compression = compression
        self._max_ratio = max_ratio
        self._produced = 0
        self._failure: SourceError | None = None
        arrow = compression in ("zstd", "lz4")
        self._decoder: _Decoder | None
        self._decoder = (_ArrowDecoder if arrow else _MemberDecoder)(compression, read_at)

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._produced

    def close(self) -> None:
        self._decoder = None
        super().close()

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        if self._decoder is None:
            raise ValueError("read of a closed stream")
        if self._failure is not None:  # a second try must not pass for the end of the file
            raise self._failure
        view = memoryview(buffer).cast("B")
        if not len(view):
            return 0
        try:
            count = self._decoder.read_into(view)
        except _decoder_errors() as error:
            self._failure = self._corrupt(self._decoder, error)
            raise self._failure from error
        self._produced += count
        self._check_ratio(self._decoder.consumed)
        return count

    def _check_ratio(self, consumed: int) -> None:
        if self._produced > max(_RATIO_FLOOR, consumed * self._max_ratio):
            self._failure = RatioExceeded(
                f"{consumed} bytes of {self._compression} decompress to more than "
                f"{self._produced} bytes, above the limit of {self._max_ratio:g} to 1",
                path=self._path,
                hint="raise max_ratio if you trust the file",
            )
            raise self._failure

    def _corrupt(self, decoder: _Decoder, error: Exception) -> SourceError:
        reason = str(error)
        if isinstance(error, EOFError) or "Truncated" in reason:
            return CorruptCompression(
                f"the {self._compression} data ends too early",
                path=self._path,
                place=f"byte {decoder.consumed}",
                hint="the file is cut short: copy or download it again",
            )
        place = f"near byte {decoder.place}"
        if "Memory usage limit" in reason or "too much memory" in reason:
            need = f"the {self._compression} data needs more than {_WINDOW >> 20} MiB to unpack"
            return SourceError(
                need,
                path=self._path,
                place=place,
                hint="if it is whole, compress it with a smaller window",
            )
        return CorruptCompression(
            f"the {self._compression} data is damaged ({reason.rpartition(': ')[2]})",
            path=self._path,
            place=place,
            hint="copy or download it again",
        )


def _decoder_errors() -> tuple[type[Exception], ...]:
    import lzma
    import zlib

    return (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError)
