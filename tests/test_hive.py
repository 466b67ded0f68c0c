"""Hive-partitioned directories, compared with DuckDB, pyarrow and Polars."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import duckdb
import polars
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import arrowsmith
from arrowsmith.errors import DataError, OptionError, SourceError, SourceNotFound
from arrowsmith.inputs.hive import inferred_type

NULL = "__HIVE_DEFAULT_PARTITION__"


def put(root: Path, place: str, table: pa.Table) -> Path:
    path = root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        path.write_text("\n".join([",".join(table.schema.names), *map(line, table.to_pylist())]))
    else:
        pq.write_table(table, path, row_group_size=2)
    return path


def line(row: dict[str, object]) -> str:
    return ",".join(map(str, row.values()))


def rows(*numbers: int) -> pa.Table:
    return pa.table({"x": pa.array(numbers, pa.int64())})


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two years, three languages, three rows in each of six files."""
    root = tmp_path / "data"
    for year in (2023, 2024):
        for number, lang in enumerate(("de", "en", "fr")):
            first = year * 10 + number * 3
            put(root, f"year={year}/lang={lang}/part-0.parquet", rows(first, first + 1, first + 2))
    return root


def by_duckdb(pattern: Path, options: str = "") -> list[dict[str, object]]:
    found = duckdb.sql(
        f"from read_parquet('{pattern}', hive_partitioning=true{options}) order by x"
    )
    return found.to_arrow_table().to_pylist()


def in_order(table: pa.Table) -> list[dict[str, object]]:
    return table.sort_by("x").to_pylist()


# --- columns -------------------------------------------------------------------------------------


def test_directories_become_columns_behind_those_of_the_files(tree, no_leaks):
    ds = arrowsmith.open(tree)
    assert ds.schema.names == ["x", "year", "lang"]
    assert ds.schema.types == [pa.int64(), pa.int64(), pa.string()]
    assert in_order(ds.to_table()) == by_duckdb(tree / "*/*/*.parquet")
    judge = polars.read_parquet(tree / "**/*.parquet", hive_partitioning=True).to_arrow()
    assert in_order(ds.to_table()) == in_order(judge)
    judge = pyarrow.dataset.dataset(tree, partitioning="hive").to_table()
    assert in_order(ds.to_table()) == in_order(judge)


@pytest.mark.parametrize("naming", ["directory", "glob", "list", "relative"])
def test_every_way_of_naming_them_gives_the_same(naming, tree, monkeypatch):
    monkeypatch.chdir(tree.parent)
    names = {
        "directory": tree,
        "glob": f"{tree}/year=*/*/*.parquet",
        "list": sorted(tree.rglob("*.parquet")),
        "relative": "data",
    }
    assert arrowsmith.open(names[naming]).to_table().equals(arrowsmith.open(tree).to_table())


def test_files_come_in_the_order_of_their_paths(tree):
    files = arrowsmith.open(tree).files
    assert files == sorted(map(str, tree.rglob("*.parquet")))


def test_it_can_be_turned_off(tree):
    assert arrowsmith.open(tree, hive_partitioning=False).schema.names == ["x"]


def test_text_files_are_partitioned_as_well(tmp_path):
    put(tmp_path, "day=2024-02-29/a.csv", rows(1))
    put(tmp_path, "day=2024-03-01/a.csv", rows(2))
    table = arrowsmith.open(tmp_path).to_table()
    expected = duckdb.sql(
        f"select x, day from read_csv('{tmp_path}/*/*.csv', hive_partitioning=true) order by x"
    ).to_arrow_table()
    assert table.to_pydict() == expected.to_pydict()
    assert table.schema.field("day").type == pa.date32()


def test_values_are_decoded_and_null_is_null(tmp_path):
    values = ["a/b", "ü = 1", "100%", "", NULL]
    for number, value in enumerate(values):
        put(tmp_path, f"key={quote(value, safe='')}/a.parquet", rows(number))
    table = arrowsmith.open(tmp_path).to_table()
    assert in_order(table) == [
        {"x": 0, "key": "a/b"},
        {"x": 1, "key": "ü = 1"},
        {"x": 2, "key": "100%"},
        {"x": 3, "key": ""},
        {"x": 4, "key": None},
    ]
    written = tmp_path.parent / f"{tmp_path.name}-judge"
    pyarrow.dataset.write_dataset(
        table, written, format="parquet", partitioning=["key"], partitioning_flavor="hive"
    )
    back = in_order(arrowsmith.open(written).to_table())
    assert [row["key"] or None for row in back] == [row["key"] or None for row in in_order(table)]


