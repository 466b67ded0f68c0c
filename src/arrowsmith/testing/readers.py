"""What every reader has to hold."""

from __future__ import annotations

import gzip
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from arrowsmith.catalog import get_catalog
from arrowsmith.pipeline import PipelineConfig
from arrowsmith.plugin.protocols import Split, TaskReader
from arrowsmith.testing.checks import expect, expect_same_table, no_leaks, opened, quiet, table_of
from arrowsmith.testing.child import in_child
from arrowsmith.testing.conditions import conditions
from arrowsmith.testing.damage import DamageContract, Damaged
from arrowsmith.testing.memory import MemoryContract
from arrowsmith.testing.opening import WHOLE, scanned
from arrowsmith.testing.requests import RequestContract
from arrowsmith.testing.residency import ResidencyContract

__all__ = ["Damaged", "ReaderContract"]


class ReaderContract(DamageContract, RequestContract, ResidencyContract, MemoryContract):
    """Inherit it as ``class TestFooReader(ReaderContract)``.

    Attributes:
        name: the reader's, as users type it after ``--from``.
        samples: the bytes of a few small valid files by file name; one with several hundred rows
            tests most. A property may make them.
        options: for opening them.
        expected: tables that samples are known to hold, by file name.
        damaged: files with records that cannot be read, by file name; see :class:`Damaged`.
        also_reads: other formats' samples that this reader reads, too.

    Example:
        >>> class TestFooReader(ReaderContract):
        ...     name = "foo"
        ...     samples = {"two.foo": b"a=1\\na=2\\n"}
    """

    expected: Mapping[str, pa.Table] = {}

    # --- schema and batches ----------------------------------------------------------------------

    def test_schema_comes_first_and_stays(self, tmp_path: Path) -> None:
        """The schema is known before the first batch, and each batch has it."""
        for name, path in self._files(tmp_path):
            with self._opened(path) as reader:
                schema = reader.schema
                expect(isinstance(schema, pa.Schema), f"{name}: the schema is {schema!r}")
                for number, batch in enumerate(reader.scan(WHOLE)):
                    expect(
                        batch.schema.equals(schema, check_metadata=True),
                        f"{name}: batch {number} has another schema than the reader:\n"
                        f"{batch.schema}\nexpected\n{schema}",
                    )
                    batch.validate(full=True)
                expect(reader.schema.equals(schema), f"{name}: the schema changes while it is read")

    def test_samples_hold_what_is_expected(self, tmp_path: Path) -> None:
        """The rows are those of ``expected``; every sample has some."""
        unknown = set(self.expected) - set(self.samples)
        expect(not unknown, f"expected names no sample: {', '.join(sorted(unknown))}")
        rows = 0
        for name, path in self._files(tmp_path):
            table = self._whole(path)
            rows += table.num_rows
            if name in self.expected:
                expect_same_table(table, self.expected[name], name)
        expect(rows, "no sample has a row: there is nothing to test with")

    def test_batch_rows_is_a_ceiling(self, tmp_path: Path) -> None:
        """No batch has more rows than were asked for, and its size does not change the rows."""
        for name, path in self._files(tmp_path):
            whole = self._whole(path)
            for rows in (1, 3, 64, 65_536):
                what = f"{name} with batch_rows={rows}"
                batches = self._batches(path, replace(WHOLE, batch_rows=rows))
                most = max((batch.num_rows for batch in batches), default=0)
                expect(most <= rows, f"{what}: a batch has {most} rows")
                expect_same_table(table_of(batches, whole.schema), whole, what)

    def test_batch_bytes_is_a_ceiling(self, tmp_path: Path) -> None:
        """Batches stay near the bytes asked for, unless one row alone is larger."""
        for name, path in self._files(tmp_path):
            whole = self._whole(path)
            limit = 32 << 10
            batches = self._batches(path, replace(WHOLE, batch_bytes=limit))
            for number, batch in enumerate(batches):
                expect(
                    batch.nbytes <= 4 * limit or batch.num_rows == 1,
                    f"{name}: batch {number} has {batch.nbytes} bytes where {limit} were asked for",
                )
            expect_same_table(table_of(batches, whole.schema), whole, f"{name}, small batches")

    def test_reading_again_gives_the_same(self, tmp_path: Path) -> None:
        """Opened again, scanned again by one reader, and scanned twice at a time."""
        for name, path in self._files(tmp_path):
            whole = self._whole(path)
            expect_same_table(self._whole(path), whole, f"{name}, opened again")
            request = replace(WHOLE, batch_rows=7)
            with self._opened(path) as reader:
                for time in ("first", "second"):
                    again = table_of(reader.scan(WHOLE), whole.schema)
                    expect_same_table(again, whole, f"{name}, scanned a {time} time")
                pairs = list(zip_longest(reader.scan(request), reader.scan(request)))
                for side in (0, 1):
                    batches = [pair[side] for pair in pairs if pair[side] is not None]
                    table = table_of(batches, whole.schema)
                    expect_same_table(table, whole, f"{name}, scanned twice at a time")

    def test_count_is_the_number_of_rows(self, tmp_path: Path) -> None:
        """``count()`` is exact, or None; it is not None where the capability says so."""
        for name, path in self._files(tmp_path):
            with self._opened(path) as reader:
                count = reader.count()
            if count is None:
                told = self._reader_spec().capabilities.count
                expect(not told, f"{name}: count() gives None, but the capability 'count' is set")
                continue
            rows = self._whole(path).num_rows
            expect(count == rows, f"{name}: count() gives {count} and scan() {rows} rows")

    # --- what is asked for -----------------------------------------------------------------------

    def test_projection_is_selection(self, tmp_path: Path) -> None:
        """``columns=`` gives what selecting afterwards gives, in the order asked for."""
        if not self._reader_spec().capabilities.projection:
            pytest.skip(f"{self.name} reads all columns, of which the runner drops some")
        for name, path in self._files(tmp_path):
            whole = self._whole(path)
            names = whole.column_names
            wanted = [(column,) for column in names]
            wanted += [tuple(names), tuple(reversed(names)), tuple(names[::2])]
            for columns in wanted:
                what = f"{name} with columns={columns}"
                batches = self._batches(path, replace(WHOLE, columns=columns))
                for batch in batches:
                    got = tuple(batch.schema.names)
                    expect(got == columns, f"{what}: a batch has the columns {got}")
                selected = whole.select(list(columns))
                expect_same_table(table_of(batches, selected.schema), selected, what)

    def test_predicate_only_leaves_rows_out(self, tmp_path: Path) -> None:
        """Filtering what a scan with a predicate gives is filtering the whole."""
        if not self._reader_spec().capabilities.predicate:
            pytest.skip(f"{self.name} leaves filtering to the runner")
        for name, path in self._files(tmp_path):
            whole = self._whole(path)
            for condition in conditions(whole):
                kept = [b.filter(condition.mask(b)) for b in whole.to_batches()]
                batches = self._batches(path, replace(WHOLE, predicate=condition))
                got = [batch.filter(condition.mask(batch)) for batch in batches]
                expect_same_table(
                    table_of(got, whole.schema),
                    table_of(kept, whole.schema),
                    f"{name} where {condition}",
                )

    def test_limit_gives_the_first_rows(self, tmp_path: Path) -> None:
        """With a limit the first rows come; a reader may give more."""
        for name, path in self._files(tmp_path):
            whole = self._whole(path)
            for limit in (1, 2, whole.num_rows // 2, whole.num_rows + 10):
                batches = self._batches(path, replace(WHOLE, limit=limit))
                table = table_of(batches, whole.schema).slice(0, limit)
                expect_same_table(table, whole.slice(0, limit), f"{name} with limit={limit}")

    # --- pieces ----------------------------------------------------------------------------------

    def test_splits_make_up_the_whole(self, tmp_path: Path) -> None:
        """The splits in order give all rows, for any size, pickled, by another reader."""
        claimed = self._reader_spec().capabilities.split
        found = 0
        for name, path in self._files(tmp_path):
            whole = self._whole(path)
            size = path.stat().st_size
            for target in (1, 7, max(1, size // 3), size, 1 << 40):
                with self._opened(path) as reader:
                    splits = [_travelled(split, name) for split in reader.splits(target)]
                found += len(splits)
                if not splits:
                    continue
                with self._opened(path) as reader:
                    batches = [b for split in splits for b in scanned(reader, split=split)]
                what = f"{name} in {len(splits)} splits of about {target} bytes"
                expect_same_table(table_of(batches, whole.schema), whole, what)
        if claimed:
            expect(found, "the capability 'split' is set, but splits() gives nothing")
        else:
            expect(not found, "splits() gives pieces, but the capability 'split' is not set")

    def test_splits_are_read_in_another_process(self, tmp_path: Path) -> None:
        """A split that came to another process as a pickle gives its rows there, too."""
        if not self._reader_spec().capabilities.split:
            pytest.skip(f"{self.name} does not split")
        name, path = max(self._files(tmp_path), key=lambda one: one[1].stat().st_size)
        with self._opened(path) as reader:
            splits = list(reader.splits(max(1, path.stat().st_size // 3)))
        ended = in_child(
            read_splits, path=str(path), name=self.name, options=self.options, splits=splits
        )
        what = f"{name}, its splits read in another process"
        expect(ended.result is not None, f"{what}: {ended.stderr}")
        expect_same_table(pa.ipc.open_stream(ended.result).read_all(), self._whole(path), what)

    def test_splits_take_requests(self, tmp_path: Path) -> None:
        """Projection, limit and batch size hold within a split."""
        if not self._reader_spec().capabilities.split:
            pytest.skip(f"{self.name} does not split")
        for name, path in self._files(tmp_path):
            with self._opened(path) as reader:
                column = tuple(reader.schema.names[-1:])
                columns = column if self._reader_spec().capabilities.projection else None
                for number, split in enumerate(reader.splits(max(1, path.stat().st_size // 3))):
                    full = table_of(scanned(reader, split=split), reader.schema)
                    if not full.num_rows:
                        continue
                    batches = scanned(reader, split=split, columns=columns, batch_rows=2, limit=3)
                    expect(
                        all(batch.num_rows <= 2 for batch in batches),
                        f"{name}: split {number} ignores batch_rows",
                    )
                    wanted = full.select(list(columns)) if columns is not None else full
                    got = table_of(batches, wanted.schema).slice(0, 3)
                    expect_same_table(got, wanted.slice(0, 3), f"{name}, split {number}")

    def test_tasks_make_up_the_whole(self, tmp_path: Path) -> None:
        """The tasks give all rows in order, also when they are read last to first."""
        for name, path in self._files(tmp_path):
            whole = self._whole(path)
            with self._opened(path) as reader:
                if not isinstance(reader, TaskReader):
                    pytest.skip(f"{self.name} leaves the division of work to the runner")
                assert isinstance(reader, TaskReader)
                tasks = list(reader.tasks(replace(WHOLE, batch_rows=100)))
                costs = [task.cost for task in tasks]
                expect(all(cost >= 0 for cost in costs), f"{name}: the costs of tasks are {costs}")
                parts = [list(task.read()) for task in reversed(tasks)]
            batches = [batch for part in reversed(parts) for batch in part]
            expect_same_table(table_of(batches, whole.schema), whole, f"{name} by tasks")

    def test_pieces_can_be_read_at_once(self, tmp_path: Path) -> None:
        """Tasks, or else splits, of one reader are read by several threads at a time."""
        for name, path in self._files(tmp_path):
            whole = self._whole(path)
            with self._opened(path) as reader, ThreadPoolExecutor(4) as pool:
                read: Iterable[Callable[[], Iterator[pa.RecordBatch]]]
                if isinstance(reader, TaskReader):
                    read = [task.read for task in reader.tasks(WHOLE)]
                else:
                    size = max(1, path.stat().st_size // 8)
                    requests = [replace(WHOLE, split=split) for split in reader.splits(size)]
                    read = [partial(reader.scan, request) for request in requests or [WHOLE]]
                parts = list(pool.map(lambda one: list(one()), read))
            batches = [batch for part in parts for batch in part]
            expect_same_table(table_of(batches, whole.schema), whole, f"{name} by four threads")

    # --- where it comes from and who reads -------------------------------------------------------

    def test_compressed_file_gives_the_same(self, tmp_path: Path) -> None:
        """A gzip file of the sample, which cannot be read by offset, holds the same rows."""
        for name, path in self._files(tmp_path):
            packed = tmp_path / f"{name}.gz"
            packed.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
            expect_same_table(self._whole(packed), self._whole(path), f"{name}.gz")

    def test_threads_and_batches_do_not_matter(self, tmp_path: Path) -> None:
        """A dataset gives the same rows for any number of threads and any batch size."""
        for name, path in self._files(tmp_path):
            whole = self._whole(path)
            for threads, rows in ((1, 65_536), (2, 10), (4, 1000)):
                config = PipelineConfig(worker_threads=threads, batch_rows=rows)
                with quiet():
                    table = self._dataset(path, config).to_table()
                    last = self._dataset(path, config).select(whole.column_names[-1]).to_table()
                what = f"{name} by {threads} threads with batch_rows={rows}"
                expect_same_table(table, whole, what)
                expect_same_table(last, whole.select([-1]), f"{what}, the last column")

    def test_nothing_is_left_open(self, tmp_path: Path) -> None:
        """After the reader is closed no thread and no file is left, also after an early stop."""
        for name, path in self._files(tmp_path):
            self._whole(path)  # what is imported and started once is no leak
            with no_leaks(f"{name}, read to the end"):
                self._whole(path)
            with no_leaks(f"{name}, stopped after one batch"), self._opened(path) as reader:
                batches = reader.scan(replace(WHOLE, batch_rows=1))
                next(batches, None)
                del batches


def _travelled(split: Split, name: str) -> Split:
    """The split as another process gets it."""
    expect(split.nbytes >= 0, f"{name}: {split!r} has nbytes {split.nbytes!r}")
    try:
        return pickle.loads(pickle.dumps(split))  # noqa: S301
    except Exception as error:
        raise AssertionError(f"{name}: {split!r} cannot be pickled: {error}") from error


def read_splits(path: str, name: str, options: Mapping[str, Any], splits: list[Split]) -> bytes:
    """In a child: the rows of splits, as an Arrow stream."""
    with opened(get_catalog().reader(name), Path(path), options) as reader:
        out = pa.BufferOutputStream()
        with pa.ipc.new_stream(out, reader.schema) as writer:
            for split in splits:
                for batch in scanned(reader, split=split):
                    writer.write_batch(batch)
    return out.getvalue().to_pybytes()
