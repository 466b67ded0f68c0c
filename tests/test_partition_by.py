"""Hive-partitioned output, judged by pyarrow, DuckDB and Polars."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import psutil
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import arrowsmith
from arrowsmith import PipelineConfig
from arrowsmith.errors import DataError, OptionError, SchemaMismatch, UsageError
from faults.measure import measure

NULL = "__HIVE_DEFAULT_PARTITION__"


def contents(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def hive(folder: Path, schema: pa.Schema, by: list[str]) -> pa.Table:
    """What pyarrow reads, in the order of ``id``."""
    keys = pa.schema([schema.field(name) for name in by])
    layout = pads.partitioning(keys, flavor="hive")
    return pads.dataset(folder, partitioning=layout).to_table().select(schema.names).sort_by("id")


@pytest.fixture
def table() -> pa.Table:
    random = np.random.default_rng(3)
    count = 20_000
    langs = [None, "en", "de", "a/b", "..", "", "ü 100%"]
    days = [None, *(dt.date(2024, 5, day) for day in range(1, 4))]
    return pa.table(
        {
            "id": pa.array(np.arange(count)),
            "lang": pa.array([langs[i] for i in random.integers(0, 7, count)]),
            "day": pa.array([days[i] for i in random.integers(0, 4, count)], pa.date32()),
            "ok": pa.array(random.random(count) < 0.5),
            "n": pa.array(random.integers(-3, 3, count), pa.int16()),
            "text": pa.array(["x" * int(i) for i in random.integers(0, 90, count)]),
        }
    )


@pytest.fixture
def source(tmp_path, table) -> Path:
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=3_001)
    return tmp_path / "in.parquet"


# --- what comes back -----------------------------------------------------------------------------


@pytest.mark.parametrize("by", [["lang"], ["day"], ["ok"], ["n"], ["day", "lang", "n"]])
def test_others_read_the_same_table(source, table, tmp_path, by, no_leaks):
    out = tmp_path / "out"
    stats = arrowsmith.open(source).write(out, partition_by=by, format="parquet")
    assert stats.rows_out == table.num_rows
    assert hive(out, table.schema, by).equals(table)
    first = next(out.rglob("*.parquet"))
    assert pq.ParquetFile(first).schema_arrow.names == [
        name for name in table.schema.names if name not in by
    ]
    types = {name: pl.Schema(table.schema)[name] for name in by}
    frame = pl.scan_parquet(out, hive_partitioning=True, hive_schema=types).collect()
    assert frame.select(table.schema.names).sort("id").equals(pl.from_arrow(table))


def test_arrowsmith_reads_it(source, table, tmp_path):
    arrowsmith.open(source).write(tmp_path / "out", partition_by=["day", "n"], format="parquet")
    read = arrowsmith.open(tmp_path / "out").cast({"n": "int16"}).to_table()
    assert read.select(table.schema.names).sort_by("id").equals(table)


def test_duckdb_reads_it(source, table, tmp_path):
    arrowsmith.open(source).write(tmp_path / "out", partition_by="lang", format="parquet")
    read = duckdb.sql(
        f"select id, lang from read_parquet('{tmp_path}/out/**/*.parquet',"
        " hive_partitioning = true, hive_types = {'lang': varchar}) order by id"
    ).fetchall()
    assert [lang for _, lang in read] == table["lang"].to_pylist()


def test_the_order_of_rows_is_kept_in_each_partition(source, table, tmp_path):
    arrowsmith.open(source).write(
        tmp_path / "out", partition_by="lang", format="parquet", rows_per_file=500
    )
    for folder in (tmp_path / "out").iterdir():
        parts = [pq.ParquetFile(path).read() for path in sorted(folder.iterdir())]
        assert [part.num_rows for part in parts[:-1]] == [500] * (len(parts) - 1)
        ids = pa.concat_tables(parts)["id"].to_pylist()
        assert ids == sorted(ids)
    assert hive(tmp_path / "out", table.schema, ["lang"]).equals(table)


def test_many_columns_of_many_values(tmp_path):
    """Their combinations are more than 64 bits can number."""
    count = 3000
    columns = {f"k{i}": [f"v{row % 100}" for row in range(count)] for i in range(12)}
    table = pa.table({**columns, "id": range(count)})
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=700)
    arrowsmith.open(tmp_path / "in.parquet").write(
        tmp_path / "out", partition_by=list(columns), format="parquet"
    )
    assert hive(tmp_path / "out", table.schema, list(columns)).equals(table)


@pytest.mark.parametrize("name", [".k", "_k", "..", "_", "a/b", "a=b", "%41", "ü"])
def test_names_of_columns_that_would_hide_their_directories(name, tmp_path):
    table = pa.table({"id": [0, 1, 2], name: ["a", None, "b"]})
    pq.write_table(table, tmp_path / "in.parquet")
    arrowsmith.open(tmp_path / "in.parquet").write(
        tmp_path / "out", partition_by=[name], format="parquet"
    )
    assert hive(tmp_path / "out", table.schema, [name]).equals(table)
    assert arrowsmith.open(tmp_path / "out").to_table().sort_by("id").equals(table)


def test_csv_too(source, tmp_path):
    arrowsmith.open(source).select("id", "n").write(
        tmp_path / "out", partition_by=["n"], format="csv"
    )
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"n={n}" for n in ("-1", "-2", "-3", "0", "1", "2")
    ]
    assert (tmp_path / "out/n=2/part-00000.csv").read_text().startswith("id\n")


def test_dictionaries_and_other_string_types(tmp_path):
    values = pa.array(["b", None, "a", "b"])
    kinds = [pa.dictionary(pa.int8(), pa.string()), pa.large_string(), pa.string_view()]
    for number, kind in enumerate(kinds):
        path = tmp_path / f"{number}.arrow"
        table = pa.table({"k": values.cast(kind), "id": [0, 1, 2, 3], "d": values})
        table = table.set_column(2, "d", values.dictionary_encode())
        with pa.ipc.new_file(path, table.schema) as out:
            out.write_table(table)
        arrowsmith.open(path).write(tmp_path / f"out{number}", partition_by="k", format="parquet")
        found = hive(
            tmp_path / f"out{number}", pa.schema([("k", pa.string()), ("id", pa.int64())]), ["k"]
        )
        assert found["k"].to_pylist() == ["b", None, "a", "b"]


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).filter(lambda x: x != NULL)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.none() | text, min_size=1, max_size=30))
def test_any_text_comes_back(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("text")
    table = pa.table({"id": range(len(values)), "key": pa.array(values, pa.string())})
    pq.write_table(table, folder / "in.parquet")
    arrowsmith.open(folder / "in.parquet").write(
        folder / "out", partition_by="key", format="parquet"
    )
    assert hive(folder / "out", table.schema, ["key"]).equals(table)
    assert {path.parent for path in (folder / "out").iterdir()} == {folder / "out"}


def test_a_column_whose_name_is_strange(tmp_path):
    table = pa.table({"a/b=c": ["x", "y"], "id": [0, 1]})
    pq.write_table(table, tmp_path / "in.parquet")
    arrowsmith.open(tmp_path / "in.parquet").write(
        tmp_path / "out", partition_by="a/b=c", format="parquet"
    )
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "a%2Fb%3Dc=x",
        "a%2Fb%3Dc=y",
    ]


# --- what cannot be ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (["x" * 300], DataError, "a value of 300 characters .*, too long for the name"),
        (["ü" * 60], DataError, "too long for the name of a directory"),
        ([NULL], DataError, "stands for null in partitions"),
        ([0.5], SchemaMismatch, "'key' of type double cannot name directories"),
        ([[1]], SchemaMismatch, "cannot name directories"),
        ([dt.datetime(2024, 1, 1)], SchemaMismatch, "cannot name directories"),
        ([b"x"], SchemaMismatch, "cannot name directories"),
    ],
)
def test_values_that_are_no_directory(tmp_path, values, error, message):
    pq.write_table(pa.table({"key": values, "id": [1]}), tmp_path / "in.parquet")
    with pytest.raises(error, match=message):
        arrowsmith.open(tmp_path / "in.parquet").write(
            tmp_path / "out", partition_by="key", format="parquet"
        )
    assert names(tmp_path) == ["in.parquet"]


def test_columns_that_are_not_there(source, tmp_path):
    with pytest.raises(UsageError, match="lang"):
        arrowsmith.open(source).write(tmp_path / "out", partition_by="lnag", format="csv")
    with pytest.raises(OptionError, match="nothing is left for the files"):
        arrowsmith.open(source).select("ok").write(
            tmp_path / "out", partition_by="ok", format="csv"
        )


def test_a_column_of_too_many_values_is_named(source, tmp_path):
    with pytest.raises(OptionError, match=r"more than 100 directories; column 'id' has .*--max-"):
        arrowsmith.open(source).write(
            tmp_path / "out", partition_by=["ok", "id"], format="csv", max_partitions=100
        )
    assert not (tmp_path / "out").exists()


def test_exactly_as_many_as_are_allowed(source, tmp_path):
    arrowsmith.open(source).limit(100).write(
        tmp_path / "out", partition_by="id", format="arrow", max_partitions=100
    )
    assert len(names(tmp_path / "out")) == 100


# --- determinism, memory, open files -------------------------------------------------------------


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    """About 100 MB as Arrow, over 2,000 partitions of which one has a quarter of the rows."""
    random = np.random.default_rng(4)
    path = tmp_path_factory.mktemp("large") / "in.parquet"
    schema = pa.schema(
        [("id", pa.int64()), ("key", pa.int32()), ("x", pa.float64()), ("text", pa.string())]
    )
    texts = pa.array([f"{i:040d}" for i in range(5_000)])
    with pq.ParquetWriter(path, schema) as out:
        for group in range(30):
            count = 50_000
            keys = random.integers(0, 2_000, count, np.int32)
            keys[random.random(count) < 0.25] = 7
            ids = np.arange(count) + group * count
            columns = [
                pa.array(ids),
                pa.array(keys),
                pa.array(random.random(count)),
                texts.take(pa.array(random.integers(0, 5_000, count))),
            ]
            out.write_batch(pa.record_batch(columns, schema=schema))
    return path


def test_same_bytes_for_any_threads_batches_and_budget(source, tmp_path):
    seen = []
    for number, (threads, rows, budget) in enumerate(
        [(1, 65_536, "1GB"), (4, 100, "64MB"), (2, 7_777, "256MB")]
    ):
        out = tmp_path / f"out{number}"
        arrowsmith.open(source).write(
            out,
            partition_by=["lang", "n"],
            rows_per_file=300,
            format="parquet",
            budget=budget,
            config=PipelineConfig(worker_threads=threads, batch_rows=rows),
        )
        seen.append(contents(out))
    assert len(seen[0]) > 80
    assert seen[0] == seen[1] == seen[2]


def test_many_partitions_within_the_budget(large, tmp_path, monkeypatch):
    budget = 64 << 20
    given = {
        "source": str(large),
        "target": f"{tmp_path}/out/",
        "partition_by": "key",
        "format": "parquet",
        "budget": budget,
        "threads": 2,
    }
    done = measure("write", given)
    assert done.code == 0, done.stderr
    assert done.growth <= budget
    assert done.report["rows"] == 1_500_000
    before = psutil.Process().num_fds()
    arrowsmith.open(large).write(
        tmp_path / "again", partition_by="key", format="parquet", budget="2GB"
    )
    assert psutil.Process().num_fds() == before
    assert contents(tmp_path / "out") == contents(tmp_path / "again")
    read = duckdb.sql(
        f"select count(*), sum(id), sum(hash(id, key)) from read_parquet("
        f"'{tmp_path}/out/**/*.parquet', hive_partitioning = true, hive_types = {{'key': int}})"
    ).fetchall()
    assert (
        read
        == duckdb.sql(f"select count(*), sum(id), sum(hash(id, key)) from '{large}'").fetchall()
    )


def test_a_full_disk_leaves_nothing(source, tmp_path):
    code = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
from arrowsmith.cli import main
main()
"""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            code,
            "convert",
            source,
            tmp_path / "out",
            "--to",
            "csv",
            "--partition-by",
            "ok",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "no space left" in done.stderr
    assert names(tmp_path) == ["in.parquet"]
