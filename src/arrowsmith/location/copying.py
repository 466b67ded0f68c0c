"""Copying the head of a file into another, inside the kernel where it can."""

from __future__ import annotations

import errno
import os

_BLOCK = 1 << 20
_MOST = 1 << 30  # bytes asked of the kernel at once
_CANNOT = (errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF)


def copy_head(path: str, fd: int, nbytes: int) -> None:
    """Copy the first bytes of a file to a descriptor; shared, not copied, on btrfs, XFS and such.

    Raises:
        OSError: the disk is full, or the file is shorter than that.
    """
    source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        left = nbytes - _copy_range(source, fd, nbytes)
        while left:
            block = os.read(source, min(left, _BLOCK))
            if not block:
                raise OSError(errno.EIO, "the file got shorter while it was copied")
            left -= len(block)
            view = memoryview(block)
            while len(view):
                view = view[os.write(fd, view) :]
    finally:
        os.close(source)


def _copy_range(source: int, fd: int, nbytes: int) -> int:
    """How many bytes the kernel copied by itself; both descriptors stand behind them."""
    copy = getattr(os, "copy_file_range", None)
    done = 0
    while copy is not None and done < nbytes:
        try:
            copied = copy(source, fd, min(nbytes - done, _MOST))
        except OSError as error:
            if error.errno in _CANNOT:
                break
            raise
        if not copied:
            break
        done += copied
    return done
