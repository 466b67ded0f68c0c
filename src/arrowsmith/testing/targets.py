"""Targets to test sinks with: in memory, on a full disk, interrupted while they are written."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO, cast

import pyarrow as pa

from arrowsmith.plugin.protocols import EncodingSink


class MemoryTarget:
    """A target that keeps the bytes."""

    compression = None

    def __init__(self, name: str) -> None:
        self.path = self.name = name
        self.stream = _Kept()

    def open(self) -> BinaryIO:
        return self.stream


class FailingTarget(MemoryTarget):
    """A target whose stream takes so many bytes, and then raises.

    Attributes:
        raised: whether it did.
    """

    def __init__(self, name: str, room: int, error: BaseException) -> None:
        super().__init__(name)
        self.raised = False
        write: Callable[[Any], int] = self.stream.write

        def limited(data: Any) -> int:
            if self.stream.tell() + memoryview(data).nbytes > room:
                self.raised = True
                raise error
            return write(data)

        self.stream.write = cast(Any, limited)  # type: ignore[method-assign]


class _Kept(io.BytesIO):
    """Its bytes stay when it is closed."""

    def close(self) -> None:
        """Stay open."""


def write_batches(sink: Any, batches: Iterable[pa.RecordBatch]) -> None:
    """Write as the runner does: chunks are encoded, after the first was shown to the sink."""
    if not isinstance(sink, EncodingSink):
        for batch in batches:
            sink.write(batch)
        return
    for number, batch in enumerate(batches):
        if number == 0:
            sink.prepare(batch)
        sink.append(sink.encode(batch))
