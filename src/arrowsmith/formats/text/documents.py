"""Whole documents, a row each: a file, or the members of an archive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from arrowsmith.errors import DataError
from arrowsmith.formats.text.batches import NAMED, empty_rows, sliced
from arrowsmith.formats.text.front import HEAD, Columns, Values, front_matter
from arrowsmith.formats.text.layout import Ends, marks_of, places
from arrowsmith.formats.text.options import TextReadOptions
from arrowsmith.formats.text.ranges import Range, Text, cut
from arrowsmith.kernels.arrays import int64_array
from arrowsmith.kernels.scalars import text_array
from arrowsmith.plugin.feed import Buffers
from arrowsmith.plugin.protocols import Reject, RunContext, ScanRequest
from arrowsmith.plugin.types import parse_type

_COLUMNS = ("text", "source", "document", "offset")
_MARKDOWN = (".md", ".markdown")
_COPIES = 8  # of a document: its characters, its UTF-8, its body, and the column
_MOST = 1024  # documents of one task


@dataclass(slots=True)
class _Row:
    """One document, decoded."""

    text: bytes
    source: str
    number: int
    offset: int
    values: Values


class Documents:
    """Gathers small documents into tasks, and knows the columns of their front matter."""

    def __init__(self, options: TextReadOptions, ctx: RunContext) -> None:
        self._options = options
        self._ctx = ctx
        given = {key: parse_type(name) for key, name in options.types.items()}
        self.columns = Columns(_COLUMNS, given if options.front_matter else {})

    @property
    def fields(self) -> list[pa.Field]:
        """Of the front matter."""
        return self.columns.fields

    def look(self, texts: Iterable[Text]) -> None:
        """Learn the columns from the heads of all documents.

        Raises:
            DataError: front matter cannot be read, and ``on_error`` is ``"raise"``.
        """
        for text in texts:
            if not _is_markdown(text.source):
                continue
            head = bytearray(HEAD)
            size = text.fill(memoryview(head))
            beginning = bytes(head[:size]).decode(text.coding.name, "replace")
            try:
                self.columns.add(front_matter(beginning)[0])
            except DataError as error:
                if self._ctx.on_error == "raise":
                    error.path = text.source
                    raise

    def tasks(
        self, texts: Iterable[Text], most: int, schema: pa.Schema, request: ScanRequest
    ) -> Iterator[DocumentTask]:
        """Documents, several small ones of about ``most`` bytes together.

        Raises:
            DataError: one is longer than ``max_record_bytes``.
            BudgetExceeded: one is longer than memory allows.
        """
        pending: list[Range] = []
        size = 0
        small = Buffers(64 << 10)
        for number, text in enumerate(texts):
            pieces = cut(
                text,
                self._ctx,
                small,
                unit="documents",
                block=0,
                most=self._options.max_record_bytes,
            )
            piece = next(pieces, None)
            if piece is None:  # an empty document is one
                piece = Range(
                    text.source, text.coding, text.ends, bytearray(), 0, text.offset, 1, 0
                )
            pending.append(replace(piece, line=number))
            size += len(piece.buffer)
            if size >= most or len(pending) >= _MOST:
                yield DocumentTask(pending, self, schema, request)
                pending, size = [], 0
        if pending:
            yield DocumentTask(pending, self, schema, request)

    def row(self, piece: Range) -> _Row | None:
        """The document, or None where it is bad and was handed over."""
        view = memoryview(piece.buffer)[: piece.size]
        try:
            text = str(view, piece.coding.name, self._options.encoding_errors)
            values, body = self._front(piece, text)
        except UnicodeDecodeError as error:
            at, line = error.start, bytes(view[: error.start]).count(b"\n") + 1
            reason = f"byte 0x{view[at]:02x} is not {piece.coding.name}"
            self._hand_over(piece, reason, line, piece.offset + at)
            return None
        except DataError as error:
            line = int((error.place or "line 1").removeprefix("line "))
            self._hand_over(piece, error.what, line, piece.offset)
            return None
        skipped = _bytes_of_lines(piece, text[:body]) if body else 0
        encoded = text[body:].encode()
        return _Row(encoded, piece.source, piece.line, piece.offset + skipped, values)

    def _front(self, piece: Range, text: str) -> tuple[Values, int]:
        markdown = self._options.front_matter and _is_markdown(piece.source)
        values, body = front_matter(text) if markdown else ({}, 0)
        self.columns.check(values)
        return values, body

    def _hand_over(self, piece: Range, reason: str, line: int, at: int) -> None:
        if self._ctx.on_error == "raise":
            raise DataError(
                reason,
                path=piece.source,
                place=f"line {line}, byte {at}",
                hint="say -r encoding=NAME, -r encoding_errors=replace or -r front_matter=false;"
                " --on-error skip leaves bad records out",
            )
        raw = bytes(memoryview(piece.buffer)[: piece.size])
        self._ctx.reject(Reject(piece.source, piece.line, 1, piece.offset, "text", reason, raw))


class DocumentTask:
    """A few documents to decode."""

    def __init__(
        self, pieces: list[Range], documents: Documents, schema: pa.Schema, request: ScanRequest
    ) -> None:
        self._pieces = pieces
        self._documents = documents
        self._schema = schema
        self._request = request
        self.cost = sum(len(piece.buffer) + piece.size * _COPIES for piece in pieces)

    def read(self) -> Iterator[pa.RecordBatch]:
        pieces, self._pieces = self._pieces, []
        rows = [row for piece in pieces if (row := self._documents.row(piece)) is not None]
        del pieces
        if not rows:
            return
        if not len(self._schema):
            yield from sliced(empty_rows(len(rows), self._schema), self._request)
            return
        found = self._documents.columns.arrays(
            [row.values for row in rows], frozenset(self._schema.names)
        )
        for name in _COLUMNS:
            if name in self._schema.names:
                found[name] = _column(name, rows)
        arrays = [found[name] for name in self._schema.names]
        yield from sliced(pa.RecordBatch.from_arrays(arrays, schema=self._schema), self._request)


def _bytes_of_lines(piece: Range, lines: str) -> int:
    """How many bytes of a document its first lines take; what was replaced does not encode."""
    if not lines.endswith("\n"):
        return piece.size
    ends = places(marks_of(piece.data, piece.coding, Ends()))
    return int(ends[lines.count("\n") - 1] + 1) * piece.coding.unit


def _column(name: str, rows: list[_Row]) -> pa.Array:
    if name == "text":
        return _texts([row.text for row in rows])
    if name == "source":
        indices = np.arange(len(rows), dtype=np.int32)
        places = pa.Array.from_buffers(pa.int32(), len(rows), [None, pa.py_buffer(indices)])
        sources = text_array([row.source for row in rows])
        return pa.DictionaryArray.from_arrays(places, sources).cast(NAMED)
    if name == "document":
        return int64_array(np.array([row.number for row in rows], np.int64))
    return int64_array(np.array([row.offset for row in rows], np.int64))


def _texts(parts: list[bytes]) -> pa.StringArray:
    ends = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=ends[1:])
    buffers = [None, pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(b"".join(parts))]
    return pa.Array.from_buffers(pa.string(), len(parts), buffers)


def _is_markdown(source: str) -> bool:
    name = source.lower()
    for suffix in (".gz", ".zst", ".bz2", ".xz", ".lz4"):
        name = name.removesuffix(suffix)
    return name.endswith(_MARKDOWN)
