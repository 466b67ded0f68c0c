"""Hidden temporary files and directories: locked while their writer lives, swept when it is dead.

Beside those of new data there are those of old: where the system cannot exchange two directories in
one step, the one that is replaced first moves into a hidden directory. If its writer was killed
just then, the sweep moves it back.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil

SUFFIX = ".arrowsmith-tmp"
_HIDDEN = re.compile(r"\..*\.[0-9a-f]{8}\.arrowsmith-(new|old)", re.DOTALL)


def hidden_folder(base: str, kind: str) -> str:
    """The name of a hidden directory for the ``"new"`` or the ``"old"`` one called ``base``."""
    short = os.fsdecode(os.fsencode(base)[:40])
    return f".{short}.{os.urandom(4).hex()}.arrowsmith-{kind}"


def lock(fd: int) -> None:
    """Mark a temporary file as one whose writer lives, until its descriptor is closed.

    Waits for a sweeper that is about to remove the file; then it has no link any more. On a file
    system without locks nothing is marked, and nothing is swept.
    """
    with contextlib.suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_EX)


def sweep(folder: str | os.PathLike[str]) -> list[str]:
    """Remove what killed writers left hidden in a folder; the names of what was removed.

    What has a living writer is locked, and stays. A directory that was moved away to be replaced,
    and was not, comes back under its name. Never raises: what cannot be looked at or removed is
    left alone.
    """
    try:
        with os.scandir(folder) as entries:
            left = [one for one in entries if one.name[0] == "." and ".arrowsmith-" in one.name]
    except OSError:
        return []
    return [entry.name for entry in left if _sweep_one(entry)]


def _sweep_one(entry: os.DirEntry[str]) -> bool:
    try:
        if entry.is_dir(follow_symlinks=False):
            found = _HIDDEN.fullmatch(entry.name)
            return found is not None and _sweep_folder(entry.path, found[1] == "old")
        if not entry.name.endswith(SUFFIX) or not entry.is_file(follow_symlinks=False):
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


def _sweep_folder(path: str, old: bool) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(fd), os.stat(path, follow_symlinks=False)):
            return False  # published just before: the name is another's, or soon will be
        if old:
            restore(path)
        shutil.rmtree(path)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def bring_back(path: str) -> bool:
    """Give a directory its name back that a killed writer moved away; whether it is there now."""
    folder, base = os.path.split(os.path.abspath(path))
    try:
        with os.scandir(folder) as entries:
            hidden = [entry.path for entry in entries if entry.name.endswith(".arrowsmith-old")]
    except (OSError, ValueError):
        return False
    waiting = [one for one in hidden if os.path.isdir(os.path.join(one, base))]
    swept = [_sweep_folder(one, old=True) for one in waiting]
    return any(swept)


def restore(hidden: str) -> None:
    """Give the directory that waits in ``hidden`` its name back, unless that is taken by now."""
    folder = os.path.dirname(hidden)
    for name in os.listdir(hidden):
        place = os.path.join(folder, name)
        if not os.path.lexists(place):
            os.rename(os.path.join(hidden, name), place)