# --- types ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "20", "-3"], pa.int64()),
        (["9223372036854775807", "-9223372036854775808"], pa.int64()),
        (["9223372036854775808"], pa.string()),
        (["007", "1"], pa.string()),
        (["-0"], pa.string()),
        (["+1"], pa.string()),
        (["1", NULL], pa.int64()),
        ([NULL], pa.string()),
        (["1.5"], pa.string()),
        (["2024-01-31"], pa.date32()),
        (["2024-02-30"], pa.string()),
        (["2024-1-1"], pa.string()),
        (["true", "false"], pa.bool_()),
        (["True"], pa.string()),
        (["١"], pa.string()),
    ],
)
def test_types_of_values(values, kind, tmp_path):
    for number, value in enumerate(values):
        put(tmp_path, f"key={value}/a.parquet", rows(number))
    table = arrowsmith.open(tmp_path).to_table().sort_by("x")
    assert table.schema.field("key").type == kind
    texts = [None if value == NULL else value for value in values]
    assert table["key"].cast(pa.string()).to_pylist() == texts


@given(st.lists(st.none() | st.text(max_size=8) | st.from_regex(r"[-+0-9]{1,20}", fullmatch=True)))
def test_a_type_gives_every_text_back(values):
    kind = inferred_type(values)
    array = pa.array(values, pa.string())
    assert array.cast(kind).cast(pa.string()).equals(array)


@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1), min_size=1))
def test_integers_are_seen_as_such(numbers):
    assert inferred_type(map(str, numbers)) == pa.int64()


@given(st.lists(st.dates(), min_size=1))
def test_dates_are_seen_as_such(days):
    assert inferred_type([day.isoformat() for day in days]) == pa.date32()


def test_types_can_be_given(tree):
    ds = arrowsmith.open(tree, partition_types={"year": "int16", "lang": pa.large_string()})
    assert ds.schema.types == [pa.int64(), pa.int16(), pa.large_string()]
    judge = by_duckdb(tree / "*/*/*.parquet", ", hive_types={'year': smallint}")
    assert in_order(ds.to_table()) == judge


@pytest.mark.parametrize(
    ("types", "error", "message"),
    [
        ({"yaer": "int8"}, OptionError, "did you mean 'year'"),
        ({"lang": "int8"}, SourceError, "its directory lang=de is no int8"),
        ({"year": "int8"}, SourceError, "year=2023 is no int8"),
        ({"year": pa.list_(pa.int8())}, OptionError, "is no type for a key"),
    ],
)
def test_types_that_do_not_fit(types, error, message, tree):
    with pytest.raises(error, match=message):
        arrowsmith.open(tree, partition_types=types)


# --- what does not fit together ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (("a=1/x.parquet", "b=1/x.parquet"), "give the keys b where"),
        (("a=1/x.parquet", "a=2/b=1/x.parquet"), "give the keys a, b where"),
        (("a=1/x.parquet", "x.parquet"), "give no keys where"),
        (("a=1/a=2/x.parquet",), "two of its directories give the key 'a'"),
        (("a=%ff/x.parquet",), "is not UTF-8 text"),
    ],
)
def test_directories_that_do_not_fit_together(places, message, tmp_path):
    paths = [put(tmp_path, place, rows(number)) for number, place in enumerate(places)]
    with pytest.raises(SourceError, match=message) as caught:
        arrowsmith.open(tmp_path, hive_partitioning=True)
    assert str(caught.value).startswith(str(paths[-1]))
    with pytest.warns(UserWarning, match=message):
        ds = arrowsmith.open(tmp_path)
    assert ds.schema.names == ["x"]
    assert ds.count() == len(places)


def test_to_insist_on_keys_where_there_are_none_is_an_error(tmp_path):
    put(tmp_path, "a/x.parquet", rows(1))
    with pytest.raises(SourceError, match="no directories like key=value"):
        arrowsmith.open(tmp_path, hive_partitioning=True)
    assert arrowsmith.open(tmp_path).schema.names == ["x"]


def test_a_column_of_the_file_gives_way_to_an_equal_directory(tmp_path):
    for year in (2023, 2024):
        table = pa.table({"year": pa.array([year] * 2, pa.int32()), "x": [year, year + 10]})
        put(tmp_path, f"year={year}/a.parquet", table)
    ds = arrowsmith.open(tmp_path)
    assert ds.schema.names == ["x", "year"]
    assert in_order(ds.to_table()) == in_order(
        pa.Table.from_pylist(by_duckdb(tmp_path / "*/*.parquet")).select(["x", "year"])
    )
    assert ds.filter("year = 2024").to_table()["x"].to_pylist() == [2024, 2034]


@pytest.mark.parametrize("values", [[2024, 2025], [2024, None], ["2024", "x"]])
def test_a_column_that_contradicts_its_directory_is_an_error(values, tmp_path):
    path = put(tmp_path, "year=2024/a.parquet", pa.table({"year": values, "x": [1, 2]}))
    ds = arrowsmith.open(tmp_path)
    with pytest.raises(DataError, match="column 'year' has another value than its directory"):
        ds.to_table()
    assert ds.select("x").to_table()["x"].to_pylist() == [1, 2]
    off = arrowsmith.open(tmp_path, hive_partitioning=False).to_table()
    assert off["year"].to_pylist() == values
    assert str(path) in ds.files


# --- conditions ----------------------------------------------------------------------------------

