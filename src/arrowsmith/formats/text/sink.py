"""Writes one column of text, a line for each row, in UTF-8."""

from __future__ import annotations

from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.errors import DataError, SchemaMismatch, TargetError
from arrowsmith.formats.text.options import TextWriteOptions
from arrowsmith.kernels.arrays import numpy_view
from arrowsmith.kernels.plain import unwrapped
from arrowsmith.kernels.scalars import text_scalar
from arrowsmith.plugin import check_columns
from arrowsmith.plugin.protocols import Chunk, RunContext, Source, Target

_ROWS = 1 << 16
_BYTES = 2 << 20
_ENCODE_COST = 3.0
_ESCAPE_COST = 8.0
_SHOWN = 5  # columns by name
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")


class TextSink:
    """Writes one text file; ``encode()`` runs on the workers.

    Args:
        target: where the bytes go.
        schema: of all batches.
        options: a :class:`TextWriteOptions`.
        ctx: the run, whose ``warn`` is told of columns and nulls that are not written.

    Raises:
        SchemaMismatch: no column of text, or several of which none is called ``text``.
        DataError: a line end within a value, or a null, where the options refuse it.
    """

    def __init__(
        self, target: Target, schema: pa.Schema, options: TextWriteOptions, ctx: RunContext
    ) -> None:
        self._target = target
        self._options = options
        self._ctx = ctx
        self._column = _chosen(schema, options.column, target.path)
        self._kind = schema.field(self._column).type
        others = [name for name in schema.names if name != self._column]
        if others:
            ctx.warn(f"{target.path}: only column '{self._column}' is written")
        safe = options.line_breaks == "error"
        self._chunk = Chunk(_ROWS, _BYTES, _ENCODE_COST if safe else _ESCAPE_COST)
        self._stream: BinaryIO | None = None
        self._begin = b""

    @property
    def chunk(self) -> Chunk:
        return self._chunk

    def prepare(self, first: pa.RecordBatch) -> None:
        """Nothing to learn from the first chunk."""

    def encode(self, chunk: pa.RecordBatch) -> memoryview:
        """The chunk's lines as bytes."""
        texts = self._without_nulls(_plain(chunk.column(self._column)))
        if not len(texts):
            return memoryview(b"")
        texts = self._without_breaks(texts)
        joined = pc.binary_join(_as_list(texts), text_scalar("\n"))
        if joined[0].as_buffer().size + 1 >= 1 << 31:
            raise DataError("2 GB of text in one chunk", path=self._target.path)
        ended = pc.binary_join_element_wise(joined, text_scalar(""), text_scalar("\n"))
        return memoryview(ended[0].as_buffer())

    def write(self, batch: pa.RecordBatch) -> None:
        self.append(self.encode(batch))

    def append(self, encoded: memoryview) -> None:
        self._begun().write(encoded)

    def commit(self) -> None:
        self._begun().flush()

    def resume(self, old: Source) -> int:
        """Keep all of the old lines.

        Raises:
            TargetError: they are UTF-16.
        """
        size = old.size or 0
        if old.head(2) in _WIDE_MARKS:
            raise TargetError("is UTF-16, to which no UTF-8 can be added", path=old.path)
        ended = not size or old.read_at(size - 1, 1) == b"\n"
        self._begin = b"" if ended else b"\n"
        return size

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
        if self._stream is None:
            self._stream = self._target.open()
            self._stream.write(self._begin)
        return self._stream

    def _without_nulls(self, texts: pa.StringArray) -> pa.StringArray:
        if not texts.null_count:
            return texts
        if self._options.nulls == "error":
            raise DataError(
                f"column '{self._column}' has a null, for which text has no line",
                path=self._target.path,
                hint="-w nulls=empty writes an empty line, -w nulls=skip leaves it out",
            )
        if self._options.nulls == "skip":
            return texts.drop_null()
        self._ctx.warn(
            f"{self._target.path}: nulls of column '{self._column}' become empty lines; "
            "-w nulls=skip leaves them out"
        )
        return pc.fill_null(texts, text_scalar(""))

    def _without_breaks(self, texts: pa.StringArray) -> pa.StringArray:
        """Values of which each is one line when it is read."""
        if self._options.line_breaks == "escape":
            for character, written in (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r")):
                texts = pc.replace_substring(texts, character, written)
            return texts
        broken = pc.match_substring_regex(texts, r"\n|\r\z")
        places = np.flatnonzero(numpy_view(broken.cast(pa.uint8())))
        if not len(places):
            return texts
        if self._options.line_breaks == "space":
            return pc.replace_substring_regex(texts, r"\r?\n|\r\z", " ")
        shown = texts[int(places[0])].as_py()[:60]
        raise DataError(
            f"column '{self._column}' has a line end within a value: {shown!r}",
            path=self._target.path,
            hint="choose -w line_breaks=escape or -w line_breaks=space, or another format",
        )


def _chosen(schema: pa.Schema, given: str | None, path: str) -> str:
    """The column to write."""
    texts = [field.name for field in schema if _is_text(field.type)]
    if given is not None:
        check_columns(schema, [given], fits=_is_text, wanted="text")
        return given
    if texts.count("text") == 1 and schema.names.count("text") == 1:
        return "text"
    if len(schema) == 1 and texts:
        return texts[0]
    if not texts:
        shown = ", ".join(f"'{field.name}' ({field.type})" for field in list(schema)[:_SHOWN])
        raise SchemaMismatch(
            f"text files hold one column of text, and there is none among {shown}",
            path=path,
            hint="cast one with --transform cast:columns=NAME:string, or choose another format",
        )
    raise SchemaMismatch(
        f"text files hold one column of text, and of {len(texts)} none is called 'text'",
        path=path,
        hint=f"say which with -w column=NAME: {', '.join(texts[:_SHOWN])}",
    )


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return any(
        test(kind)
        for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    )


def _plain(array: pa.Array) -> pa.StringArray:
    array = unwrapped(array)
    return array if pa.types.is_string(array.type) else array.cast(pa.string())


def _as_list(texts: pa.StringArray) -> pa.ListArray:
    """One list of all the texts."""
    ends = pa.py_buffer(np.array([0, len(texts)], np.int32))
    return pa.Array.from_buffers(pa.list_(pa.string()), 1, [None, ends], children=[texts])
