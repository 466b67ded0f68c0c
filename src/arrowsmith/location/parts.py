"""The files of a directory that is written: their names, and each as an ``OutputFile``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self, cast

from arrowsmith.errors import TargetError
from arrowsmith.location.compression import format_suffix
from arrowsmith.location.writing import TargetStream, target_error

if TYPE_CHECKING:
    from arrowsmith.location.directory import DirectoryTarget

_PART = re.compile(r"part-(\d+)\.")
DIGITS = 5


def number_of(name: str) -> int | None:
    """The number of a file ``part-N.parquet``; None for other names."""
    found = _PART.match(name)
    return int(found[1]) if found else None


def first_file(directory: str) -> str | None:
    """The path inside a directory of the first data file that is there; None if none is."""
    for folder, folders, files in os.walk(directory):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")))
        names = sorted(name for name in files if not name.startswith((".", "_")))
        if names:
            return os.path.relpath(os.path.join(folder, names[0]), directory)
    return None


def part_name(number: int, suffix: str) -> str:
    """The name of a file of a directory: ``part-00000.parquet``."""
    return f"part-{number:0{DIGITS}d}{suffix}"


def numbered(name: str, more: int, width: int) -> str:
    """The name of a file with a number that is so much higher, of so many digits."""
    found = _PART.match(name)
    return f"part-{int(found[1]) + more:0{width}d}.{name[found.end() :]}" if found else name


def width_of(names: Iterable[str]) -> int:
    """The most digits that a number in these names has."""
    return max((len(found[1]) for name in names if (found := _PART.match(name))), default=0)


class PartFile:
    """A file in a directory that is written. Implements ``OutputFile``; the directory publishes it.

    Attributes:
        path: that it will have.
        name: its last part.
        compression: by suffix.
    """

    def __init__(self, directory: DirectoryTarget, inner: str) -> None:
        self.path = os.path.join(directory.path, inner)
        self.name = os.path.basename(inner)
        self.compression = format_suffix(self.name)[1]
        self._inner = inner
        self._directory = directory
        self._fd: int | None = None
        self._stream: TargetStream | None = None

    def open(self) -> BinaryIO:
        """The writable stream; call it once."""
        if self._stream is not None:
            raise ValueError(f"{self.path}: a target is opened once")
        self._fd = self._directory.open_part(self._inner)
        self._stream = TargetStream(self._fd, self.path, self.compression)
        return cast(BinaryIO, self._stream)

    def finish(self) -> None:
        """Close the file, complete."""
        if self._stream is None or self._fd is None:
            raise TargetError("there is nothing to publish", path=self.path)
        try:
            self._stream.close()
            if not self._stream.complete:
                raise TargetError("was not written completely, so is not kept", path=self.path)
            self._directory.nbytes += os.fstat(self._fd).st_size
            fd, self._fd = self._fd, None
            os.close(fd)
        except OSError as error:
            raise target_error(error, self.path) from error

    def publish(self) -> None:
        """The directory does it."""

    def discard(self) -> None:
        """Remove it: it was only made to learn of its sink."""
        self.abort()
        self._directory.forget_part(self._inner)

    def abort(self) -> None:
        if self._stream is not None:
            self._stream.discard()
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.abort()
