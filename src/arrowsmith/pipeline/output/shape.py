"""What shape an output is to have: one file, shards, partitions; new or added to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from arrowsmith.errors import OptionError
from arrowsmith.plugin.options import parse_size

MAX_PARTITIONS = 10_000


@dataclass(frozen=True, slots=True)
class Shape:
    """How the rows are laid out under the target's name.

    Attributes:
        rows_per_file: every file but the last of its directory has just so many rows.
        bytes_per_file: a file ends before the row that would take it over so many bytes of Arrow
            data, before encoding and compression; a number, or a size such as ``"128MB"``.
        partition_by: columns whose values become directories, ``lang=en/``.
        max_partitions: more than this many directories are an error.
        append: add to what is there.

    Raises:
        OptionError: a number below 1, no column, or a column twice.

    Example:
        >>> Shape(bytes_per_file="1MB").file_bytes
        1048576
    """

    rows_per_file: int | None = None
    bytes_per_file: int | str | None = None
    partition_by: str | Sequence[str] | None = None
    max_partitions: int = MAX_PARTITIONS
    append: bool = False

    def __post_init__(self) -> None:
        for name in ("rows_per_file", "max_partitions"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise OptionError(f"{name} must be a number of at least 1, not {value!r}")
        if self.file_bytes is not None and self.file_bytes < 1:
            raise OptionError(f"bytes_per_file must be at least 1 byte, not {self.bytes_per_file}")
        if self.partition_by is None:
            return
        if not self.partition_columns or not all(
            isinstance(name, str) and name for name in self.partition_columns
        ):
            raise OptionError(
                "partition_by takes names of columns", hint="such as partition_by=['lang', 'day']"
            )
        twice = [n for n in self.partition_columns if self.partition_columns.count(n) > 1]
        if twice:
            raise OptionError(f"column '{twice[0]}' is twice in partition_by")

    @property
    def partition_columns(self) -> tuple[str, ...]:
        if self.partition_by is None:
            return ()
        names = self.partition_by
        return (names,) if isinstance(names, str) else tuple(names)

    @property
    def file_bytes(self) -> int | None:
        return None if self.bytes_per_file is None else parse_size(self.bytes_per_file)

    @property
    def several(self) -> bool:
        """It asks for more than one file, so that the target is a directory."""
        cut = self.rows_per_file is not None or self.bytes_per_file is not None
        return cut or self.partition_by is not None

    def is_directory(self, path: str) -> bool:
        """Whether ``path`` stands for a directory with this shape."""
        ends = path.endswith("/")
        return self.several or ends or (self.append and Path(path).expanduser().is_dir())
