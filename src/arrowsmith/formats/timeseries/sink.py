"""Writes files of time series: lines of series on the workers, and the header when all is known."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import pyarrow as pa

from arrowsmith.errors import DataError
from arrowsmith.formats.timeseries.layout import columns_of
from arrowsmith.formats.timeseries.options import TimeSeriesWriteOptions
from arrowsmith.formats.timeseries.quoting import quoted
from arrowsmith.formats.timeseries.render import (
    Lines,
    attribute_lines,
    follows,
    irregular,
    render,
)
from arrowsmith.plugin.protocols import Chunk, RunContext, Target


class TimeSeriesSink:
    """Writes one file. Lines wait in a scratch file, since the header tells of all of them.

    Args:
        target: where the bytes go.
        schema: of all batches: long rows, or rows of lists.
        options: a :class:`TimeSeriesWriteOptions`.
        ctx: the run, whose ``warn`` is told of columns that are not written.

    Raises:
        SchemaMismatch: there is no column of values, or more than the format has.
        DataError: times that do not follow from the first, or a text that the format cannot say.
    """

    def __init__(
        self, target: Target, schema: pa.Schema, options: TimeSeriesWriteOptions, ctx: RunContext
    ) -> None:
        self._target, self._options, self._ctx = target, options, ctx
        self._columns = columns_of(schema, options, target.name)
        self._time_type = None
        if self._columns.time is not None:
            self._time_type = schema.field(self._columns.time).type
        if self._columns.left_out:
            names = ", ".join(f"'{name}'" for name in self._columns.left_out[:5])
            ctx.warn(f"{target.path}: the format has no place for {names}")
        self._chunk = Chunk(1 << 16, 4 << 20, 16.0)
        self._scratch: AbstractContextManager[BinaryIO] | None = None
        self._body: BinaryIO | None = None
        self._open: _Open | None = None
        self._shortest: int | None = None
        self._longest = 0
        self._missing = False
        self._labels: set[str] = set()

    @property
    def chunk(self) -> Chunk:
        return self._chunk

    def prepare(self, first: pa.RecordBatch) -> None:
        """Nothing to learn from the first chunk."""

    def encode(self, chunk: pa.RecordBatch) -> Lines | None:
        """The chunk's series as text."""
        return render(chunk, self._columns, self._target.path) if chunk.num_rows else None

    def write(self, batch: pa.RecordBatch) -> None:
        lines = self.encode(batch)
        if lines is not None:
            self.append(lines)

    def append(self, encoded: Lines) -> None:
        self._labels |= encoded.labels
        self._missing = self._missing or encoded.missing
        count = len(encoded.lengths)
        if self._columns.lists:
            self._measure(encoded.lengths)
            self._stream().write(encoded.joined(0, count))
            return
        begin = 0
        if self._open is not None and self._open.name == encoded.names[0]:
            self._go_on(self._open, encoded)
            begin = 1
        if begin < count:
            self._end()
            self._measure(encoded.lengths[begin : count - 1])
            self._stream().write(encoded.joined(begin, count - 1))
            self._check_start(encoded, begin)
            values = self._columns.between_values
            self._open = _Open(encoded.names[1], encoded, count - 1, values, self._ctx)
            self._put(self._open.begin())

    def commit(self) -> None:
        self._end()
        if self._columns.kind in ("arff", "ucr") and not self._equal():
            raise DataError(
                f"the series have from {self._shortest} to {self._longest} values, and such a file"
                " has as many of each",
                path=self._target.path,
                hint="write .ts, which has series of any length",
            )
        body = self._stream()
        stream = self._target.open()
        stream.write(self._header().encode())
        body.seek(0)
        shutil.copyfileobj(body, stream, 1 << 20)
        stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._body = None
        if self._open is not None:
            self._open.close()
        if self._scratch is not None:
            scratch, self._scratch = self._scratch, None
            scratch.__exit__(kind, error, trace)

    # --- series that go on in the next chunk -----------------------------------------------------

    def _go_on(self, known: _Open, encoded: Lines) -> None:
        if encoded.times is not None:
            self._check_step(known.last_time, int(encoded.times[0][0]))
        self._put(known.go_on(encoded))

    def _check_step(self, before: int, after: int) -> None:
        pair = (np.array([before]), np.array([after]))
        if not follows(*pair, self._columns, self._time_type)[0]:
            raise irregular(self._columns, self._target.path)

    def _check_start(self, encoded: Lines, begin: int) -> None:
        """Times that are not written begin with 0."""
        if encoded.times is None or not self._columns.counted:
            return
        if encoded.times[0][begin:].any():
            raise irregular(self._columns, self._target.path)

    def _end(self) -> None:
        if self._open is not None:
            self._measure(np.array([self._open.length]))
            self._open.end(self._stream())
            self._open = None

    def _put(self, text: bytes) -> None:
        self._stream().write(text)

    def _measure(self, lengths: np.ndarray) -> None:
        if len(lengths):
            low = int(lengths.min())
            self._shortest = low if self._shortest is None else min(low, self._shortest)
            self._longest = max(self._longest, int(lengths.max()))

    def _stream(self) -> BinaryIO:
        if self._body is None:
            self._scratch = self._ctx.scratch()
            self._body = self._scratch.__enter__()
        return self._body

    # --- the header ------------------------------------------------------------------------------

    def _header(self) -> str:
        if self._columns.kind == "ucr":
            return ""
        lines = {"tsf": self._tsf, "ts": self._ts, "arff": self._arff}[self._columns.kind]()
        return "".join(f"{line}\n" for line in [*lines, "@data"])

    def _equal(self) -> bool:
        return self._shortest is None or self._shortest == self._longest

    def _ts(self) -> list[str]:
        columns, told = self._columns, self._columns.told
        count = len(columns.values)
        lines = [
            f"@problemName {_one_line(told.get('name')) or 'series'}",
            f"@timeStamps {_flag(not columns.counted)}",
            f"@missing {_flag(self._missing)}",
            f"@univariate {_flag(count == 1)}",
        ]
        lines += [f"@dimensions {count}"] if count > 1 else []
        lines.append(f"@equalLength {_flag(self._equal())}")
        lines += [f"@seriesLength {self._longest}"] if self._equal() and self._longest else []
        if columns.label is None:
            return [*lines, "@classLabel false"]
        if told.get("label") == "target":
            return [*lines, "@targetLabel true"]
        return [*lines, " ".join(["@classLabel true", *self._names()])]

    def _names(self) -> list[str]:
        """The labels of the header, then new ones."""
        known = [str(one) for one in self._columns.told.get("labels", [])]
        return [*known, *sorted(self._labels - set(known))]

    def _arff(self) -> list[str]:
        columns, told = self._columns, self._columns.told
        points = [f"@attribute att{number + 1} numeric" for number in range(self._longest)]
        if columns.relational:
            points = ["@attribute relationalAtt relational", *points, "@end relationalAtt"]
        lines = [f"@relation {quoted(_one_line(told.get('name')) or 'series')}", *points]
        if columns.label is None:
            return lines
        kind = "numeric" if told.get("label") == "target" else ",".join(map(quoted, self._names()))
        return [*lines, f"@attribute target {kind if kind == 'numeric' else f'{{{kind}}}'}"]

    def _tsf(self) -> list[str]:
        columns, told = self._columns, self._columns.told
        horizon = self._options.horizon or told.get("horizon")
        frequency = self._options.frequency or told.get("frequency")
        return [
            f"@relation {_one_line(told.get('name')) or 'series'}",
            *(f"@attribute {name} {kind}" for name, kind in attribute_lines(columns)),
            *([f"@frequency {_one_line(frequency)}"] if frequency else []),
            *([f"@horizon {horizon}"] if horizon else []),
            f"@missing {_flag(self._missing)}",
            f"@equallength {_flag(self._equal())}",
        ]


