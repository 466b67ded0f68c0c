"""Writes access logs: a kernel a column, then one that joins the columns to lines."""

from __future__ import annotations

from types import TracebackType
from typing import BinaryIO, Self

import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.errors import DataError, SchemaMismatch
from arrowsmith.plugin import RunContext, Target
from arrowsmith_example import WriteOptions
from arrowsmith_example.schema import CLOCK, QUOTED, SCHEMA

_FORBIDDEN = dict.fromkeys(QUOTED, r"[\x00-\x1f]")  # would break the line
_FORBIDDEN |= dict.fromkeys(("host", "ident", "user"), r"[\x00-\x20]|^$")
_FORBIDDEN |= {"status": r"^(?:.|..|.{4,})$|-", "bytes": "-"}


class AccessLogSink:
    """One log file. A column that no log has is refused, a missing one is written as a dash."""

    def __init__(
        self, target: Target, schema: pa.Schema, options: WriteOptions, ctx: RunContext
    ) -> None:
        self._target = target
        self._names = SCHEMA.names if options.layout == "combined" else SCHEMA.names[:-2]
        self._stream: BinaryIO | None = None
        for field in schema:
            if not _fits(field):
                raise SchemaMismatch(
                    f"an access log has no column '{field.name}' of type {field.type}",
                    path=target.path,
                    hint=f"its columns are {', '.join(f'{f.name}: {f.type}' for f in SCHEMA)}",
                )
        missing = [f.name for f in SCHEMA if not f.nullable and f.name not in schema.names]
        if missing:
            raise SchemaMismatch(f"an access log needs the column '{missing[0]}'", path=target.path)

    def write(self, batch: pa.RecordBatch) -> None:
        if not batch.num_rows:
            return
        text = {name: self._text(batch, name) for name in self._names}
        text["time"] = _joined("", "[", text["time"], "]")
        for name in QUOTED:
            if name in text:
                text[name] = _joined("", '"', text[name], '"')
        lines = _joined("", _joined(" ", *text.values()), "\n")
        self._begun().write(lines.buffers()[2])

    def _text(self, batch: pa.RecordBatch, name: str) -> pa.Array:
        """A column as it stands in the line, but for brackets and quotes; null if it is missing."""
        if name not in batch.schema.names:
            return pa.nulls(batch.num_rows, pa.string())
        values = self._cast(batch.column(name), name)
        if values.null_count and not SCHEMA.field(name).nullable:
            raise self._bad(name, "null")
        if name == "time":
            return pc.strftime(values, format=f"{CLOCK} %z")
        text = values.cast(pa.string())
        bad = pc.match_substring_regex(text, _FORBIDDEN[name])
        if bad.true_count:
            raise self._bad(name, repr(text.filter(bad)[0].as_py()[:80]))
        return pc.replace_substring_regex(text, r'(["\\])', r"\\\1") if name in QUOTED else text

    def _cast(self, values: pa.Array, name: str) -> pa.Array:
        try:
            return values.cast(SCHEMA.field(name).type)
        except pa.ArrowInvalid as error:
            raise self._bad(name, f"a value ({error})") from None

    def _bad(self, name: str, value: str) -> DataError:
        return DataError(
            f"column '{name}' has {value}, which an access log cannot hold",
            path=self._target.path,
            hint="filter such rows out, or write another format",
        )

    def _begun(self) -> BinaryIO:
        if self._stream is None:
            self._stream = self._target.open()
        return self._stream

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
        """The host publishes the target after ``commit()``, or discards it."""


def _fits(field: pa.Field) -> bool:
    """Whether the column is one of a log, of its type or one that converts to it."""
    index = SCHEMA.get_field_index(field.name)
    try:
        return index >= 0 and len(pa.nulls(0, field.type).cast(SCHEMA.field(index).type)) == 0
    except pa.ArrowException:
        return False


def _joined(separator: str, *parts: pa.Array | str) -> pa.Array:
    """One text a row; a null is written as a dash."""
    arrays = [_scalar(part) if isinstance(part, str) else part for part in (*parts, separator)]
    return pc.binary_join_element_wise(*arrays, null_handling="replace", null_replacement="-")


def _scalar(text: str) -> pa.Scalar:
    return pa.scalar(text, pa.string())
