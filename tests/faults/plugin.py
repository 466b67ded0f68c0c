"""A reader, a transform and two sinks that raise what they are told, where they are told to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from arrowsmith.plugin import (
    Chunk,
    ReaderCapabilities,
    ReaderSpec,
    ScanRequest,
    SinkSpec,
    TransformSpec,
    hookimpl,
)

BATCHES, ROWS = 40, 1000
SCHEMA = pa.schema([("n", pa.int64())])

_armed: dict[str, tuple[BaseException, int]] = {}


def arm(place: str, error: BaseException, call: int = 1) -> None:
    """Have the given call of ``place`` raise ``error``; all else works."""
    _armed.clear()
    _armed[place] = (error, call)


def disarm() -> None:
    _armed.clear()


def strike(place: str) -> None:
    if place in _armed:
        error, left = _armed[place]
        _armed[place] = (error, left - 1)
        if left == 1:
            raise error


@hookimpl
def arrowsmith_readers() -> list[ReaderSpec]:
    spec = ReaderSpec(
        name="faulty",
        impl="faults.plugin:FaultyReader",
        extensions=(".faulty",),
        capabilities=ReaderCapabilities(split=True),
    )
    return [spec]


@hookimpl
def arrowsmith_transforms() -> list[TransformSpec]:
    return [
        TransformSpec(name="faulty", impl="faults.plugin:FaultyTransform"),
        TransformSpec(name="faulty_ordered", impl="faults.plugin:OrderedTransform"),
    ]


@hookimpl
def arrowsmith_sinks() -> list[SinkSpec]:
    return [
        SinkSpec(name="faulty", impl="faults.plugin:FaultySink", extensions=(".faulty",)),
        SinkSpec(name="faulty_encoding", impl="faults.plugin:EncodingSink"),
    ]


@dataclass(frozen=True, slots=True)
class Piece:
    number: int
    nbytes: int = ROWS * 8


class FaultyReader:
    """Numbers, whatever the file holds."""

    schema = SCHEMA

    def __init__(self, source: Any, options: Any, ctx: Any) -> None:
        strike("reader.open")

    def count(self) -> None:
        return None

    def splits(self, target: int) -> Iterator[Piece]:
        for number in range(BATCHES):
            strike("reader.splits")
            yield Piece(number)

    def scan(self, request: ScanRequest) -> Iterator[pa.RecordBatch]:
        strike("reader.scan")
        number = request.split.number if request.split is not None else 0
        numbers = pa.array(range(number * ROWS, (number + 1) * ROWS), pa.int64())
        yield pa.record_batch([numbers], schema=SCHEMA)
        strike("reader.scan_end")

    def __enter__(self) -> FaultyReader:
        return self

    def __exit__(self, *_: object) -> None:
        strike("reader.close")


class FaultyTransform:
    kind = "stateless"
    schema = SCHEMA

    def __init__(self, options: Any, ctx: Any) -> None:
        pass

    def bind(self, schema: pa.Schema) -> FaultyTransform:
        strike("transform.bind")
        return self

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        strike("transform.call")
        return batch


class OrderedTransform(FaultyTransform):
    kind = "ordered"

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        strike("ordered.call")
        return batch


class FaultySink:
    """Writes the numbers as they lie in memory."""

    def __init__(self, target: Any, schema: pa.Schema, options: Any, ctx: Any) -> None:
        strike("sink.make")
        self._stream = target.open()

    def write(self, batch: pa.RecordBatch) -> None:
        self._stream.write(batch.column(0).to_numpy().tobytes())
        strike("sink.write")

    def commit(self) -> None:
        strike("sink.commit")

    def __enter__(self) -> FaultySink:
        strike("sink.enter")
        return self

    def __exit__(self, *_: object) -> None:
        strike("sink.exit")


class EncodingSink(FaultySink):
    chunk = Chunk(rows=700, nbytes=1 << 20)

    def prepare(self, first: pa.RecordBatch) -> None:
        strike("sink.prepare")

    def encode(self, chunk: pa.RecordBatch) -> bytes:
        strike("sink.encode")
        return chunk.column(0).to_numpy().tobytes()

    def append(self, encoded: bytes) -> None:
        self._stream.write(encoded)
        strike("sink.append")
