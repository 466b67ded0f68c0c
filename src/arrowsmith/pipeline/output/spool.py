"""Rows sorted by partition, in memory or in a scratch file that is mapped."""

from __future__ import annotations

import mmap
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from arrowsmith.context import Context
from arrowsmith.kernels.arrays import int64_array
from arrowsmith.kernels.rows import taken

Numbers = npt.NDArray[np.int64]


class SortedRows:
    """Rows that stand together by partition, each partition's in their order.

    Rows are used up from the front of each partition.

    Args:
        rows: sorted.
        codes: the partitions that it has rows of, ascending.
        starts: where the rows of each begin, and the end of the last.
    """

    def __init__(self, rows: pa.RecordBatch, codes: Numbers, starts: Numbers) -> None:
        self._rows = rows
        self.codes = codes
        self._starts = starts
        self._used: dict[int, int] = {}  # place among the codes: rows used up

    @property
    def live(self) -> int:
        """Rows that are not used up."""
        return self._rows.num_rows - sum(self._used.values())

    @property
    def total(self) -> int:
        """Rows, the used ones included."""
        return self._rows.num_rows

    def rows_of(self, code: int) -> pa.RecordBatch | None:
        """The rows of a partition that are not used up; None where there are none."""
        at = int(np.searchsorted(self.codes, code))
        if at == len(self.codes) or self.codes[at] != code:
            return None
        start, stop = int(self._starts[at]) + self._used.get(at, 0), int(self._starts[at + 1])
        return self._rows.slice(start, stop - start) if start < stop else None

    def use(self, code: int, rows: int) -> int:
        """Use up to so many rows of a partition; how many it had."""
        found = self.rows_of(code)
        if found is None:
            return 0
        used = min(rows, found.num_rows)
        at = int(np.searchsorted(self.codes, code))
        self._used[at] = self._used.get(at, 0) + used
        return used

    def between(self, low: int, high: int) -> tuple[pa.RecordBatch, Numbers]:
        """The rows of the partitions from ``low`` to before ``high``, and their partitions."""
        first, last = (int(at) for at in np.searchsorted(self.codes, (low, high)))
        start, stop = int(self._starts[first]), int(self._starts[last])
        counts = np.diff(self._starts[first : last + 1])
        codes = np.repeat(self.codes[first:last], counts)
        rows = self._rows.slice(start, stop - start)
        used = [(at, count) for at, count in self._used.items() if first <= at < last and count]
        if not used:
            return rows, codes
        keep = np.ones(stop - start, bool)
        for at, count in used:
            begin = int(self._starts[at]) - start
            keep[begin : begin + count] = False
        return taken(rows, int64_array(np.flatnonzero(keep))), codes[keep]

    def everything(self) -> tuple[pa.RecordBatch, Numbers]:
        """All rows that are not used up, and their partitions."""
        return self.between(0, int(self.codes[-1]) + 1 if len(self.codes) else 0)

    def spooled(self, context: Context) -> SortedRows:
        """The same, live rows only, in a file without a name: its pages are the kernel's."""
        rows, codes = self.everything()
        distinct, starts = runs(codes)
        with context.scratch() as file:
            with pa.ipc.new_file(pa.PythonFile(file, mode="w"), rows.schema) as out:
                out.write_batch(rows)
            file.seek(0, 2)
            size = file.tell()
            file.write(b"\0" * (-size % 8) + distinct.tobytes() + starts.tobytes())
            file.flush()
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        batch = pa.ipc.open_file(pa.BufferReader(pa.py_buffer(mapped).slice(0, size))).get_batch(0)
        begin = size + -size % 8
        table = np.frombuffer(mapped, np.int64, 2 * len(distinct) + 1, begin)
        return SortedRows(batch, table[: len(distinct)], table[len(distinct) :])


def sort_rows(batches: Sequence[pa.RecordBatch], codes: Sequence[Numbers]) -> SortedRows:
    """Batches put together and sorted by partition, the order within each kept."""
    rows = batches[0] if len(batches) == 1 else pa.concat_batches(batches)
    numbers = codes[0] if len(codes) == 1 else np.concatenate(codes)
    if len(numbers) and bool(np.any(np.diff(numbers) < 0)):
        order = np.argsort(numbers, kind="stable")
        rows, numbers = taken(rows, int64_array(order)), numbers[order]
    return SortedRows(rows, *runs(numbers))


def runs(codes: Numbers) -> tuple[Numbers, Numbers]:
    """Of sorted codes: the distinct ones, and where each begins, with the end of the last."""
    if not len(codes):
        return codes[:0], np.zeros(1, np.int64)
    begins = np.concatenate([np.zeros(1, np.int64), np.flatnonzero(np.diff(codes)) + 1])
    return codes[begins], np.append(begins, len(codes)).astype(np.int64)
