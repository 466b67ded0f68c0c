"""A remote object to read: by ranges, several at once, or as a stream; its compression peeled."""

from __future__ import annotations

import io
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from arrowsmith.errors import SourceChanged, SourceError
from arrowsmith.location.compression import DecompressedFile, detect, peeled_name
from arrowsmith.location.remote.ahead import Ahead
from arrowsmith.location.remote.pool import Pool
from arrowsmith.location.remote.session import Session
from arrowsmith.location.remote.store import Handle, Transient, changed
from arrowsmith.location.remote.streaming import ObjectStream
from arrowsmith.location.remote.url import Url

if TYPE_CHECKING:
    import pyarrow as pa
    from _typeshed import WriteableBuffer

EDGE = 64 << 10
"""Bytes of head and tail that are read at once: probes and footers want a few of them each."""

_BUFFER = 256 << 10


@dataclass(slots=True)
class Seen:
    """An object as it was found.

    Attributes:
        handle: what opened it.
        head: its first bytes.
        compression: by content.
    """

    handle: Handle
    head: bytes
    compression: str | None


def look(session: Session, pool: Pool, url: Url) -> Seen | None:
    """Open an object and look at its first bytes; None without one. Runs on a pool's thread."""
    handle = pool.attempts(lambda: session.store.open(url.key), url.shown)
    if handle is None:
        return None
    head = handle.head
    if not head and handle.ranges:
        head = _ranged(handle, pool, url.shown, 0, min(EDGE, handle.size or 0))

    def read_at(offset: int, size: int) -> bytes:
        if offset + size <= len(head) or not handle.ranges:
            return head[offset : offset + size]
        size = max(min(size, (handle.size or 0) - offset), 0)
        return _ranged(handle, pool, url.shown, offset, size)

    return Seen(handle, head, detect(read_at, url.shown))


def _ranged(handle: Handle, pool: Pool, path: str, offset: int, size: int) -> bytes:
    data = bytearray(size)
    fill(handle, pool, path, offset, memoryview(data))
    return bytes(data)


def fill(handle: Handle, pool: Pool, path: str, offset: int, view: memoryview) -> None:
    """Fill ``view``, going on where an answer broke off. Runs on a pool's thread."""
    done, attempt = 0, 1
    while done < len(view):
        trouble = None
        try:
            done += handle.fill(offset + done, view[done:])
        except Transient as error:
            done += error.got
            trouble = error
        if done < len(view):
            short = f"the answer broke off at byte {offset + done}"
            pool.pause(attempt, trouble or Transient(short), path)
            attempt += 1


