"""What every sink has to hold."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pytest

from arrowsmith.catalog import get_catalog
from arrowsmith.errors import ArrowsmithError, DataError, TargetError
from arrowsmith.location import FileTarget
from arrowsmith.pipeline import Pipeline, PipelineConfig
from arrowsmith.plugin.options import build_options
from arrowsmith.plugin.protocols import EncodingSink, Target
from arrowsmith.plugin.specs import SinkSpec
from arrowsmith.testing.checks import KitContext, expect, no_leaks, quiet
from arrowsmith.testing.feed import TableFeed, cut
from arrowsmith.testing.plugins import PluginContract


class SinkContract(PluginContract):
    """Inherit it as ``class TestFooSink(SinkContract)``.

    Attributes:
        name: the sink's, as users type it after ``--to``.
        table: rows to write; several hundred test most. A property may make it.
        options: for writing.

    Example:
        >>> class TestFooSink(SinkContract):
        ...     name = "foo"
        ...     table = pa.table({"a": pa.array(range(1000))})
    """

    table: pa.Table
    _kind = "sink"

    # --- all or nothing --------------------------------------------------------------------------

    def test_file_appears_when_it_is_published(self, tmp_path: Path) -> None:
        """Nothing stands under the target's name, or beside it, before commit and publication."""
        path = tmp_path / self._name()
        with FileTarget(path) as target, self._sink(target) as sink:
            _write(sink, cut(self.table, 100))
            _expect_nothing(tmp_path, "before commit()")
            sink.commit()
            _expect_nothing(tmp_path, "after commit() and before the host publishes the file")
            target.publish()
        expect(path.is_file(), "the sink commits, but has written nothing to target.open()")

    def test_exception_leaves_nothing(self, tmp_path: Path) -> None:
        """Left on an exception, before or after rows were written, the sink leaves no file."""
        self._bytes()  # what is imported and started once is no leak
        for batches in ([], cut(self.table, 100)):
            with no_leaks(f"left after {len(batches)} batches"), pytest.raises(_Stop):
                self._stopped(tmp_path / self._name(), batches)
            _expect_nothing(tmp_path, "after an exception")

    def test_failing_source_leaves_the_old_file(self, tmp_path: Path) -> None:
        """A run whose source fails on the way keeps the target as it was."""
        path = tmp_path / self._name()
        path.write_bytes(b"the old one")
        feed = TableFeed(self.table, rows=max(1, self.table.num_rows // 4), fail_after=2)
        with pytest.raises(DataError):
            self._run(feed, path, threads=2)
        expect(path.read_bytes() == b"the old one", "the old file is gone or changed")
        expect(len(list(tmp_path.iterdir())) == 1, f"litter: {sorted(tmp_path.iterdir())}")

    def test_full_disk_is_told(self) -> None:
        """A write that fails comes out as it is, wherever in the file it happens."""
        size = len(self._bytes())
        for room in sorted({0, 1, size // 2, size - 1}):
            target = _FullTarget(self._name(), room)
            try:
                with self._sink(target) as sink:
                    _write(sink, cut(self.table, 100))
                    sink.commit()
            except ArrowsmithError:
                continue
            except Exception as error:
                raise AssertionError(
                    f"the disk is full after {room} bytes: {error!r}, not the TargetError"
                ) from error
            raise AssertionError(f"the disk is full after {room} bytes, and the sink says nothing")

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
        """Columns that may hold nulls may hold nothing else."""
        columns = [
            pa.nulls(self.table.num_rows, field.type) if field.nullable else column
            for field, column in zip(self.table.schema, self.table.columns, strict=True)
        ]
        self._bytes(pa.Table.from_arrays(columns, schema=self.table.schema))

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
        with self._sink(_MemoryTarget(self._name())) as sink:
            encodes = isinstance(sink, EncodingSink)
        claimed = self._sink_spec().capabilities.parallel
        expect(encodes == claimed, f"parallel is {claimed}, and encode() is there: {encodes}")

    def test_nothing_is_left_open(self, tmp_path: Path) -> None:
        """After a run no thread and no file is left."""
        self._run(TableFeed(self.table, 100), tmp_path / f"0-{self._name()}", threads=2)
        with no_leaks("a run"):
            self._run(TableFeed(self.table, 100), tmp_path / f"1-{self._name()}", threads=2)

    # --- inside ----------------------------------------------------------------------------------

    def _sink_spec(self) -> SinkSpec:
        assert isinstance(self.spec, SinkSpec)
        return self.spec

    def _name(self) -> str:
        return "out" + next(iter(self._sink_spec().extensions), f".{self.name}")

    def _sink(self, target: Target, schema: pa.Schema | None = None) -> Any:
        options: Any = build_options(self.spec.options, self.options, owner=f"sink '{self.name}'")
        impl = get_catalog().load(self.spec)
        return impl(target, schema or self.table.schema, options, KitContext())

    def _run(self, feed: TableFeed, path: Path, threads: int) -> None:
        run_to(feed, path, self.name, self.options, threads)

    def _bytes(self, table: pa.Table | None = None) -> bytes:
        """What the sink writes for one batch of all rows."""
        table = table if table is not None else self.table
        target = _MemoryTarget(self._name())
        with self._sink(target, table.schema) as sink:
            _write(sink, table.combine_chunks().to_batches())
            sink.commit()
        return target.stream.getvalue()

    def _stopped(self, path: Path, batches: list[pa.RecordBatch]) -> None:
        with FileTarget(path) as target, self._sink(target) as sink:
            _write(sink, batches)
            raise _Stop


def run_to(
    feed: TableFeed, path: Path, name: str, options: Mapping[str, Any], threads: int
) -> None:
    """Run a pipeline from ``feed`` to a file of the format ``name``, replacing what is there."""
    config = PipelineConfig(worker_threads=threads, batch_rows=feed.rows)
    with quiet():
        Pipeline(
            feed,
            (),
            path,
            format=name,
            options=options,
            overwrite=True,
            budget="1GB",
            config=config,
        ).run()


class _Stop(Exception):  # noqa: N818 - not an error of the sink
    """Raised in the middle of writing."""


def _write(sink: Any, batches: list[pa.RecordBatch]) -> None:
    """Write as the runner does: chunks are encoded, after the first was shown to the sink."""
    if not isinstance(sink, EncodingSink):
        for batch in batches:
            sink.write(batch)
        return
    for number, batch in enumerate(batches):
        if number == 0:
            sink.prepare(batch)
        sink.append(sink.encode(batch))


def _copied(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same rows in buffers of their own, from their first byte on."""
    stream = io.BytesIO()
    with pa.ipc.new_stream(stream, batch.schema) as writer:
        writer.write_batch(batch)
    return pa.ipc.open_stream(stream.getvalue()).read_next_batch()


def _expect_nothing(folder: Path, when: str) -> None:
    # a hidden file is the host's, where the file system has no files without a name
    found = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    expect(not found, f"{when} there is {', '.join(found)}: write to target.open() only")


class _MemoryTarget:
    """A target that keeps the bytes."""

    compression = None

    def __init__(self, name: str) -> None:
        self.path = self.name = name
        self.stream = _Kept()

    def open(self) -> BinaryIO:
        return self.stream


class _Kept(io.BytesIO):
    """Its bytes stay when it is closed."""

    def close(self) -> None:
        """Stay open."""


class _FullTarget(_MemoryTarget):
    """A target on a disk with room for a few bytes."""

    def __init__(self, name: str, room: int) -> None:
        super().__init__(name)
        write: Callable[[Any], int] = self.stream.write

        def limited(data: Any) -> int:
            if self.stream.tell() + memoryview(data).nbytes > room:
                raise TargetError("no space left on the disk", path=name)
            return write(data)

        self.stream.write = cast(Any, limited)  # type: ignore[method-assign]
