"""A local file to read: by offset, as a stream or mapped, its compression peeled."""

from __future__ import annotations

import errno
import io
import mmap
import os
import stat
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from arrowsmith.errors import SourceChanged, SourceError, SourceNotFound
from arrowsmith.location.compression import DecompressedFile, detect, peeled_name

if TYPE_CHECKING:
    import pyarrow as pa
    from _typeshed import WriteableBuffer

_BUFFER = 256 << 10
_HEAD = 64 << 10  # decompressed bytes that are kept, since every probe asks for them

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
)


def kind_of(mode: int) -> str | None:
    """What a file is that is not a regular one: ``"a directory"``, ``"a named pipe"`` ..."""
    if stat.S_ISREG(mode):
        return None
    return next((name for test, name in _KINDS if test(mode)), None)


def source_error(error: OSError, path: str) -> SourceError:
    """The one-line error for a file that cannot be opened or read."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return SourceNotFound("no such file or directory", path=path)
    if error.errno in (errno.EACCES, errno.EPERM):
        return SourceError("permission denied", path=path, hint="ask for the right to read it")
    if error.errno == errno.ELOOP:
        return SourceError("its symbolic links go round in a circle", path=path)
    return SourceError(f"cannot be read ({error.strerror or error})", path=path)


class FileSource:
    """A regular file. Implements :class:`arrowsmith.plugin.Source`.

    It may be shared by threads and pickled: the descriptor is opened when it is first needed, and
    the file has to be the one that was seen when the source was made.

    Args:
        path: of the file; neither patterns nor ``~`` are expanded here.
        max_ratio: how many bytes each compressed byte may become (above 64 MiB of output).
        shown: the path as the user knows it, where that is another.

    Attributes:
        path: as the user knows it, for messages.
        name: the last part of the path without a compression suffix.
        size: bytes after decompression; None for a compressed file.
        disk_bytes: the file's size on disk.
        seekable, mappable: False for a compressed file.
        compression: ``"gzip"``, ``"zstd"``, ``"bz2"``, ``"xz"``, ``"lz4"`` or None, by content.
        position: where the last read ended, in bytes as stored.
        absolute: where the file lies, whatever the folder that the process is in.

    Raises:
        SourceNotFound: there is no such file.
        SourceError: it is no regular file, or may not be read.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile(suffix=".csv") as file:
        ...     _ = file.write(b"x\\n1\\n"), file.flush()
        ...     with FileSource(file.name) as source:
        ...         source.size, source.read_at(2, 10)
        (4, b'1\\n')
    """

    path: str
    name: str
    size: int | None
    disk_bytes: int
    seekable: bool
    mappable: bool
    compression: str | None

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_ratio: float = 1000.0,
        shown: str | None = None,
    ) -> None:
        self.path = os.fspath(path) if shown is None else shown
        self.name = peeled_name(os.fspath(path))
        absolute = os.path.abspath(path)
        self.absolute = self.path if absolute == self.path else absolute  # one text, if it will do
        self._max_ratio = max_ratio
        self._lock = threading.Lock()
        self._fd: int | None = None
        self._head: bytes | None = None
        self._identity: tuple[int, int, int] | None = None
        self.disk_bytes = self.position = 0
        try:
            self._open_fd()
            self.compression = detect(self._read_raw, self.path) if self.disk_bytes else None
        finally:
            self.close()  # a folder of many thousand files must not use up the descriptors
        self.seekable = self.mappable = self.compression is None
        self.size = self.disk_bytes if self.seekable else None

    def __repr__(self) -> str:
        return f"FileSource({self.path!r})"

    @property
    def local_path(self) -> str:
        """The absolute path of the bytes as stored, whatever the working directory is now."""
        return self.absolute

    # --- the descriptor ---

    def _open_fd(self) -> int:
        fd = self._fd
        if fd is not None:
            return fd
        with self._lock:
            if self._fd is None:
                self._fd = self._opened()
            return self._fd

    def _opened(self) -> int:
        try:
            # Opening a pipe waits for its other end and opening a device may do things: look first.
            # O_NONBLOCK is for one that takes the file's place in between.
            self._check_regular(os.stat(self.absolute))
            fd = os.open(self.absolute, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            raise source_error(error, self.path) from error
        except ValueError as error:  # a NUL in the name
            raise SourceNotFound("no such file or directory", path=self.path) from error
        try:
            status = os.fstat(fd)
            self._check_regular(status)
            if self._identity is None:
                self._identity = _identity(status)
                self.disk_bytes = status.st_size
            elif self._identity != _identity(status):
                raise self._changed()
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _check_regular(self, status: os.stat_result) -> None:
        kind = kind_of(status.st_mode)
        if kind is not None:
            hint = None if kind == "a directory" else "write what it gives to a file and read that"
            raise SourceError(f"is {kind}, not a file", path=self.path, hint=hint)

    def close(self) -> None:
        """Give the descriptor back; the next read opens the file again."""
        with self._lock:
            fd, self._fd = self._fd, None
            if fd is not None:
                os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_fd", None) is not None:
            self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None, "_fd": None, "_head": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    # --- reading ---

    def head(self, size: int) -> bytes:
        """The first ``size`` bytes, decompressed; fewer at the end of the file."""
        if self.seekable:
            return self._read_raw(0, size)
        if size > _HEAD:
            with self.open() as stream:
                return stream.read(size)
        if self._head is None:
            with self.open() as stream:
                self._head = stream.read(_HEAD)
        return self._head[:size]

    def tail(self, size: int) -> bytes:
        """The last ``size`` bytes; none of a compressed file."""
        if not self.seekable:
            return b""
        return self._read_raw(max(self.disk_bytes - size, 0), size)

    def read_at(self, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes from ``offset``; fewer only at the end of the file."""
        self._need_seekable()
        return self._read_raw(offset, size)

    def read_into(self, offset: int, buffer: bytearray | memoryview) -> int:
        """Fill ``buffer`` from ``offset``; the number of bytes read, short only at the end."""
        self._need_seekable()
        if not len(buffer):
            return 0
        view = memoryview(buffer).cast("B")
        fd = self._open_fd()
        filled = 0
        while filled < len(view):
            try:
                count = os.preadv(fd, [view[filled:]], offset + filled)
            except OSError as error:
                raise source_error(error, self.path) from error
            if count == 0:
                break
            filled += count
        self.position = offset + filled
        return filled

    def open(self) -> BinaryIO:
        """A new buffered stream over the decompressed bytes, from the first.

        Reading it raises ``CorruptCompression`` or ``RatioExceeded`` for a bad compressed file.
        """
        raw: io.RawIOBase
        if self.compression is None:
            raw = _FileStream(self)
        else:
            raw = DecompressedFile(self.path, self.compression, self._read_raw, self._max_ratio)
        return io.BufferedReader(raw, _BUFFER)

    def map(self) -> pa.Buffer:
        """The whole file as a read-only buffer that lies over its pages; uncompressed files only.

        The mapping lives as long as the buffer or a slice of it. A file that is cut short while it
        is mapped kills the process (SIGBUS) when a page beyond its end is touched.
        """
        import pyarrow as pa

        self._need_seekable()
        fd = self._open_fd()
        if not os.fstat(fd).st_size:
            return pa.py_buffer(b"")
        try:
            mapped = mmap.mmap(fd, 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise source_error(error, self.path) from error
        return pa.py_buffer(mapped)

    def check_unchanged(self) -> None:
        """Raise ``SourceChanged`` if the path leads to another file than when the source was made,
        or if its size or modification time differ."""
        try:
            status = os.stat(self.absolute)
        except OSError as error:
            raise self._changed("it is gone or out of reach") from error
        if _identity(status) != self._identity:
            raise self._changed()

    def _changed(self, how: str = "its size, time or inode differ") -> SourceChanged:
        return SourceChanged(
            f"changed while it was read ({how})",
            path=self.path,
            hint="run again when it is at rest",
        )

    def _need_seekable(self) -> None:
        if not self.seekable:
            raise SourceError(
                f"is compressed ({self.compression}) and can only be read from front to end",
                path=self.path,
                hint="decompress it first",
            )

    def _read_raw(self, offset: int, size: int) -> bytes:
        fd = self._open_fd()
        size = max(min(size, self.disk_bytes - offset), 0)  # never allocate what is not there
        parts: list[bytes] = []
        while size:
            try:
                part = os.pread(fd, size, offset)
            except OSError as error:
                raise source_error(error, self.path) from error
            if not part:
                break
            parts.append(part)
            offset += len(part)
            size -= len(part)
        self.position = offset
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


class _FileStream(io.RawIOBase):
    """A position of its own over a source whose descriptor is shared."""

    def __init__(self, source: FileSource) -> None:
        self._source = source
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._source.disk_bytes}
        if base[whence] + offset < 0:
            raise ValueError("negative position in a file")
        self._position = base[whence] + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        count = self._source.read_into(self._position, memoryview(buffer))
        self._position += count
        return count
