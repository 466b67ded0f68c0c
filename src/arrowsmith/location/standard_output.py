"""Standard output as a target: what is written goes out at once and cannot be taken back."""

from __future__ import annotations

import errno
import io
import sys
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self, cast

from arrowsmith.errors import TargetError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

NAME = "standard output"
_SHOWN = 64  # bytes held back on a terminal until it is known that they are text
_BLOCK = 1 << 20


class StandardOutput:
    """Standard output. Implements ``OutputFile``; there is nothing to publish or to discard.

    On a terminal what is no text is refused. A reader of the pipe that goes away is a
    ``BrokenPipeError``, which ends the program as it ends others of a pipeline.

    Attributes:
        path: ``"-"``.
        name: ``"-"``.
        compression: None.
        direct: what was written cannot be taken back.

    Raises:
        TargetError: it is closed.
    """

    direct = True

    def __init__(self) -> None:
        self.path = "-"
        self.name = "-"
        self.compression: str | None = None
        if sys.stdout is None or sys.stdout.closed:
            raise TargetError("is closed", path=NAME, hint="send it to a file or a pipe")
        self._stream: _Stream | None = None

    def __repr__(self) -> str:
        return "StandardOutput()"

    @property
    def nbytes(self) -> int:
        """Bytes written so far."""
        return self._stream.tell() if self._stream is not None else 0

    def open(self) -> BinaryIO:
        """The writable stream; call it once."""
        if self._stream is not None:
            raise ValueError(f"{NAME}: a target is opened once")
        self._stream = _Stream()
        return cast(BinaryIO, self._stream)

    def finish(self) -> None:
        """Write out what is left."""
        if self._stream is None:
            raise TargetError("there is nothing to publish", path=NAME)
        self._stream.close()

    def publish(self) -> None:
        """It is out already."""
        self.finish()

    def abort(self) -> None:
        """Write nothing more; what is out cannot be taken back."""
        if self._stream is not None:
            self._stream.drop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.abort()


class _Stream(io.RawIOBase):
    def __init__(self) -> None:
        sys.stdout.flush()
        self._out = sys.stdout.buffer
        self._written = 0
        self._terminal = sys.stdout.isatty()
        self._first: bytearray | None = bytearray() if self._terminal else None

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._written

    def write(self, data: ReadableBuffer, /) -> int:
        if self.closed:
            raise ValueError("write to a closed stream")
        view = memoryview(data)
        if not view.nbytes:
            return 0
        view = view.cast("B")
        self._written += len(view)
        if self._first is not None:
            self._first += view
            if len(self._first) >= _SHOWN:
                self._begin()
        else:
            self._out_with(view)
        return len(view)

    def flush(self) -> None:
        if not self.closed and self._first is None:
            self._told(self._out.flush)

    def close(self) -> None:
        """Flush; standard output itself stays open."""
        if self.closed:
            return
        try:
            if self._first is not None:
                self._begin()
            self._told(self._out.flush)
        finally:
            self.drop()

    def drop(self) -> None:
        """Close without another byte written."""
        super().close()

    def _begin(self) -> None:
        first, self._first = self._first, None
        if first:
            self._out_with(memoryview(first))

    def _out_with(self, view: memoryview) -> None:
        if self._terminal and b"\0" in bytes(view):
            raise TargetError(
                "is a terminal, and this is no text",
                path=NAME,
                hint="send it to a file or a pipe: arrowsmith convert ... - > FILE",
            )
        for start in range(0, len(view), _BLOCK):
            self._told(partial(self._out.write, view[start : start + _BLOCK]))

    @staticmethod
    def _told(write: Callable[[], object]) -> None:
        """The system's error does not say what was being written."""
        try:
            write()
        except BrokenPipeError:
            raise
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            what = "no space left" if full else f"cannot be written ({error.strerror or error})"
            raise TargetError(what, path=NAME) from error
