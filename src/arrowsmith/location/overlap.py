"""Whether a target is one of the sources, by whatever names."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from arrowsmith.errors import TargetError
from arrowsmith.location.places import STANDARD, remote_scheme
from arrowsmith.location.target import FileTarget

if TYPE_CHECKING:
    from arrowsmith.plugin import Source


def check_not_source(
    target: str | os.PathLike[str] | FileTarget, sources: Iterable[Source]
) -> None:
    """Raise ``TargetError`` if a source and the target are one file, by whatever names.

    Standard output is the file that it leads to. Sources elsewhere are compared by their URLs.
    """
    path = target.path if isinstance(target, FileTarget) else os.fspath(target)
    status = _status(path)
    for source in sources:
        lies = getattr(source, "absolute", source.path)  # a file on standard input is called "-"
        if remote_scheme(lies) is not None or lies == STANDARD:
            same = source.path == path != STANDARD
        else:
            other = _status(lies)
            same = status is not None and other is not None and os.path.samestat(status, other)
        if same:
            raise TargetError(
                f"is also a source ({source.path})", path=path, hint="write to another file"
            )


def _status(path: str) -> os.stat_result | None:
    """The regular file of that name, or that standard output leads to."""
    try:
        if path != STANDARD:
            return os.stat(os.path.expanduser(path))
        status = os.fstat(sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        return None
    return status if stat.S_ISREG(status.st_mode) else None
