"""What every sink has to hold."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pyarrow as pa
import pytest

from arrowsmith.catalog import get_catalog
from arrowsmith.dataset import open_dataset
from arrowsmith.errors import ArrowsmithError, DataError
from arrowsmith.plugin.protocols import AppendingSink, EncodingSink
from arrowsmith.testing.checks import expect, expect_same_table, no_leaks, quiet
from arrowsmith.testing.child import in_child
from arrowsmith.testing.feed import TableFeed
from arrowsmith.testing.interruption import InterruptionContract
from arrowsmith.testing.memory import expect_within, write_all
from arrowsmith.testing.tables import run_to
from arrowsmith.testing.targets import MemoryTarget


class SinkContract(InterruptionContract):
    """Inherit it as ``class TestFooSink(SinkContract)``.

    Attributes:
        name: the sink's, as users type it after ``--to``.
        table: rows to write; several hundred test most. A property may make it.
        options: for writing.
        budget: bytes that writing many rows may take.

    Example:
        >>> class TestFooSink(SinkContract):
        ...     name = "foo"
        ...     table = pa.table({"a": pa.array(range(1000))})
    """

    budget: int = 64 << 20

    # --- same input, same bytes ------------------------------------------------------------------

    def test_same_bytes_for_any_threads_and_batches(self, tmp_path: Path) -> None:
        """The file is the same byte by byte however the rows come and whoever encodes them."""
        first: bytes | None = None
        for number, (threads, rows) in enumerate(((1, 65_536), (1, 7), (2, 100), (4, 33))):
            path = tmp_path / f"{number}-{self._name()}"
            self._run(TableFeed(self.table, rows), path, threads)
            written = path.read_bytes()
            first = first if first is not None else written
            expect(
                written == first,
                f"{threads} threads and batches of {rows} rows give other bytes than one thread"
                f" and one batch ({len(written)} bytes against {len(first)})",
            )

    def test_slices_are_written_as_they_are(self) -> None:
        """A batch that begins in the middle of its buffers gives the bytes of a fresh one."""
        middle = self.table.combine_chunks().slice(1, max(1, self.table.num_rows - 2))
        fresh = pa.Table.from_batches(
            [_copied(batch) for batch in middle.to_batches()], schema=middle.schema
        )
        expect(
            self._bytes(middle) == self._bytes(fresh), "a sliced batch is written in another way"
        )

    # --- what is written -------------------------------------------------------------------------

    def test_no_rows_give_a_file(self, tmp_path: Path) -> None:
        """A run without a row publishes a file."""
        path = tmp_path / self._name()
        self._run(TableFeed(self.table.slice(0, 0), 10), path, threads=1)
        expect(path.is_file(), "without a row no file appears")

    def test_nulls_can_be_written(self) -> None:
        """Columns of nothing but nulls are written, or refused in plain words."""
        columns = [
            pa.nulls(self.table.num_rows, field.type) if field.nullable else column
            for field, column in zip(self.table.schema, self.table.columns, strict=True)
        ]
        try:
            self._bytes(pa.Table.from_arrays(columns, schema=self.table.schema))
        except DataError as error:
            pytest.skip(f"it refuses nulls: {error}")

    def test_compressed_target(self, tmp_path: Path) -> None:
        """``NAME.gz`` holds the same file, compressed."""
        if not self._sink_spec().capabilities.compressible:
            pytest.skip(f"{self.name} files are not compressed as a whole")
        path = tmp_path / f"{self._name()}.gz"
        self._run(TableFeed(self.table, 100), path, threads=2)
        plain = tmp_path / self._name()
        self._run(TableFeed(self.table, 100), plain, threads=2)
        expect(
            gzip.decompress(path.read_bytes()) == plain.read_bytes(),
            "decompressed, the file is another than the uncompressed one",
        )

    def test_capability_parallel_is_true(self) -> None:
        """``parallel`` is set exactly where there are ``chunk``, ``encode()`` and ``append()``."""
        with self._sink(MemoryTarget(self._name())) as sink:
            encodes = isinstance(sink, EncodingSink)
        claimed = self._sink_spec().capabilities.parallel
        expect(encodes == claimed, f"parallel is {claimed}, and encode() is there: {encodes}")

    def test_capability_append_is_true(self, tmp_path: Path) -> None:
        """``append`` is set exactly where there is ``resume()``; rows added follow the old ones."""
        with self._sink(MemoryTarget(self._name())) as sink:
            resumes = isinstance(sink, AppendingSink)
        claimed = self._sink_spec().capabilities.append
        expect(resumes == claimed, f"append is {claimed}, and resume() is there: {resumes}")
        if not claimed or self.name not in get_catalog().readers():
            return
        half = self.table.num_rows // 2
        path, whole = tmp_path / self._name(), tmp_path / f"whole-{self._name()}"
        self._run(TableFeed(self.table.slice(0, half), 100), path, threads=2)
        feed = TableFeed(self.table.slice(half), 100)
        try:
            run_to(feed, path, self.name, self.options, threads=2, append=True)
        except ArrowsmithError:
            return  # this kind of file cannot be added to, and that is told
        self._run(TableFeed(self.table, 100), whole, threads=2)
        with quiet():
            got, wanted = (
                open_dataset(one, format=self.name, budget="1GB").to_table()
                for one in (path, whole)
            )
        expect_same_table(got, wanted, f"{half} rows, and the others added")

    def test_memory_of_writing(self, tmp_path: Path) -> None:
        """Rows that take several times the budget are written within it."""
        path = tmp_path / self._name()
        table = pa.BufferOutputStream()
        with pa.ipc.new_stream(table, self.table.schema) as writer:
            writer.write_table(self.table)
        ended = in_child(
            write_all,
            table=table.getvalue().to_pybytes(),
            path=str(path),
            name=self.name,
            options=self.options,
            budget=self.budget,
        )
        expect_within(ended, self.budget, "writing many rows")

    def test_nothing_is_left_open(self, tmp_path: Path) -> None:
        """After a run no thread and no file is left."""
        self._run(TableFeed(self.table, 100), tmp_path / f"0-{self._name()}", threads=2)
        with no_leaks("a run"):
            self._run(TableFeed(self.table, 100), tmp_path / f"1-{self._name()}", threads=2)


def _copied(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same rows in buffers of their own, from their first byte on."""
    stream = io.BytesIO()
    with pa.ipc.new_stream(stream, batch.schema) as writer:
        writer.write_batch(batch)
    return pa.ipc.open_stream(stream.getvalue()).read_next_batch()
