"""``append``: the rows of before and the new ones, or the file of before."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.dataset as pads
import pyarrow.json as pajson
import pyarrow.parquet as pq
import pytest

import arrowsmith
from arrowsmith import PipelineConfig
from arrowsmith.errors import ArrowsmithError, DataError, SchemaMismatch, TargetError
from arrowsmith.location import directory, parts


def write(path: Path, table: pa.Table) -> Path:
    pq.write_table(table, path)
    return path


def tables(tmp_path: Path) -> tuple[Path, Path, pa.Table]:
    """Two files, and all of their rows."""
    one = pa.table({"id": range(1000), "text": [f"a{i}" for i in range(1000)]})
    two = pa.table({"id": range(1000, 1700), "text": [f'"b", {i}' for i in range(700)]})
    return (
        write(tmp_path / "one.parquet", one),
        write(tmp_path / "two.parquet", two),
        pa.concat_tables([one, two]).combine_chunks(),
    )


READERS = {
    "parquet": pq.read_table,
    "csv": pacsv.read_csv,
    "tsv": lambda path: pacsv.read_csv(path, parse_options=pacsv.ParseOptions(delimiter="\t")),
    "jsonl": pajson.read_json,
    "arrows": lambda path: pa.ipc.open_stream(path).read_all(),
}


@pytest.mark.parametrize("suffix", READERS)
def test_the_rows_of_before_and_the_new_ones(tmp_path, suffix, no_leaks):
    one, two, both = tables(tmp_path)
    out = tmp_path / f"out.{suffix}"
    arrowsmith.open(one).write(out, append=True)  # nothing is there: it is made
    before = out.read_bytes()
    out.chmod(0o640)
    stats = arrowsmith.open(two).write(out, append=True)
    assert stats.rows_out == 700
    assert stats.bytes_out == out.stat().st_size
    assert READERS[suffix](out).combine_chunks().equals(both)
    assert arrowsmith.open(out).count() == 1700
    assert out.read_bytes().startswith(before[:-8] if suffix == "arrows" else before[:400])
    assert out.stat().st_mode & 0o777 == 0o640
    for _ in range(2):
        arrowsmith.open(two).limit(3).write(out, append=True)
    assert READERS[suffix](out).num_rows == 1706
    arrowsmith.open(two).limit(0).write(out, append=True)
    assert READERS[suffix](out).num_rows == 1706


@pytest.mark.parametrize("suffix", READERS)
def test_same_bytes_for_any_threads(tmp_path, suffix):
    one, two, _ = tables(tmp_path)
    seen = []
    for number, (threads, rows) in enumerate([(1, 65_536), (4, 100)]):
        out = tmp_path / f"out{number}.{suffix}"
        arrowsmith.open(one).write(out)
        config = PipelineConfig(worker_threads=threads, batch_rows=rows)
        arrowsmith.open(two).write(out, append=True, config=config)
        seen.append(out.read_bytes())
    assert seen[0] == seen[1]


def test_parquet_of_another_program(tmp_path):
    one, two, both = tables(tmp_path)
    out = tmp_path / "out.parquet"
    pq.write_table(pq.read_table(one), out, row_group_size=300, write_page_index=True)
    arrowsmith.open(two).write(out, append=True)
    assert pq.read_table(out).equals(both)
    assert pl.read_parquet(out).equals(pl.from_arrow(both))
    assert pq.ParquetFile(out).metadata.num_row_groups == 5
    assert arrowsmith.open(out).filter("id = 1500").to_table().num_rows == 1


def test_parquet_without_rows(tmp_path):
    one, two, _ = tables(tmp_path)
    out = tmp_path / "out.parquet"
    arrowsmith.open(one).limit(0).write(out)
    arrowsmith.open(two).write(out, append=True)
    assert pq.read_table(out).equals(pq.read_table(two))


def test_arrow_streams_with_dictionaries(tmp_path):
    out = tmp_path / "out.arrows"
    for number, values in enumerate((["a", "b", "a"], ["c", "a", None])):
        table = pa.table({"k": pa.array(values).dictionary_encode()})
        path = tmp_path / f"{number}.arrow"
        with pa.ipc.new_file(path, table.schema) as file:
            file.write_table(table)
        arrowsmith.open(path).write(out, append=True)
    with pa.ipc.open_stream(out) as stream:
        found = [value for batch in stream for value in batch.column(0).to_pylist()]
    assert found == ["a", "b", "a", "c", "a", None]


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_last_line_without_an_end_gets_one(tmp_path, suffix):
    one, two, both = tables(tmp_path)
    out = tmp_path / f"out.{suffix}"
    arrowsmith.open(one).write(out)
    out.write_bytes(out.read_bytes().rstrip(b"\n"))
    arrowsmith.open(two).write(out, append=True)
    assert READERS[suffix](out).combine_chunks().equals(both)


def test_an_empty_file_is_written_from_its_start(tmp_path):
    one, _, _ = tables(tmp_path)
    (tmp_path / "out.csv").touch()
    arrowsmith.open(one).write(tmp_path / "out.csv", append=True)
    assert pacsv.read_csv(tmp_path / "out.csv").equals(pq.read_table(one))


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "old", "error", "message"),
    [
        ("out.csv", b"id,other\n1,2\n", SchemaMismatch, "its first line is 'id,other' and not"),
        ("out.csv", b"id;text\n1;2\n", SchemaMismatch, "its first line is 'id;text'"),
        ("out.csv", b"id,text\r\n1,2\r\n", SchemaMismatch, "same columns in the same order"),
        ("out.csv.gz", b"x", TargetError, "is compressed with gzip"),
        ("out.json", b"[]", TargetError, "json is closed at its end, so cannot be appended to"),
        ("out.jsonl", b"[\n", DataError, "is no file of JSON Lines"),
        ("out.parquet", b"PAR1 and so on", DataError, "is no Parquet file, or is cut short"),
        ("out.arrow", b"ARROW1\0\0", TargetError, "closed by its footer"),
        ("out.arrows", b"what is this?", DataError, "is no Arrow stream"),
    ],
)
def test_what_cannot_be_continued(tmp_path, name, old, error, message, no_leaks):
    one, _, _ = tables(tmp_path)
    (tmp_path / name).write_bytes(old)
    with pytest.raises(error, match=message):
        arrowsmith.open(one).write(tmp_path / name, append=True)
    assert (tmp_path / name).read_bytes() == old


@pytest.mark.parametrize("suffix", ["parquet", "arrows"])
def test_other_types(tmp_path, suffix):
    one, two, _ = tables(tmp_path)
    out = tmp_path / f"out.{suffix}"
    arrowsmith.open(one).write(out)
    before = out.read_bytes()
    with pytest.raises(SchemaMismatch, match=r"id int64, text string and not id int32, text"):
        arrowsmith.open(two).cast({"id": "int32"}).write(out, append=True)
    assert out.read_bytes() == before


@pytest.mark.parametrize("suffix", READERS)
def test_an_error_leaves_the_file_as_it_was(tmp_path, suffix, no_leaks):
    one, two, _ = tables(tmp_path)
    out = tmp_path / f"out.{suffix}"
    arrowsmith.open(one).write(out)
    before = out.read_bytes()

    def fail(batch: pa.RecordBatch) -> pa.RecordBatch:
        if batch.num_rows:
            raise ValueError("no more")
        return batch

    with pytest.raises(ValueError, match="no more"):
        arrowsmith.open(two).map(fail).write(out, append=True)
    assert out.read_bytes() == before


def test_a_file_that_changes_meanwhile_is_not_replaced(tmp_path):
    one, two, _ = tables(tmp_path)
    out = tmp_path / "out.csv"
    arrowsmith.open(one).write(out)

    def other(batch: pa.RecordBatch) -> pa.RecordBatch:
        if batch.num_rows:
            with out.open("a") as file:
                file.write("1,other\n")
        return batch

    with pytest.raises(ArrowsmithError, match="change"):
        arrowsmith.open(two).map(other).write(out, append=True)
    assert out.read_text().endswith("1,other\n")


@pytest.mark.parametrize("old", [None, b"", b"id,text\n-1,old\n"])
def test_of_two_runs_that_append_at_once_none_loses_its_rows(tmp_path, old):
    one, two, _ = tables(tmp_path)
    out = tmp_path / "out.csv"
    if old is not None:
        out.write_bytes(old)

    def meanwhile(batch: pa.RecordBatch) -> pa.RecordBatch:
        if batch.num_rows:
            arrowsmith.open(one).write(out, append=True)
        return batch

    with pytest.raises(ArrowsmithError, match="run again"):
        arrowsmith.open(two).map(meanwhile).write(out, append=True)
    ids = [-1] * bool(old) + list(range(1000))
    assert pacsv.read_csv(out)["id"].to_pylist() == ids


def test_a_file_that_another_program_has_locked_is_not_replaced(tmp_path):
    one, two, _ = tables(tmp_path)
    out = tmp_path / "out.csv"
    arrowsmith.open(one).write(out)
    before = out.read_bytes()
    with out.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(TargetError, match="is locked by another program"):
            arrowsmith.open(two).write(out, append=True)
    assert out.read_bytes() == before
    arrowsmith.open(two).write(out, append=True)
    assert pacsv.read_csv(out).num_rows == 1700


def test_another_line_end_is_seen_in_the_error(tmp_path):
    one, _, _ = tables(tmp_path)
    out = tmp_path / "out.csv"
    out.write_bytes(b"id,text\r\n1,x\r\n")
    with pytest.raises(SchemaMismatch, match=r"'id,text\\r' and not 'id,text'"):
        arrowsmith.open(one).write(out, append=True)
    arrowsmith.open(one).write(out, append=True, line_end="crlf")
    assert pacsv.read_csv(out).num_rows == 1001


def test_a_file_is_not_appended_to_itself(tmp_path):
    one, _, _ = tables(tmp_path)
    with pytest.raises(TargetError, match="is also a source"):
        arrowsmith.open(one).write(one, append=True)


def test_a_full_disk(tmp_path):
    one, two, _ = tables(tmp_path)
    out = tmp_path / "out.csv"
    arrowsmith.open(one).write(out)
    before = out.read_bytes()
    code = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, ({len(before) + 100},) * 2)
from arrowsmith.cli import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "convert", two, out, "--append"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "no space left" in done.stderr
    assert out.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "one.parquet",
        "out.csv",
        "two.parquet",
    ]


# --- directories ---------------------------------------------------------------------------------


def test_a_directory_gets_new_files(tmp_path, no_leaks):
    one, two, both = tables(tmp_path)
    out = tmp_path / "out"
    arrowsmith.open(one).write(out, rows_per_file=400, format="parquet")
    arrowsmith.open(two).write(out, append=True, rows_per_file=400)
    assert sorted(path.name for path in out.iterdir()) == [
        f"part-{i:05d}.parquet" for i in range(5)
    ]
    assert pads.dataset(out).to_table().combine_chunks().equals(both)
    arrowsmith.open(two).limit(0).write(out, append=True)
    assert len(list(out.iterdir())) == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "csv"}, "'part-00000.parquet', which is no file of format csv"),
        ({"partition_by": "id"}, "is partitioned by nothing, not by id"),
    ],
)
def test_what_is_added_is_laid_out_like_what_is_there(tmp_path, options, message):
    one, two, _ = tables(tmp_path)
    arrowsmith.open(one).write(f"{tmp_path}/out.parquet/")
    with pytest.raises(TargetError, match=message):
        arrowsmith.open(two).write(f"{tmp_path}/out.parquet/", append=True, **options)
    assert len(list((tmp_path / "out.parquet").iterdir())) == 1


def test_partitions_get_new_files(tmp_path):
    one, two, both = tables(tmp_path)
    for source in (one, two):
        ds = arrowsmith.open(source).map(
            lambda batch: batch.append_column(
                "half", pa.array([value % 2 for value in batch["id"].to_pylist()], pa.int64())
            )
        )
        ds.write(tmp_path / "out", append=True, partition_by="half", format="parquet")
    assert sorted(str(p.relative_to(tmp_path)) for p in (tmp_path / "out").rglob("*.parquet")) == [
        f"out/half={half}/part-{i:05d}.parquet" for half in (0, 1) for i in (0, 1)
    ]
    read = pads.dataset(tmp_path / "out", partitioning="hive").to_table()
    assert read.sort_by("id").select(["id", "text"]).combine_chunks().equals(both)


@pytest.mark.parametrize("there", [True, False])
def test_runs_that_append_to_a_directory_at_once_both_add_their_files(tmp_path, there):
    out = tmp_path / "out"
    names = ["part-00000.csv", "k=1/part-00000.csv", "part-00001.csv", "k=1/part-00001.csv"]
    if there:
        (out / "k=1").mkdir(parents=True)
        for name in names[:2]:
            (out / name).write_text("old")
    with (
        directory.DirectoryTarget(out, append=True) as one,
        directory.DirectoryTarget(out, append=True) as two,
    ):
        for target, content in ((one, b"one"), (two, b"two")):
            for folder in ("", "k=1"):
                name = parts.part_name(target.next_number(folder), ".csv")
                with target.part(str(Path(folder, name))) as part:
                    part.open().write(content)
                    part.finish()
            target.finish()
        two.publish()
        one.publish()
    wanted = ["old", "two", "one"] if there else ["two", "one"]
    for folder in (out, out / "k=1"):
        files = sorted(path for path in folder.iterdir() if path.is_file())
        assert [path.name for path in files] == [f"part-{i:05d}.csv" for i in range(len(wanted))]
        assert [path.read_text() for path in files] == wanted
    assert list(tmp_path.iterdir()) == [out]


def test_an_error_half_way_takes_back_the_files_that_were_moved(tmp_path, monkeypatch):
    one, two, _ = tables(tmp_path)
    out = tmp_path / "out"
    arrowsmith.open(one).write(out, rows_per_file=400, format="parquet")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    rename = os.rename

    def failing(source: str, target: str) -> None:
        if target == str(out / "part-00004.parquet"):
            raise OSError(5, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(TargetError, match="Input/output error"):
        arrowsmith.open(two).write(out, append=True, rows_per_file=400)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.parquet", "out", "two.parquet"]


def test_appending_more_than_a_hundred_thousand_files(tmp_path):
    with directory.DirectoryTarget(tmp_path / "out") as target:
        with target.part("part-00000.csv") as part:
            part.open()
            part.finish()
        target.finish()
        target.publish()
    with directory.DirectoryTarget(tmp_path / "out", append=True) as target:
        for number in (1, 99_999, 100_000):
            with target.part(parts.part_name(number, ".csv")) as part:
                part.open()
                part.finish()
        target.finish()
        target.publish()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "part-00000.csv",
        "part-000001.csv",
        "part-099999.csv",
        "part-100000.csv",
    ]


def test_what_is_hidden_does_not_tell_the_layout(tmp_path):
    one, two, both = tables(tmp_path)
    out = tmp_path / "out"
    arrowsmith.open(one).write(out, partition_by="text", format="parquet")
    for hidden in (".checkpoints", "_log"):
        (out / hidden).mkdir()
        (out / hidden / "0.json").write_text("{}")
    arrowsmith.open(two).write(out, partition_by="text", append=True)
    assert arrowsmith.open(out).to_table().sort_by("id").equals(both)
