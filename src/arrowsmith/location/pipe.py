"""A pipe to read as often as one likes: what comes out of it is kept, in memory, then on disk.

A run may have to begin again, and a dataset may be run twice, but a pipe gives its bytes once.
"""

from __future__ import annotations

import fcntl
import io
import mmap
import os
import select
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self

from arrowsmith.errors import SourceError
from arrowsmith.location.compression import DecompressedFile, detect, peeled_name
from arrowsmith.location.source import source_error

if TYPE_CHECKING:
    import pyarrow as pa
    from _typeshed import WriteableBuffer

_IN_MEMORY = 1 << 20  # bytes kept before there is a file
_BUFFER = 256 << 10
_HEAD = 64 << 10
_BLOCK = 1 << 20
_PATIENCE = 0.1  # seconds between two looks whether the run is over
_CAPACITY = 1031  # F_SETPIPE_SZ, which the module names from Python 3.10 on, on Linux alone

Check = Callable[[], None]


def _nobody_waits() -> None:
    """The check of a pipe that no run reads."""


class Pipe:
    """The bytes of a pipe by offset: read when they are asked for, and kept. Thread-safe.

    Args:
        fd: the reading end, which is closed with this object.
        path: as the user knows it, for messages.
    """

    def __init__(self, fd: int, path: str) -> None:
        self.path = path
        self._fd = fd
        weakref.finalize(self, os.close, fd)
        self._end = 0
        self._ended = False
        self._lost: SourceError | None = None
        self._memory = bytearray()
        self._file: int | None = None
        self._lock = threading.Lock()
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)
        with suppress(OSError):  # no pipe, or not on this system: it is merely slower
            fcntl.fcntl(fd, _CAPACITY, _BLOCK)

    @property
    def size(self) -> int | None:
        """The number of bytes, once the end has been read."""
        return self._end if self._ended else None

    def read_into(self, offset: int, view: memoryview, check: Check) -> int:
        """Read up to ``len(view)`` bytes from ``offset``, which may wait for the writer.

        Args:
            check: called now and then while it waits; what it raises ends the wait.

        Returns:
            The number of bytes, 0 only at the end or for an empty view.
        """
        if not len(view):
            return 0
        scrap = memoryview(b"")
        while offset >= self._end:
            with self._turn(check):
                if offset == self._end:
                    return self._pull(view, check)
                if offset > self._end:
                    scrap = scrap or memoryview(bytearray(_BLOCK))
                    if not self._pull(scrap[: offset - self._end], check):
                        return 0
        return self._kept(offset, view)

    def read_at(self, offset: int, size: int, check: Check) -> bytes:
        """Up to ``size`` bytes from ``offset``; fewer only at the end."""
        parts: list[bytes] = []
        while size:
            block = bytearray(min(size, _BLOCK))
            count = self.read_into(offset, memoryview(block), check)
            if not count:
                break
            parts.append(bytes(memoryview(block)[:count]))
            offset += count
            size -= count
        return b"".join(parts)

    def drain(self, check: Check) -> int:
        """Read to the end; the number of bytes."""
        block = memoryview(bytearray(_BLOCK))
        while self.read_into(self._end, block, check):
            pass
        return self._end

    def map(self) -> memoryview | mmap.mmap:
        """All bytes of a pipe that was read to its end."""
        if self._file is None:
            return memoryview(bytes(self._memory))
        return mmap.mmap(self._file, self._end, access=mmap.ACCESS_READ)

    @contextmanager
    def _turn(self, check: Check) -> Iterator[None]:
        """Only one thread reads the pipe; others wait as patiently as it does."""
        while not self._lock.acquire(timeout=_PATIENCE):
            check()
        try:
            yield
        finally:
            self._lock.release()

    def _pull(self, view: memoryview, check: Check) -> int:
        """The next bytes of the pipe, kept as well."""
        if self._lost is not None:
            raise self._lost
        if self._ended:
            return 0
        try:
            while not self._poll.poll(_PATIENCE * 1000):
                check()
            count = os.readv(self._fd, [view])
        except BlockingIOError:  # another reader was faster, and the pipe does not block
            return self._pull(view, check)
        except OSError as error:
            raise source_error(error, self.path) from error
        if count:
            try:
                self._keep(view[:count])
            except SourceError as error:  # these bytes are gone: nothing behind them can be read
                self._lost = error
                raise
        else:
            self._ended = True
        return count

    def _keep(self, data: memoryview) -> None:
        if self._file is None and self._end + len(data) <= _IN_MEMORY:
            self._memory += data
        else:
            if self._file is None:
                self._move_to_disk()
            self._write(data, self._end)
        self._end += len(data)

    def _move_to_disk(self) -> None:
        try:
            with tempfile.TemporaryFile(prefix="arrowsmith-", buffering=0) as file:
                fd = os.dup(file.fileno())
        except OSError as error:
            raise self._no_room(error) from error
        weakref.finalize(self, os.close, fd)
        with memoryview(self._memory) as view:
            self._write(view, 0, fd)
        self._file = fd
        self._memory = bytearray()

    def _write(self, data: memoryview, offset: int, fd: int | None = None) -> None:
        target = self._file if fd is None else fd
        assert target is not None
        try:
            while len(data):
                done = os.pwrite(target, data, offset)
                offset += done
                data = data[done:]
        except OSError as error:
            raise self._no_room(error) from error

    def _no_room(self, error: OSError) -> SourceError:
        return SourceError(
            f"what came through the pipe cannot be kept in {tempfile.gettempdir()} "
            f"({error.strerror})",
            path=self.path,
            hint="make room there, or set TMPDIR to a folder on a larger disk",
        )

    def _kept(self, offset: int, view: memoryview) -> int:
        memory = self._memory  # before the question: both change when it moves to disk
        if self._file is not None:
            return os.preadv(self._file, [view[: self._end - offset]], offset)
        data = bytes(memory[offset : offset + len(view)])
        view[: len(data)] = data
        return len(data)