CONDITIONS: list[tuple[str, int]] = [
    ("year = 2024", 3),
    ("year = 2024 and lang = 'en'", 1),
    ("year = 2024 and x > 20245", 3),
    ("lang like 'f%'", 2),
    ("year > 2023 or x < 20232", 6),
    ("year > 2030 and x > 0", 0),
    ("not lang in ('de', 'en')", 2),
    ("lang is null", 0),
]


@pytest.mark.parametrize(("condition", "files"), CONDITIONS)
def test_files_that_cannot_match_are_left_out(condition, files, tree, no_leaks):
    ds = arrowsmith.open(tree).filter(condition)
    shown = f"  files: {files} of 6" in ds.explain().splitlines()
    assert shown == (files < 6)
    for path in tree.rglob("*.parquet"):  # what is left out is not touched: it may be gone
        year, lang = path.parts[-3].split("=")[1], path.parts[-2].split("=")[1]
        known = duckdb.sql(
            f"select {condition.replace('x > 20245', 'true').replace('x > 0', 'true')}"
            f" from (select {year} as year, '{lang}' as lang, 20230 as x)"
        ).fetchall()
        if not known[0][0] and "or" not in condition:
            path.unlink()
    expected = (
        duckdb.sql(
            f"select * from read_parquet({[str(p) for p in tree.rglob('*.parquet')] or ['none']}, "
            f"hive_partitioning=true) where {condition} order by x"
        )
        if files
        else None
    )
    found = in_order(ds.to_table())
    assert found == (expected.to_arrow_table().to_pylist() if expected else [])


def test_an_expression_leaves_out_files_too(tree):
    ds = arrowsmith.open(tree).filter(pc.field("year") == 2024).filter("lang = 'de'")
    assert "  files: 1 of 6" in ds.explain().splitlines()
    assert ds.to_table()["x"].to_pylist() == [20240, 20241, 20242]


def test_row_groups_are_still_left_out_by_the_rest(tree):
    stats = arrowsmith.RunStats()
    ds = arrowsmith.open(tree).filter("year = 2024 and lang = 'en' and x >= 20245")
    found = pa.Table.from_batches(ds.batches(stats=stats), schema=ds.schema)
    assert found["x"].to_pylist() == [20245]
    assert stats.rows_in == 1  # of two row groups, the second


def test_the_path_of_a_file_is_a_condition_like_any(tree):
    wanted = tree / "year=2023/lang=fr/part-0.parquet"
    ds = arrowsmith.open(tree, file_path_column="file").filter(f"file = '{wanted}'")
    assert "  files: 1 of 6" in ds.explain().splitlines()
    assert ds.select("x").to_table()["x"].to_pylist() == [20236, 20237, 20238]


def test_a_file_that_lacks_a_column_is_left_out_by_a_condition_on_it(tmp_path):
    one = put(tmp_path, "a.parquet", rows(1))
    put(tmp_path, "b.parquet", pa.table({"x": [2], "y": [3]}))
    ds = arrowsmith.open(tmp_path).filter("y > 0")
    one.unlink()
    assert ds.to_table().to_pydict() == {"x": [2], "y": [3]}


@pytest.mark.parametrize(
    "query",
    [
        lambda ds: ds.select("lang", "year"),
        lambda ds: ds.select("year").filter("year = 2024"),
        lambda ds: ds.rename({"year": "y"}).filter("y = 2024").select("y"),
        lambda ds: ds.filter("lang = 'en'").select("year").limit(4),
        lambda ds: ds.filter("lang = 'none'").select("year"),
    ],
)
def test_a_query_of_directories_alone(query: Callable[..., arrowsmith.Dataset], tree):
    whole = arrowsmith.open(tree, hive_partitioning=True)
    judge = query(arrowsmith.open(put(tree.parent, "all.parquet", whole.to_table())))
    assert query(whole).to_table().equals(judge.to_table())
    assert query(whole).count() == judge.to_table().num_rows


def test_a_dataset_is_read_again_without_opening_files_that_cannot_match(tree):
    ds = arrowsmith.open(tree)
    assert ds.count() == 18
    assert ds.to_table().num_rows == 18
    (tree / "year=2023/lang=de/part-0.parquet").unlink()
    assert ds.filter("year = 2024").to_table().num_rows == 9
    with pytest.raises(SourceNotFound):
        ds.to_table()


# --- the command line ----------------------------------------------------------------------------


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "arrowsmith", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_commands_read_partitions(tree, tmp_path):
    target = tmp_path / "out.parquet"
    done = run("convert", tree, target, "--where", "year = 2023 and x > 20235")
    assert done.returncode == 0, done.stderr
    assert pq.read_table(target).to_pydict() == {
        "x": [20236, 20237, 20238],
        "year": [2023] * 3,
        "lang": ["fr"] * 3,
    }
    told = json.loads(run("info", tree, "--no-hive-partitioning", "--json").stdout)
    assert [column["name"] for column in told["columns"]] == ["x"]
    put(tree, "extra.parquet", rows(1))
    failed = run("count", "--hive-partitioning", tree)
    assert failed.returncode == 1
    assert "give the keys year, lang where those of" in failed.stderr
