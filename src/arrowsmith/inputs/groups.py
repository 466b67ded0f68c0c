"""Many files as one source, for formats whose files are rows: pictures, say.

A reader for each of 10,000 files would cost more than reading them. A format whose spec says
``gathers`` gets them all at once, with the files beside them that tell of them (``sidecars``).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import pyarrow as pa

from arrowsmith.errors import SourceError
from arrowsmith.inputs.probe import Chosen, is_sidecar
from arrowsmith.kernels.arrays import int64_array
from arrowsmith.location import InputFile


class FileGroup:
    """Files that one reader reads together. Implements :class:`arrowsmith.plugin.SourceGroup`.

    Args:
        members: the files, in the order of the rows.
        root: the directory that they lie in, as the user knows it.

    Attributes:
        disk_bytes: of all of them; None while only reading tells of one.
    """

    size: int | None = None
    seekable = mappable = False
    compression: str | None = None

    def __init__(self, members: Sequence[InputFile], root: str) -> None:
        self.members = list(members)
        self.path = root
        self.name = root.rstrip("/").rpartition("/")[2]
        self.position = 0
        sizes = [member.disk_bytes for member in self.members]
        known = [size for size in sizes if size is not None]
        self.disk_bytes = sum(known) if len(known) == len(sizes) else None

    def _none(self) -> SourceError:
        return SourceError("is many files, which are read one by one", path=self.path)

    def head(self, size: int) -> bytes:
        raise self._none()

    def tail(self, size: int) -> bytes:
        raise self._none()

    def read_at(self, offset: int, size: int) -> bytes:
        raise self._none()

    def read_into(self, offset: int, buffer: bytearray | memoryview) -> int:
        raise self._none()

    def open(self) -> BinaryIO:
        raise self._none()

    def map(self) -> pa.Buffer:
        raise self._none()

    def check_unchanged(self) -> None:
        """Raise ``SourceChanged`` if one of the files is another than when it was found."""
        for member in self.members:
            member.check_unchanged()

    def close(self) -> None:
        """Give back what the files hold."""
        for member in self.members:
            member.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def members_of(source: InputFile) -> Sequence[InputFile]:
    """The files behind a source: those of a group, else itself."""
    return source.members if isinstance(source, FileGroup) else (source,)


def with_empty(
    found: Sequence[InputFile], chosen: Sequence[Chosen]
) -> tuple[list[Chosen], list[InputFile]]:
    """What was chosen, in the order of ``found``, and of the empty files those that are rows.

    An empty picture is a bad record, which must not vanish; an empty table has no rows anyway. An
    empty file beside pictures may tell that there is nothing in one of them.

    Returns:
        the chosen, and the other files: empty ones, and those for which no reader was chosen.
    """
    known = {id(one.source): one for one in chosen}
    rows = {id(one.spec): one for one in chosen if one.spec.gathers}.values()
    every: list[Chosen] = []
    rest: list[InputFile] = []
    for source in found:
        one = known.get(id(source))
        name = source.name.lower()
        like = [
            row for row in rows if name.endswith(row.spec.extensions) or is_sidecar(name, row.spec)
        ]
        if one is not None:
            every.append(one)
        elif like:
            every.append(Chosen(source, like[0].spec, like[0].options))
        else:
            rest.append(source)
    return every, rest


def gathered(
    chosen: Sequence[Chosen], partitions: pa.RecordBatch | None, root: str | None
) -> tuple[list[Chosen], pa.RecordBatch | None]:
    """Files of a format that gathers them as one source; all else as it was.

    Files whose directories give other values of partition columns make groups of their own.

    Args:
        chosen: the files; those of one format need not stand together.
        partitions: a row for each of them, or None.
        root: the directory that was opened, if it was one.

    Returns:
        the sources, and a row of the partition columns for each.
    """
    if sum(one.spec.gathers for one in chosen) < (2 if root is None else 1):
        return list(chosen), partitions
    columns = [] if partitions is None else [column.to_pylist() for column in partitions.columns]
    groups: dict[object, list[int]] = {}
    for place, one in enumerate(chosen):
        row = (one.spec.name, *(column[place] for column in columns))
        groups.setdefault(row if one.spec.gathers else place, []).append(place)
    beside = _sidecars(chosen)
    result: list[Chosen] = []
    for places in groups.values():
        first = chosen[places[0]]
        if not first.spec.gathers:
            result.append(first)
            continue
        own = [chosen[place].source for place in places]
        there = {id(source) for source in own}
        own += [source for source in beside[first.spec.name] if id(source) not in there]
        result.append(Chosen(FileGroup(own, root or _common(own)), first.spec, first.options))
    if partitions is not None:
        kept = np.array([places[0] for places in groups.values()])
        partitions = partitions.take(int64_array(kept))
    return result, partitions


def _sidecars(chosen: Sequence[Chosen]) -> dict[str, list[InputFile]]:
    """The files that tell of others, by the name of the format."""
    found: dict[str, list[InputFile]] = {one.spec.name: [] for one in chosen}
    for one in chosen:
        if is_sidecar(one.source.name, one.spec):
            found[one.spec.name].append(one.source)
    return found


def _common(sources: Sequence[InputFile]) -> str:
    """The directory that all of them are in, as far as their names tell."""
    folders = [source.path.split("/")[:-1] for source in sources]
    low, high = min(folders), max(folders)  # what these two share, all do
    same = takewhile(lambda pair: pair[0] == pair[1], zip(low, high, strict=False))
    parts = [part for part, _ in same]
    return "/".join(parts) or ("/" if parts else ".")
