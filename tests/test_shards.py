"""Directories of files of so many rows or bytes: exact, in order, replaced in one step."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import psutil
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest

import arrowsmith
from arrowsmith import PipelineConfig
from arrowsmith.errors import OptionError, TargetError, TargetExists
from arrowsmith.location import directory, parts, resolve, sweep
from faults.measure import measure


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def contents(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def rows_of(folder: Path) -> list[int]:
    return [pq.read_metadata(path).num_rows for path in sorted(folder.iterdir())]


@pytest.fixture
def source(tmp_path) -> Path:
    """10,000 rows whose texts are of very different lengths."""
    random = np.random.default_rng(5)
    texts = ["x" * int(size) for size in random.exponential(60, 10_000)]
    table = pa.table({"id": range(10_000), "text": texts, "x": random.random(10_000)})
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=1_111)
    return tmp_path / "in.parquet"


# --- where files end -----------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1_000, 3_333, 9_999, 10_000, 10_001])
@pytest.mark.parametrize("format_", ["parquet", "csv", "arrow"])
def test_every_file_but_the_last_has_so_many_rows(source, tmp_path, rows, format_, no_leaks):
    out = tmp_path / "out"
    stats = arrowsmith.open(source).write(out, rows_per_file=rows, format=format_)
    files = sorted(out.iterdir())
    suffix = f".{format_}"
    assert [path.name for path in files] == [f"part-{i:05d}{suffix}" for i in range(len(files))]
    assert stats.bytes_out == sum(path.stat().st_size for path in files)
    read = pads.dataset(out, format=format_ if format_ != "arrow" else "ipc").to_table()
    expected = pq.read_table(source)
    assert read.cast(expected.schema).equals(expected)
    each = [pads.dataset(path, format="ipc" if format_ == "arrow" else format_) for path in files]
    counts = [one.count_rows() for one in each]
    assert counts[:-1] == [rows] * (len(counts) - 1)
    assert sum(counts) == 10_000


def test_one_row_a_file(source, tmp_path, no_leaks):
    before = psutil.Process().num_fds()
    arrowsmith.open(source).limit(700).write(tmp_path / "out", rows_per_file=1, format="arrow")
    assert len(names(tmp_path / "out")) == 700
    assert psutil.Process().num_fds() == before
    assert arrowsmith.open(tmp_path / "out").count() == 700


def test_a_file_ends_before_the_row_that_takes_it_over_the_bytes(source, tmp_path):
    limit = 64 << 10
    arrowsmith.open(source).write(tmp_path / "out", bytes_per_file="64KB", format="arrow")
    tables = [pa.ipc.open_file(path).read_all() for path in sorted((tmp_path / "out").iterdir())]
    assert pa.concat_tables(tables).combine_chunks().equals(pq.read_table(source).combine_chunks())
    sizes = []
    for table in tables:
        text = sum(len(value) + 4 for value in table["text"].to_pylist())
        sizes.append(text + 16 * table.num_rows)
    assert all(size <= limit for size in sizes)
    for size, following in zip(sizes, tables[1:], strict=False):
        assert size + len(following["text"][0].as_py()) + 20 > limit


def test_a_row_larger_than_a_file_has_one_of_its_own(tmp_path):
    pq.write_table(pa.table({"text": ["a" * 9000, "b", "c" * 9000]}), tmp_path / "in.parquet")
    arrowsmith.open(tmp_path / "in.parquet").write(
        tmp_path / "out", bytes_per_file=1000, format="parquet"
    )
    assert rows_of(tmp_path / "out") == [1, 1, 1]


def test_both_limits_hold(source, tmp_path):
    ds = arrowsmith.open(source)
    ds.write(tmp_path / "out", rows_per_file=2_000, bytes_per_file="100KB", format="parquet")
    counts = rows_of(tmp_path / "out")
    assert max(counts) <= 2_000
    assert len(counts) > 5
    assert sum(counts) == 10_000


@pytest.mark.parametrize("suffix", ["parquet", "csv.gz", "arrows", "jsonl"])
def test_same_bytes_for_any_threads_batches_and_budget(source, tmp_path, suffix):
    seen = []
    for number, (threads, rows, budget) in enumerate(
        [(1, 65_536, "1GB"), (4, 100, "64MB"), (2, 7_777, "256MB")]
    ):
        out = tmp_path / f"out{number}.{suffix}"
        arrowsmith.open(source).write(
            f"{out}/",
            rows_per_file=1_234,
            bytes_per_file="90KB",
            budget=budget,
            config=PipelineConfig(worker_threads=threads, batch_rows=rows),
        )
        seen.append(contents(out))
    assert seen[0] == seen[1] == seen[2]
    assert next(iter(seen[0])).endswith(suffix)


def test_shards_within_the_budget(tmp_path):
    random = np.random.default_rng(6)
    with pq.ParquetWriter(tmp_path / "in.parquet", pa.schema({"x": pa.float64()})) as out:
        for _ in range(100):
            out.write_table(pa.table({"x": random.random(100_000)}))
    given = {"source": str(tmp_path / "in.parquet"), "target": f"{tmp_path}/out/", "threads": 2,
             "format": "parquet", "rows_per_file": 30_001, "budget": 64 << 20}  # fmt: skip
    done = measure("write", given)
    assert done.code == 0, done.stderr
    assert done.growth <= 64 << 20
    assert rows_of(tmp_path / "out") == [30_001] * 333 + [10_000_000 - 333 * 30_001]


def test_a_directory_of_one_file(source, tmp_path):
    arrowsmith.open(source).write(f"{tmp_path}/out.parquet/")
    assert names(tmp_path / "out.parquet") == ["part-00000.parquet"]
    assert pl.read_parquet(tmp_path / "out.parquet").height == 10_000


def test_no_rows_is_a_file_that_tells_the_columns(source, tmp_path):
    arrowsmith.open(source).limit(0).write(tmp_path / "out", rows_per_file=5, format="parquet")
    (path,) = (tmp_path / "out").iterdir()
    assert pq.read_schema(path).equals(pq.read_schema(source))


def test_names_get_as_many_digits_as_the_last(tmp_path):
    with directory.DirectoryTarget(tmp_path / "out") as target:
        for number in (0, 99_999, 100_000):
            with target.part(parts.part_name(number, ".csv")) as part:
                part.open().write(b"x")
                part.finish()
        target.finish()
        target.publish()
    assert names(tmp_path / "out") == ["part-000000.csv", "part-099999.csv", "part-100000.csv"]


# --- what is asked for ---------------------------------------------------------------------------


def test_the_format_has_to_be_told(source, tmp_path):
    with pytest.raises(OptionError, match=r"which format its files are to have .*--to parquet"):
        arrowsmith.open(source).write(tmp_path / "out", rows_per_file=5)
    assert names(tmp_path) == ["in.parquet"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rows_per_file": 0}, "rows_per_file must be a number of at least 1"),
        ({"bytes_per_file": 0}, "bytes_per_file must be at least 1"),
        ({"bytes_per_file": "many"}, "many"),
        ({"partition_by": []}, "partition_by takes names of columns"),
        ({"partition_by": ["id", "id"]}, "twice"),
        ({"rows_per_file": 1, "overwrite": True, "append": True}, "do not go together"),
    ],
)
def test_options_are_checked_before_anything_is_written(source, tmp_path, options, message):
    with pytest.raises(OptionError, match=message):
        arrowsmith.open(source).write(tmp_path / "out", format="csv", **options)
    assert names(tmp_path) == ["in.parquet"]


# --- replacing -----------------------------------------------------------------------------------


@pytest.fixture(params=["exchange", "renames"])
def way(request, monkeypatch):
    """Both ways to replace a directory: in one step, and in two where there is no such step."""
    if request.param == "renames":
        monkeypatch.setattr(directory, "exchange", lambda *_: False)
    return request.param


def test_a_directory_with_files_needs_overwrite(source, tmp_path, way, no_leaks):
    out = tmp_path / "out.parquet"
    ds = arrowsmith.open(source)
    out.mkdir(mode=0o750)
    ds.write(out, rows_per_file=4_000)  # an empty one may be filled
    assert out.stat().st_mode & 0o777 == 0o750
    with pytest.raises(TargetExists, match=r"not empty; --overwrite replaces it, --append adds"):
        ds.write(out, rows_per_file=4_000)
    ds.write(out, rows_per_file=6_000, overwrite=True)
    assert rows_of(out) == [6_000, 4_000]
    assert names(tmp_path) == ["in.parquet", "out.parquet"]


@pytest.mark.parametrize(
    "foreign", ["notes.txt", "part-00009.csv", "sub/part-00000.parquet", "link.parquet", ".git"]
)
def test_a_directory_of_other_things_is_not_replaced(source, tmp_path, foreign):
    out = tmp_path / "out.parquet"
    arrowsmith.open(source).write(out, rows_per_file=4_000)
    (out / foreign).parent.mkdir(exist_ok=True)
    if foreign.startswith("link"):
        (out / foreign).symlink_to(source)
    else:
        (out / foreign).touch()
    before = contents(out)
    with pytest.raises(TargetError, match="which is no data file of this format"):
        arrowsmith.open(source).write(out, rows_per_file=4_000, overwrite=True)
    assert contents(out) == before


def test_places_that_are_never_replaced(source, tmp_path, monkeypatch):
    ds = arrowsmith.open(source)
    with pytest.raises(TargetError, match="not the name of a directory"):
        ds.write("/", rows_per_file=1, format="parquet", overwrite=True)
    with pytest.raises(TargetError, match=r"holds a source \(.*in.parquet\)"):
        ds.write(tmp_path, rows_per_file=1, format="parquet", overwrite=True)
    (tmp_path / "home/data").mkdir(parents=True)
    (tmp_path / "home/data/a.parquet").touch()
    for place in ("home/data", "home"):
        monkeypatch.setenv("HOME", str(tmp_path / "home/data"))
        with pytest.raises(TargetError, match="is or holds the home directory"):
            ds.write(tmp_path / place, rows_per_file=1, format="parquet", overwrite=True)
    monkeypatch.chdir(tmp_path / "home")
    with pytest.raises(TargetError, match="is or holds the current directory"):
        ds.write(".", rows_per_file=1, format="parquet", overwrite=True)


@pytest.mark.parametrize("way", ["new", "overwrite", "append"])
def test_a_mount_point_is_refused_before_anything_is_read(source, tmp_path, monkeypatch, way):
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: path == str(tmp_path / "out"))
    with pytest.raises(TargetError, match="is a mount point, so is not replaced"):
        directory.DirectoryTarget(
            tmp_path / "out", overwrite=way == "overwrite", append=way == "append"
        )


def test_a_file_is_no_directory(source, tmp_path):
    (tmp_path / "out").write_bytes(b"precious")
    with pytest.raises(TargetError, match="is a file, not a directory"):
        arrowsmith.open(source).write(
            tmp_path / "out", rows_per_file=1, format="csv", overwrite=True
        )
    assert (tmp_path / "out").read_bytes() == b"precious"


def test_of_two_writers_without_overwrite_one_wins(source, tmp_path):
    with (
        directory.DirectoryTarget(tmp_path / "out") as one,
        directory.DirectoryTarget(tmp_path / "out") as two,
    ):
        for target in (one, two):
            with target.part("part-00000.csv") as part:
                part.open().write(b"x")
                part.finish()
        one.publish()
        with pytest.raises(TargetExists, match="has come into being"):
            two.publish()
    assert names(tmp_path) == ["in.parquet", "out"]


def test_an_error_leaves_the_old_directory(source, tmp_path, no_leaks):
    out = tmp_path / "out.parquet"
    arrowsmith.open(source).write(out, rows_per_file=4_000)
    before = contents(out)

    def fail(batch: pa.RecordBatch) -> pa.RecordBatch:
        if batch.num_rows and batch.column(0)[0].as_py() > 5_000:
            raise ValueError("no more")
        return batch

    with pytest.raises(ValueError, match="no more"):
        arrowsmith.open(source).map(fail).write(out, rows_per_file=100, overwrite=True)
    assert contents(out) == before
    assert names(tmp_path) == ["in.parquet", "out.parquet"]


def test_when_the_second_rename_fails_the_old_one_comes_back(source, tmp_path, monkeypatch):
    out = tmp_path / "out.parquet"
    arrowsmith.open(source).write(out, rows_per_file=4_000)
    before = contents(out)
    monkeypatch.setattr(directory, "exchange", lambda *_: False)
    rename, calls = os.rename, []

    def failing(old, new, **given) -> None:
        calls.append(new)
        if len(calls) in (1, 3):  # onto the old one, which is not empty; and in its place
            raise OSError(errno.ENOTEMPTY if len(calls) == 1 else errno.EIO, "no", old)
        rename(old, new, **given)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(TargetError):
        arrowsmith.open(source).write(out, rows_per_file=100, overwrite=True)
    monkeypatch.undo()
    assert contents(out) == before
    assert names(tmp_path) == ["in.parquet", "out.parquet"]


CHILD = """
import os, sys
from arrowsmith.location import directory
if sys.argv[2] == "renames":
    directory.exchange = lambda *_: False
