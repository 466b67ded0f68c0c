"""What sinks get that write a directory as a whole. Standard library only."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from arrowsmith.plugin.protocols import Target


class FolderFile(Target, Protocol):
    """A file of a directory that is written. Leaving its ``with`` block unfinished drops it."""

    def finish(self) -> None:
        """Close it, complete."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class TargetFolder(Protocol):
    """A directory to write, for sinks whose spec says ``directory``. It appears as a whole.

    Attributes:
        path: the path that the directory will have.
    """

    path: str

    def part(self, name: str) -> FolderFile:
        """A file to be, such as ``"cat/001.jpg"``. The name must not lead out of the directory, and
        opening one that was written before raises ``TargetError`` from a ``FileExistsError``."""
        ...
