"""``open_input``: from names to an opened input."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from arrowsmith.catalog import get_catalog
from arrowsmith.context import Context
from arrowsmith.errors import OptionError, SourceEmpty, SourceError
from arrowsmith.inputs.groups import gathered, with_empty
from arrowsmith.inputs.hive import find_partitions
from arrowsmith.inputs.input import Input
from arrowsmith.inputs.probe import choose
from arrowsmith.location import InputFile, WaitingFile, remote_scheme, resolve
from arrowsmith.location.places import STANDARD
from arrowsmith.location.resolve import local_path
from arrowsmith.plugin.options import build_options

_PACKED_NOTHING = 512  # bytes: a gzip header may hold a file's name


def open_input(
    what: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    context: Context,
    *,
    format: str | None = None,
    options: Mapping[str, Any] | None = None,
    max_ratio: float = 1000.0,
    file_path_column: str | None = None,
    hive_partitioning: bool | None = None,
    partition_types: Mapping[str, str | pa.DataType] | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Input:
    """Resolve, probe and open.

    Raises:
        SourceError, FormatError, OptionError, DataError: as the parts of it do.
    """
    given = dict(options or {})
    spec = get_catalog().reader(format) if format is not None else None
    if spec is not None:  # a wrong option shows before any file is touched
        build_options(spec.options_class, given, owner=f"reader '{spec.name}'")
    if file_path_column == "":
        raise OptionError("file_path_column must not be empty")
    found = resolve(what, max_ratio=max_ratio, storage_options=storage_options)
    folder = _folder(what, found)
    filled = _with_bytes(found)
    chosen, rest = with_empty(found, choose(filled, spec, given, folder=folder is not None))
    _tell(rest, filled, chosen[0].spec.name, context)
    partitions = find_partitions(
        [one.source.path for one in chosen],
        hive_partitioning,
        partition_types or {},
        context.warn,
    )
    chosen, partitions = gathered(chosen, partitions, folder)
    return Input(
        chosen,
        context,
        partitions=partitions,
        file_path_column=file_path_column,
    )


def _tell(
    rest: Sequence[InputFile], filled: Sequence[InputFile], name: str, context: Context
) -> None:
    """Say which files are left out: empty ones, and those of other formats than most are of."""
    known = set(map(id, filled))
    for source in rest:
        if id(source) not in known:
            context.warn(f"{source.path}: an empty file, left out")
    others = [source.path for source in rest if id(source) in known]
    if others:
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        context.warn(
            f"{', '.join(others[:3])}{more}: left out, since most files of the directory are of "
            f"the format {name}"
        )


def _folder(
    what: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], found: Sequence[InputFile]
) -> str | None:
    """The directory that was named, as the paths of what lies in it begin; None for all else."""
    if not isinstance(what, str | os.PathLike):
        if len(what) != 1:
            return None
        [what] = what
    name = os.fspath(what)
    if name == STANDARD:
        return None
    path = name if remote_scheme(name) is not None else local_path(name, SourceError)
    inside = path.rstrip("/") + "/"
    return path if all(source.path.startswith(inside) for source in found) else None


def _with_bytes(sources: list[InputFile]) -> list[InputFile]:
    filled = [source for source in sources if not _is_empty(source)]
    if not filled:
        what = "nothing came in" if isinstance(sources[0], WaitingFile) else "the file is empty"
        raise SourceEmpty(
            what if len(sources) == 1 else f"all {len(sources)} files are empty",
            path=sources[0].path,
            hint="there is neither a header nor a row in it",
        )
    return filled


def _is_empty(source: InputFile) -> bool:
    """Whether it has no bytes; the first tells of a pipe, and of what may be nothing compressed."""
    size = source.disk_bytes
    if size is None or (size <= _PACKED_NOTHING and source.compression is not None):
        with source:
            return not source.head(1)
    return not size
