"""A target with its format, options and shape."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from arrowsmith.catalog import get_catalog
from arrowsmith.errors import OptionError, TargetError, UnknownName
from arrowsmith.location import OutputFile, format_suffix, open_target, remote_scheme
from arrowsmith.location.directory import DirectoryTarget
from arrowsmith.location.parts import first_file
from arrowsmith.location.places import STANDARD
from arrowsmith.pipeline.output.shape import Shape
from arrowsmith.plugin.options import build_options
from arrowsmith.plugin.specs import SinkSpec


class Destination:
    """A target with its format, options and shape: checked before anything is opened.

    Args:
        path: of the target.
        format: the format's name, None where the suffix tells.
        options: the format's own.
        overwrite: replace what is there.
        shape: one file or several, new or added to.
        storage_options: for a remote target.

    Attributes:
        is_directory: it is a directory of files.
        is_tree: one sink writes that directory.

    Raises:
        OptionError: options or shape do not go together with the target.
        UnknownName: no such format, or none is told.
    """

    def __init__(
        self,
        path: str,
        *,
        format: str | None = None,
        options: dict[str, Any] | None = None,
        overwrite: bool = False,
        shape: Shape | None = None,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = path
        self._storage_options = storage_options
        self.overwrite = overwrite
        self.shape = shape or Shape()
        self.is_directory = self.shape.is_directory(path)
        self._check_place()
        self.spec = self._spec(format)
        self.is_tree = bool(self.spec.capabilities.directory)
        if self.is_tree:
            self._check_tree()
        self.options: Any = build_options(
            self.spec.options_class, dict(options or {}), owner=f"sink '{self.spec.name}'"
        )

    def checked(self) -> str:
        """Look at what is there now, without writing; the path with ``~`` and URLs resolved.

        Raises:
            TargetExists: it is there already.
            TargetError: it cannot be written.
        """
        if self.is_directory:
            if not self.is_tree:
                self.suffix()
            return self.directory().path
        return self.file().path

    def file(self) -> OutputFile:
        """The one file, to be written."""
        return open_target(
            self.path,
            overwrite=self.overwrite or self.shape.append,
            storage_options=self._storage_options,
        )

    def directory(self) -> DirectoryTarget:
        """The directory, to be written."""
        target = DirectoryTarget(
            self.path,
            overwrite=self.overwrite,
            append=self.shape.append,
            extensions=self.spec.capabilities.directory or self._extensions,
            tree=self.is_tree,
        )
        there = first_file(target.path) if self.shape.append else None
        if there is not None:
            self._check_like(there)
        return target

    def _check_tree(self) -> None:
        """A sink that writes a directory as a whole divides it by its own rules."""
        if self.shape.several or self.shape.append:
            raise OptionError(
                f"format {self.spec.name} is a directory with files of its own, which is not "
                "divided, partitioned or appended to",
                path=self.path,
                hint="leave that option out",
            )
        self.is_directory = True
        self._check_place()

    def _check_like(self, there: str) -> None:
        """What is added has to be laid out as what is there."""
        *folders, name = there.split("/")
        if format_suffix(name)[0] not in self._extensions:
            raise TargetError(
                f"holds {there!r}, which is no file of format {self.spec.name}",
                path=self.path,
                hint="append in the format that is there, or write another directory",
            )
        keys = tuple(unquote(folder.partition("=")[0]) for folder in folders)
        if keys != self.shape.partition_columns:
            raise TargetError(
                f"is partitioned by {', '.join(keys) or 'nothing'}, not by"
                f" {', '.join(self.shape.partition_columns) or 'nothing'}",
                path=self.path,
                hint="append with the same --partition-by",
            )

    def _check_place(self) -> None:
        if self.shape.append and self.overwrite:
            raise OptionError("overwrite and append do not go together", path=self.path)
        elsewhere = self.path == STANDARD or remote_scheme(self.path) is not None
        if not elsewhere:
            return
        where = "standard output" if self.path == STANDARD else "a remote target"
        if self.is_directory:
            raise OptionError(
                f"several files cannot be written to {where}",
                path=self.path,
                hint="name a local folder",
            )
        if self.shape.append:
            raise OptionError(f"{where} cannot be appended to", path=self.path)

    def _spec(self, name: str | None) -> SinkSpec:
        catalog = get_catalog()
        if name is not None:
            return catalog.sink(name)
        if self.path == STANDARD:
            raise OptionError(
                "standard output has no suffix that tells the format",
                path=self.path,
                hint="say it with --to or format=, such as csv",
            )
        if not self.is_directory:
            return catalog.sink_for(self.path)
        try:
            return catalog.sink_for(self._example())
        except UnknownName as error:
            raise OptionError(
                "which format its files are to have is not told",
                path=self.path,
                hint="say --to parquet or format='parquet', or name it like out.parquet/",
            ) from error

    def _example(self) -> str:
        """A name whose suffix tells the format: the directory's, or that of a file in it."""
        name = self.path.rstrip("/")
        if self.shape.append and not format_suffix(name)[0]:
            there = first_file(str(Path(name).expanduser()))
            return name if there is None else Path(there).name
        return name

    @property
    def _extensions(self) -> tuple[str, ...]:
        return self.spec.extensions or (f".{self.spec.name}",)

    def suffix(self) -> str:
        """The suffix of the files of a directory, with that of the compression."""
        example = self._example()
        suffix, compression = format_suffix(example)
        if suffix not in self._extensions:
            suffix = self._extensions[0]
        packed = Path(example).suffix.lower() if compression is not None else ""
        return suffix + packed
