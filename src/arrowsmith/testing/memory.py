"""Under a small budget a process of its own grows by no more than that, whatever the input."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from arrowsmith.catalog import get_catalog
from arrowsmith.dataset import open_dataset
from arrowsmith.errors import ArrowsmithError
from arrowsmith.memory import MemoryGauge
from arrowsmith.pipeline import Pipeline, PipelineConfig
from arrowsmith.plugin.protocols import ScanRequest, ScanTask
from arrowsmith.testing.checks import expect, quiet
from arrowsmith.testing.child import in_child
from arrowsmith.testing.feed import BatchTask, TableFeed, cut
from arrowsmith.testing.opening import SampleContract

TIMES = 3  # the data is so many times larger than the budget
_ROWS = 65_536  # of a batch that is given to a sink
_MOST = 4 << 20  # bytes that are held of them
_BULKY = 1.5  # a file may be so many times as large as its rows, which are to exceed the budget too


class MemoryContract(SampleContract):
    """Checks the memory of reading; part of ``ReaderContract``.

    Attributes:
        budget: bytes that reading a large file may take.
    """

    budget: int = 32 << 20

    def large_sample(self, path: Path, nbytes: int) -> None:
        """Write a valid file of about ``nbytes`` to ``path``.

        As it is, the sink of the same name writes the rows of the largest sample again and again.
        Override it for a format that cannot be written.
        """
        if self.name not in get_catalog().sinks():
            pytest.skip("there is no sink to write a large file with (override large_sample)")
        name = max(self.samples, key=lambda one: len(self.samples[one]))
        sample = path.with_name(name)
        sample.write_bytes(self.samples[name])
        table = self._whole(sample)
        bulk = len(self.samples[name]) / max(table.nbytes, 1)
        feed = RepeatedFeed(table, int(nbytes / min(max(bulk, 1), _BULKY)))
        try:
            with quiet():
                Pipeline(feed, (), path, format=self.name, overwrite=True, budget="1GB").run()
        except ArrowsmithError as error:
            pytest.skip(f"the sink does not write the sample's rows: {error}")

    def test_memory_of_reading(self, tmp_path: Path) -> None:
        """A file several times larger than the budget is read within it."""
        name = max(self.samples, key=lambda one: len(self.samples[one]))
        folder = tmp_path / "large"
        folder.mkdir()
        path = folder / f"large-{name}"
        self.large_sample(path, TIMES * self.budget)
        ended = in_child(
            read_all, path=str(path), name=self.name, options=self.options, budget=self.budget
        )
        expect_within(ended, self.budget, f"reading {path.stat().st_size:,} bytes")


class RepeatedFeed(TableFeed):
    """The rows of a table again and again, made as they are asked for: about ``nbytes`` of them."""

    def __init__(self, table: pa.Table, nbytes: int) -> None:
        size = max(table.nbytes, 1)
        rows = max(table.num_rows, 1)
        times = max(1, min(-(-_ROWS // rows), _MOST // size))
        many = pa.concat_tables([table] * times).combine_chunks()
        super().__init__(many, rows=max(many.num_rows, 1))
        self._turns = max(1, nbytes // max(many.nbytes, 1))

    def tasks(self, request: ScanRequest, *, again: bool = False) -> Iterator[ScanTask]:
        names = list(request.columns if request.columns is not None else self.schema.names)
        table = self.table.select(names)
        fitting = request.batch_bytes * self.rows // max(table.nbytes, 1)
        batches = cut(table, max(1, min(request.batch_rows, fitting)))
        for _ in range(self._turns):
            yield from map(BatchTask, batches)


# --- in the child --------------------------------------------------------------------------------


@contextmanager
def watched() -> Iterator[MemoryGauge]:
    """A gauge that a thread of its own reads all the time."""
    gauge = MemoryGauge(interval=0.0)
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.005):
            gauge.sample()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield gauge
    finally:
        gauge.sample()
        over.set()
        thread.join()


def read_all(path: str, name: str, options: Mapping[str, Any], budget: int) -> tuple[int, int]:
    """Rows of a file, and by how many bytes this process grew while it read them."""
    config = PipelineConfig(worker_threads=2)
    with quiet():
        dataset = open_dataset(path, format=name, budget=budget, config=config, **options)
        next(iter(dataset.batches()), None)  # what is imported and started once is not the reader's
        with watched() as gauge:
            rows = sum(batch.num_rows for batch in dataset.batches())
    return rows, gauge.peak


def write_all(
    table: bytes, path: str, name: str, options: Mapping[str, Any], budget: int
) -> tuple[int, int]:
    """Rows written, and by how many bytes this process grew while it wrote them."""
    rows = pa.ipc.open_stream(table).read_all()
    run: dict[str, Any] = {"format": name, "options": options, "budget": budget}
    run["config"] = PipelineConfig(worker_threads=2)
    with quiet():
        # what is imported and started once is not the sink's
        Pipeline(TableFeed(rows, 100), (), path, **run).run()
        feed = RepeatedFeed(rows, TIMES * budget)
        with watched() as gauge:
            stats = Pipeline(feed, (), path, overwrite=True, **run).run()
    return stats.rows_out, gauge.peak


def expect_within(ended: Any, budget: int, what: str) -> None:
    """Fail unless the child ended well and grew by no more than the budget."""
    expect(ended.result is not None, f"{what}: the process failed: {ended.stderr}")
    rows, growth = ended.result
    expect(rows, f"{what}: there were no rows")
    expect(
        growth <= budget,
        f"{what} takes {growth:,} bytes of memory, where the budget is {budget:,}: read, hold and"
        " write a part at a time",
    )