class _Open:
    """A series whose rows go on in the next chunk: what of it is not written yet.

    The values of its further dimensions stand behind all of the first: they wait in scratch files.
    """

    def __init__(
        self, name: str, lines: Lines, place: int, between_values: str, ctx: RunContext
    ) -> None:
        self.name = name
        self._values, self._dimensions = between_values.encode(), lines.between.encode()
        self.length = int(lines.lengths[place])
        self.last_time = int(lines.times[1][place]) if lines.times is not None else 0
        self._ctx = ctx
        self._head = _bytes(lines.heads, place)
        self._tail = _bytes(lines.tails, place)
        self._begun = [_bytes(body, place) for body in lines.bodies]
        self._stack = ExitStack()
        self._files: list[BinaryIO] = []

    def begin(self) -> bytes:
        """The text up to the first values."""
        return self._head + self._begun[0]

    def go_on(self, lines: Lines) -> bytes:
        """The first series of the next chunk is this one: the text of more values."""
        self.length += int(lines.lengths[0])
        if lines.times is not None:
            self.last_time = int(lines.times[1][0])
        if not self._files:
            self._files = [self._stack.enter_context(self._ctx.scratch()) for _ in lines.bodies[1:]]
            for file, text in zip(self._files, self._begun[1:], strict=True):
                file.write(text)
        for file, body in zip(self._files, lines.bodies[1:], strict=True):
            file.write(self._values + _bytes(body, 0))
        return self._values + _bytes(lines.bodies[0], 0)

    def end(self, stream: BinaryIO) -> None:
        """Write what stands behind the values of the first dimension."""
        for file in self._files:
            stream.write(self._dimensions)
            file.seek(0)
            shutil.copyfileobj(file, stream, 1 << 20)
        if not self._files:
            stream.write(b"".join(self._dimensions + text for text in self._begun[1:]))
        stream.write(self._tail)
        self.close()

    def close(self) -> None:
        """Let the scratch files go."""
        self._stack.close()


def _bytes(texts: pa.StringArray, place: int) -> bytes:
    return bytes(memoryview(texts[place].as_buffer()))


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _one_line(text: object) -> str:
    return " ".join(str(text).split()) if text else ""
