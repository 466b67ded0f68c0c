"""Reads WARC: web pages as crawlers store them, and WET, their texts."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from arrowsmith.errors import DataError
from arrowsmith.formats.text.batches import NAMED, empty_rows, named, sliced
from arrowsmith.formats.text.http import Page, decoded, headers_of, mime_of, page
from arrowsmith.formats.text.options import WarcReadOptions
from arrowsmith.formats.text.warc import Flaw, Record, Records, cut
from arrowsmith.kernels.arrays import int64_array
from arrowsmith.plugin.base import BaseReader, projected
from arrowsmith.plugin.feed import Buffers
from arrowsmith.plugin.protocols import Reject, RunContext, ScanRequest, Source

_COST = 6  # of a byte: its record, its body, its text, and the column
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_DATE = re.compile(r"(\d{4})(-\d\d)?(-\d\d)?(T\d\d:\d\d(?::\d\d(?:\.\d+)?)?Z)?")
_SHOWN = 1 << 16
_FIELDS = {
    "url": pa.string(),
    "date": pa.timestamp("us", "UTC"),
    "mime": pa.string(),
    "status": pa.int32(),
    "type": pa.string(),
    "charset": pa.string(),
    "text": pa.string(),
    "bytes": pa.binary(),
    "source": NAMED,
    "offset": pa.int64(),
}
_LEFT_OUT = {"text": ("bytes",), "bytes": ("text", "charset"), "none": ("text", "charset", "bytes")}


class WarcReader(BaseReader):
    """A WARC file, plain or compressed record by record.

    Columns: ``url``, ``date``, ``mime`` and ``status`` of the page, the record's ``type``, its
    payload as ``text`` with the ``charset`` it was read in, or as ``bytes``, ``source``, and
    ``offset`` in bytes after decompression.

    Example:
        >>> with WarcReader(source, WarcReadOptions(), ctx) as reader:  # doctest: +SKIP
        ...     batches = list(reader.scan(ScanRequest(columns=("url", "text"))))
    """

    def __init__(self, source: Source, options: WarcReadOptions, ctx: RunContext) -> None:
        self._source = source
        self._options = options
        self._ctx = ctx
        self._buffers = Buffers(options.range_bytes)
        out = _LEFT_OUT[options.content]
        told = {"format": "warc", "content": options.content, "records": list(options.records)}
        self._schema = pa.schema(
            [pa.field(name, kind) for name, kind in _FIELDS.items() if name not in out],
            metadata={"arrowsmith": json.dumps(told)},
        )

    @property
    def schema(self) -> pa.Schema:
        return self._schema

    def tasks(self, request: ScanRequest) -> Iterator[WarcTask]:
        """A task for each range of records."""
        schema = projected(self._schema, request.columns, path=self._source.path)
        most = self._options.max_record_bytes
        for piece in cut(self._source, self._ctx, self._buffers, most):
            yield WarcTask(piece, self._source, self._options, self._ctx, schema, request)


class WarcTask:
    """One range of records to parse."""

    def __init__(
        self,
        piece: Records,
        source: Source,
        options: WarcReadOptions,
        ctx: RunContext,
        schema: pa.Schema,
        request: ScanRequest,
    ) -> None:
        self._piece: Records | None = piece
        self.cost = len(piece.buffer) * _COST
        self._source = source
        self._options = options
        self._ctx = ctx
        self._schema = schema
        self._request = request

    def read(self) -> Iterator[pa.RecordBatch]:
        piece, self._piece = self._piece, None
        if piece is None:
            return
        rows = []
        for place, found in enumerate(piece.found):
            try:
                if isinstance(found, Flaw):
                    raise ValueError(found.reason)
                row = self._row(piece, found)
            except ValueError as error:
                self._hand_over(piece, place, str(error))
                continue
            if row is not None:
                rows.append(row)
        if not rows:
            return
        if not len(self._schema):
            yield from sliced(empty_rows(len(rows), self._schema), self._request)
            return
        arrays = [self._column(field, rows) for field in self._schema]
        yield from sliced(pa.RecordBatch.from_arrays(arrays, schema=self._schema), self._request)

    def _row(self, piece: Records, record: Record) -> dict[str, Any] | None:
        """The columns of a record; None where its type is not wanted."""
        headers = headers_of(bytes(memoryview(piece.buffer)[record.start : record.body]))
        kind = headers.get("warc-type", "").lower()
        if kind not in self._options.records:
            return None
        block = bytes(memoryview(piece.buffer)[record.body : record.end])
        mime, charset = mime_of(headers.get("content-type"))
        if mime == "application/http" and kind == "response":
            body = page(block, self._options.max_record_bytes)
        else:
            body = Page(None, mime, charset, block)
        url = headers.get("warc-target-uri")
        row: dict[str, Any] = {
            "url": url.strip("<>") if url else None,
            "date": _microseconds(headers.get("warc-date")),
            "mime": body.mime,
            "status": body.status,
            "type": kind,
            "offset": piece.offset + record.start,
            "bytes": body.body,
        }
        if "text" in self._schema.names or "charset" in self._schema.names:
            row["text"], row["charset"] = self._text(body, kind)
        return row

    def _text(self, body: Page, kind: str) -> tuple[str | None, str | None]:
        if body.packed is not None:
            self._ctx.warn(
                f"{self._source.path}: pages packed with {body.packed!r} have null as text; "
                "-r content=bytes gives their bytes"
            )
            return None, None
        charset = body.charset or ("utf-8" if kind == "conversion" else None)
        return decoded(body.body, body.mime, charset)

    def _column(self, field: pa.Field, rows: list[dict[str, Any]]) -> pa.Array:
        name, kind = field.name, field.type
        if name == "source":
            return named(self._source.path, len(rows))
        values = [row[name] for row in rows]
        if pa.types.is_string(kind) or pa.types.is_binary(kind):
            return _ragged(values, kind)
        numbers = np.array([0 if value is None else value for value in values], np.int64)
        buffers = [_validity(values), *int64_array(numbers).buffers()[1:]]
        stored = pa.Array.from_buffers(pa.int64(), len(values), buffers)
        return stored.cast(kind)

    def _hand_over(self, piece: Records, place: int, reason: str) -> None:
        found = piece.found[place]
        offset, number = piece.offset + found.start, piece.number + place
        if self._ctx.on_error == "raise":
            raise DataError(
                f"the record {reason}" if isinstance(found, Flaw) else f"its payload {reason}",
                path=self._source.path,
                place=f"record {number}, byte {offset}",
                hint="--on-error skip leaves bad records out",
            )
        raw = bytes(memoryview(piece.buffer)[found.start : min(found.end, found.start + _SHOWN)])
        self._ctx.reject(Reject(self._source.path, number, None, offset, None, reason, raw))


def _microseconds(date: str | None) -> int | None:
    """An instant in microseconds; of a shortened date its beginning."""
    if date is None:
        return None
    found = _DATE.fullmatch(date)
    if found is None:
        raise ValueError(f"has a WARC-Date that is none: {date[:40]!r}")
    year, month, day, time = found.groups()
    text = f"{year}{month or '-01'}{day or '-01'}{(time or 'T00:00Z')[:-1]}"
    try:
        moment = dt.datetime.fromisoformat(text[:26]).replace(tzinfo=dt.UTC)
    except ValueError:
        raise ValueError(f"has a WARC-Date that is none: {date[:40]!r}") from None
    return (moment - _EPOCH) // _MICROSECOND


def _ragged(values: list[Any], kind: pa.DataType) -> pa.Array:
    parts = [
        value.encode("utf-8", "replace") if isinstance(value, str) else value or b""
        for value in values
    ]
    ends = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=ends[1:])
    if ends[-1] >= 1 << 31:
        raise DataError("2 GB of text in one range", hint="lower range_bytes")
    buffers = [
        _validity(values),
        pa.py_buffer(ends.astype(np.int32)),
        pa.py_buffer(b"".join(parts)),
    ]
    return pa.Array.from_buffers(kind, len(parts), buffers)


def _validity(values: list[Any]) -> pa.Buffer | None:
    valid = [value is not None for value in values]
    return None if all(valid) else pa.py_buffer(np.packbits(valid, bitorder="little"))
