"""What every place, local or not, gives the host beyond what plugins see of it."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from arrowsmith.plugin import Source, Target


class InputFile(Source, Protocol):
    """A ``Source`` that the host opens, probes and closes. Picklable where ``seekable``.

    Attributes:
        disk_bytes: bytes as stored; None where only reading tells (standard input).
        position: where the last read ended, in bytes as stored; whoever reads may set it back.
    """

    position: int

    @property
    def disk_bytes(self) -> int | None: ...

    def tail(self, size: int) -> bytes:
        """The last ``size`` bytes; none where the source is not seekable."""
        ...

    def close(self) -> None:
        """Give back what is held; the next read opens it again."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


@runtime_checkable
class WaitingFile(Protocol):
    """An ``InputFile`` whose reads may wait for somebody, such as a pipe's writer."""

    def watched(self, check: Callable[[], None]) -> InputFile:
        """The same for a run: ``check``, called while a read waits, raises when that is over."""
        ...

    def settle(self) -> None:
        """Make it seekable, if it can be, by reading it to its end."""
        ...


@runtime_checkable
class Interruptible(Protocol):
    """A source whose reads may wait for long."""

    def interrupt(self) -> None:
        """Have reads under way, and later ones until ``close()``, raise ``Cancelled`` at once."""
        ...


class OutputFile(Target, Protocol):
    """A ``Target`` that the host publishes; leaving its block without doing so discards it.

    Attributes:
        compression: by suffix, as ``FileTarget`` has it.
    """

    compression: str | None

    def finish(self) -> None:
        """Close the stream: all that can fail for want of space has been written afterwards."""
        ...

    def publish(self) -> None:
        """Make the file appear under its name, complete."""
        ...

    def abort(self) -> None:
        """Discard what was written, unless it is published."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
