"""Several files as one reader: one schema for all, and the tasks of all files in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Self

import pyarrow as pa

from arrowsmith.context import Context
from arrowsmith.errors import OptionError
from arrowsmith.inputs.file import OpenFile
from arrowsmith.inputs.groups import members_of
from arrowsmith.inputs.hive import facts
from arrowsmith.inputs.marks import Place
from arrowsmith.inputs.probe import Chosen
from arrowsmith.inputs.pruning import Constants, Within, constants_of, ruled_in, stats_of
from arrowsmith.location import FileSource, InputFile, Interruptible
from arrowsmith.plugin.protocols import DescribingReader, Predicate, ScanRequest, ScanTask
from arrowsmith.plugin.specs import ReaderSpec
from arrowsmith.unify import Adapter, unified_schema

PATH = "path"  # the column of a format that gathers files, which has the file of each row
_KEPT = 32  # files whose readers stay open between knowing the schema and reading the rows


class Input:
    """Files, opened: a schema for all of them and the tasks that read them.

    Args:
        chosen: what to read, and with which reader; at least one.
        context: lent to the readers.
        partitions: columns that the directories give, a row for each file, or None.
        file_path_column: name of a string column that holds each row's file, or None.
        known: the same files as they were opened before: then none is opened before it is read.
    """

    def __init__(
        self,
        chosen: Sequence[Chosen],
        context: Context,
        *,
        partitions: pa.RecordBatch | None = None,
        file_path_column: str | None = None,
        known: Sequence[OpenFile] = (),
    ) -> None:
        self.chosen = list(chosen)
        self.context = context
        self._partitions = partitions
        self._path_column = file_path_column
        # where files are rows, one reader has many of them, and no path holds for all its rows
        common = None if any(one.spec.gathers for one in chosen) else file_path_column
        self._facts = facts(partitions, [one.source.path for one in chosen], common)
        self._files: list[OpenFile] = []
        self._size: int | None = None
        try:
            for file in known:
                again = OpenFile(file.chosen, context, file.schema, known=file.learned)
                self._files.append(again)
            if not known:
                self._open()
            for source in self.sources:
                if not isinstance(source, FileSource) and isinstance(source, Interruptible):
                    context.on_cancel(source.interrupt, source.close)
            self.schema = self._unify()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        """Open each file to know its schema; what was learned of one may hold for the next."""
        like: dict[str, object] = {}
        for one in self.chosen:
            file = OpenFile(one, self.context, like=like.get(one.spec.name))
            like[one.spec.name] = file.learned
            self._files.append(file)
            if len(self._files) > _KEPT:
                file.close()

    @property
    def sources(self) -> list[InputFile]:
        """The files, in the order in which they are read."""
        return [member for file in self._files for member in members_of(file.source)]

    @property
    def file_path_column(self) -> str | None:
        """The name of the column that holds each row's file, or None."""
        return self._path_column

    @property
    def specs(self) -> list[ReaderSpec]:
        """The formats, each once, in the order of the files."""
        return list({one.spec.name: one.spec for one in self.chosen}.values())

    def _unify(self) -> pa.Schema:
        schemas = [(file.source.path, file.schema) for file in self._files]
        for file in self._files if self._path_column is not None else ():
            if file.chosen.spec.gathers and PATH not in file.schema.names:
                raise OptionError(
                    f"file_path_column: the format '{file.chosen.spec.name}' does not tell which "
                    "file a row comes from",
                    path=file.source.path,
                )
        partitions = () if self._partitions is None else tuple(self._partitions.schema)
        return unified_schema(schemas, partitions, self._path_column)

    def reopened(self, context: Context) -> Input:
        """The same files for another run; each is opened when it is read."""
        return Input(
            self.chosen,
            context,
            partitions=self._partitions,
            file_path_column=self._path_column,
            known=self._files,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all readers and files."""
        with ExitStack() as stack:
            for file in self._files:
                stack.callback(file.close)

    def count(self) -> int | None:
        """The number of rows where the metadata of every file tells it."""
        total = 0
        for file in self._files:
            with file.asked() as reader:
                rows = reader.count()
            if rows is None:
                return None
            total += rows
        return total

    def details(self) -> dict[str, int | str | list[str]]:
        """What the readers tell of their files: numbers added up, texts joined."""
        merged: dict[str, int | str | list[str]] = {}
        for file in self._files:
            with file.asked() as reader:
                told = reader.details() if isinstance(reader, DescribingReader) else {}
            for name, value in told.items():
                merged[name] = _merged(merged.get(name), value)
        return merged

    def widen(self) -> bool:
        """Replace inferring readers by ones that fit all of their data; False if there are none."""
        found = [file.widen() for file in self._files]
        if any(found):
            self.schema = self._unify()
        return any(found)

    def nbytes(self) -> int | None:
        """Bytes of all files as stored; None while only reading tells of one of them."""
        if self._size is None:
            sizes = [file.source.disk_bytes for file in self._files]
            known = [size for size in sizes if size is not None]
            self._size = sum(known) if len(known) == len(sizes) else None
        return self._size

    def matching(self, predicate: Predicate | None) -> list[bool]:
        """Whether each file may have rows that match, as its directories and its path tell."""
        if not self._facts.num_columns:
            return [True] * len(self._files)
        return ruled_in(self._facts, predicate)

    def tasks(self, request: ScanRequest, *, again: bool = False) -> Iterator[ScanTask]:
        """The tasks of all files that may match, in order; with ``again`` they are not the last."""
        columns = request.columns if request.columns is not None else tuple(self.schema.names)
        matching = self.matching(request.predicate)
        before = 0
        for row, file in enumerate(self._files):
            place = Place(row, len(self._files), before, self.nbytes)
            before += file.source.disk_bytes or 0
            if not matching[row]:
                continue
            constants, paths = self._constants(row, file)
            lacking = self._lacking(file, request.predicate)
            if lacking and not _may_match(request.predicate, {**constants, **lacking}):
                continue
            adapter = Adapter(file.schema, self.schema, columns, file.source.path, constants, paths)
            predicate = _narrowed(request.predicate, file, adapter, {**lacking, **constants})
            projection = file.chosen.spec.capabilities.projection
            narrowed = replace(
                request, columns=adapter.wanted if projection else None, predicate=predicate
            )
            yield from file.tasks(narrowed, adapter, place, again=again)

    def _constants(self, row: int, file: OpenFile) -> tuple[dict[str, pa.Scalar], dict[str, str]]:
        """The columns with one value in all of a file; and of its own columns the one that has the
        rows' paths, by the name that it gets.
        """
        constants = constants_of(self._facts, row)
        name = self._path_column
        if name is None or name in constants:
            return constants, {}
        if file.chosen.spec.gathers:
            return constants, {name: PATH}
        return constants | constants_of(facts(None, [file.source.path], name), 0), {}

    def _lacking(self, file: OpenFile, predicate: Predicate | None) -> dict[str, pa.Scalar]:
        """A null for each column that the predicate asks for and the file does not have."""
        if predicate is None:
            return {}
        told = {*file.schema.names, *self._facts.schema.names, self._path_column}
        lacking = predicate.columns.difference(told)
        return {name: pa.nulls(1, self.schema.field(name).type)[0] for name in lacking}


def _may_match(predicate: Predicate | None, constants: Constants) -> bool:
    return predicate is None or predicate.may_match(stats_of(constants))


def _narrowed(
    predicate: Predicate | None, file: OpenFile, adapter: Adapter, constants: Constants
) -> Predicate | None:
    """What the file's reader can be told of the predicate; None for nothing."""
    if predicate is None or not file.chosen.spec.capabilities.predicate:
        return None
    inside = Within(predicate, constants) if constants else predicate
    if not inside.columns or not all(map(adapter.unchanged, inside.columns)):
        return None
    return inside


def _merged(left: int | str | list[str] | None, right: int | str | list[str]) -> Any:
    if left is None or (left == right and not isinstance(left, int)):
        return right
    if isinstance(left, int) and isinstance(right, int):
        return left + right
    texts = [
        part for side in (left, right) for part in (side if isinstance(side, list) else [side])
    ]
    return sorted({str(text) for text in texts})
