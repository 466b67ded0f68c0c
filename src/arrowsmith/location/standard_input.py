"""Standard input and named pipes as sources."""

from __future__ import annotations

import os
import stat
import threading

from arrowsmith.errors import SourceError
from arrowsmith.location.files import InputFile
from arrowsmith.location.pipe import Pipe, PipeSource
from arrowsmith.location.places import STANDARD
from arrowsmith.location.source import FileSource, source_error

_FD = 0
_NAMES = (STANDARD, "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")

Identity = tuple[int, int]


class _Standard:
    """The pipe on standard input: one for the whole process, since it gives its bytes once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pipe: Pipe | None = None
        self._identity: Identity | None = None

    def pipe(self, identity: Identity) -> Pipe:
        with self._lock:
            if self._pipe is None or self._identity != identity:
                self._pipe = Pipe(os.dup(_FD), STANDARD)
                self._identity = identity
            return self._pipe


_standard = _Standard()


def pipe_identity(name: str) -> Identity | None:
    """What a name that stands for standard input or a pipe leads to; None for other names."""
    try:
        status = os.fstat(_FD) if name in _NAMES else os.stat(name)
    except (OSError, ValueError):
        return None
    if name in _NAMES or stat.S_ISFIFO(status.st_mode):
        return status.st_dev, status.st_ino
    return None


def pipe_input(name: str, *, max_ratio: float = 1000.0) -> InputFile | None:
    """The source for standard input or a named pipe; None for a name that is neither.

    A regular file on standard input is read as the file that it is, if nobody has read from it. Of
    a pipe, what has been read is kept for later reads, on standard input as long as the process
    lives: opened again, it begins at its first byte again.

    Raises:
        SourceError: standard input is closed or a terminal.
    """
    if name in _NAMES:
        return _standard_input(max_ratio)
    if pipe_identity(name) is None:
        return None
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NONBLOCK)  # it does not wait for a writer, reads do
    except OSError as error:
        raise source_error(error, name) from error
    return PipeSource(Pipe(fd, name), max_ratio=max_ratio)


def _standard_input(max_ratio: float) -> InputFile:
    try:
        status = os.fstat(_FD)
    except OSError:
        raise SourceError("standard input is closed", path=STANDARD) from None
    if os.isatty(_FD):
        raise SourceError(
            "standard input is a terminal",
            path=STANDARD,
            hint="pipe something in, as in cat a.csv | arrowsmith head -",
        )
    if stat.S_ISREG(status.st_mode):
        path = _path_of(status)
        if path is not None:
            return FileSource(path, max_ratio=max_ratio, shown=STANDARD)
    pipe = _standard.pipe((status.st_dev, status.st_ino))
    return PipeSource(pipe, max_ratio=max_ratio)


def _path_of(status: os.stat_result) -> str | None:
    """The path of the regular file on standard input, where it can be opened and read whole."""
    try:
        path = os.readlink(f"/proc/self/fd/{_FD}")
        whole = os.lseek(_FD, 0, os.SEEK_CUR) == 0
        same = os.path.samestat(os.stat(path), status)
    except OSError:
        return None
    return path if whole and same and os.access(path, os.R_OK) else None
