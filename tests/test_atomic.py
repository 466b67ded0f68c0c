"""All or nothing: whatever stops a run, the target is the old one, the whole new one, or none."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import arrowsmith
import arrowsmith.catalog
from arrowsmith import ArrowsmithError, ErrorPolicy, Pipeline, PipelineConfig, Shape
from arrowsmith.catalog import Catalog
from arrowsmith.errors import DataError, SchemaMismatch, TargetError
from faults import kills, plugin

ROWS = 4000
KILLS = 25  # for each of the ways below


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_csv(path: Path, seed: int, rows: int = ROWS) -> Path:
    """Three columns of little order; every 500th line is followed by one that lacks a field."""
    choose = random.Random(seed)
    with path.open("w") as file:
        file.write("id,x,name\n")
        for i in range(rows):
            file.write(f"{i},{choose.random()},{choose.randrange(10**9)}z\n")
            if i % 500 == 7:
                file.write("1,2\n")
    return path


# --- kills ---------------------------------------------------------------------------------------

WAYS = [
    (".csv", "hidden", "old"),
    (".csv", "unnamed", "old"),
    (".parquet", "unnamed", "none"),
    (".parquet", "hidden", "none"),
    (".shards", "unnamed", "old"),
    (".shards", "hidden", "old"),
]


@pytest.fixture(scope="module")
def killers(tmp_path_factory) -> Iterator[dict[tuple[str, str, str], subprocess.Popen]]:
    """A process for each way, all at work at once."""
    running = {}
    for number, way in enumerate(WAYS):
        folder = tmp_path_factory.mktemp("kills")
        for name in ("out", "tmp"):
            (folder / name).mkdir()
        sources = [write_csv(folder / f"{i}.csv", 11 + i) for i in range(2)]
        suffix, how, old = way
        running[way] = subprocess.Popen(
            [
                *(sys.executable, kills.__file__, folder / "out", *sources),
                *(suffix, how, old, str(KILLS), str(number)),
            ],
            env={**os.environ, "TMPDIR": str(folder / "tmp")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    yield running
    for process in running.values():
        process.kill()
        process.communicate()


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_killed_at_any_moment(killers, way):
    stdout, stderr = killers[way].communicate(timeout=120)
    assert stderr == ""
    told = json.loads(stdout)
    assert told["wrong"] == []
    assert told["seen"]["kills"] == KILLS
    # The kills fell into all sorts of moments, not all before or after the work.
    assert told["seen"]["first"] >= 3
    assert told["seen"]["second"] >= 3


# --- full disks ----------------------------------------------------------------------------------

LIMITED = """
import resource, sys
size = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
from arrowsmith.cli import main
main()
"""

TARGETS = ["out.csv", "out.csv.gz", "out.parquet", "out.arrow", "out.arrows", "out.parquet.zst"]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An empty folder to write in, beside the inputs and an empty folder for temporary files."""
    for name in ("out", "tmp"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "out"


def convert(*args: object, size: int | None = None) -> subprocess.CompletedProcess[str]:
    """``arrowsmith convert`` in a process of its own, which can write ``size`` bytes a file."""
    command = [sys.executable, "-m", "arrowsmith", "convert", *map(str, args)]
    if size is not None:
        command[1:3] = ["-c", LIMITED, str(size)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def assert_one_line(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    [line] = done.stderr.splitlines()
    assert line.startswith("arrowsmith: error: "), line
    for part in parts:
        assert part in line


@pytest.mark.parametrize("name", TARGETS)
def test_a_file_that_may_not_grow(folder, name):
    source = write_csv(Path("in.csv"), 7)
    (folder / name).write_bytes(b"old")
    done = convert(source, folder / name, "--overwrite", "--on-error", "skip", size=10_000)
    assert_one_line(done, name, "no space left")
    assert (folder / name).read_bytes() == b"old"
    assert names(folder) == [name]
    assert names(Path("tmp")) == []


@pytest.mark.parametrize("rejects", ["bad.jsonl", "bad.parquet"])
def test_a_rejects_file_that_may_not_grow(folder, rejects):
    """The target comes out with its rejects or not at all: a row in neither would be lost."""
    with Path("in.csv").open("w") as file:
        file.write("a,b\n1,2\n")
        for number in range(2000):
            file.write(f"{number * 7919 % 100_003}" * 5 + "\n")
    for name in ("out.csv", rejects):
        (folder / name).write_bytes(b"old")
    done = convert(
        *("in.csv", folder / "out.csv", "--rejects", folder / rejects, "--overwrite"), size=10_000
    )
    assert_one_line(done, rejects, "no space left")
    assert (folder / "out.csv").read_bytes() == b"old"
    assert (folder / rejects).read_bytes() == b"old"
    assert names(folder) == sorted([rejects, "out.csv"])


def test_scratch_that_may_not_grow(folder):
    """A compressed Parquet file is unpacked to the temporary folder."""
    write_csv(Path("in.csv"), 7)
    assert convert("in.csv", "in.parquet.gz", "--on-error", "skip").returncode == 0
    done = convert("in.parquet.gz", folder / "out.csv", size=2_000)
    assert_one_line(done, "tmp", "no space left")
    assert names(folder) == []
    assert names(Path("tmp")) == []


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("a small disk needs the right to mount a tmpfs")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz", "out.parquet", "out.arrow"])
def test_a_full_disk(small_disk, tmp_path, name):
    source = write_csv(tmp_path / "in.csv", 7, rows=20_000)
    target = small_disk / name
    target.write_bytes(b"old")
    done = convert(source, target, "--overwrite", "--on-error", "skip")
    assert_one_line(done, name, "no space left on the disk; make room and run again")
    assert target.read_bytes() == b"old"
    assert names(small_disk) == [name]
    free = os.statvfs(small_disk)
    assert free.f_bavail * free.f_frsize > 40_000  # nothing holds what was written
    assert (
        convert(source, target, "--overwrite", "--on-error", "skip", "--limit", 9).returncode == 0
    )
    assert names(small_disk) == [name]


# --- an exception in each stage ------------------------------------------------------------------

SETTING_UP = ["reader.open", "transform.bind", "sink.make", "sink.enter"]
STAGES = {
    "reader.splits": "read",
    "reader.scan": "read",
    "reader.scan_end": "read",
    "transform.call": "transform",
    "ordered.call": "transform",
    "sink.prepare": "encode",
    "sink.encode": "encode",
    "sink.append": "write",
    "sink.write": "write",
    "sink.commit": "write",
}
ERRORS = [
    DataError("told to"),
    ValueError("told to"),
    MemoryError("told to"),
    OSError(errno.EIO, ""),
]
ERRORS += [KeyboardInterrupt("told to"), SystemExit("told to")]


@pytest.fixture
def faulty(folder, monkeypatch) -> Iterator[Path]:
    """The folder to write in, with a source ``in.faulty`` and the faulty plugin installed."""
    points = [EntryPoint("faults", "faults.plugin", "arrowsmith")]
    points += entry_points(group="arrowsmith")
    monkeypatch.setattr(arrowsmith.catalog, "_shared", Catalog(points))
    Path("in.faulty").write_text("anything")
    threads = threading.active_count()
    yield folder
    plugin.disarm()
    assert threading.active_count() == threads
    assert names(Path("tmp")) == []


def run(target: Path, sink: str, threads: int = 2, shape: Shape | None = None) -> None:
    config = PipelineConfig(worker_threads=threads)
    Pipeline(
        "in.faulty",
        ["faulty", "faulty_ordered"],
        target,
        format=sink,
        overwrite=True,
        shape=shape,
        budget="64MB",
        config=config,
    ).run()


def sink_for(place: str) -> str:
    return "faulty" if place == "sink.write" else "faulty_encoding"


def test_unharmed_it_works(faulty):
    for sink in ("faulty", "faulty_encoding"):
        run(faulty / "out", sink)
        numbers = range(plugin.BATCHES * plugin.ROWS)
        expected = b"".join(number.to_bytes(8, "little") for number in numbers)
        assert (faulty / "out").read_bytes() == expected


@pytest.mark.parametrize("old", [b"old", None], ids=["old", "none"])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("place", [*SETTING_UP, *STAGES])
def test_an_exception_leaves_the_old_target_or_none(faulty, place, error, old):
    target = faulty / "out"
    once = (*SETTING_UP, "sink.prepare", "sink.write", "sink.commit")
    calls = [1] if place in once else [1, 7]
    for call in calls:
        if old is not None:
            target.write_bytes(old)
        plugin.arm(place, error, call)
        with pytest.raises(type(error)) as raised:
            run(target, sink_for(place))
        assert raised.value is error or place in SETTING_UP
        assert names(faulty) == (["out"] if old is not None else [])
        if old is not None:
            assert target.read_bytes() == old
    plugin.disarm()
    run(target, sink_for(place))
    assert names(faulty) == ["out"]


def inside(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("part-*")}


@pytest.mark.parametrize("shape", [Shape(rows_per_file=300), Shape(partition_by="m")], ids=str)
@pytest.mark.parametrize("sink", ["faulty", "faulty_encoding"])
def test_a_directory_of_any_sink(faulty, sink, shape):
    source = pa.table({"n": range(20_000), "m": [i * i % 7 for i in range(20_000)]})
    pq.write_table(source, "numbers.parquet")
    seen = []
    for threads in (1, 3):
        config = PipelineConfig(worker_threads=threads)
        columns = ["n", "m"] if shape.partition_by else ["n"]
        ds = arrowsmith.open("numbers.parquet").select(*columns)
        options = {"rows_per_file": shape.rows_per_file, "partition_by": shape.partition_by}
        ds.write(faulty / "out", format=sink, config=config, overwrite=True, **options)
        seen.append(inside(faulty / "out"))
    assert seen[0] == seen[1]
    assert sum(map(len, seen[0].values())) == 20_000 * 8
    numbers = np.frombuffer(b"".join(seen[0][name] for name in sorted(seen[0])), np.int64)
    assert sorted(numbers.tolist()) == list(range(20_000))
    assert shape.partition_by or numbers.tolist() == list(range(20_000))


@pytest.mark.parametrize("error", [DataError("told to"), KeyboardInterrupt("told to")])
@pytest.mark.parametrize("place", [name for name in [*SETTING_UP, *STAGES] if "sink" in name])
def test_an_exception_leaves_the_old_directory(faulty, place, error):
    shape = Shape(rows_per_file=1_500)
    run(faulty / "out", sink_for(place), shape=shape)
    before = inside(faulty / "out")
    for call in (1, 2, 9):
        plugin.arm(place, error, call)
        with pytest.raises(type(error)):
            run(faulty / "out", sink_for(place), shape=shape)
        assert names(faulty) == ["out"]
        assert inside(faulty / "out") == before
    plugin.disarm()
    run(faulty / "out", sink_for(place), shape=shape)
    assert inside(faulty / "out") == before


@pytest.mark.parametrize(("place", "stage"), STAGES.items())
def test_an_error_knows_its_stage(faulty, place, stage):
    plugin.arm(place, DataError("told to"))
    with pytest.raises(ArrowsmithError) as raised:
        run(faulty / "out", sink_for(place))
    assert raised.value.stage == stage
    plugin.arm(place, ValueError("told to"))
    with pytest.raises(ValueError, match="told to") as other:
        run(faulty / "out", sink_for(place))
    assert any(stage in note for note in other.value.__notes__)


def test_a_function_that_fails_late(folder):
    write_csv(Path("in.csv"), 3)
    calls = []

    def fail(batch):
        calls.append(batch.num_rows)
        if sum(calls) > 1000:
            raise ZeroDivisionError("late")
        return batch

    ds = arrowsmith.open("in.csv", on_error="skip", config=PipelineConfig(batch_rows=100))
    with pytest.raises(ZeroDivisionError, match="late"):
        ds.map(fail).write(folder / "out.parquet")
    assert names(folder) == []


def test_a_sink_that_is_a_function(folder):
    """Sinks need no plugin: what they raise ends the run."""
    write_csv(Path("in.csv"), 3)

    class Sink:
        def __init__(self, schema, context):
            self.schema = schema

        def write(self, batch):
            raise TargetError("the far end is gone")

        def commit(self):
            raise AssertionError("not after an error")

        def __enter__(self):
            return self

        def __exit__(self, kind, error, trace):
            assert kind is TargetError

    with pytest.raises(TargetError) as raised:
        Pipeline("in.csv", [], Sink, errors=ErrorPolicy("skip")).run()
    assert raised.value.stage == "write"


# --- damaged inputs ------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".arrow"])
def test_a_bad_record_at_the_end(folder, suffix):
    with Path("in.csv").open("w") as file:
        file.write("a,b\n" + "1,2\n" * 700_000 + "3\n")
    (folder / f"out{suffix}").write_bytes(b"old")
    done = convert("in.csv", folder / f"out{suffix}", "--overwrite")
    assert_one_line(done, "in.csv", "line 700002")
    assert names(folder) == [f"out{suffix}"]
    assert (folder / f"out{suffix}").read_bytes() == b"old"


def test_too_many_errors_keep_the_rejects_but_no_target(folder):
    write_csv(Path("in.csv"), 3)
    done = convert(
        "in.csv", folder / "out.csv", "--rejects", folder / "bad.parquet", "--max-errors", 3
    )
    assert_one_line(done, "more than 3 bad records")
    assert names(folder) == ["bad.parquet"]
    assert pq.read_table(folder / "bad.parquet").num_rows == 4


def test_files_that_do_not_fit_together(folder):
    Path("a.csv").write_text("a\n1\n")
    Path("b.csv").write_text("a\ntext\n")
    with pytest.raises(SchemaMismatch):
        arrowsmith.open(["a.csv", "b.csv"]).write(folder / "out.csv")
    assert names(folder) == []


def test_what_was_whole_is_read_by_others(folder):
    source = write_csv(Path("in.csv"), 5)
    assert convert(source, folder / "out.parquet", "--on-error", "skip").returncode == 0
    ids = pl.read_parquet(folder / "out.parquet")["id"].to_list()
    assert ids == list(range(ROWS))
