"""Writes WebDataset tars: for each row a picture and what belongs to it, by one key.

Convention: https://github.com/webdataset/webdataset. Headers are pax, without times and owners, so
that the same rows give the same bytes.
"""

from __future__ import annotations

import posixpath
import re
import tarfile
from types import TracebackType
from typing import BinaryIO, Self

import pyarrow as pa

from arrowsmith.errors import ArrowsmithError, DataError, OptionError, SchemaMismatch
from arrowsmith.plugin import RunContext, Target
from arrowsmith_image.bound import check_encoded, is_encoded
from arrowsmith_image.facts import json_objects
from arrowsmith_image.options import WriteOptions
from arrowsmith_image.pixels import encoded_values
from arrowsmith_image.probe import picture_format, suffix_of
from arrowsmith_image.rows import FIXED
from arrowsmith_image.samples import SPLITS, is_text, keyed, split_of

_BLOCK, _RECORD = 512, 10_240
_OWNER = b"0000644\0" + b"0000000\0" * 2
_TIME = b"0" * 11 + b"\0"
_REST = (b"0" + bytes(100) + b"ustar\0" + b"00").ljust(356, b"\0")
_SUM_OF_REST = sum(_REST)


class ImageSink:
    """One tar. Facts that reading finds again (width, mode ...) are not written."""

    def __init__(
        self, target: Target, schema: pa.Schema, options: WriteOptions, ctx: RunContext
    ) -> None:
        self._target = target
        self._column = options.column
        check_encoded(schema, self._column)
        self._key = options.key if options.key in schema.names else None
        if self._key is None and options.key not in ("path", "none"):
            raise OptionError(f"no column '{options.key}' to take names from", path=target.path)
        if self._key is not None and not pa.types.is_string(schema.field(self._key).type):
            raise SchemaMismatch(f"column '{self._key}' has no names", path=target.path)
        self._label = "label" if "label" in schema.names else None
        self._members: dict[str, str] = {}
        self._json: list[str] = []
        for field in schema:
            self._sort(field)
        self._told = "json" if "json" not in self._members else "metadata.json"
        own = {"cls"} if self._label else set()
        own |= {self._told} if self._json else set()
        for kind in own & self._members.keys():
            raise self._taken(
                self._members[kind], f"'.{kind}' is what other columns are written as"
            )
        facts = pa.schema([schema.field(name) for name in self._json])
        self._objects = json_objects(facts) if self._json else None
        self._stream: BinaryIO | None = None
        self._written = self._rows = 0
        self._last = ""

    def _sort(self, field: pa.Field) -> None:
        """How a column is written: as a member of its own, within JSON, or not at all."""
        name = field.name
        if name in (self._column, self._key, self._label) or name in FIXED.names:
            return
        text = is_text(name) and pa.types.is_string(field.type)
        if text or is_encoded(field.type):
            kind = name.lower()
            if not re.fullmatch(r"[A-Za-z0-9_.-]+", name) or keyed(f"_.{name}") != ("_", kind):
                raise SchemaMismatch(f"column '{name}' is no suffix", path=self._target.path)
            if kind in self._members:
                raise self._taken(name, f"it is the suffix of column '{self._members[kind]}', too")
            self._members[kind] = name
        else:
            self._json.append(name)

    def write(self, batch: pa.RecordBatch) -> None:
        pictures = encoded_values(batch.column(self._column))
        keys = batch.column(self._key).to_pylist() if self._key else [None] * len(pictures)
        labels = batch.column(self._label).to_pylist() if self._label else [None] * len(pictures)
        splits = self._splits(batch)
        members = {kind: batch.column(name).to_pylist() for kind, name in self._members.items()}
        told = self._facts(batch)
        for row, data in enumerate(pictures):
            if data is None:
                raise self._bad("a picture that is null")
            key = self._named(keys[row])
            if splits[row] in SPLITS.values() and split_of(key) != splits[row]:
                key = f"{splits[row]}/{key}"
            kind = picture_format(data[:32])
            if kind is None:
                raise self._bad(f"what is no picture of a known format in row {self._rows}")
            suffix = suffix_of(kind)
            if suffix[1:] in self._members:
                column = self._members[suffix[1:]]
                raise self._taken(column, f"pictures of column '{self._column}' are called so")
            self._add(f"{key}{suffix}", data)
            if labels[row] is not None:
                self._add(f"{key}.cls", str(labels[row]).encode())
            for suffix, values in members.items():
                value = values[row]
                if value is not None:
                    self._add(
                        f"{key}.{suffix}", value if isinstance(value, bytes) else value.encode()
                    )
            if told[row] is not None:
                self._add(f"{key}.{self._told}", told[row].encode())
            self._rows += 1

    def _splits(self, batch: pa.RecordBatch) -> list[str | None]:
        """Train, val or test, which reading finds in the first folder; JSON has them, too."""
        if "split" not in self._json or not pa.types.is_string(batch.schema.field("split").type):
            return [None] * batch.num_rows
        values: list[str | None] = batch.column("split").to_pylist()
        return values

    def _facts(self, batch: pa.RecordBatch) -> list[str] | list[None]:
        """The columns that have no member of their own, an object for each row."""
        if self._objects is None:
            return [None] * batch.num_rows
        try:
            return self._objects(batch.select(self._json))
        except ArrowsmithError as error:
            error.path = self._target.path
            raise

    def _named(self, name: str | None) -> str:
        """The key of a row: no dot in its last part, no way out of a folder, not the last one, and
        no folder that reading passes over.
        """
        if name is None:
            key = f"{self._rows:08d}"
        else:
            folder, base = posixpath.split(name)
            parts = [part for one in folder.split("/") if (part := one.lstrip("."))]
            if parts and parts[0] == "__MACOSX":
                parts[0] = "MACOSX"
            stem = posixpath.splitext(base)[0].replace(".", "_") or f"{self._rows:08d}"
            key = "/".join([*parts, stem])
        if key == self._last:
            key = f"{key}_{self._rows:08d}"
        self._last = key
        return key

    def _add(self, name: str, data: bytes) -> None:
        padding = bytes(-len(data) % _BLOCK)
        stream = self._begun()
        for part in (_header(name, len(data)), data, padding):
            stream.write(part)
            self._written += len(part)

    def _taken(self, column: str, why: str) -> SchemaMismatch:
        return SchemaMismatch(
            f"column '{column}' cannot be a member of that suffix: {why}",
            path=self._target.path,
            hint="rename it",
        )

    def _bad(self, what: str) -> DataError:
        return DataError(
            f"column '{self._column}' has {what}",
            path=self._target.path,
            hint="filter such rows out, or write another format",
        )

    def _begun(self) -> BinaryIO:
        if self._stream is None:
            self._stream = self._target.open()
        return self._stream

    def commit(self) -> None:
        end = 2 * _BLOCK
        self._begun().write(bytes(end + -(self._written + end) % _RECORD))
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


def _header(name: str, size: int) -> bytes:
    """A ustar header, or a pax one where that does not hold name or size."""
    if len(name) <= 100 and name.isascii() and size < 1 << 33:
        head = name.encode().ljust(100, b"\0") + _OWNER + b"%011o\0" % size + _TIME
        total = sum(head) + 8 * 32 + _SUM_OF_REST
        return head + b"%06o\0 " % total + _REST
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
