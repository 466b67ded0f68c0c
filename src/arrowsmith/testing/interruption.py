"""Sinks that are interrupted: by an exception, Ctrl-C, a full disk or a kill, at any moment."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pytest

from arrowsmith.errors import ArrowsmithError, DataError, TargetError
from arrowsmith.location import FileTarget
from arrowsmith.testing.checks import expect, no_leaks
from arrowsmith.testing.child import in_child
from arrowsmith.testing.feed import TableFeed, cut
from arrowsmith.testing.tables import TableContract, made_sink
from arrowsmith.testing.targets import FailingTarget, write_batches

_OLD = b"the old one"
Moment = Literal["half written", "written", "committed"]


class InterruptionContract(TableContract):
    """Checks that a target is complete or untouched; part of ``SinkContract``."""

    def test_file_appears_when_it_is_published(self, tmp_path: Path) -> None:
        """Nothing stands under the target's name, or beside it, before commit and publication."""
        path = tmp_path / self._name()
        with FileTarget(path) as target, self._sink(target) as sink:
            write_batches(sink, cut(self.table, 100))
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
            target = _full(self._name(), room)
            try:
                with self._sink(target) as sink:
                    write_batches(sink, cut(self.table, 100))
                    sink.commit()
            except ArrowsmithError:
                continue
            except Exception as error:
                raise AssertionError(
                    f"the disk is full after {room} bytes: {error!r}, not the TargetError"
                ) from error
            raise AssertionError(f"the disk is full after {room} bytes, and the sink says nothing")

    def test_interruption_comes_through(self) -> None:
        """Ctrl-C or an error of the system in a write, wherever, is not swallowed or replaced."""
        size = len(self._bytes())
        kinds = (KeyboardInterrupt(), OSError(5, "Input/output error"), MemoryError())
        for error in kinds:
            for room in sorted({0, size // 2, size - 1}):
                where = f"{type(error).__name__} in a write after {room} bytes"
                target = FailingTarget(self._name(), room, error)
                try:
                    with self._sink(target) as sink:
                        write_batches(sink, cut(self.table, 100))
                        sink.commit()
                except BaseException as came:
                    known = came is error or isinstance(came, ArrowsmithError)
                    known = known and (came is error or isinstance(error, OSError))
                    expect(known, f"{where} becomes {came!r}: let it through")
                    continue
                raise AssertionError(f"{where} is swallowed, and the file would be published")

    def test_kill_leaves_the_old_file(self, tmp_path: Path) -> None:
        """SIGKILL while rows are written, before and after ``commit()``: the old file stands."""
        table = pa.BufferOutputStream()
        with pa.ipc.new_stream(table, self.table.schema) as writer:
            writer.write_table(self.table)
        path = tmp_path / self._name()
        moments: tuple[Moment, ...] = ("half written", "written", "committed")
        for moment in moments:
            path.write_bytes(_OLD)
            ended = in_child(
                write_and_die,
                table=table.getvalue().to_pybytes(),
                path=str(path),
                name=self.name,
                options=self.options,
                moment=moment,
            )
            killed = ended.code == -signal.SIGKILL
            expect(killed, f"{moment}: the process failed before it was killed: {ended.stderr}")
            there = path.read_bytes() if path.exists() else None
            expect(there == _OLD, f"killed when {moment}: the old file is gone or changed")
            _expect_only(path, f"killed when {moment}")
        self._run(TableFeed(self.table, 100), path, threads=2)
        left = sorted(one.name for one in tmp_path.iterdir() if one != path)
        expect(not left, f"after a kill and another run there is {', '.join(left)}")

    def _stopped(self, path: Path, batches: list[pa.RecordBatch]) -> None:
        with FileTarget(path) as target, self._sink(target) as sink:
            write_batches(sink, batches)
            raise _Stop


class _Stop(Exception):  # noqa: N818 - not an error of the sink
    """Raised in the middle of writing."""


def _full(name: str, room: int) -> FailingTarget:
    return FailingTarget(name, room, TargetError("no space left on the disk", path=name))


def _expect_nothing(folder: Path, when: str) -> None:
    # a hidden file is the host's, where the file system has no files without a name
    found = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    expect(not found, f"{when} there is {', '.join(found)}: write to target.open() only")


def _expect_only(path: Path, when: str) -> None:
    found = {one.name for one in path.parent.iterdir() if not one.name.startswith(".")}
    others = sorted(found - {path.name})
    expect(not others, f"{when} there is {', '.join(others)}: write to target.open() only")


def write_and_die(
    table: bytes, path: str, name: str, options: Mapping[str, Any], moment: Moment
) -> None:
    """In a child: write over a file, and be killed."""
    rows = pa.ipc.open_stream(table).read_all()
    batches = cut(rows, max(1, rows.num_rows // 4))
    if moment == "half written":
        batches = batches[: len(batches) // 2]
    with (
        FileTarget(path, overwrite=True) as target,
        made_sink(name, options, target, rows.schema) as sink,
    ):
        write_batches(sink, batches)
        if moment == "committed":
            sink.commit()
        os.kill(os.getpid(), signal.SIGKILL)
