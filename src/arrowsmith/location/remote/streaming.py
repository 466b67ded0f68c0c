"""An object whose server knows no ranges, front to back."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from arrowsmith.location.remote.session import Session
from arrowsmith.location.remote.store import Handle, Streaming, Transient

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_PIECE = 256 << 10


class ObjectStream(io.RawIOBase):
    """The bytes of an object as stored. An answer that breaks off is asked for again, and what was
    had of it is passed over.

    Args:
        handle: the object.
        session: where to wait; in use until the stream is closed.
        path: for messages.
        moved: told where each read ended.
    """

    def __init__(
        self, handle: Handle, session: Session, path: str, moved: Callable[[int], None]
    ) -> None:
        self._handle = handle
        self._session = session
        self._pool = session.enter()
        self._path = path
        self._moved = moved
        self._answer: Streaming | None = None
        self._position = 0
        self._had = 0  # of the present answer

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        data = self._next(len(view))
        view[: len(data)] = data
        return len(data)

    def read_at(self, offset: int, size: int) -> bytes:
        """The next bytes; for a decompressor, which goes front to back."""
        assert offset == self._position, "it is read front to back"
        return self._next(size)

    def _next(self, size: int) -> bytes:
        data = self._pool.run(lambda: self._tried(size)) if size else b""
        self._position += len(data)
        self._moved(self._position)
        return data

    def _tried(self, size: int) -> bytes:
        attempt = 1
        while True:
            try:
                return self._read(size)
            except Transient as trouble:
                self._drop()
                self._pool.pause(attempt, trouble, self._path)
                attempt += 1

    def _read(self, size: int) -> bytes:
        if self._answer is None:
            self._answer, self._had = self._handle.stream(), 0
        while True:
            skip = self._position - self._had
            data = self._answer.read(min(size, _PIECE) if not skip else min(skip, _PIECE))
            self._had += len(data)
            if not data:
                whole = self._handle.size
                if self._had < (self._position if whole is None else whole):
                    raise Transient(f"the answer broke off at byte {self._had}")
                return b""
            if not skip:
                return data

    def _drop(self) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.close()

    def close(self) -> None:
        if not self.closed:
            try:
                self._drop()
            finally:
                self._session.leave()
        super().close()