class RemoteSource:
    """An object in a bucket or behind a URL. Implements ``InputFile``; made by :func:`find`.

    It may be shared by threads, and pickled with its storage options, secrets among them.

    Args:
        url: of the object.
        session: shared with the files found with it.
        seen: how it was found.
        max_ratio: how many bytes each compressed byte may become.
        keep: hold on to head and tail; not for thousands of files.

    Attributes:
        path: the URL without secrets.
        name: its last part without a compression suffix.
        size: bytes after decompression; None for a compressed object, or where only reading tells.
        disk_bytes: the object's size; None where only reading tells.
        seekable: the server knows ranges, and the object is not compressed.
        mappable: False.
        compression: by content, or None.
        position: where the last read ended, in bytes as stored.
    """

    mappable = False

    def __init__(
        self, url: Url, session: Session, seen: Seen, *, max_ratio: float, keep: bool
    ) -> None:
        self.path = url.shown
        self.name = peeled_name(url.shown)
        self.compression = seen.compression
        self.disk_bytes = seen.handle.size
        self.seekable = seen.compression is None and seen.handle.ranges
        self.size = None if seen.compression else seen.handle.size
        self._url = url
        self._session = session
        self._max_ratio = max_ratio
        self._stamp = seen.handle.stamp
        self._ranges = seen.handle.ranges
        self._keep = keep
        self._head = seen.head if keep else b""
        self._tail = b""
        self._plain_head: bytes | None = None
        self._lock = threading.Lock()
        # What opened it serves the first reader too, whom probing precedes.
        self._handle: Handle | None = seen.handle
        self._fresh = True
        self._pool: Pool | None = None
        self._ahead: Ahead | None = None
        self._settled = False  # what was kept since it was found is known to hold still
        self._reads = 0  # under way
        self.position = 0
        self._close_later = False

    def __repr__(self) -> str:
        return f"RemoteSource({self.path!r})"

    @property
    def version(self) -> str:
        """What the store calls these bytes; it changes whenever they do. Empty if it does not."""
        return self._stamp

    # --- the connection ---

    def _opened(self) -> tuple[Handle, Pool, Ahead]:
        with self._lock:
            if self._pool is None:
                self._pool = self._session.enter()
                self._ahead = Ahead(self._fetch, self.disk_bytes or 0, len(self._head))
            pool, ahead, handle = self._pool, self._ahead, self._handle
            assert ahead is not None
            if handle is None:
                handle = self._handle = self._reopened(pool)
                self._settled = True
        return handle, pool, ahead

    def _reopened(self, pool: Pool) -> Handle:
        key = self._url.key
        store = self._session.store
        handle = pool.run(lambda: pool.attempts(lambda: store.open(key), self.path))
        if handle is None:
            raise changed(self.path, "it is gone")
        if (handle.stamp, handle.size) != (self._stamp, self.disk_bytes):
            raise changed(self.path)
        return handle

    def close(self) -> None:
        """Give back connections and what was read ahead; the next read looks at it anew.

        Where another run is reading, that is put off until it pauses.
        """
        with self._lock:
            self._close_later = self._reads > 0
            if self._close_later:
                return
            pool, self._pool = self._pool, None
            ahead, self._ahead = self._ahead, None
            if not self._fresh:
                self._handle = None
                self._settled = False
            self._fresh = False
        if ahead is not None:
            ahead.close()
        if pool is not None:
            self._session.leave()

    def interrupt(self) -> None:
        """Have reads under way, and later ones until ``close()``, raise ``Cancelled`` at once."""
        if self._pool is not None:
            self._session.interrupt()

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
        if getattr(self, "_pool", None) is not None:
            self.close()

    def __getstate__(self) -> dict[str, Any]:
        if not self._ranges:
            raise TypeError(f"{self.path}: cannot be read from another process without ranges")
        gone = ("_lock", "_handle", "_pool", "_ahead", "_session", "_plain_head")
        state = {name: value for name, value in self.__dict__.items() if name not in gone}
        state.update(_reads=0, _close_later=False, _settled=False)
        return {**state, "_options": self._session.options, "_head": b"", "_tail": b""}

    def __setstate__(self, state: dict[str, Any]) -> None:
        options = state.pop("_options")
        self.__dict__.update(state)
        self._session = Session(self._url, options)
        self._lock = threading.Lock()
        self._handle = self._pool = self._ahead = self._plain_head = None

    # --- reading ---

    def _fetch(self, offset: int, view: memoryview) -> Future[None]:
        handle, pool, _ = self._opened()
        path = self.path
        return pool.submit(lambda: fill(handle, pool, path, offset, view))

    def _fill(self, offset: int, view: memoryview) -> None:
        """Fill ``view`` from the object as stored; all of it lies within."""
        with self._lock:
            self._reads += 1
        try:
            self._fill_now(offset, view)
            self.position = offset + len(view)
        finally:
            with self._lock:
                self._reads -= 1
                close = self._close_later and not self._reads
            if close:
                self.close()

    def _fill_now(self, offset: int, view: memoryview) -> None:
        _, _, ahead = self._opened()
        start = (self.disk_bytes or 0) - len(self._tail)
        for edge, begins in ((self._head, 0), (self._tail, start)):
            if begins <= offset and offset + len(view) <= begins + len(edge):
                view[:] = edge[offset - begins : offset - begins + len(view)]
                return
        try:
            ahead.read(offset, view)
        except SourceChanged:
            raise
        except SourceError:
            self._look_again()  # what has shrunk is told in many ways
            raise

    def _look_again(self) -> None:
        """Raise ``SourceChanged`` if one look tells so."""
        _, pool, _ = self._opened()
        store, key = self._session.store, self._url.key
        try:
            handle = pool.run(lambda: store.open(key))
        except (Transient, SourceError):
            return
        if handle is None or (handle.stamp, handle.size) != (self._stamp, self.disk_bytes):
            raise changed(self.path, *(() if handle else ("it is gone",)))

    def _read_raw(self, offset: int, size: int) -> bytes:
        # Never allocate what is not there.
        data = bytearray(max(min(size, (self.disk_bytes or 0) - offset), 0))
        if data:
            self._fill(offset, memoryview(data))
        return bytes(data)

    def head(self, size: int) -> bytes:
        """The first ``size`` bytes, decompressed; fewer at the end."""
        if self.seekable:
            return self._read_raw(0, size)
        if self.compression is None and self._head and size <= len(self._head):
            return self._head[:size]
        if size > EDGE:
            with self.open() as stream:
                return stream.read(size)
        if self._plain_head is None:
            with self.open() as stream:
                self._plain_head = stream.read(EDGE)
        return self._plain_head[:size]

    def tail(self, size: int) -> bytes:
        """The last ``size`` bytes; none where the source is not seekable."""
        if not self.seekable:
            return b""
        total = self.disk_bytes or 0
        if not self._keep or len(self._head) == total:
            return self._read_raw(max(total - size, 0), size)
        if len(self._tail) < size:
            self._tail = self._read_raw(max(total - max(size, EDGE), 0), max(size, EDGE))
        return self._tail[-size:] if size else b""

    def read_at(self, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes from ``offset``; fewer only at the end."""
        self._need_seekable()
        return self._read_raw(offset, size)

    def read_into(self, offset: int, buffer: bytearray | memoryview) -> int:
        """Fill ``buffer`` from ``offset``; the number of bytes read, short only at the end."""
        self._need_seekable()
        view = memoryview(buffer)
        view = view.cast("B") if view.nbytes else view
        view = view[: max((self.disk_bytes or 0) - offset, 0)]
        if len(view):
            self._fill(offset, view)
        return len(view)

    def open(self) -> BinaryIO:
        """A new buffered stream over the decompressed bytes, from the first."""
        raw: io.RawIOBase
        if self._ranges:
            read_at, raw = self._read_raw, _RangeStream(self)
        else:
            handle, _, _ = self._opened()
            raw = stream = ObjectStream(handle, self._session, self.path, self._moved)
            read_at = stream.read_at
        if self.compression is not None:
            raw = _Peeled(raw, self.path, self.compression, read_at, self._max_ratio)
        return io.BufferedReader(raw, _BUFFER)

    def _moved(self, position: int) -> None:
        self.position = position

    def map(self) -> pa.Buffer:
        raise SourceError("a remote object cannot be mapped", path=self.path, hint="copy it here")

    def check_unchanged(self) -> None:
        """Raise ``SourceChanged`` if the object is another one than when the source was made."""
        handle, pool, _ = self._opened()
        if handle.checked and self._settled:
            return
        self._reopened(pool)
        self._settled = True

    def _need_seekable(self) -> None:
        if self.seekable:
            return
        if self.compression is None:
            what, hint = "its server knows no ranges (HTTP 200 for one)", "copy it here first"
        else:
            what = f"is compressed ({self.compression})"
            hint = "decompress it first"
        what = f"{what} and can only be read from front to end"
        raise SourceError(what, path=self.path, hint=hint)


class _Peeled(DecompressedFile):
    """Closes what it reads from, too."""

    def __init__(self, stored: io.RawIOBase, *rest: Any) -> None:
        super().__init__(*rest)
        self._stored = stored

    def close(self) -> None:
        self._stored.close()
        super().close()


class _RangeStream(io.RawIOBase):
    """A position of its own over a source that is shared."""

    def __init__(self, source: RemoteSource) -> None:
        self._source = source
        self._position = 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        count = self._source.read_into(self._position, memoryview(buffer))
        self._position += count
        return count
