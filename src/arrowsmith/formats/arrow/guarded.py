"""A stream that cannot be mapped, with each message looked at before pyarrow allocates for it."""

from __future__ import annotations

import io
from typing import BinaryIO

from arrowsmith.formats.arrow.flat import FlatError, Message, message
from arrowsmith.formats.arrow.layout import Checker


class GuardedStream(io.RawIOBase):
    """Hands bytes on to pyarrow's stream reader, which asks for each part of a message at once.

    Reads the length, the metadata and the body of a message in this order, as pyarrow does.
    """

    def __init__(self, stream: BinaryIO, checker: Checker) -> None:
        self._stream = stream
        self._checker = checker
        self._expected: Message | None = None

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        self._checker.budget(size, "a message")
        data = self._stream.read(size)
        if self._expected is not None and size == self._expected.body:
            self._checker.batch(self._expected, memoryview(data), "a batch")
            self._expected = None
        elif size > 8:
            try:
                self._expected = message(data)
            except FlatError:
                self._expected = None  # pyarrow says better what is wrong with it
        return data

    def close(self) -> None:
        self._stream.close()
        super().close()
