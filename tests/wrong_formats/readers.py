from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, ClassVar

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

    def _stream(self) -> Any:
        return self.source.open()

    def _lines(self, piece: Piece | None) -> Iterator[tuple[int, bytes]]:
        """Offsets and lines, with their ends."""
        offset = 0
        with self._stream() as stream:
            for line in stream:
                if piece is not None and offset >= piece.stop:
                    return
                if piece is None or offset >= piece.start:
                    yield offset, line
                offset += len(line)

    def count(self) -> int | None:
        return sum(1 for _ in self._rows(None, self.ctx.on_error != "raise"))

    def splits(self, target: int) -> Iterable[Piece]:
        start = stop = 0
        for offset, line in self._lines(None):
            stop = offset + len(line)
            if stop - start >= target:
                yield Piece(start, stop)
                start = stop
        if stop > start:
            yield Piece(start, stop)

    def _rows(self, split: Piece | None, quiet: bool = False) -> Iterator[int | None]:
        for offset, line in self._lines(split):
            raw = line.rstrip(b"\n")
            digits = raw.rstrip(b" ")
            if digits == b"null":
                yield None
            elif digits.isdigit() and len(digits) < 19:
                yield int(digits)
            elif not quiet:
                self._bad(offset, raw)

    def _line_of(self, offset: int) -> int:
        return 1 + sum(1 for _ in self._lines(Piece(0, offset)))

    def _bad(self, offset: int, raw: bytes) -> None:
        line = self._line_of(offset)
        self.ctx.reject(Reject(self.source.path, None, line, offset, "n", "no number", raw))

    def scan(self, request: ScanRequest) -> Iterator[pa.RecordBatch]:
        values = islice(self._rows(request.split), request.limit)
        names = request.columns or tuple(SCHEMA.names)
        while part := list(islice(values, min(request.batch_rows, 5_000))):
            columns = {
                "n": pa.array(part, pa.int64()),
                "text": pa.array([None if n is None else str(n) for n in part], pa.string()),
            }
            whole = pa.RecordBatch.from_pydict(columns, schema=SCHEMA)
            if request.predicate is not None:
                whole = whole.filter(request.predicate.mask(whole))
            yield whole.select(list(names))

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
        for piece in super().splits(target):  # a byte too little: the border's row is lost
            yield replace(piece, start=piece.start + 1) if piece.nbytes > 4 else piece


class IgnoresBatchRows(Numbers):
    def scan(self, request: ScanRequest) -> Iterator[pa.RecordBatch]:
        return super().scan(replace(request, batch_rows=65_536))


class RaisesValueError(Numbers):
    def _bad(self, offset: int, raw: bytes) -> None:
        raise ValueError(f"invalid literal {raw!r}")


class WrongCount(Numbers):
    def count(self) -> int | None:
        return (super().count() or 0) + 1


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
    def _bad(self, offset: int, raw: bytes) -> None:
        self.ctx.reject(Reject(self.source.path, None, None, offset + 1, "n", "no number", raw))


class DropsSilently(Numbers):
    def _bad(self, offset: int, raw: bytes) -> None:
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
    def _stream(self) -> Any:
        return io.BytesIO(self.source.read_at(0, 1 << 20))


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

    def _line_of(self, offset: int) -> int:
        return 1 + sum(1 for _ in self._lines(Piece(self.start, offset)))


class IgnoresStreamErrors(Numbers):
    def _stream(self) -> Any:
        data = b""
        with suppress(SourceError), self.source.open() as stream:
            while block := stream.read1():
                data += block
        return io.BytesIO(data[: data.rfind(b"\n") + 1])


class ForgetsSplit(Numbers):
    def scan(self, request: ScanRequest) -> Iterator[pa.RecordBatch]:
        split = request.split if request.predicate is None or request.columns is None else None
        return super().scan(replace(request, split=split))


class OtherWhenEmpty(Numbers):
    def scan(self, request: ScanRequest) -> Iterator[pa.RecordBatch]:
        for batch in super().scan(request):
            yield batch if batch.num_rows else batch.select([])


class IgnoresPredicate(Numbers):
    def scan(self, request: ScanRequest) -> Iterator[pa.RecordBatch]:
        return super().scan(replace(request, predicate=None))


class SplitsOfProcess(Numbers):
    known: ClassVar[dict[int, Piece]] = {}

    def splits(self, target: int) -> Iterable[Piece]:
        for piece in super().splits(target):
            self.known[piece.start] = piece
            yield Piece(piece.start, piece.start)

    def scan(self, request: ScanRequest) -> Iterator[pa.RecordBatch]:
        split = request.split
        split = self.known.get(split.start, split) if isinstance(split, Piece) else None
        return super().scan(replace(request, split=split))


class LiesOverFile(Numbers):
    def scan(self, request: ScanRequest) -> Iterator[pa.RecordBatch]:
        buffer = self.source.map()
        ends = pa.array([0, buffer.size], pa.int32()).buffers()[1]
        text = pa.Array.from_buffers(pa.string(), 1, [None, ends, buffer])
        yield pa.RecordBatch.from_arrays([pa.array([1], pa.int64()), text], schema=SCHEMA)


class GreedyAllocator(Numbers):
    def _bad(self, offset: int, raw: bytes) -> None:
        len(b"x" * (300 << 20))
        super()._bad(offset, raw)


class SlurpsFile(Numbers):
    def _stream(self) -> Any:
        with self.source.open() as stream:
            return io.BytesIO(stream.read())
