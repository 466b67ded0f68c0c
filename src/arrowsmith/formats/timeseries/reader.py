"""Reads files of time series: ranges of whole lines, each parsed by any worker."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from arrowsmith.errors import BudgetExceeded, DataError
from arrowsmith.formats.timeseries.header import Header
from arrowsmith.formats.timeseries.longline import LongLine, Pieces, streams, values_in_piece
from arrowsmith.formats.timeseries.opening import read_header
from arrowsmith.formats.timeseries.options import TimeSeriesReadOptions
from arrowsmith.formats.timeseries.points import TimesDifferError
from arrowsmith.formats.timeseries.ranges import RECORD_COST, Range, cut
from arrowsmith.formats.timeseries.rows import Rows
from arrowsmith.formats.timeseries.series import Fault, Series, SeriesParser, wrong_count
from arrowsmith.kernels.slices import sliced
from arrowsmith.plugin.base import BaseReader, projected
from arrowsmith.plugin.feed import Buffers
from arrowsmith.plugin.protocols import Reject, RunContext, ScanRequest, Source

_FIRST_OF_FEW = 64 << 10
_FEW_ROWS = 10_000
_TEXT_COST = 5  # the text itself, lines, fields and values cut from it
_VALUE_COST = 24  # offsets, a number, whether it is null
_ROW_COST = 16  # of a point: its series and its time


@dataclass(frozen=True, slots=True)
class TimeSeriesSplit:
    """Whole series from ``start`` to ``stop``, in bytes; numbers of the first line and series."""

    start: int
    stop: int
    line: int
    record: int

    @property
    def nbytes(self) -> int:
        return self.stop - self.start


class TimeSeriesTask:
    """One range to parse."""

    def __init__(
        self,
        piece: Range,
        reader: TimeSeriesReader,
        schema: pa.Schema,
        request: ScanRequest,
        buffers: Buffers,
    ) -> None:
        self._piece: Range | None = piece
        values = piece.tokens * (_VALUE_COST + _ROW_COST + 8 * len(schema))
        self._cost = len(piece.buffer) + piece.size * _TEXT_COST + values
        self._reader = reader
        self._schema = schema
        self._request = request
        self._buffers = buffers

    @property
    def cost(self) -> int:
        return self._cost

    def read(self) -> Iterator[pa.RecordBatch]:
        piece, self._piece = self._piece, None
        if piece is None:
            return
        batch = self._reader.batch_of(piece, self._schema)
        self._buffers.give(piece.buffer)
        del piece
        yield from sliced(batch, self._request.batch_rows, self._request.batch_bytes)


class LongLineTask:
    """One line that is parsed piece by piece."""

    def __init__(
        self, found: LongLine, reader: TimeSeriesReader, schema: pa.Schema, request: ScanRequest
    ) -> None:
        self._found, self._reader, self._schema, self._request = found, reader, schema, request
        size = values_in_piece(reader.range_bytes)
        width = _VALUE_COST + _ROW_COST + 8 * len(schema)
        self.cost = (1 << 20) + size * (16 * _TEXT_COST + width)

    def read(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._reader.batches_of(self._found, self._schema):
                yield from sliced(batch, self._request.batch_rows, self._request.batch_bytes)
        finally:
            self._found.close()


class TimeSeriesReader(BaseReader):
    """A ``.ts``, ``.tsf``, ``.arff`` or UCR file.

    Columns with ``layout="long"``: ``series_id``, ``timestamp``, ``value`` or ``dim_0``, ``dim_1``
    ..., ``label``, and the other attributes of the header. With ``"series"`` times and values are
    lists.

    Raises:
        DataError: the header is none.

    Example:
        >>> with TimeSeriesReader(source, TimeSeriesReadOptions(), ctx) as r:  # doctest: +SKIP
        ...     batches = list(r.scan(ScanRequest(columns=("series_id", "value"))))
    """

    def __init__(self, source: Source, options: TimeSeriesReadOptions, ctx: RunContext) -> None:
        self._source = source
        self._options = options
        self._ctx = ctx
        self._buffers = Buffers(options.range_bytes)
        self._header = read_header(source, options.kind)
        time_type = _time_type(source, self._header)
        self._parser = SeriesParser(self._header, time_type, started=options.layout == "long")
        self._rows = Rows(self._header, options.layout, time_type, source.path)

    @property
    def schema(self) -> pa.Schema:
        return self._rows.schema

    @property
    def range_bytes(self) -> int:
        """How much text one task parses."""
        return self._options.range_bytes

    def tasks(self, request: ScanRequest) -> Iterator[TimeSeriesTask | LongLineTask]:
        """A task for each range of series, and for each series that is longer than one."""
        schema = projected(self.schema, request.columns, path=self._source.path)
        few = request.limit is not None and request.limit <= _FEW_ROWS
        for piece in self._ranges(request.split, _FIRST_OF_FEW if few else None):
            if isinstance(piece, LongLine):
                if piece.records:
                    yield LongLineTask(piece, self, schema, request)
                else:
                    piece.close()
            else:
                yield TimeSeriesTask(piece, self, schema, request, self._buffers)

    def splits(self, target: int) -> Iterator[TimeSeriesSplit]:
        """Pieces of about ``target`` bytes, found by one pass over the lines; none of a stream."""
        if not self._source.seekable:
            return
        start = stop = self._header.start
        line, record = following = self._header.line, 0
        for piece in self._ranges(None, None):
            stop = piece.offset + piece.size
            following = piece.line + piece.line_count, piece.record + piece.records
            if isinstance(piece, Range):
                self._buffers.give(piece.buffer)
            if stop - start >= target:
                yield TimeSeriesSplit(start, stop, line, record)
                start, (line, record) = stop, following
        if stop > start:
            yield TimeSeriesSplit(start, stop, line, record)

    def details(self) -> Mapping[str, int | str | list[str]]:
        """The kind, and what the header says."""
        shown: dict[str, int | str | list[str]] = {"kind": self._header.kind}
        for key, value in self._header.told.items():
            if value is not None and value != [] and key != "attributes":
                shown[key] = [str(one) for one in value] if isinstance(value, list) else str(value)
        return shown

    def batch_of(self, piece: Range, schema: pa.Schema) -> pa.RecordBatch:
        """The rows of a range without its bad series, which go to the run's context.

        Raises:
            DataError: a series is bad and the run's ``on_error`` is ``"raise"``.
        """
        series, faults = self._parser.parse(piece.texts())
        for fault in faults:
            self._hand_over(fault, piece)
        return self._rows.batch(series, piece.record, schema)

    def batches_of(self, found: LongLine, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """The rows of a long line, none where it is bad: it is looked through before they begin.

        Raises:
            DataError: it is bad and the run's ``on_error`` is ``"raise"``.
            BudgetExceeded: its dimensions have different times, and memory has no room for them.
        """
        fault = self._long_fault(found)
        try:
            looked = self._header.timestamps and self._header.dimensions > 1
            if fault is None and (looked or self._ctx.on_error != "raise"):
                fault = next((one for _, one in self._pieces(found) if one is not None), None)
            if fault is None:
                for series, fault in self._pieces(found):
                    if fault is not None:
                        break
                    yield self._rows.batch(series, found.record, schema)
        except TimesDifferError:
            yield from self._whole(found, schema)
            return
        if fault is not None:
            self._refuse(fault, found.line, found.start, found.record, found.raw)

    def _long_fault(self, found: LongLine) -> Fault | None:
        """What is wrong with the fields of a long line."""
        count = len(found.marks) + 1
        if self._header.fields and count != self._header.fields:
            return Fault(0, wrong_count(self._header, count))
        if self._header.kind == "ucr" and self._header.separator != " " and not found.marks:
            return Fault(0, "is a label without a value")
        return None

    def _pieces(self, found: LongLine) -> Iterator[tuple[Series, Fault | None]]:
        """The pieces of a long line, up to the first bad one."""
        before, empty = 0, Series.none()
        try:
            for text in Pieces(found, self._header, values_in_piece(self.range_bytes)):
                self._ctx.check_cancelled()
                series, faults = self._parser.parse(text, before)
                for fault in faults[:1]:
                    value = None if fault.value is None else fault.value + before
                    yield empty, replace(fault, value=value)
                    return
                yield series, None
                before += int(series.points.bounds[-1])
        except ValueError as error:
            yield empty, Fault(0, str(error))

    def _whole(self, found: LongLine, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        size = found.stop - found.start
        needed = RECORD_COST * size
        if needed > self._ctx.memory_limit:
            enough = f"{(needed >> 20) + 24}MB"
            raise BudgetExceeded(
                f"a series of {size} bytes has dimensions of different times, which are brought"
                " together in memory",
                needed=needed,
                path=self._source.path,
                place=f"line {found.line}, byte {found.start}",
                hint=f"give it more: --memory {enough} or budget=MemoryBudget('{enough}')",
            )
        text = pa.py_buffer(found.read(found.start, size))
        offsets = pa.py_buffer(np.array([0, size], np.int32))
        lines = pa.Array.from_buffers(pa.binary(), 1, [None, offsets, text])
        series, faults = self._parser.parse(lines)
        for fault in faults:
            self._refuse(fault, found.line, found.start, found.record, found.raw)
        yield self._rows.batch(series, found.record, schema)

    def _hand_over(self, fault: Fault, piece: Range) -> None:
        start, end = int(piece.starts[fault.place]), int(piece.ends[fault.place])
        line, offset = piece.line + int(piece.lines[fault.place]), piece.offset + start
        raw = bytes(memoryview(piece.buffer)[start:end])
        self._refuse(fault, line, offset, piece.record + fault.place, raw)

    def _refuse(self, fault: Fault, line: int, offset: int, record: int, raw: bytes) -> None:
        if self._ctx.on_error == "raise":
            column = f", column {fault.column!r}" if fault.column else ""
            raise DataError(
                fault.reason,
                path=self._source.path,
                place=f"line {line}, byte {offset}{column}",
                hint="mend the line; --on-error skip leaves bad series out",
            )
        self._ctx.reject(
            Reject(
                source=self._source.path,
                record=record,
                line=line,
                offset=offset,
                column=fault.column,
                reason=fault.reason,
                raw=raw,
            )
        )

    def _ranges(self, split: Any, first: int | None) -> Iterator[Range | LongLine]:
        return cut(
            self._source,
            self._ctx,
            self._buffers,
            self._header,
            start=self._header.start if split is None else split.start,
            stop=None if split is None else split.stop,
            line=self._header.line if split is None else split.line,
            record=0 if split is None else split.record,
            most=self._options.max_record_bytes,
            piecewise=streams(self._header, self._options.layout),
            first=first,
        )


_SEEN = 64 << 10
_TIME = re.compile(rb"\(\s*([^,()]*),")


def _time_type(source: Source, header: Header) -> pa.DataType | None:
    """Of the times in parentheses, by the first ones; None where there are none."""
    if not header.timestamps:
        return None
    head = source.head(header.start + _SEEN)[header.start :]
    found = [one.strip() for one in _TIME.findall(head)]
    if all(re.fullmatch(rb"[+-]?[0-9]{1,18}", one) for one in found):
        return pa.int64()
    if all(re.fullmatch(rb"[+-]?[0-9.]+([eE][+-]?[0-9]+)?", one) for one in found):
        return pa.float64()
    return pa.timestamp("us")
