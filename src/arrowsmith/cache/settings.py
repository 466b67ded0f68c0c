"""Where the cache is and how large it may become, as the environment says."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from arrowsmith.errors import OptionError, TargetError
from arrowsmith.plugin.options import parse_size

FOLDER_VARIABLE = "ARROWSMITH_CACHE"
SIZE_VARIABLE = "ARROWSMITH_CACHE_SIZE"
_SHARE = 10  # the cache takes at most a tenth of its file system by default


def cache_folder() -> Path:
    """``$ARROWSMITH_CACHE``, else ``arrowsmith`` in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(os.path.abspath(os.path.expanduser(named)))  # noqa: PTH100, PTH111
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification has relative paths ignored.
    home = Path(base) if os.path.isabs(base) else Path("~/.cache").expanduser()  # noqa: PTH117
    return home / "arrowsmith"


def cache_limit(folder: Path) -> int:
    """The bytes that the cache may hold: ``$ARROWSMITH_CACHE_SIZE``, else a tenth of the disk.

    Raises:
        OptionError: the variable is no size.
    """
    named = os.environ.get(SIZE_VARIABLE)
    if named:
        try:
            return parse_size(named)
        except OptionError as error:
            raise OptionError(f"{SIZE_VARIABLE}: {error.what}", hint=error.hint) from None
    disk = os.statvfs(folder)
    return disk.f_frsize * disk.f_blocks // _SHARE


def make_folder(folder: Path) -> None:
    """Make the cache's folder, for its owner alone.

    Raises:
        TargetError: it cannot be made, or is another user's, who could change what is in it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError as error:
        raise cache_error(error, folder) from error
    if status.st_uid not in (os.geteuid(), 0) or status.st_mode & stat.S_IWOTH:
        raise TargetError(
            "is not safe as a cache: other users may write to it",
            path=str(folder),
            hint=f"chmod 700 it, or name another folder in {FOLDER_VARIABLE}",
        )


def cache_error(error: OSError, folder: Path) -> TargetError:
    """The one-line error for a cache that cannot be written."""
    return TargetError(
        f"the cache cannot be written ({error.strerror or error})",
        path=str(folder),
        hint=f"name another folder in {FOLDER_VARIABLE}, or make room with arrowsmith cache clear",
    )
