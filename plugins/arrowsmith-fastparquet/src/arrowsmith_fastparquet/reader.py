"""Read Parquet through fastparquet, a row group at a time, a column after the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from types import TracebackType

import pyarrow as pa

from arrowsmith.errors import BudgetExceeded
from arrowsmith.plugin import BaseReader, NoOptions, RunContext, ScanRequest, Source, projected
from arrowsmith_fastparquet.column import read_column
from arrowsmith_fastparquet.footer import Footer, read_footer
from arrowsmith_fastparquet.pages import Column
from arrowsmith_fastparquet.ranges import open_bytes

# A value in an array, or the pointer to it; and a text as a Python object, beside its bytes.
_VALUE_BYTES = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT96": 12}
_POINTER_BYTES, _OBJECT_BYTES = 8, 56
# Beside a row group, a run holds about as much.
_RUN_COST = 24 << 20


@dataclass(frozen=True, slots=True)
class GroupSplit:
    """Row groups ``first`` to ``last``, the last one not included."""

    first: int
    last: int
    nbytes: int


class FastparquetReader(BaseReader):
    """An opened Parquet file.

    Raises:
        DataError: the footer is damaged.
        BudgetExceeded: the footer, or a row group, is too large for the budget.
        SchemaMismatch: a nested column is asked for.
    """

    def __init__(self, source: Source, options: NoOptions, ctx: RunContext) -> None:
        self._source = source
        self._ctx = ctx
        self._release = ExitStack()
        try:
            place = nullcontext(None) if source.seekable else ctx.scratch()
            data = open_bytes(source, self._release.enter_context(place), ctx)
            self._footer = read_footer(data, source.path, ctx.memory_limit)
        except BaseException:
            self._release.close()
            raise

    @property
    def schema(self) -> pa.Schema:
        return self._footer.schema

    def count(self) -> int:
        return int(self._footer.metadata.num_rows)

    def details(self) -> dict[str, int | str | list[str]]:
        """Row groups and the program that wrote them."""
        return {"row_groups": len(self._footer.groups), "written_by": self._footer.writer}

    def splits(self, target: int) -> Iterator[GroupSplit]:
        """Runs of row groups of about ``target`` bytes in the file."""
        first, size = 0, 0
        groups = self._footer.groups
        for number, group in enumerate(groups):
            stored = group.stored
            if size and size + stored > target:
                yield GroupSplit(first, number, size)
                first, size = number, 0
            size += stored
        if first < len(groups):
            yield GroupSplit(first, len(groups), size)

    def tasks(self, request: ScanRequest) -> Iterator[GroupTask]:
        """A task for each row group."""
        names = tuple(projected(self.schema, request.columns, path=self._source.path).names)
        for name in names:
            self._footer.leaf(name)
        numbers = range(len(self._footer.groups))
        if isinstance(request.split, GroupSplit):
            numbers = numbers[request.split.first : request.split.last]
        # A limit counts the rows that are left after the predicate, which the runner applies.
        left = request.limit if request.predicate is None else None
        for number in numbers:
            if left is not None and left <= 0:
                return
            rows = self._footer.groups[number].rows
            if rows:
                yield GroupTask(self._footer, self._source, self._ctx, number, names, request, left)
            if left is not None:
                left -= rows

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._release.close()


class GroupTask:
    """A row group to read, or the first rows of it.

    Attributes:
        nbytes: the bytes of its columns in the file.
        cost: the arrays of all its columns, and for the largest of them the pages, stored and
            decompressed, fastparquet's values, and pyarrow's to compare them with.
    """

    def __init__(
        self,
        footer: Footer,
        source: Source,
        ctx: RunContext,
        number: int,
        names: tuple[str, ...],
        request: ScanRequest,
        limit: int | None,
    ) -> None:
        self._footer = footer
        self._source = source
        self._ctx = ctx
        self._number = number
        self._columns = footer.columns(number, names)
        self._request = request
        self._limit = limit
        self.nbytes = sum(column.stored for column in self._columns)
        held = sum(map(_array_bytes, self._columns))
        self.cost = held + max(map(_passing_bytes, self._columns), default=0)
        self._check_budget(self.cost)

    def read(self) -> Iterator[pa.RecordBatch]:
        """The rows, in batches under both ceilings of the request."""
        schema = self._footer.schema
        arrays: list[pa.Array] = []
        fields = []
        for column in self._columns:
            self._ctx.check_cancelled()
            fields.append(schema.field(column.name))
            room = self._ctx.memory_limit - sum(array.nbytes for array in arrays)
            arrays.append(self._array(column, fields[-1], room))
        self._source.check_unchanged()
        whole = pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields, schema.metadata))
        del arrays
        whole = whole.slice(0, self._limit)
        each = max(1, whole.nbytes // max(1, whole.num_rows))
        rows = max(1, min(self._request.batch_rows, self._request.batch_bytes // each))
        for start in range(0, whole.num_rows, rows):
            yield whole.slice(start, rows)

    def _array(self, column: Column, field: pa.Field, room: int) -> pa.Array:
        array, needed = read_column(self._footer, self._number, column, field, room)
        if array is None:
            self._check_budget(self.cost + needed)
            raise self._exceeded(self.cost + needed)
        return array

    def _check_budget(self, needed: int) -> None:
        if needed > self._ctx.memory_limit:
            raise self._exceeded(needed)

    def _exceeded(self, needed: int) -> BudgetExceeded:
        needed += _RUN_COST
        enough = f"{(needed >> 20) + 1}MB"
        return BudgetExceeded(
            f"to read it needs about {needed >> 20} MB, more than the memory budget of"
            f" {self._ctx.memory_limit >> 20} MB",
            needed=needed,
            path=self._source.path,
            place=f"row group {self._number}",
            hint=f"give it more (--memory {enough}), or read it with --from parquet",
        )


def _array_bytes(column: Column) -> int:
    """Bytes of the values as Arrow has them, where no dictionary repeats long ones."""
    if column.physical == "BYTE_ARRAY":
        return column.plain + _POINTER_BYTES * column.values
    width = column.width or _VALUE_BYTES.get(column.physical, 8)
    return column.values * width


def _passing_bytes(column: Column) -> int:
    """Bytes that a column takes while it is read, and gives back."""
    size = column.stored + 2 * column.plain + 2 * _array_bytes(column) + column.values
    if column.physical in ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"):
        each = _POINTER_BYTES if column.dictionary else _POINTER_BYTES + _OBJECT_BYTES
        size += column.values * (each + column.width)
    return size
