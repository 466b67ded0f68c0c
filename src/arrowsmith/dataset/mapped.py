"""``Mapped``: rows of a mapped Arrow file, by their number."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, Self, TypeAlias, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute  # what take() needs, before somebody waits for the first row

from arrowsmith.cache import KEY_METADATA, LABEL_METADATA, HeldFile
from arrowsmith.errors import DataError, SourceChanged, SourceNotFound, UsageError
from arrowsmith.kernels.arrays import int64_array
from arrowsmith.kernels.rows import taken
from arrowsmith.memory import machine_memory

Numbers: TypeAlias = Sequence[int] | npt.NDArray[Any] | pa.Array | pa.ChunkedArray

_ROWS_AT_ONCE = 1024  # turned into Python values together


class Mapped:
    """Rows of an uncompressed Arrow file that is mapped: any of them at once, nothing loaded.

    Made by :meth:`arrowsmith.Dataset.mapped`. Tables, batches and arrays that it gives without a
    copy stay valid after :meth:`close`. May be shared by threads, forked, and pickled: the copy
    opens the file again by its path, on the same machine.

    As it has ``len()`` and gives rows by number, it is a map-style dataset for PyTorch.

    Attributes:
        path: of the file.
        schema: of the rows.
        key: of the cached file; empty where the source itself is mapped.

    Example:
        >>> import arrowsmith
        >>> rows = arrowsmith.open("in.csv").mapped()
        >>> len(rows), rows[-1], rows.take([2, 0, 2])["id"].to_pylist()
        (3, {'id': 3, 'score': 0.9}, [3, 1, 3])
    """

    path: str
    schema: pa.Schema
    key: str

    def __init__(self, path: str, fd: int) -> None:
        status = os.fstat(fd)
        self.path = path
        # The mapping keeps a copy of the descriptor, and with it the mark of a file in use.
        mapping = mmap.mmap(fd, 0, access=mmap.ACCESS_READ)
        # Rows here and there touch a page for each of their columns. What fits in memory is brought
        # in by huge pages, or the kernel would map every small one by itself from then on. Of what
        # does not, no more is read at first than tells where its batches are.
        fits = len(mapping) <= machine_memory() // 2
        _advise(mapping, "MADV_HUGEPAGE" if fits else "MADV_RANDOM")
        buffer = pa.py_buffer(mapping)
        options = pa.ipc.IpcReadOptions(use_threads=False)
        file = pa.ipc.open_file(pa.BufferReader(buffer), options=options)
        found = [file.get_batch(number) for number in range(file.num_record_batches)]
        if not fits:
            _advise(mapping, "MADV_NORMAL")
        batches = [batch for batch in found if batch.num_rows]
        metadata = dict(file.schema.metadata or {})
        self.key = metadata.pop(KEY_METADATA, b"").decode("ascii", "replace")
        metadata.pop(LABEL_METADATA, None)
        self.schema = file.schema.with_metadata(metadata or None)
        if self.key:
            batches = [batch.replace_schema_metadata(metadata or None) for batch in batches]
        self._batches: list[pa.RecordBatch] | None = batches
        self._memory = range(buffer.address, buffer.address + buffer.size)
        self._ends = np.cumsum([batch.num_rows for batch in batches], dtype=np.int64)
        self._rows = int(self._ends[-1]) if len(self._ends) else 0
        self._identity = (status.st_size, status.st_mtime_ns, bool(self.key))

    # --- what it is ---

    def __len__(self) -> int:
        return self._rows

    def __repr__(self) -> str:
        return f"<Mapped {self.path}: {self._rows:,} rows, {len(self.schema)} columns>"

    @property
    def nbytes(self) -> int:
        """The size of the file in bytes; none of it counts as memory of the process."""
        return self._identity[0]

    # --- rows ---

    @overload
    def __getitem__(self, which: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, which: slice | Numbers) -> pa.Table: ...

    def __getitem__(self, which: Any) -> Any:
        """A row as a dictionary of Python values; of a slice or several numbers a ``pa.Table``.

        A slice of step 1 copies nothing. A fixed-shape tensor is a NumPy array. Negative numbers
        count from the end.

        Raises:
            IndexError: there is no such row.
        """
        if isinstance(which, slice):
            start, stop, step = which.indices(self._rows)
            if step == 1:
                return self._between(start, max(start, stop))
            return self.take(np.arange(start, stop, step, dtype=np.int64))
        if isinstance(which, int | np.integer) and not isinstance(which, bool):
            return self._row(int(which))
        return self.take(which)

    def __getitems__(self, which: Numbers) -> list[dict[str, Any]]:
        """Several rows as dictionaries: what PyTorch's loader asks of a dataset for a batch."""
        return [row for batch in self.take(which).to_batches() for row in _python_rows(batch)]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self.batches(_ROWS_AT_ONCE):
            yield from _python_rows(batch)

    def take(self, which: Numbers) -> pa.Table:
        """The rows of these numbers, in the order given; one may come more than once.

        Reads nothing but these rows.

        Args:
            which: whole numbers, from the end where negative; a list, a NumPy or an Arrow array.

        Raises:
            IndexError: there is no such row.
        """
        batches = self._open()
        rows = self._checked(which)
        if not len(rows) or not batches:
            return self.schema.empty_table()
        return pa.Table.from_batches(list(self._gathered(rows)), schema=self.schema)

    # --- all of them ---

    def batches(self, batch_rows: int | None = None) -> Iterator[pa.RecordBatch]:
        """The rows in order, as views into the file: nothing is copied.

        Args:
            batch_rows: ceiling; by default batches are as large as they stand in the file.
        """
        if batch_rows is not None and batch_rows < 1:
            raise UsageError(f"batch_rows must be at least 1, not {batch_rows}")
        for batch in self._open():
            step = batch_rows or batch.num_rows
            for start in range(0, batch.num_rows, step):
                yield batch if step >= batch.num_rows else batch.slice(start, step)

    def to_table(self) -> pa.Table:
        """All rows as a ``pyarrow.Table`` over the file: nothing is copied."""
        return pa.Table.from_batches(self._open(), schema=self.schema)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The Arrow PyCapsule stream: DuckDB, Polars and pandas take it as it is."""
        reader = pa.RecordBatchReader.from_batches(self.schema, self.batches())
        return reader.__arrow_c_stream__(requested_schema)

    # --- the end ---

    def close(self) -> None:
        """Let go of the file; what was taken out of it stays valid. Harmless when called again."""
        self._batches = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        self._open()
        return _reopened, (os.path.abspath(self.path), *self._identity)  # noqa: PTH100

    # --- inside ---

    def is_without_copies(self) -> bool:
        """Whether all buffers lie in the file: none was compressed or in another byte order."""
        return all(
            part is None or not part.size or part.address in self._memory
            for batch in self._open()
            for column in batch.columns
            for part in column.buffers()
        )

    def is_sound(self, check: Callable[[], None]) -> bool:
        """Whether every value of a file from elsewhere is valid; reads all of it."""
        for batch in self._open():
            check()
            try:
                batch.validate(full=True)
            except pa.ArrowInvalid:
                return False
        return True

    def _open(self) -> list[pa.RecordBatch]:
        batches = self._batches
        if batches is None:
            raise UsageError("is closed", path=self.path)
        return batches

    def _row(self, number: int) -> dict[str, Any]:
        batches = self._open()
        at = number + self._rows if number < 0 else number
        if not 0 <= at < self._rows:
            raise IndexError(f"row {number} of {self._rows}")
        which = int(np.searchsorted(self._ends, at, side="right"))
        batch = batches[which]
        return _python_rows(batch.slice(at - int(self._ends[which]) + batch.num_rows, 1))[0]

    def _between(self, start: int, stop: int) -> pa.Table:
        parts = []
        begin = 0
        for batch in self._open():
            first, last = max(start - begin, 0), min(stop - begin, batch.num_rows)
            if first < last:
                parts.append(batch.slice(first, last - first))
            begin += batch.num_rows
        return pa.Table.from_batches(parts, schema=self.schema)

    def _checked(self, which: Numbers) -> npt.NDArray[np.int64]:
        """The numbers as counted from the start."""
        given = _as_numbers(which)
        outside = (given >= self._rows) | (given < -self._rows)
        if outside.any():
            raise IndexError(f"row {given[outside.argmax()]} of {self._rows}")
        numbers = given.astype(np.int64)
        return np.where(numbers < 0, numbers + self._rows, numbers)

    def _gathered(self, rows: npt.NDArray[np.int64]) -> Iterator[pa.RecordBatch]:
        """The rows in batches, several only where one cannot hold all their text."""
        try:
            found = self._one_batch(rows)
        except (pa.ArrowInvalid, pa.ArrowCapacityError):
            if len(rows) < 2:
                raise
            middle = len(rows) // 2
            yield from self._gathered(rows[:middle])
            yield from self._gathered(rows[middle:])
        else:
            yield found

    def _one_batch(self, rows: npt.NDArray[np.int64]) -> pa.RecordBatch:
        """Each batch of the file is asked once; then all is put in order."""
        order = np.argsort(rows, kind="stable")
        ordered = rows[order]
        which = np.searchsorted(self._ends, ordered, side="right")
        bounds = np.flatnonzero(np.diff(which)) + 1
        edges = [0, *bounds.tolist(), len(ordered)]
        batches = self._open()
        parts = []
        for first, last in pairwise(edges):
            batch = batches[which[first]]
            begin = self._ends[which[first]] - batch.num_rows
            parts.append(taken(batch, int64_array(ordered[first:last] - begin)))
        merged = parts[0] if len(parts) == 1 else pa.concat_batches(parts)
        if (order[1:] > order[:-1]).all():  # they came in order
            return merged
        back = np.empty(len(order), dtype=np.int64)
        back[order] = np.arange(len(order))
        return taken(merged, int64_array(back))


def _advise(mapping: mmap.mmap, name: str) -> None:
    """Tell the kernel how a mapping is going to be used, where it takes that."""
    advice = getattr(mmap, name, None)
    if advice is not None:
        with suppress(OSError):
            mapping.madvise(advice)


def _as_numbers(which: Numbers) -> npt.NDArray[np.integer[Any]]:
    if isinstance(which, pa.Array | pa.ChunkedArray):
        if which.null_count:
            raise IndexError("a null is not the number of a row")
        which = which.to_numpy() if isinstance(which, pa.ChunkedArray) else which.to_numpy(False)
    given: npt.NDArray[Any] = np.asarray(which)
    if not given.size and given.ndim == 1:
        return np.empty(0, dtype=np.int64)
    if given.dtype == object and given.ndim == 1 and all(isinstance(one, int) for one in given):
        raise IndexError(f"row {max(given, key=abs)}: no file has so many")
    if given.ndim != 1 or not np.issubdtype(given.dtype, np.integer):
        raise TypeError(f"rows are asked for by whole numbers, not by {_kind(which, given)}")
    return given


def _kind(which: object, given: npt.NDArray[Any]) -> str:
    if given.ndim == 0:
        return type(which).__name__
    return f"an array of {given.dtype} with {given.ndim} dimension(s)"


def _python_rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    names = batch.schema.names
    columns = [_python_values(*pair) for pair in zip(names, batch.columns, strict=True)]
    if not columns:
        return [{} for _ in range(batch.num_rows)]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _python_values(name: str, column: pa.Array) -> list[Any]:
    if isinstance(column, pa.FixedShapeTensorArray) and not column.null_count:
        return [one.copy() for one in column.to_numpy_ndarray()]
    try:
        values: list[Any] = column.to_pylist()
    except (OverflowError, ValueError) as error:  # years beyond 9999, nanoseconds without pandas
        raise DataError(
            f"column '{name}' has a value that Python's types do not hold: {error}",
            hint="take() and slices give Arrow's own values",
        ) from None
    return values


def _reopened(path: str, size: int, modified: int, cached: bool) -> Mapped:
    """What a pickle gives: the same file, opened again.

    Raises:
        SourceNotFound: it is gone; a cached file may have been evicted.
        SourceChanged: it is another one now.
    """
    held = HeldFile.opened(Path(path), share=cached)
    if held is None:
        hint = "call mapped() again, which makes it anew" if cached else None
        raise SourceNotFound("no such file", path=path, hint=hint)
    with held:
        if (held.size, held.modified) != (size, modified):
            raise SourceChanged("is not the file that was mapped", path=path, hint="map it again")
        return Mapped(path, held.fd)
