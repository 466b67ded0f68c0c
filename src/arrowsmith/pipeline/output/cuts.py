"""What the ordered end of a stream is cut into: pieces, each of one file of the output."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from arrowsmith.pipeline.chunks import Chunker

Encode = Callable[[pa.RecordBatch], Any]


class Part(Protocol):
    """A file of the output, as the engine knows it.

    Attributes:
        encode: makes what the consumer gets out of a chunk, on any worker; the first argument tells
            whether it is the file's first. None where the consumer gets the chunk itself.
    """

    @property
    def encode(self) -> Callable[[bool, pa.RecordBatch], Any] | None: ...


class Cut(NamedTuple):
    """A piece of the stream.

    Attributes:
        parts: zero-copy slices, together the chunk; none says that the file ends here.
        nbytes: their bytes, as ``chunks.py`` counts them.
        part: the file that they belong to.
        first: the file begins with it.
    """

    parts: list[pa.RecordBatch]
    nbytes: int
    part: Part
    first: bool = False


class Cutter(Protocol):
    """Cuts the ordered stream. Where it cuts depends on the rows alone, not on their batches.

    Attributes:
        held: bytes in memory of rows that are not cut yet.
    """

    @property
    def held(self) -> int: ...

    def push(self, batch: pa.RecordBatch) -> Iterable[Cut]:
        """Take a batch; the pieces that it completes."""
        ...

    def flush(self) -> Iterable[Cut]:
        """What is left, at the end."""
        ...


class Encoder:
    """Encodes the chunks of one file on any worker, after it has been prepared by the first.

    Args:
        encode: makes what the consumer gets; thread-safe.
        prepare: called with the first chunk before any is encoded.
    """

    def __init__(self, encode: Encode, prepare: Callable[[pa.RecordBatch], None] | None) -> None:
        self._encode = encode
        self._prepare = prepare
        self._prepared = threading.Event()

    def __call__(self, first: bool, chunk: pa.RecordBatch) -> Any:
        if first:
            try:
                if self._prepare is not None:
                    self._prepare(chunk)
            finally:
                self._prepared.set()  # if it failed, that ends the run before later chunks count
        else:
            self._prepared.wait()  # a worker has the first chunk already: they are taken in order
        return self._encode(chunk)


class PlainPart:
    """A file whose sink is the consumer's own business."""

    def __init__(self, encode: Encoder | None = None) -> None:
        self.encode = encode


class WholeCutter:
    """All rows go to one file, in the chunks that its sink asked for."""

    def __init__(self, chunker: Chunker, part: Part) -> None:
        self._chunker = chunker
        self._part = part
        self._begun = False

    @property
    def held(self) -> int:
        return self._chunker.held

    def push(self, batch: pa.RecordBatch) -> Iterator[Cut]:
        for parts, nbytes in self._chunker.push(batch):
            yield self._cut(parts, nbytes)

    def flush(self) -> Iterator[Cut]:
        parts, nbytes = self._chunker.flush()
        if parts:
            yield self._cut(parts, nbytes)

    def _cut(self, parts: list[pa.RecordBatch], nbytes: int) -> Cut:
        first, self._begun = not self._begun, True
        return Cut(parts, nbytes, self._part, first)
