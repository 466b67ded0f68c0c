"""Locks that a killed process gives back: ``flock`` on open files."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

_UNSUPPORTED = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


def share(fd: int) -> None:
    """Mark an open file as in use until the descriptor is closed; waits for one who removes it."""
    _flock(fd, fcntl.LOCK_SH)


def claim(fd: int) -> bool:
    """Whether nobody uses the file; then nobody will until the descriptor is closed."""
    try:
        _flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _flock(fd: int, how: int) -> None:
    try:
        fcntl.flock(fd, how)
    except OSError as error:
        # Without locks a file may be removed that is in use, which does no harm to who has it open.
        if error.errno not in _UNSUPPORTED:
            raise


@contextlib.contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Only one thread of all processes is in the block; the others wait, interruptibly.

    The file is removed by the last to leave. On a file system without locks nobody waits.

    Raises:
        OSError: the file cannot be made.
    """
    fd = _locked(path)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()  # while locked: those who wait for it see that it is gone
        os.close(fd)


def _locked(path: Path) -> int:
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _flock(fd, fcntl.LOCK_EX)
            if same_file(fd, path):
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def same_file(fd: int, path: Path) -> bool:
    """Whether a path still leads to the open file."""
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except OSError:
        return False
