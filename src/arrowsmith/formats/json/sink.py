"""The JSON sinks: JSON Lines, and one array of objects.

Each chunk's columns become JSON text by kernels, and one kernel joins the texts of a row with the
keys between them. Both layouts hold one object a line.

Source of the formats: RFC 8259, and https://jsonlines.org.
"""

from __future__ import annotations

from types import TracebackType
from typing import BinaryIO, Self

import pyarrow as pa

from arrowsmith.errors import ArrowsmithError, DataError
from arrowsmith.formats.json.render import check_schema, rules
from arrowsmith.formats.json.volume import Volume, row_volume
from arrowsmith.formats.json.write_options import JsonWriteOptions
from arrowsmith.kernels.jsontext import encoder, objects
from arrowsmith.kernels.valuetext import spanned
from arrowsmith.plugin.protocols import Chunk, RunContext, Source, Target

_ROWS = 16_384
_BYTES = 2 << 20
_TEXT = 4 << 20  # bytes of JSON that a chunk may make, the insides of texts left out
_STRING_BYTES = 512 << 10  # the same of strings, which may become six times as long
_LEAST_ROWS = 256  # of which a chunk has room where many columns make their fixed widths large
_COPIES = 3.0  # the columns as text, the lines, and what joins them
_LEAST_COST = 5.0  # bytes in base64: padded, as letters twice, and the lines
_STRING_COST = 12.0  # two copies of what is written, were the strings all control characters


def _chunk(row: Volume) -> Chunk:
    nbytes, cost = min(_BYTES, int(_TEXT / row.ratio)), _LEAST_COST
    if row.strings:
        nbytes, cost = min(nbytes, max(_STRING_BYTES, _LEAST_ROWS * row.width)), _STRING_COST
    rows = max(1, min(_ROWS, _TEXT // row.text))
    return Chunk(rows=rows, nbytes=nbytes, encode_cost=max(cost, _COPIES * row.ratio))


class _ObjectSink:
    """Objects, one a line; the layouts differ in what stands around and between them."""

    _before, _after = "", ""

    def __init__(
        self, target: Target, schema: pa.Schema, options: JsonWriteOptions, ctx: RunContext
    ) -> None:
        self._target = target
        self._names = schema.names
        self._omit_nulls = options.nulls == "omit"
        try:
            check_schema(schema)
            how = rules(options, lambda message: ctx.warn(f"{target.path}: {message}"))
            self._encoders = [encoder(field, how) for field in schema]
        except ArrowsmithError as error:
            error.path = target.path
            raise
        self._chunk = _chunk(row_volume(schema))
        self._stream: BinaryIO | None = None
        self._begin = b""

    @property
    def chunk(self) -> Chunk:
        return self._chunk

    def prepare(self, first: pa.RecordBatch) -> None:
        """Nothing to learn from the first chunk."""

    def encode(self, chunk: pa.RecordBatch) -> memoryview:
        """The chunk's objects as bytes, each with what stands around it."""
        opening, closing = self._before + "{", "}" + self._after
        if not self._names:
            return memoryview((opening + closing).encode() * chunk.num_rows)
        try:
            rows = objects(
                self._names,
                self._encoders,
                chunk.columns,
                omit_nulls=self._omit_nulls,
                opening=opening,
                closing=closing,
            )
        except ArrowsmithError as error:
            error.path = self._target.path
            raise
        return spanned(rows)[1].data

    def write(self, batch: pa.RecordBatch) -> None:
        self.append(self.encode(batch))

    def append(self, encoded: memoryview) -> None:
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
        if self._stream is None:
            self._stream = self._target.open()
            self._stream.write(self._begin)
        return self._stream


class JsonLinesSink(_ObjectSink):
    """Writes one JSON Lines file; ``encode()`` runs on the workers.

    Args:
        target: where the bytes go.
        schema: of all batches; without a column each row is ``{}``.
        options: a :class:`JsonWriteOptions`.
        ctx: the run, whose ``warn`` is told of NaN and infinities that become null.

    Raises:
        SchemaMismatch: a name that is twice in one object, or a type without a JSON.
        DataError: a date beyond the years 1 to 9999, a key that is twice in a map, or a NaN or
            infinity where the options refuse it.
    """

    _after = "\n"

    def resume(self, old: Source) -> int:
        """Keep all of a file of objects, one a line.

        Raises:
            DataError: it begins with something else than an object.
        """
        size = old.size or 0
        if old.head(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"{", b""):
            raise DataError(
                "does not begin with an object, so is no file of JSON Lines", path=old.path
            )
        ended = not size or old.read_at(size - 1, 1) == b"\n"
        self._begin = b"" if ended else b"\n"
        return size


class JsonArraySink(_ObjectSink):
    """Writes one JSON array of objects, one object a line; ``[]`` without rows.

    Arguments and errors are those of :class:`JsonLinesSink`.
    """

    _before = ",\n"
    _empty = True

    def append(self, encoded: memoryview) -> None:
        if self._empty and len(encoded):
            self._begun().write(b"[")
            encoded = encoded[1:]  # the comma before the first object
            self._empty = False
        super().append(encoded)

    def commit(self) -> None:
        self._begun().write(b"[]\n" if self._empty else b"\n]\n")
        super().commit()
