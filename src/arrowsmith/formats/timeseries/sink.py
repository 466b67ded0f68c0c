"""Writes ``.ts`` and ``.tsf``: lines of series on the workers, and the header when all is known."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import pyarrow as pa

from arrowsmith.errors import BudgetExceeded
from arrowsmith.formats.timeseries.layout import columns_of
from arrowsmith.formats.timeseries.options import TimeSeriesWriteOptions
from arrowsmith.formats.timeseries.render import (
    Lines,
    attribute_lines,
    follows,
    irregular,
    render,
)
from arrowsmith.plugin.protocols import Chunk, RunContext, Target

_SHARE = 4


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
            self._open = _Open(encoded.names[1], encoded, count - 1)
            self._put(self._open.begin())

    def commit(self) -> None:
        self._end()
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
        if self._scratch is not None:
            scratch, self._scratch = self._scratch, None
            scratch.__exit__(kind, error, trace)

    # --- series that go on in the next chunk -----------------------------------------------------

    def _go_on(self, known: _Open, encoded: Lines) -> None:
        if encoded.times is not None:
            self._check_step(known.last_time, int(encoded.times[0][0]))
        self._put(known.go_on(encoded))
        if known.held > self._ctx.memory_limit // _SHARE:
            raise BudgetExceeded(
                "a series of several dimensions is larger than a quarter of the memory budget",
                needed=known.held * _SHARE * 2,
                path=self._target.path,
                hint="write other rows, such as layout=series has, or give it more memory",
            )

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
            self._put(self._open.end())
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
        lines = self._tsf() if self._columns.kind == "tsf" else self._ts()
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
        known = [str(one) for one in told.get("labels", [])]
        labels = [*known, *sorted(self._labels - set(known))]
        return [*lines, " ".join(["@classLabel true", *labels])]

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
    """A series whose rows go on in the next chunk: what of it is not written yet."""

    def __init__(self, name: str, lines: Lines, place: int) -> None:
        self.name = name
        self.length = int(lines.lengths[place])
        self.last_time = int(lines.times[1][place]) if lines.times is not None else 0
        self._head = _bytes(lines.heads, place)
        self._tail = _bytes(lines.tails, place)
        self._first = _bytes(lines.bodies[0], place)
        self._others = [[_bytes(body, place)] for body in lines.bodies[1:]]
        self.held = 0

    def begin(self) -> bytes:
        """The text up to the first values."""
        return self._head + self._first

    def go_on(self, lines: Lines) -> bytes:
        """The first series of the next chunk is this one: the text of more values."""
        self.length += int(lines.lengths[0])
        if lines.times is not None:
            self.last_time = int(lines.times[1][0])
        for held, body in zip(self._others, lines.bodies[1:], strict=True):
            held.append(_bytes(body, 0))
            self.held += len(held[-1])
        return b"," + _bytes(lines.bodies[0], 0)

    def end(self) -> bytes:
        """The text behind the values of the first dimension."""
        return b"".join(b":" + b",".join(held) for held in self._others) + self._tail


def _bytes(texts: pa.StringArray, place: int) -> bytes:
    return bytes(memoryview(texts[place].as_buffer()))


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _one_line(text: object) -> str:
    return " ".join(str(text).split()) if text else ""
