"""Going on where a file that is there ends: ``append`` to a single file."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

from arrowsmith.errors import TargetError
from arrowsmith.location import FileSource, OutputFile
from arrowsmith.location.target import FileTarget
from arrowsmith.plugin.protocols import AppendingSink
from arrowsmith.plugin.specs import SinkSpec

_HINT = "write a directory: --append puts new files beside those that are there"


def begin_behind(sink: Any, spec: SinkSpec, target: OutputFile, stack: ExitStack) -> None:
    """Have the new file begin with what the sink wants to keep of the old one.

    A file that is missing or empty is simply written, unless another run has begun it by then.

    Args:
        stack: closes the old file at the end of the run.

    Raises:
        TargetError: the format, or this file, cannot be continued.
    """
    file = cast(FileTarget, target)
    if file.direct:
        return
    if not Path(file.path).exists():
        file.keep(None)
        return
    old = stack.enter_context(FileSource(file.path))
    if not old.disk_bytes:
        file.keep(old)
        return
    if not isinstance(sink, AppendingSink) or not spec.capabilities.append:
        raise TargetError(
            f"a file of format {spec.name} is closed at its end, so cannot be appended to",
            path=file.path,
            hint=_HINT,
        )
    if file.compression is not None or old.compression is not None:
        packed = file.compression or old.compression
        raise TargetError(
            f"is compressed with {packed}, so cannot be appended to", path=file.path, hint=_HINT
        )
    file.keep(old, sink.resume(old))
