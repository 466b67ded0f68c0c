"""What a CSV reader is given in tests: a source of bytes, and a run that keeps its rejects."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import pyarrow as pa

from arrowsmith.formats.csv.read_options import CsvReadOptions
from arrowsmith.formats.csv.reader import CsvReader
from arrowsmith.plugin import Reject, ScanRequest


class Bytes:
    """A source over bytes; one that cannot seek stands for a compressed file."""

    compression = None

    def __init__(self, data: bytes, *, name: str = "t.csv", seekable: bool = True) -> None:
        self.path = self.name = name
        self.data = data
        self.size = len(data) if seekable else None
        self.seekable = seekable

    def head(self, size: int) -> bytes:
        return self.data[:size]

    def read_at(self, offset: int, size: int) -> bytes:
        assert self.seekable
        return self.data[offset : offset + size]

    def read_into(self, offset: int, buffer: bytearray | memoryview) -> int:
        found = self.read_at(offset, len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def open(self) -> BinaryIO:
        return io.BytesIO(self.data)

    def check_unchanged(self) -> None:
        return None


class Run:
    """A run's context."""

    memory_limit = 1 << 30
    threads = 2

    def __init__(self, on_error: str = "raise") -> None:
        self.on_error = on_error
        self.rejects: list[Reject] = []
        self.warnings: list[str] = []

    def check_cancelled(self) -> None:
        return None

    def reject(self, reject: Reject) -> None:
        self.rejects.append(reject)

    @contextmanager
    def scratch(self) -> Iterator[BinaryIO]:
        yield io.BytesIO()

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def opened(
    text: bytes | str,
    run: Run | None = None,
    *,
    name: str = "t.csv",
    seekable: bool = True,
    **options: object,
) -> CsvReader:
    """A reader of the text."""
    data = text.encode() if isinstance(text, str) else text
    source = Bytes(data, name=name, seekable=seekable)
    return CsvReader(source, CsvReadOptions(**options), run or Run())


def table(reader: CsvReader, request: ScanRequest | None = None) -> pa.Table:
    """All that the reader gives; every batch is validated."""
    batches = list(reader.scan(request or ScanRequest()))
    for batch in batches:
        batch.validate(full=True)
    schema = batches[0].schema if batches else reader.schema
    return pa.Table.from_batches(batches, schema)
