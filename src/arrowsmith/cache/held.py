"""A file of the cache that is open, and stays while it is."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Self

from arrowsmith.cache import locks


class HeldFile:
    """An open file, marked as in use: eviction passes over it until it is closed.

    Copies of the descriptor, such as a mapping has, keep the mark.

    Attributes:
        path: of the file.
        fd: the descriptor.
        size: in bytes.
        modified: in nanoseconds.
    """

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.fd = fd
        status = os.fstat(fd)
        self.size = status.st_size
        self.modified = status.st_mtime_ns

    @classmethod
    def opened(cls, path: Path, *, share: bool = True) -> Self | None:
        """The file, or None where there is none.

        Args:
            path: of the file.
            share: mark it as in use.
        """
        try:
            fd = os.open(path, os.O_RDONLY)
        except OSError:
            return None
        try:
            if share:
                locks.share(fd)
            held = cls(path, fd) if locks.same_file(fd, path) else None
        except BaseException:
            os.close(fd)
            raise
        if held is None:  # removed between being opened and being marked
            os.close(fd)
        return held

    def mark_used(self) -> None:
        """Set its access time to now, whatever the file system does by itself."""
        with contextlib.suppress(OSError):  # a file system that is read-only
            os.utime(self.fd, ns=(time.time_ns(), self.modified))

    def close(self) -> None:
        """Let go of it; harmless when called again."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        with contextlib.suppress(OSError, AttributeError):
            self.close()
