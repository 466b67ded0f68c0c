"""Writes a folder of pictures: ``split/label/name.jpg``, all other columns in ``metadata.jsonl``.

Convention: https://huggingface.co/docs/datasets/image_dataset (ImageFolder).
"""

from __future__ import annotations

import posixpath
from contextlib import ExitStack
from types import TracebackType
from typing import BinaryIO, Self

import pyarrow as pa

from arrowsmith.errors import DataError, OptionError, SchemaMismatch, TargetError
from arrowsmith.plugin import FolderFile, RunContext, TargetFolder
from arrowsmith_image.bound import check_encoded
from arrowsmith_image.options import WriteOptions
from arrowsmith_image.pixels import encoded_values
from arrowsmith_image.plain import as_json
from arrowsmith_image.probe import picture_format, suffix_of
from arrowsmith_image.rows import FIXED
from arrowsmith_image.samples import folder_label, split_of

_LONGEST = 200  # bytes of a name: file systems hold 255


class FolderSink:
    """One folder. Facts that reading finds again (width, mode ...) are not written."""

    def __init__(
        self, target: TargetFolder, schema: pa.Schema, options: WriteOptions, ctx: RunContext
    ) -> None:
        self._target = target
        self._ctx = ctx
        self._column = options.column
        check_encoded(schema, self._column)
        self._key = options.key if options.key in schema.names else None
        if self._key is None and options.key not in ("path", "none"):
            raise OptionError(f"no column '{options.key}' to take names from", path=target.path)
        for name in (self._key, *({"label", "split"} & set(schema.names))):
            if name is not None and not pa.types.is_string(schema.field(name).type):
                raise SchemaMismatch(f"column '{name}' has no texts", path=target.path)
        self._folders = [name for name in ("split", "label") if name in schema.names]
        own = {self._column, self._key, *self._folders, *FIXED.names}
        self._told = [name for name in schema.names if name not in own]
        if "file_name" in self._told:
            raise SchemaMismatch(
                "column 'file_name' is what metadata.jsonl calls the pictures",
                path=target.path,
                hint="rename it, or take names from it with key=file_name",
            )
        self._rows = 0
        self._stack = ExitStack()
        self._metadata: tuple[FolderFile, BinaryIO] | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        pictures = encoded_values(batch.column(self._column))
        keys = batch.column(self._key).to_pylist() if self._key else [None] * len(pictures)
        above = [batch.column(name).to_pylist() for name in self._folders]
        told = batch.select(self._told).to_pylist() if self._told else [None] * len(pictures)
        for row, data in enumerate(pictures):
            self._ctx.check_cancelled()
            kind = None if data is None else picture_format(data[:32])
            if data is None or kind is None:
                raise self._bad("is null" if data is None else "is no picture of a known format")
            folder = self._folder([values[row] for values in above])
            name = self._put(folder, self._stem(keys[row]), suffix_of(kind), data)
            if told[row] is not None:
                self._note({"file_name": name, **told[row]})
            self._rows += 1

    def _folder(self, values: list[str | None]) -> str:
        """Where a picture goes; reading has to find the same split and label in it."""
        folder = "/".join(value for value in values if value is not None)
        found = {"split": split_of(f"{folder}/_"), "label": folder_label(f"{folder}/_")}
        for name, value in zip(self._folders, values, strict=True):
            parts = "" if value is None else value
            hidden = parts.startswith((".", "_")) or len(parts.encode()) > _LONGEST
            if value is not None and (found[name] != value or hidden or "\0" in value):
                raise self._bad(
                    f"has the {name} {value!r}, which a folder cannot tell",
                    hint=f"rename it, drop the column '{name}', or write a tar",
                )
        return folder

    def _stem(self, name: str | None) -> str:
        """The name without folders and suffix, such that reading does not pass it over."""
        stem = posixpath.splitext(posixpath.basename(name or ""))[0].lstrip("._")
        stem = (
            stem.replace("\0", "").encode("utf-8", "replace")[:_LONGEST].decode("utf-8", "ignore")
        )
        return stem or f"{self._rows:08d}"

    def _put(self, folder: str, stem: str, suffix: str, data: bytes) -> str:
        """Write a picture; the name that it got, which nothing had before."""
        for name in (f"{stem}{suffix}", f"{stem}-{self._rows:08d}{suffix}"):
            path = f"{folder}/{name}" if folder else name
            with self._target.part(path) as file:
                try:
                    stream = file.open()
                except TargetError as error:
                    if isinstance(error.__cause__, FileExistsError):
                        continue
                    raise
                stream.write(data)
                file.finish()
                return path
        raise self._bad(f"has the name {stem!r}, which two pictures had before")

    def _note(self, row: dict[str, object]) -> None:
        if self._metadata is None:
            file = self._stack.enter_context(self._target.part("metadata.jsonl"))
            self._metadata = file, file.open()
        self._metadata[1].write(as_json(row) + b"\n")

    def _bad(self, what: str, hint: str = "filter such rows out") -> DataError:
        return DataError(
            f"the picture of row {self._rows} {what}", path=self._target.path, hint=hint
        )

    def commit(self) -> None:
        if not self._rows:
            raise DataError(
                "there are no rows, and a folder of no pictures tells nothing",
                path=self._target.path,
                hint="write another format",
            )
        if self._metadata is not None:
            self._metadata[0].finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """The host publishes the folder after ``commit()``, or discards it."""
        self._stack.close()
