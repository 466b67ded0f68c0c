"""``with_column`` on numbers, texts and times at the edges of their types."""

from __future__ import annotations

import datetime

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import arrowsmith
from arrowsmith.errors import DataError, PredicateError

LARGE = 2**64 - 1


def computed(folder, table, *formulas):
    pq.write_table(table, folder / "in.parquet")
    ds = arrowsmith.open(folder / "in.parquet")
    found = [ds.with_column("result", text).to_table()["result"] for text in formulas]
    return [one.to_pylist() for one in found]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("u > 1", [True, None, False]),
        ("1 < u", [True, None, False]),
        ("u = 18446744073709551615", [True, None, False]),
        ("u % 2", [1, None, 0]),
        ("u - 0", [LARGE, None, 0]),
        ("float(u)", [float(LARGE), None, 0.0]),
    ],
)
def test_unsigned_integers_beyond_63_bits(tmp_path, text, wanted):
    table = pa.table({"u": pa.array([LARGE, None, 0], pa.uint64())})
    assert computed(tmp_path, table, text) == [wanted]


def test_unsigned_integers_overflow_with_an_error_whose_advice_works(tmp_path):
    table = pa.table({"u": pa.array([LARGE], pa.uint64()), "i": [2**63 - 1]})
    for text, advised in (("u + 1", "float(u) + 1"), ("i + 1", "float(i) + 1")):
        with pytest.raises(DataError, match=r"use float\(...\)"):
            computed(tmp_path, table, text)
        assert computed(tmp_path, table, advised)[0][0] in (2.0**64, 2.0**63)


def test_if_takes_a_condition_that_is_null_for_false_as_sql_does(tmp_path):
    table = pa.table({"x": [1.0, None, 3.0]})
    frame = pl.DataFrame(table)
    wanted = duckdb.sql("select if(x > 2, 'high', 'low') as y from frame")
    polars = frame.select(pl.when(pl.col("x") > 2).then(pl.lit("high")).otherwise(pl.lit("low")))
    found = computed(tmp_path, table, "if(x > 2, 'high', 'low')")[0]
    assert found == [row[0] for row in wanted.fetchall()] == polars["literal"].to_list()


def test_texts_beside_zoned_times_mean_what_they_mean_in_a_filter(tmp_path):
    zone = pa.timestamp("us", "Europe/Berlin")
    moments = [datetime.datetime(2023, 12, 31, hour, tzinfo=datetime.UTC) for hour in (22, 23)]
    table = pa.table({"t": pa.array([*moments, None], zone), "d": [datetime.date(2024, 1, 1)] * 3})
    wanted = [[False, True, None], [False, True, None], [True] * 3, [False] * 3]
    texts = [
        "t >= '2024-01-01'",
        "'2023-12-31T23:00Z' <= t",
        "d = '2024-01-01'",
        "d = '2024-01-01 12:00'",
    ]
    assert computed(tmp_path, table, *texts) == wanted
    ds = arrowsmith.open(tmp_path / "in.parquet")
    assert ds.filter(texts[0]).count() == 1
    with pytest.raises(PredicateError, match="is not a time"):
        computed(tmp_path, table, "t > 'noon'")


def test_texts_of_several_layouts_are_joined(tmp_path):
    kinds = {"a": pa.string(), "b": pa.large_string(), "c": pa.string_view()}
    table = pa.table({name: pa.array([name, None], kind) for name, kind in kinds.items()})
    table = table.append_column("d", pa.array([b"123", None], pa.binary(3)))
    with pa.ipc.new_file(tmp_path / "in.arrow", table.schema) as out:
        out.write_table(table)
    ds = arrowsmith.open(tmp_path / "in.arrow")
    found = ds.with_column("x", "concat(a, b, '-', c)").with_column("n", "length(d)").to_table()
    assert found["x"].to_pylist() == ["ab-c", None]
    assert found["n"].to_pylist() == [3, None]
