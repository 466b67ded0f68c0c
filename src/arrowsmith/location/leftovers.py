"""Hidden temporary files: locked while their writer lives, swept when it is dead."""

from __future__ import annotations

import contextlib
import fcntl
import os

SUFFIX = ".arrowsmith-tmp"


def lock(fd: int) -> None:
    """Mark a temporary file as one whose writer lives, until its descriptor is closed.

    Waits for a sweeper that is about to remove the file; then it has no link any more. On a file
    system without locks nothing is marked, and nothing is swept.
    """
    with contextlib.suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_EX)


def sweep(folder: str | os.PathLike[str]) -> list[str]:
    """Remove the hidden files that killed writers left in a folder; the names of those removed.

    A file whose writer lives is locked, and stays. Never raises: what cannot be looked at or
    removed is left alone.
    """
    try:
        with os.scandir(folder) as entries:
            left = [one for one in entries if one.name[0] == "." and one.name.endswith(SUFFIX)]
    except OSError:
        return []
    return [entry.name for entry in left if _sweep_one(entry)]


def _sweep_one(entry: os.DirEntry[str]) -> bool:
    try:
        if not entry.is_file(follow_symlinks=False):
            return False
        fd = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its writer may have published it just before: then the name is gone, and this fails.
        os.unlink(entry.path)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True
