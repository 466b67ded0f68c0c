"""Which kind of place a name stands for: a file here, standard input or output, or a remote one."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from arrowsmith.location.files import OutputFile

STANDARD = "-"
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")


def remote_scheme(name: str) -> str | None:
    """The scheme of a URL that is not a file of this machine, in lower case.

    Example:
        >>> remote_scheme("s3://bucket/a.csv"), remote_scheme("file:///a.csv"), remote_scheme("a")
        ('s3', None, None)
    """
    found = _URL.match(name)
    scheme = found[1].lower() if found else None
    return None if scheme == "file" else scheme


def open_target(
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> OutputFile:
    """The target that a name stands for.

    Raises:
        TargetExists: it is there and ``overwrite`` is False.
        TargetError: it cannot be written.
    """
    name = os.fspath(path)
    if name == STANDARD:
        from arrowsmith.location.standard_output import StandardOutput

        return StandardOutput()
    if remote_scheme(name) is not None:
        from arrowsmith.location.remote import RemoteTarget

        return RemoteTarget(name, overwrite=overwrite, options=storage_options)
    from arrowsmith.location.target import FileTarget

    return FileTarget(name, overwrite=overwrite)
