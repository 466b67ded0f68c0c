"""Reads text: ranges of whole lines, each split by any worker."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from arrowsmith.errors import OptionError
from arrowsmith.formats.text.batches import NAMED, ReadyTask, TextTask, batch_of
from arrowsmith.formats.text.encodings import Coding
from arrowsmith.formats.text.intern import Interner
from arrowsmith.formats.text.layout import CR
from arrowsmith.formats.text.options import TextReadOptions
from arrowsmith.formats.text.ranges import Range, Text, cut
from arrowsmith.formats.text.streams import (
    SAMPLE,
    archive_texts,
    density_of,
    ends_of,
    is_archive,
    told,
)
from arrowsmith.plugin.base import BaseReader, projected
from arrowsmith.plugin.feed import Buffers, Feed
from arrowsmith.plugin.protocols import RunContext, ScanRequest, ScanTask, Source

if TYPE_CHECKING:
    from arrowsmith.formats.text.documents import Documents

_FIRST_OF_FEW = 64 << 10
_FEW_ROWS = 10_000
_NUMBER = {"lines": "line", "paragraphs": "line", "documents": "document", "blocks": "block"}


@dataclass(frozen=True, slots=True)
class TextSplit:
    """Whole rows from ``start`` to ``stop``, in bytes; ``line`` is the number of the first."""

    start: int
    stop: int
    line: int

    @property
    def nbytes(self) -> int:
        return self.stop - self.start


class TextReader(BaseReader):
    """A file of text, or an archive of such.

    Columns: ``text``; ``source``, the file or the archive and its member; ``line`` from 1, or
    ``block`` or ``document`` from 0; ``offset``, in bytes, after decompression.

    Example:
        >>> with TextReader(source, TextReadOptions(), ctx) as reader:  # doctest: +SKIP
        ...     batches = list(reader.scan(ScanRequest(columns=("text",))))
    """

    def __init__(self, source: Source, options: TextReadOptions, ctx: RunContext) -> None:
        self._source = source
        self._options = options
        self._ctx = ctx
        self._head = source.head(SAMPLE)
        self._archive = is_archive(self._head)
        self._buffers = Buffers(options.range_bytes)
        self._coding = Coding("") if self._archive else told(source.path, self._head, options, ctx)
        self._ends = ends_of(self._head, self._coding, options) if not self._archive else None
        if options.unit == "blocks" and not self._archive:
            self._check_blocks(self._coding)
        self._documents = self._gather() if options.unit == "documents" else None
        self._schema = self._make_schema()

    @property
    def schema(self) -> pa.Schema:
        return self._schema

    def tasks(self, request: ScanRequest) -> Iterator[ScanTask]:
        """A task for each range of rows."""
        schema = projected(self._schema, request.columns, path=self._source.path)
        options, ctx = self._options, self._ctx
        if self._documents is not None:
            yield from self._documents.tasks(self._texts(), options.range_bytes, schema, request)
            return
        few = request.limit is not None and request.limit <= _FEW_ROWS
        shares = options.dictionary and "text" in schema.names
        interner = Interner(options.dictionary_bytes) if shares else None
        for piece in self._ranges(request.split, _FIRST_OF_FEW if few else None):
            if interner is None:
                yield TextTask(piece, options, ctx, schema, request, self._buffers)
                continue
            batch = batch_of(piece, options, ctx, schema, self._buffers, interner)
            yield ReadyTask(batch, request)

    def splits(self, target: int) -> Iterator[TextSplit]:
        """Pieces of about ``target`` bytes, found by one pass; none of a stream, one of an archive
        or a document."""
        if not self._source.seekable:
            return
        if self._archive or self._documents is not None:
            yield TextSplit(self._coding.mark, self._source.size or 0, 1)
            return
        start = stop = self._coding.mark
        line = following = 0 if self._options.unit == "blocks" else 1
        for piece in self._ranges(None, None):
            stop = piece.offset + piece.size
            if piece.tally is None:
                following += -(-(piece.size - piece.lead) // self._options.block_bytes)
            else:
                following += piece.count()
            self._buffers.give(piece.buffer)
            if stop - start >= target:
                yield TextSplit(start, stop, line)
                start, line = stop, following
        if stop > start:
            yield TextSplit(start, stop, line)

    def details(self) -> Mapping[str, int | str | list[str]]:
        """The encoding, and what a row is."""
        found: dict[str, int | str | list[str]] = {"unit": self._options.unit}
        if not self._archive:
            found["encoding"] = self._coding.name
        return found

    def _gather(self) -> Documents:
        from arrowsmith.formats.text.documents import Documents  # which needs a reader of YAML

        documents = Documents(self._options, self._ctx)
        if self._options.front_matter:
            documents.look(self._texts())
        return documents

    def _texts(self, split: Any = None) -> Iterator[Text]:
        """The texts of the source, each to be read before the next is asked for."""
        if self._archive:
            for _, text in archive_texts(self._source, self._head, self._options, self._ctx):
                yield text
            return
        assert self._ends is not None
        start = self._coding.mark if split is None else split.start
        line = 0 if self._options.unit == "blocks" else 1
        feed = Feed(self._source, start, None if split is None else split.stop)
        whole = self._source.size or 0
        try:
            yield Text(
                self._source.path,
                feed.fill,
                self._coding,
                self._ends,
                start,
                line if split is None else split.line,
                self._source if self._source.seekable else None,
                whole if split is None else split.stop,
                density_of(self._head, self._coding, self._ends),
            )
        finally:
            feed.close()

    def _ranges(self, split: Any, first: int | None) -> Iterator[Range]:
        options = self._options
        for text in self._texts(split):
            if options.unit == "blocks":
                self._check_blocks(text.coding)
            yield from cut(
                text,
                self._ctx,
                self._buffers,
                unit=options.unit,
                block=options.block_bytes,
                most=options.max_record_bytes,
                first=first,
            )

    def _check_blocks(self, coding: Coding) -> None:
        if not (coding.is_utf8 or coding.unit > 1 or coding.one_byte):
            raise OptionError(
                f"blocks cannot be cut in {coding.name}, whose characters are not told apart",
                path=self._source.path,
                hint="read lines, or convert the file to UTF-8",
            )

    def _make_schema(self) -> pa.Schema:
        options = self._options
        found: dict[str, Any] = {"format": "text", "unit": options.unit}
        if self._ends is not None:
            found["encoding"] = self._coding.name
            found["encoding_guess"] = self._coding.fallback
            found["line_end"] = "\r" if self._ends.mark == CR else "\n"
        shares = options.dictionary and self._documents is None
        fields = [
            pa.field("text", NAMED if shares else pa.string()),
            pa.field("source", NAMED),
            pa.field(_NUMBER[options.unit], pa.int64()),
            pa.field("offset", pa.int64()),
        ]
        fields += self._documents.fields if self._documents is not None else []
        return pa.schema(fields, metadata={"arrowsmith": json.dumps(found)})
