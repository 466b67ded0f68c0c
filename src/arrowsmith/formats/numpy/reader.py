"""Read ``.npy`` and ``.npz``: arrays mapped, and not copied where Arrow lays them out likewise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

import pyarrow as pa

from arrowsmith.errors import BudgetExceeded, DataError, UsageError
from arrowsmith.formats.numpy import NumpyOptions
from arrowsmith.formats.numpy.arrays import ArrayFile
from arrowsmith.formats.numpy.columns import Column, columns_of
from arrowsmith.plugin import BaseReader, RunContext, ScanRequest, Source

_TASK_BYTES = 8 << 20
_MOST_ROWS = 1 << 20  # of a task, where rows are small
# A batch that is copied: its values in order, masks of its texts, these packed, and the array.
_COPY_COST = 4
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class NumpySplit:
    """Rows ``first`` to ``last``, the last one not included."""

    first: int
    last: int
    nbytes: int


class NumpyReader(BaseReader):
    """An opened ``.npy`` or ``.npz`` file.

    Arrays that Arrow lays out in the same way are views of the mapped file, valid as long as the
    batches live. Copied, batch by batch, are: booleans, texts, complex numbers, fields of
    structures, Fortran order, foreign byte order, and what is not aligned in its archive.

    Raises:
        DataError: the file is damaged, holds Python objects, or arrays that make no table.
        RatioExceeded: an archive would grow more than a thousandfold.
        UsageError: the options do not fit the arrays.
    """

    def __init__(self, source: Source, options: NumpyOptions, ctx: RunContext) -> None:
        self._source = source
        self._ctx = ctx
        self._file = ArrayFile(source, ctx, options.member)
        self._columns = columns_of(self._file, options, source.path)
        self._rows = self._columns[0].array.header.rows if self._columns else 0
        fields = [pa.field(column.name, column.codec.type) for column in self._columns]
        self._schema = pa.schema(fields)

    @property
    def schema(self) -> pa.Schema:
        return self._schema

    def count(self) -> int:
        return self._rows

    def details(self) -> dict[str, int | str | list[str]]:
        """Type, shape and order of an array, or of those of an archive."""
        if not self._file.archive:
            header = self._file.arrays[0].header
            return {
                "dtype": str(header.dtype),
                "shape": str(header.shape),
                "order": "Fortran" if header.fortran else "C",
            }
        arrays = self._file.arrays
        shown = [f"{one.name} {one.header.dtype} {one.header.shape}" for one in arrays[:_SHOWN]]
        return {"arrays": len(arrays), "members": shown}

    def splits(self, target: int) -> Iterator[NumpySplit]:
        """Runs of rows of about ``target`` bytes."""
        size = sum(column.row_bytes for column in self._columns)
        rows = max(1, min(target // size if size else _MOST_ROWS, self._rows))
        for first in range(0, self._rows, rows):
            last = min(first + rows, self._rows)
            yield NumpySplit(first, last, (last - first) * size)

    def tasks(self, request: ScanRequest) -> Iterator[NumpyTask]:
        """A task for every few megabytes of rows."""
        columns = self._chosen(request.columns)
        self._source.check_unchanged()
        self._file.load(array for column in columns for array in column.arrays)
        first, last = 0, self._rows
        if isinstance(request.split, NumpySplit):
            first, last = request.split.first, min(request.split.last, self._rows)
        if request.limit is not None and request.predicate is None:
            last = min(last, first + request.limit)
        size = sum(column.row_bytes for column in columns)
        rows = max(1, min(_TASK_BYTES // size if size else _MOST_ROWS, _MOST_ROWS))
        copied = sum(column.row_bytes for column in columns if column.copies) * _COPY_COST
        self._check_budget(copied)
        batch = request.batch_bytes // size if size else request.batch_rows
        batch = max(1, min(batch, request.batch_rows, rows))
        for start in range(first, last, rows):
            stop = min(start + rows, last)
            cost = copied * min(batch, stop - start)
            stored = (self._source.size or 0) * (stop - start) // self._rows
            yield NumpyTask(self, columns, range(start, stop), batch, cost, stored)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def _chosen(self, names: tuple[str, ...] | None) -> list[Column]:
        if names is None:
            return self._columns
        by_name = {column.name: column for column in self._columns}
        for name in names:
            if name not in by_name:
                raise UsageError(
                    f"there is no column {name!r}",
                    path=self._source.path,
                    hint=f"the columns are {', '.join(list(by_name)[:_SHOWN])}",
                )
        return [by_name[name] for name in names]

    def _check_budget(self, size: int) -> None:
        if size > self._ctx.memory_limit:
            raise BudgetExceeded(
                f"one row needs {size} bytes of memory",
                needed=2 * size,
                path=self._source.path,
                hint=f"allow at least {-(-2 * size >> 20)} MiB",
            )


class NumpyTask:
    """Some of the rows.

    Attributes:
        cost: bytes that a batch needs where it is copied; nothing where it lies over the mapping.
        nbytes: its share of the file by its rows.
    """

    def __init__(
        self,
        reader: NumpyReader,
        columns: list[Column],
        rows: range,
        batch: int,
        cost: int,
        nbytes: int,
    ) -> None:
        self._reader = reader
        self._columns = columns
        self._rows = rows
        self._batch = batch
        self.cost = cost
        self.nbytes = nbytes

    def read(self) -> Iterator[pa.RecordBatch]:
        """The rows, in batches under both ceilings of the request."""
        reader = self._reader
        schema = pa.schema([reader.schema.field(column.name) for column in self._columns])
        for start in self._rows[:: self._batch]:
            stop = min(start + self._batch, self._rows.stop)
            # A file that was cut short must be noticed before the mapping is touched.
            reader._source.check_unchanged()
            reader._ctx.check_cancelled()
            arrays = [self._array(column, start, stop) for column in self._columns]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _array(self, column: Column, start: int, stop: int) -> pa.Array:
        try:
            return column.read(start, stop)
        except ValueError as error:
            raise DataError(
                f"a value cannot be read: {error}",
                path=self._reader._source.path,
                place=f"column '{column.name}', rows {start} to {stop}",
                hint="the file is damaged, or written with another meaning",
            ) from error