with directory.DirectoryTarget(sys.argv[1], overwrite=True, extensions=(".csv",)) as target:
    for number in range(3):
        with target.part(f"part-{number:05d}.csv") as part:
            part.open().write(b"new")
            part.finish()
    rename, calls = os.rename, []
    def stop(*args, **given):
        calls.append(args)
        if len(calls) == int(sys.argv[3]):
            print("ready", flush=True)
            sys.stdin.read()
        rename(*args, **given)
    os.rename = stop
    target.publish()
"""


@pytest.mark.parametrize(("how", "moment"), [("exchange", 1), ("renames", 2), ("renames", 3)])
def test_killed_between_the_renames(tmp_path, how, moment):
    out = tmp_path / "out"
    out.mkdir()
    (out / "part-00000.csv").write_bytes(b"old")
    command = [sys.executable, "-c", CHILD, str(out), how, str(moment)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"ready\n"
        assert out.exists() == (moment < 3)
        assert sweep(tmp_path) == []  # its writer lives
        child.kill()
    assert len(names(tmp_path)) > 1
    if moment == 3:
        assert [source.path for source in resolve(out)] == [str(out / "part-00000.csv")]
    assert sweep(tmp_path) != []
    assert contents(tmp_path) == {"out/part-00000.csv": b"old"}


def test_a_symbolic_link_is_written_through(source, tmp_path):
    (tmp_path / "there.csv").mkdir()
    (tmp_path / "link.csv").symlink_to("there.csv")
    arrowsmith.open(source).write(tmp_path / "link.csv", rows_per_file=9_000)
    assert (tmp_path / "link.csv").is_symlink()
    assert names(tmp_path / "there.csv") == ["part-00000.csv", "part-00001.csv"]


# --- the command line ----------------------------------------------------------------------------


def convert(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "arrowsmith", "convert", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_convert_into_a_directory(source, tmp_path):
    done = convert(source, f"{tmp_path}/out/", "--to", "csv", "--rows-per-file", 6000, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["format"] == "csv"
    assert names(tmp_path / "out") == ["part-00000.csv", "part-00001.csv"]
    done = convert(source, tmp_path / "out", "--to", "csv", "--rows-per-file", 6000)
    assert done.returncode == 2
    assert "--overwrite replaces it" in done.stderr
