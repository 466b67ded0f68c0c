"""The CSV sink: RFC 4180 with a chosen delimiter, quote and line end.

Per chunk there are two routes to the same bytes. Where no field needs quotes, pyarrow's writer
formats and joins at once. Where one does, each column becomes text, the fields that need quotes get
them, and one kernel joins the rows. What needs quotes is found by looking for the special bytes in
the column's whole buffer.

Source of the format: RFC 4180. A null is an empty field and an empty text is ``""``; in a file of
one column a null is therefore an empty line.
"""

from __future__ import annotations

from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from arrowsmith.errors import ArrowsmithError, DataError, OptionError, SchemaMismatch
from arrowsmith.formats.csv.render import renderer
from arrowsmith.formats.csv.write_options import CsvWriteOptions
from arrowsmith.kernels.scalars import text_scalar
from arrowsmith.plugin.protocols import Chunk, RunContext, Source, Target

_ROWS = 65_536
_BYTES = 4 << 20
_ENCODE_COST = 5.0  # the columns as text, the lines, and what joins them
_LARGE = 512 << 20
_IN_NUMBERS = frozenset("+-.: ")


class CsvSink:
    """Writes one CSV file; ``encode()`` runs on the workers.

    Args:
        target: where the bytes go.
        schema: of all batches.
        options: a :class:`CsvWriteOptions`.
        ctx: the run.

    Raises:
        SchemaMismatch: the schema has no column, or one of a type without a text.
        DataError: a date beyond the years 1 to 9999, or text with NUL.
    """

    def __init__(
        self, target: Target, schema: pa.Schema, options: CsvWriteOptions, ctx: RunContext
    ) -> None:
        self._target = target
        self._schema = schema
        self._options = options
        self._delimiter = options.delimiter_for(target.name)
        if self._delimiter == options.quote or self._delimiter in options.null:
            raise OptionError(
                f"the delimiter {self._delimiter!r} is also the quote or part of the null",
                path=target.path,
                hint="choose another delimiter",
            )
        if not schema.names:
            raise SchemaMismatch("CSV needs at least one column", path=target.path)
        separator = "T" if options.timestamp_separator == "T" else " "
        try:
            self._renderers = [renderer(field, separator) for field in schema]
        except ArrowsmithError as error:
            error.path = target.path
            raise
        self._special = np.frombuffer((self._delimiter + options.quote + "\r\n").encode(), np.uint8)
        self._check_all = self._delimiter in _IN_NUMBERS or options.quote in _IN_NUMBERS
        self._plain = (
            options.quoting == "minimal" and options.line_end == "lf" and options.null == ""
        ) and options.quote == '"'  # the one that pyarrow's writer knows
        self._line_end = "\n" if options.line_end == "lf" else "\r\n"
        self._stream: BinaryIO | None = None
        self._begin = self._header()

    def resume(self, old: Source) -> int:
        """Keep all of a file whose first line is the one that would be written here.

        Raises:
            SchemaMismatch: other columns, or another dialect.
        """
        size, end = old.size or 0, self._line_end.encode()
        expected = self._header()
        found = old.head(len(expected))
        if found != expected and found + end != expected:
            line = old.head(200).split(b"\n")[0].decode("utf-8", "replace")
            raise SchemaMismatch(
                f"its first line is {line!r} and not {expected.decode().rstrip(chr(10))!r}",
                path=old.path,
                hint="to append, write the same columns in the same order and dialect",
            )
        self._begin = b"" if old.read_at(size - 1, 1) == b"\n" else end
        return size

    @property
    def chunk(self) -> Chunk:
        return Chunk(rows=_ROWS, nbytes=_BYTES, encode_cost=_ENCODE_COST)

    def prepare(self, first: pa.RecordBatch) -> None:
        """Nothing to learn from the first chunk."""

    def encode(self, chunk: pa.RecordBatch) -> pa.Buffer:
        """The chunk's records as bytes, each with its line end."""
        try:
            columns = [r.render(c) for r, c in zip(self._renderers, chunk.columns, strict=True)]
            doubtful = [
                (kind.free or self._check_all) and self._needs_quotes(name, column)
                for name, kind, column in zip(
                    self._schema.names, self._renderers, columns, strict=True
                )
            ]
        except ArrowsmithError as error:
            error.path = self._target.path
            raise
        if self._plain and not any(doubtful):
            return self._write_plain(columns)
        return self._join(columns, doubtful, large=chunk.nbytes > _LARGE)

    def write(self, batch: pa.RecordBatch) -> None:
        self.append(self.encode(batch))

    def append(self, encoded: pa.Buffer) -> None:
        self._begun().write(encoded)

    def commit(self) -> None:
        self._begun().flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream = None

    def _begun(self) -> BinaryIO:
        """The stream, with the header in it."""
        if self._stream is None:
            self._stream = self._target.open()
            self._stream.write(self._begin)
        return self._stream

    def _header(self) -> bytes:
        if not self._options.header:
            return b""
        names = [self._name(name) for name in self._schema.names]
        return (self._delimiter.join(names) + self._line_end).encode()

    def _name(self, name: str) -> str:
        quote = self._options.quote
        special = {self._delimiter, quote, "\r", "\n"}
        minimal = self._options.quoting == "minimal"
        marked = name.startswith("\ufeff")  # which readers take off the beginning of a file
        if minimal and name and name != self._options.null and not (marked or special & set(name)):
            return name
        return quote + name.replace(quote, quote * 2) + quote

    # --- the routes ------------------------------------------------------------------------------

    def _write_plain(self, columns: list[pa.Array]) -> pa.Buffer:
        batch = pa.RecordBatch.from_arrays(columns, names=self._schema.names)
        stream = pa.BufferOutputStream()
        options = pacsv.WriteOptions(
            include_header=False,
            batch_size=16_384,
            delimiter=self._delimiter,
            quoting_style="none",
        )
        pacsv.write_csv(batch, stream, options)
        return stream.getvalue()

    def _join(self, columns: list[pa.Array], doubtful: list[bool], large: bool) -> pa.Buffer:
        text = pa.large_string() if large else pa.string()
        parts = [
            self._fields(column.cast(text), suspect)
            for column, suspect in zip(columns, doubtful, strict=True)
        ]
        null = self._options.null

        def join(*parts: pa.Array | pa.Scalar) -> pa.Array:
            return pc.binary_join_element_wise(
                *parts, null_handling="replace", null_replacement=null
            )

        def scalar(value: str) -> pa.Scalar:
            return text_scalar(value).cast(text)

        parts[-1] = join(parts[-1], scalar(self._line_end), scalar(""))
        rows = join(*parts, scalar(self._delimiter))
        _, offsets, data = rows.buffers()
        ends = np.frombuffer(offsets, np.int64 if large else np.int32)
        return data.slice(0, int(ends[len(rows)])) if data is not None else pa.py_buffer(b"")

    def _fields(self, column: pa.Array, doubtful: bool) -> pa.Array:
        """The column's fields as they stand in the file, but for nulls."""
        every = self._options.quoting == "all"
        if not (every or doubtful or self._options.null):
            return column
        quote = self._options.quote
        mark = text_scalar(quote).cast(column.type)
        doubled = pc.replace_substring(column, quote, quote * 2)
        quoted = pc.binary_join_element_wise(mark, doubled, mark, text_scalar("").cast(column.type))
        if every:
            return quoted
        needed = pc.equal(column, text_scalar(self._options.null).cast(column.type))
        if self._options.null:
            needed = pc.or_(needed, pc.equal(column, text_scalar("").cast(column.type)))
        if doubtful:
            for byte in self._special:
                needed = pc.or_(needed, pc.match_substring(column, chr(byte)))
        return pc.if_else(needed, quoted, column)

    def _needs_quotes(self, name: str, column: pa.Array) -> bool:
        """Whether any value is empty or holds a special byte."""
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            column = column.cast(pa.string())
        _, ends, data = column.buffers()
        width = np.int64 if pa.types.is_large_string(column.type) else np.int32
        offsets = np.frombuffer(ends, width)[column.offset : column.offset + len(column) + 1]
        if not len(column):
            return False
        held = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
        held = held[offsets[0] : offsets[-1]]
        if len(held) and not held.min():
            raise DataError(
                f"column {name!r} has text with NUL, which readers of CSV take for another format",
                hint="remove it, or write to jsonl, parquet or arrow",
            )
        lengths = pc.binary_length(column)
        if not pc.all(lengths.cast(pa.bool_())).as_py():
            return True
        return any(bool((held == byte).any()) for byte in self._special)
