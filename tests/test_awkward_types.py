"""Verbs on columns of types that Arrow has few kernels for: views, runs, nulls in dictionaries.

Polars writes texts as string views, so that they are in many files.
"""

from __future__ import annotations

import datetime

import polars as pl
import pyarrow as pa
import pytest

import arrowsmith
from arrowsmith.errors import DataError

TEXTS = ["a", None, "a text that is longer than twelve bytes", ""]
VIEWS = {
    "string_view": pa.array(TEXTS, pa.string_view()),
    "binary_view": pa.array([t and t.encode() for t in TEXTS], pa.binary_view()),
    "list": pa.array([[t] for t in TEXTS], pa.list_(pa.string_view())),
    "large_list": pa.array([[t, t] for t in TEXTS], pa.large_list(pa.string_view())),
    "fixed_size_list": pa.array([[t] for t in TEXTS], pa.list_(pa.string_view(), 1)),
    "list_view": pa.array([[t] for t in TEXTS], pa.list_view(pa.string_view())),
    "struct": pa.array([{"x": t} for t in TEXTS], pa.struct([("x", pa.string_view())])),
    "map": pa.array([[("k", t)] for t in TEXTS], pa.map_(pa.string_view(), pa.string_view())),
    "dictionary": pa.DictionaryArray.from_arrays(
        pa.array([0, 1, 2, 0], pa.int8()), pa.array(["x", None, "y"], pa.string_view())
    ),
    "runs": pa.RunEndEncodedArray.from_arrays(
        pa.array([1, 3, 4], pa.int32()), pa.array(["x", None, "y"])
    ),
}


@pytest.fixture(params=VIEWS)
def column(request):
    return VIEWS[request.param]


def opened(folder, **columns):
    table = pa.table(columns)
    with pa.ipc.new_file(folder / "in.arrow", table.schema) as out:
        out.write_table(table)
    return arrowsmith.open(folder / "in.arrow")


def test_rows_are_kept_by_a_condition_a_draw_and_a_number(tmp_path, column):
    ds = opened(tmp_path, n=[0, 1, 2, 3], c=column)
    values = column.to_pylist()
    for found in (ds.filter("n >= 2").to_table(), ds.mapped()[[2, 3]]):
        assert found["c"].type == column.type
        found.validate(full=True)
        assert found["c"].to_pylist() == values[2:]
    drawn = ds.sample(0.5, seed=1).to_table()
    assert 0 < drawn.num_rows < 4
    assert drawn["c"].to_pylist() == [values[n] for n in drawn["n"].to_pylist()]
    assert [row["c"] for row in ds.mapped().__getitems__([3, 0, 3])] == [
        values[n] for n in (3, 0, 3)
    ]


def test_partitions_take_them(tmp_path, column):
    if not isinstance(column.type, pa.DictionaryType):
        ds = opened(tmp_path, n=[1, 0, 1, 0], c=column)
        ds.write(tmp_path / "out", format="arrow", partition_by=["n"])
        values = column.to_pylist()
        found = arrowsmith.open(tmp_path / "out").to_table()["c"].to_pylist()
        assert found == [values[1], values[3], values[0], values[2]]


def test_what_polars_writes_is_filtered_and_filled(tmp_path):
    frame = pl.DataFrame({"id": [1, 2, 3], "s": ["a", None, "c"], "l": [["x"], None, ["y", None]]})
    frame.write_ipc(tmp_path / "in.arrow")
    ds = arrowsmith.open(tmp_path / "in.arrow")
    wanted = frame.filter(pl.col("id") > 1)
    assert pl.DataFrame(ds.filter("id > 1").to_table()).equals(wanted)
    filled = ds.fill_null({"s": "none"}).to_table()
    assert filled.schema == ds.schema
    assert pl.DataFrame(filled).equals(frame.with_columns(pl.col("s").fill_null("none")))
    forward = ds.fill_forward("s").to_table()
    assert pl.DataFrame(forward).equals(frame.with_columns(pl.col("s").forward_fill()))


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_null_within_a_dictionary_is_null(tmp_path, kind):
    words = pa.array(["y", None, "x"], kind)
    column = pa.DictionaryArray.from_arrays(pa.array([2, 1, 0, None], pa.int8()), words)
    ds = opened(tmp_path, c=column)
    plain = ["x", None, "y", None]
    assert ds.transform("ordinal", columns=["c"]).to_table()["c"].to_pylist() == [0, None, 1, None]
    encoded = ds.transform("dictionary_encode", columns=["c"]).to_table()["c"]
    assert encoded.to_pylist() == plain
    columns = ds.transform("one_hot", column="c").to_table()
    assert columns.to_pydict() == {"c_x": [1, 0, 0, 0], "c_y": [0, 0, 1, 0]}
    found = ds.stats()["c"]
    assert (found.count, found.nulls, found.distinct, found.min) == (2, 2, 2, "x")
    assert ds.filter("c = 'x'").count() == 1


def test_one_hot_tells_a_null_within_a_dictionary_from_an_unknown_value(tmp_path):
    kind = pa.dictionary(pa.int8(), pa.string())
    ways = {"column": "c", "max_categories": 2, "unknown": "infrequent"}
    (tmp_path / "new").mkdir()
    seen = opened(tmp_path, c=pa.array(["x", "x", "y", "z"]).cast(kind)).transform(
        "one_hot", **ways
    )
    seen.save_state(tmp_path / "state.json")
    column = pa.DictionaryArray.from_arrays(
        pa.array([0, 1, 2], pa.int8()), pa.array(["x", None, "new"])
    )
    new = opened(tmp_path / "new", c=column).transform("one_hot", **ways)
    found = new.load_state(tmp_path / "state.json").to_table().to_pydict()
    assert found == {"c_x": [1, 0, 0], "c_infrequent": [0, 0, 1]}


def test_times_at_the_end_of_what_64_bits_hold_have_stats(tmp_path):
    ends = pa.array([2**63 - 1, 1 - 2**63, None])
    kinds = (pa.timestamp("ns"), pa.timestamp("us"), pa.duration("ns"), pa.duration("s"))
    ds = opened(tmp_path, **{str(kind): ends.cast(kind) for kind in kinds})
    for column in ds.stats().columns:
        assert (column.count, column.nulls, column.distinct) == (2, 1, 2)
        assert sum(column.histogram["counts"]) == 2


def test_a_row_that_python_cannot_hold_is_an_error_with_a_way_out(tmp_path):
    far = pa.array([0, 2**62]).cast(pa.timestamp("us"))
    rows = opened(tmp_path, n=[1, 2], when=far).mapped()
    assert rows[0] == {"n": 1, "when": datetime.datetime(1970, 1, 1)}
    with pytest.raises(DataError, match=r"column 'when' has a value.*take"):
        rows[1]
    assert rows.take([1])["when"].combine_chunks().equals(far.slice(1))
