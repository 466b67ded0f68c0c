from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from arrowsmith.errors import SourceError
from arrowsmith.plugin import Reject, ScanRequest, Source

SCHEMA = pa.schema([("n", pa.int64()), ("text", pa.string())])


@dataclass(frozen=True, slots=True)
class Piece:
    start: int
    stop: int

    @property
    def nbytes(self) -> int:
        return self.stop - self.start


class Numbers:
    """The one that is right."""

    schema = SCHEMA

    def __init__(self, source: Source, options: Any, ctx: Any) -> None:
        self.source = source
        self.ctx = ctx

    def _data(self) -> bytes:
        with self.source.open() as stream:
            return stream.read()

    def count(self) -> int | None:
        return sum(1 for _ in self._rows(None, self.ctx.on_error != "raise"))

    def splits(self, target: int) -> Iterable[Piece]:
        data = self._data()
        start = 0
        while start < len(data):
            stop = data.find(b"\n", min(start + target, len(data)) - 1) + 1 or len(data)
            yield Piece(start, stop)
            start = stop

    def _rows(self, split: Piece | None, quiet: bool = False) -> Iterator[int | None]:
        data = self._data()
        piece = split or Piece(0, len(data))
        offset = piece.start
        for line in data[piece.start : piece.stop].splitlines(keepends=True):
            raw = line.rstrip(b"\n")
            if raw == b"null":
                yield None
            elif raw.isdigit() and len(raw) < 19:
                yield int(raw)
            elif not quiet:
                self._bad(data, offset, raw)
            offset += len(line)

    def _bad(self, data: bytes, offset: int, raw: bytes) -> None:
        line = data.count(b"\n", 0, offset) + 1
        self.ctx.reject(Reject(self.source.path, None, line, offset, "n", "no number", raw))

    def scan(self, request: ScanRequest) -> Iterator[pa.RecordBatch]:
        values = list(self._rows(request.split))[: request.limit]
        names = request.columns or tuple(SCHEMA.names)
        for start in range(0, len(values), request.batch_rows):
            part = values[start : start + request.batch_rows]
            columns = {
                "n": pa.array(part, pa.int64()),
                "text": pa.array([None if n is None else str(n) for n in part], pa.string()),
            }
            schema = pa.schema([SCHEMA.field(name) for name in names])
            yield pa.RecordBatch.from_arrays([columns[name] for name in names], schema=schema)

    def __enter__(self) -> Numbers:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class OtherSchema(Numbers):
    def scan(self, request: ScanRequest) -> Iterator[pa.RecordBatch]:
        for batch in super().scan(request):
            yield batch.set_column(0, "n", batch.column(0).cast(pa.float64()))


class BorderLoser(Numbers):
    def splits(self, target: int) -> Iterable[Piece]:
        for piece in super().splits(target):  # a byte too little: the border's row is torn
            yield replace(piece, stop=piece.stop - 2) if piece.nbytes > 4 else piece


class IgnoresBatchRows(Numbers):
    def scan(self, request: ScanRequest) -> Iterator[pa.RecordBatch]:
        return super().scan(replace(request, batch_rows=65_536))


class RaisesValueError(Numbers):
    def _bad(self, data: bytes, offset: int, raw: bytes) -> None:
        raise ValueError(f"invalid literal {raw!r}")


class WrongCount(Numbers):
    def count(self) -> int | None:
        return self._data().count(b"\n") + 1


class UnpicklableSplits(Numbers):
    def splits(self, target: int) -> Iterable[Any]:
        for piece in super().splits(target):

            class Local:
                nbytes = piece.nbytes

            yield Local()


class LeavesFileOpen(Numbers):
    def __init__(self, source: Source, options: Any, ctx: Any) -> None:
        super().__init__(source, options, ctx)
        os.open(source.path, os.O_RDONLY)


class OneScanOnly(Numbers):
    def __init__(self, source: Source, options: Any, ctx: Any) -> None:
        super().__init__(source, options, ctx)
        self.rest = super()._rows(None)

    def _rows(self, split: Piece | None, quiet: bool = False) -> Iterator[int | None]:
        return self.rest


class WrongOffset(Numbers):
    def _bad(self, data: bytes, offset: int, raw: bytes) -> None:
        super()._bad(data, offset + 1, raw)


class DropsSilently(Numbers):
    def _bad(self, data: bytes, offset: int, raw: bytes) -> None:
        pass


class FileOrderColumns(Numbers):
    def scan(self, request: ScanRequest) -> Iterator[pa.RecordBatch]:
        wanted = request.columns or ()
        columns = tuple(name for name in SCHEMA.names if name in wanted) or None
        return super().scan(replace(request, columns=columns))


class OverPredicate(Numbers):
    def scan(self, request: ScanRequest) -> Iterator[pa.RecordBatch]:
        for batch in super().scan(request):
            if request.predicate is None or request.predicate.mask(batch).true_count > 1:
                yield batch.slice(0, None if request.predicate is None else batch.num_rows - 1)


class LastRows(Numbers):
    def scan(self, request: ScanRequest) -> Iterator[pa.RecordBatch]:
        limit = request.limit or 1 << 40
        for batch in super().scan(replace(request, limit=None)):
            yield batch.slice(max(0, batch.num_rows - limit))


class NeedsOffsets(Numbers):
    def _data(self) -> bytes:
        return self.source.read_at(0, 1 << 20)


class NullsToZero(Numbers):
    def _rows(self, split: Piece | None, quiet: bool = False) -> Iterator[int | None]:
        return (0 if number is None else number for number in super()._rows(split, quiet))


class OneThreadOnly(Numbers):
    def __init__(self, source: Source, options: Any, ctx: Any) -> None:
        super().__init__(source, options, ctx)
        self.thread = threading.get_ident()

    def scan(self, request: ScanRequest) -> Iterator[pa.RecordBatch]:
        if threading.get_ident() != self.thread:
            raise RuntimeError("opened in another thread")
        return super().scan(request)


class LinesOfSplit(Numbers):
    def _rows(self, split: Piece | None, quiet: bool = False) -> Iterator[int | None]:
        self.start = split.start if split else 0
        return super()._rows(split, quiet)

    def _bad(self, data: bytes, offset: int, raw: bytes) -> None:
        line = data.count(b"\n", self.start, offset) + 1
        self.ctx.reject(Reject(self.source.path, None, line, offset, "n", "no number", raw))


class IgnoresStreamErrors(Numbers):
    def _data(self) -> bytes:
        data = b""
        with suppress(SourceError), self.source.open() as stream:
            while block := stream.read1():
                data += block
        return data[: data.rfind(b"\n") + 1]