class PipeSource:
    """A pipe as a source. Implements :class:`arrowsmith.location.InputFile`; it cannot be pickled.

    Args:
        pipe: its bytes, which several sources may share.
        max_ratio: how many bytes each compressed byte may become (above 64 MiB of output).
        check: called while a read waits for the writer; what it raises ends the wait.

    Attributes:
        path, name, compression, position: as :class:`arrowsmith.location.FileSource` has them.
        size, seekable, mappable: None and False until :meth:`settle` has made a file of it.

    Making one waits for the first bytes, which tell the compression.
    """

    path: str
    name: str
    size: int | None
    seekable: bool
    mappable: bool
    compression: str | None

    def __init__(
        self, pipe: Pipe, *, max_ratio: float = 1000.0, check: Check = _nobody_waits
    ) -> None:
        self.path = pipe.path
        self.name = peeled_name(pipe.path)
        self._pipe = pipe
        self._max_ratio = max_ratio
        self._check = check
        self._head: bytes | None = None
        self.position = 0
        self.compression = detect(self._read_raw, self.path)
        self.seekable = self.mappable = False
        self.size = None

    def __repr__(self) -> str:
        return f"PipeSource({self.path!r})"

    @property
    def disk_bytes(self) -> int | None:
        """What has come through the pipe, once all of it has."""
        return self._pipe.size

    def watched(self, check: Check) -> PipeSource:
        """The same pipe for a run, which ``check`` ends: it raises when the run is cancelled."""
        return PipeSource(self._pipe, max_ratio=self._max_ratio, check=check)

    def settle(self) -> None:
        """Read to the end, for a format that is read at offsets; nothing where compressed."""
        if self.compression is None:
            self.size = self._pipe.drain(self._check)
            self.seekable = self.mappable = True

    def head(self, size: int) -> bytes:
        """The first ``size`` bytes, decompressed; fewer at the end."""
        if self.compression is None:
            return self._read_raw(0, size)
        if self._head is None or size > len(self._head):
            with self.open() as stream:
                self._head = stream.read(max(size, _HEAD))
        return self._head[:size]

    def tail(self, size: int) -> bytes:
        """The last bytes of what has been settled; none of a pipe."""
        return self.read_at(max((self.size or 0) - size, 0), size) if self.seekable else b""

    def read_at(self, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes from ``offset``, once settled."""
        self._need_seekable()
        return self._read_raw(offset, max(min(size, (self.size or 0) - offset), 0))

    def read_into(self, offset: int, buffer: bytearray | memoryview) -> int:
        """Fill ``buffer`` from ``offset``, once settled."""
        self._need_seekable()
        view = memoryview(buffer).cast("B")
        filled = 0
        while filled < len(view):
            count = self._pipe.read_into(offset + filled, view[filled:], self._check)
            if not count:
                break
            filled += count
        self.position = offset + filled
        return filled

    def open(self) -> BinaryIO:
        """A new buffered stream over the decompressed bytes, from the first."""
        raw: io.RawIOBase
        if self.compression is None:
            raw = _PipeStream(self, self._pipe, self._check)
        else:
            raw = DecompressedFile(self.path, self.compression, self._read_raw, self._max_ratio)
        return io.BufferedReader(raw, _BUFFER)

    def map(self) -> pa.Buffer:
        """All bytes, once settled."""
        import pyarrow as pa

        self._need_seekable()
        return pa.py_buffer(self._pipe.map())

    def check_unchanged(self) -> None:
        """What has come through a pipe does not change."""

    def close(self) -> None:
        """Nothing is given back: the pipe would not give it again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _read_raw(self, offset: int, size: int) -> bytes:
        data = self._pipe.read_at(offset, size, self._check)
        self.position = offset + len(data)
        return data

    def _need_seekable(self) -> None:
        if not self.seekable:
            raise SourceError(
                "is a pipe and can only be read from front to end",
                path=self.path,
                hint="write it to a file and read that",
            )


class _PipeStream(io.RawIOBase):
    """A position of its own over a pipe."""

    def __init__(self, source: PipeSource, pipe: Pipe, check: Check) -> None:
        self._source = source
        self._pipe = pipe
        self._check = check
        self._position = 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        count = self._pipe.read_into(self._position, view, self._check)
        self._position += count
        self._source.position = self._position
        return count
