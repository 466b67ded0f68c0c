"""A file of the output and the sink that writes it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any

import pyarrow as pa

from arrowsmith.location.files import OutputFile
from arrowsmith.pipeline.output.cuts import Encoder
from arrowsmith.plugin.protocols import Chunk, EncodingSink, Sink

DEFAULT_CHUNK = Chunk(rows=65_536, nbytes=8 << 20)


class SinkPart:
    """One file and its sink, which is made when the file's first rows come.

    Args:
        target: where the sink writes; None for a sink that has a place of its own.
        make: makes the sink.
        encoding: the sink is an ``EncodingSink``.
    """

    def __init__(
        self,
        target: OutputFile | None,
        make: Callable[[], Any],
        *,
        encoding: bool,
    ) -> None:
        self.target = target
        self._make = make
        self._stack = ExitStack()
        self._sink: Any = None
        self._lock = threading.Lock()
        self.encode = Encoder(self._encode, self._prepare) if encoding else None

    @property
    def sink(self) -> Any:
        with self._lock:
            if self._sink is None:
                self._sink = self._stack.enter_context(self._make())
            return self._sink

    def _prepare(self, chunk: pa.RecordBatch) -> None:
        self.sink.prepare(chunk)

    def _encode(self, chunk: pa.RecordBatch) -> Any:
        return self.sink.encode(chunk)

    def write(self, value: Any) -> None:
        """Add an encoded chunk, or a batch where the sink does not encode."""
        (self.sink.write if self.encode is None else self.sink.append)(value)

    def complete(self) -> None:
        """The file is whole; all that a full disk can spoil has been written."""
        self.sink.commit()
        self.leave(None, None, None)
        if self.target is not None:
            self.target.finish()

    def abandon(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the sink's block and drop the file."""
        try:
            self.leave(kind, error, trace)
        finally:
            if self.target is not None:
                self.target.abort()

    def leave(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the sink's block, if it was entered."""
        self._stack.__exit__(kind, error, trace)


def chunk_of(sink: Sink) -> Chunk:
    """The sizes in which a sink wants its rows."""
    return getattr(sink, "chunk", DEFAULT_CHUNK)


def encoded_chunk(sink: Sink) -> Chunk | None:
    """What a sink encodes at a time; None where workers encode nothing."""
    return sink.chunk if isinstance(sink, EncodingSink) else None
