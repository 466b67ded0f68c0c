"""Writing to a descriptor, and what the system may say against it, in words."""

from __future__ import annotations

import errno
import io
import os
from typing import TYPE_CHECKING

from arrowsmith.errors import TargetError
from arrowsmith.location.encoding import encoder

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_REASONS = {
    errno.ENOSPC: ("no space left on the disk", "make room and run again"),
    errno.EDQUOT: ("no space left in your disk quota", "make room and run again"),
    errno.EFBIG: (
        "no space left: the file would be larger than the system allows",
        "see `ulimit -f` and the file system's limit",
    ),
    errno.EPIPE: ("the reader of the pipe is gone", None),
    errno.EROFS: ("the file system is read-only", None),
    errno.EACCES: ("permission denied", None),
    errno.EPERM: ("permission denied", None),
    errno.ENOENT: ("its folder does not exist", "make it first"),
    errno.ENOTDIR: ("its folder is not a directory", None),
    errno.EISDIR: ("is a directory", "name a file in it, or end it with / for several files"),
}


def target_error(error: OSError, path: str) -> TargetError:
    """What the system says against writing ``path``, in words."""
    what, hint = _REASONS.get(
        error.errno or 0, (f"cannot be written ({error.strerror or error})", None)
    )
    return TargetError(what, path=path, hint=hint)


def may(path: str, mode: int) -> bool:
    # The effective user is the one who writes; access() asks for the real one by itself.
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def check_writable(folder: str, path: str) -> None:
    """Raise the ``TargetError`` of ``path`` if nothing can be made in its folder."""
    if not may(folder, os.W_OK | os.X_OK):
        raise TargetError(f"permission denied: nothing can be written in {folder}", path=path)


class TargetStream(io.RawIOBase):
    """Unbuffered: sinks write large blocks, and every further copy would cost.

    Attributes:
        complete: closed, and every byte was written.
    """

    def __init__(self, fd: int, path: str, compression: str | None) -> None:
        self._fd: int | None = fd
        self._path = path
        self._written = 0
        self._failed = False
        self.complete = False
        self._encoder = encoder(compression, self._write_all) if compression else None

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._written

    def fileno(self) -> int:
        if self._encoder is not None or self._fd is None:
            raise io.UnsupportedOperation("fileno")
        return self._fd

    def write(self, data: ReadableBuffer, /) -> int:
        if self.closed:
            raise ValueError("write to a closed stream")
        if self._failed:
            raise TargetError("an earlier write failed", path=self._path)
        view = memoryview(data)
        if not view.nbytes:
            return 0
        view = view.cast("B")
        done = False
        try:
            if self._encoder is None:
                self._write_all(view)
            else:
                self._encoder.write(view)
            done = True
        finally:
            # Whatever stopped it, bytes are missing now. (pyarrow may write on while it unwinds.)
            self._failed = self._failed or not done
        self._written += len(view)
        return len(view)

    def _write_all(self, data: ReadableBuffer) -> None:
        if self._fd is None or self._failed:
            return  # given up: a compressor that is dropped may still flush
        view = memoryview(data)
        try:
            while len(view):
                view = view[os.write(self._fd, view) :]
        except OSError as error:
            self._failed = True
            raise target_error(error, self._path) from error

    def close(self) -> None:
        if self.closed:
            return
        try:
            if self._encoder is not None and not self._failed:
                self._encoder.finish()
            self.complete = not self._failed and self._fd is not None
        except BaseException:
            self._failed = True
            raise
        finally:
            self._encoder = None
            super().close()

    def discard(self) -> None:
        """Close without another byte written."""
        self._fd = None
        self._failed = True
        self.close()
