"""Fitted transforms: what they learn, that scikit-learn learns the same, and how it is saved."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler

import arrowsmith
from arrowsmith import PipelineConfig
from arrowsmith.errors import (
    ArrowsmithError,
    DataError,
    OptionError,
    SchemaConflict,
    SchemaMismatch,
    TargetExists,
    TooManyErrors,
)
from arrowsmith.testing import TableFeed, collect

ROWS = 100_000  # several chunks of a fit


@pytest.fixture(scope="module")
def numbers() -> pa.Table:
    draw = np.random.default_rng(11)
    return pa.table(
        {
            "near": draw.normal(3, 2, ROWS),
            "far": draw.normal(1e9, 1e-2, ROWS),
            "whole": draw.integers(-1000, 1000, ROWS),
            "same": np.full(ROWS, 7.25),
            "kind": draw.choice(["b", "a", "d", "c", "é"], ROWS, p=[0.5, 0.3, 0.1, 0.05, 0.05]),
        }
    )


@pytest.fixture(scope="module")
def path(numbers: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("fitted") / "numbers.parquet"
    pq.write_table(numbers, file, row_group_size=9_000)
    return file


SCALED = ["near", "far", "whole", "same"]


def columns(table: pa.Table, names: list[str]) -> np.ndarray:
    return np.column_stack([table[name].to_numpy().astype(float) for name in names])


# --- equal to scikit-learn -----------------------------------------------------------------------


def test_standard_scale_is_that_of_scikit_learn(path, numbers):
    got = arrowsmith.open(path).transform("standard_scale", columns=SCALED).to_table()
    wanted = StandardScaler().fit_transform(columns(numbers, SCALED))
    # of the column far, scikit-learn's mean is off by a millionth of the deviation
    np.testing.assert_allclose(columns(got, SCALED), wanted, rtol=1e-5, atol=1e-5)
    exact = ["near", "whole"]
    wanted = StandardScaler().fit_transform(columns(numbers, exact))
    np.testing.assert_allclose(columns(got, exact), wanted, rtol=1e-12, atol=1e-12)


def test_the_moments_are_those_of_exact_arithmetic(path, numbers):
    from fractions import Fraction

    ds = arrowsmith.open(path).transform("standard_scale", columns=["far"])
    found = ds.fitted()[0]["state"]["columns"]["far"]
    values = [Fraction(value) for value in numbers["far"].to_pylist()]
    mean = sum(values) / ROWS
    squares = sum((value - mean) ** 2 for value in values)
    assert found["count"] == ROWS
    assert found["mean"] == pytest.approx(float(mean), rel=1e-15)
    assert found["squares"] == pytest.approx(float(squares), rel=1e-6)


def test_min_max_scale_is_that_of_scikit_learn(path, numbers):
    ds = arrowsmith.open(path).transform("min_max_scale", columns=SCALED, low=-2, high=5)
    wanted = MinMaxScaler((-2, 5)).fit_transform(columns(numbers, SCALED))
    np.testing.assert_allclose(columns(ds.to_table(), SCALED), wanted, rtol=1e-12, atol=1e-12)


def test_nulls_and_nan_are_left_out_of_the_fit(tmp_path):
    values = [1.0, None, float("nan"), 4.0, 10.0]
    pq.write_table(pa.table({"x": pa.array(values, pa.float64())}), tmp_path / "x.parquet")
    ds = arrowsmith.open(tmp_path / "x.parquet")
    holes = np.array([np.nan if value is None else value for value in values]).reshape(-1, 1)
    for name, judge in (("standard_scale", StandardScaler()), ("min_max_scale", MinMaxScaler())):
        got = ds.transform(name, columns="x").to_table()["x"]
        wanted = judge.fit_transform(holes)[:, 0]
        assert got.is_null().to_pylist() == [False, True, False, False, False]
        np.testing.assert_allclose(got.fill_null(np.nan).to_numpy(), wanted, rtol=1e-14)


@pytest.mark.parametrize("most", [1, 2, 3, 4, 5, 100])
def test_one_hot_is_that_of_scikit_learn(path, numbers, most):
    ds = arrowsmith.open(path).transform("one_hot", column="kind", max_categories=most)
    judge = OneHotEncoder(max_categories=most, sparse_output=False, dtype=np.uint8)
    wanted = judge.fit_transform(numbers["kind"].to_numpy(zero_copy_only=False).reshape(-1, 1))
    names = [n.replace("_sklearn", "") for n in judge.get_feature_names_out(["kind"])]
    got = ds.to_table().drop_columns(SCALED)
    assert got.column_names == names
    assert np.array_equal(np.column_stack([got[name].to_numpy() for name in names]), wanted)


@settings(max_examples=60)
@given(
    words=st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=40),
    most=st.integers(1, 9),
)
def test_which_categories_are_infrequent_is_as_in_scikit_learn(words, most):
    feed = TableFeed(pa.table({"w": words}), 7)
    got = collect(feed, [("one_hot", {"column": "w", "max_categories": most})], 1)
    judge = OneHotEncoder(max_categories=most, sparse_output=False)
    wanted = judge.fit_transform(np.array(words, object).reshape(-1, 1))
    assert np.array_equal(np.column_stack([column.to_numpy() for column in got.columns]), wanted)


def test_ordinal_is_that_of_scikit_learn(path, numbers):
    got = arrowsmith.open(path).transform("ordinal", columns=["kind", "whole"]).to_table()
    kinds = numbers["kind"].to_numpy(zero_copy_only=False).reshape(-1, 1)
    assert np.array_equal(got["kind"].to_numpy(), OrdinalEncoder().fit_transform(kinds)[:, 0])
    whole = numbers["whole"].to_numpy().reshape(-1, 1)
    assert np.array_equal(got["whole"].to_numpy(), OrdinalEncoder().fit_transform(whole)[:, 0])


def test_dictionary_encode_gives_back_what_was_there(path, numbers, tmp_path):
    ds = arrowsmith.open(path).transform("dictionary_encode", columns=["kind", "whole"])
    kind = pa.dictionary(pa.int32(), pa.string())
    assert ds.schema.field("kind").type == kind
    for target in ("out.arrow", "out.parquet"):
        ds.write(tmp_path / target)
        back = arrowsmith.open(tmp_path / target).to_table()
        assert back["kind"].cast(pa.string()).equals(numbers["kind"])
    batches = list(ds.batches(batch_rows=5_000))
    assert all(b["kind"].dictionary.equals(batches[0]["kind"].dictionary) for b in batches)


# --- categories of every type --------------------------------------------------------------------

CATEGORIES = [
    pa.array(["a", None, "b", "a"], pa.large_string()),
    pa.array(["a", None, "b", "a"], pa.string_view()),
    pa.array(["a", None, "b", "a"]).dictionary_encode(),
    pa.array([1, None, 255, 1], pa.uint8()),
    pa.array([1, None, 2**64 - 1, 1], pa.uint64()),
    pa.array([-(2**63), None, 2**63 - 1, -(2**63)], pa.int64()),
    pa.array([True, None, False, True]),
    pa.array([0, None, 19_000, 0], pa.int32()).cast(pa.date32()),
    pa.array([0, None, 86_400_000, 0], pa.int64()).cast(pa.date64()),
    pa.array([0, None, 86_399, 0], pa.int32()).cast(pa.time32("s")),
    pa.array([0, None, 10**9, 0], pa.int64()).cast(pa.time64("us")),
    pa.array([0, None, 10**15, 0], pa.int64()).cast(pa.timestamp("us", "UTC")),
]


@pytest.mark.parametrize("values", CATEGORIES, ids=lambda values: str(values.type))
def test_categories_may_be_of_these_types(values):
    table = pa.table({"c": values})
    coded = collect(TableFeed(table, 2), [("dictionary_encode", {"columns": ["c"]})], 1)
    assert coded["c"].to_pylist() == values.to_pylist()
    ranks = collect(TableFeed(table, 2), [("ordinal", {"columns": ["c"]})], 1)["c"].to_pylist()
    order = sorted({value for value in values.to_pylist() if value is not None})
    assert ranks == [None if v is None else order.index(v) for v in values.to_pylist()]
    hot = collect(TableFeed(table, 2), [("one_hot", {"column": "c"})], 1)
    assert [sum(row.values()) for row in hot.to_pylist()] == [1, 0, 1, 1]


def test_one_hot_names_that_collide_are_told():
    table = pa.table({"c": ["a", "infrequent", "infrequent", "b", "d"]})
    with pytest.raises(SchemaMismatch, match="'c_infrequent'"):
        collect(TableFeed(table, 9), [("one_hot", {"column": "c", "max_categories": 3})], 1)
    table = pa.table({"c": ["a"], "c_a": [1]})
    with pytest.raises(SchemaMismatch, match="two columns would be named 'c_a'"):
        collect(TableFeed(table, 9), [("one_hot", {"column": "c"})], 1)


# --- bounds --------------------------------------------------------------------------------------


def test_too_many_categories_are_told(path):
    ds = arrowsmith.open(path)
    with pytest.raises(SchemaMismatch, match="'near' is of type double"):
        _ = ds.transform("ordinal", columns="near").schema
    with pytest.raises(DataError, match=r"column 'whole' has more than 100 .*max_categories"):
        _ = ds.transform("ordinal", columns="whole", max_categories=100).schema
    with pytest.raises(DataError, match=r"column 'whole' has more than 100 .*max_values"):
        _ = ds.transform("dictionary_encode", columns="whole", max_values=100).schema


def test_infinity_cannot_be_scaled():
    table = pa.table({"x": [1.0, float("inf")]})
    with pytest.raises(DataError, match="'x' has an infinite value"):
        collect(TableFeed(table, 1), [("standard_scale", {"columns": "x"})], 1)
    table = pa.table({"x": [1e300, -1e300]})
    with pytest.raises(DataError, match="'x' has values too large"):
        collect(TableFeed(table, 1), [("standard_scale", {"columns": "x"})], 1)


@pytest.mark.parametrize("values", [[], [None], [None, None], [float("nan")], [5.0]])
def test_columns_with_little_in_them_can_be_scaled(values):
    table = pa.table({"x": pa.array(values, pa.float64())})
    for name in ("standard_scale", "min_max_scale"):
        got = collect(TableFeed(table, 1), [(name, {"columns": "x"})], 1)
        assert got.num_rows == len(values)
        assert [v for v in got["x"].to_pylist() if v is not None and v == v] in ([], [0.0])


def test_wrong_columns_are_told_before_data_flows(path):
    ds = arrowsmith.open(path)
    with pytest.raises(SchemaMismatch, match="'kind' is of type string, not numbers"):
        _ = ds.transform("standard_scale", columns="kind").schema
    with pytest.raises(OptionError, match=r"no column 'naer'.*did you mean 'near'") as caught:
        _ = ds.transform("standard_scale", columns="naer").schema
    assert isinstance(caught.value, SchemaMismatch)


# --- the same for any threads and batches --------------------------------------------------------


def chain(ds: arrowsmith.Dataset) -> arrowsmith.Dataset:
    """Two fitted steps, the second over what the first gives."""
    ds = ds.filter("whole > -900").transform("standard_scale", columns=["near", "far"])
    ds = ds.transform("min_max_scale", columns=["near"])
    return ds.transform("one_hot", column="kind", max_categories=3)


def test_state_and_file_are_the_same_for_any_threads_and_batches(path, tmp_path):
    seen = set()
    for threads, rows in ((1, 65_536), (2, 1_000), (4, 333)):
        config = PipelineConfig(worker_threads=threads, batch_rows=rows)
        ds = chain(arrowsmith.open(path, config=config))
        target = tmp_path / f"{threads}.parquet"
        ds.write(target)
        ds.save_state(target.with_suffix(".json"))
        seen.add((target.read_bytes(), target.with_suffix(".json").read_bytes()))
    assert len(seen) == 1


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.integers(1, 50), threads=st.integers(1, 3), data=st.data())
def test_batch_bounds_teach_nothing(rows, threads, data):
    numbers = data.draw(st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=60))
    words = data.draw(
        st.lists(st.none() | st.text(max_size=3), min_size=len(numbers), max_size=len(numbers))
    )
    table = pa.table({"x": pa.array(numbers, pa.float64()), "w": pa.array(words, pa.string())})
    steps = [
        ("standard_scale", {"columns": "x"}),
        ("ordinal", {"columns": "w"}),
        ("sample_rows", {"rows": 20}),
    ]
    one = collect(TableFeed(table, 1000), steps, 1)
    assert collect(TableFeed(table, rows), steps, threads).equals(one)


def test_only_what_is_needed_is_read_for_a_fit(path, monkeypatch):
    from arrowsmith.formats.parquet.reader import ParquetReader

    asked = []
    tasks = ParquetReader.tasks

    def watched(self, request):
        asked.append(request.columns)
        return tasks(self, request)

    monkeypatch.setattr(ParquetReader, "tasks", watched)
    ds = arrowsmith.open(path).filter("whole > 0").transform("standard_scale", columns=["near"])
    ds.select("near").to_table()
    assert asked == [("near", "whole"), ("near", "whole")]
    asked.clear()
    ds.drop("near", "far").to_table()  # learned already, and not even needed
    assert asked == [("whole", "same", "kind")]


def test_one_fit_serves_all_runs_of_a_dataset(path):
    counted = []

    class Counting:
        """A fitted transform that counts its fits."""

        def __init__(self):
            self.columns = frozenset(["whole"])

        def fitter(self, schema):
            return self

        def bind(self, schema, state):
            return Unchanged(schema)

        def partial(self, rows):
            assert rows.schema.names == ["whole"]
            return rows.num_rows

        def merge(self, partial):
            counted.append(partial)

        def state(self):
            return {"rows": sum(counted)}

    class Unchanged:
        kind = "stateless"

        def __init__(self, schema):
            self.schema = schema

        def __call__(self, batch):
            return batch

    from arrowsmith.pipeline.plan import as_verb

    ds = arrowsmith.open(path)._then(as_verb(Counting()))
    assert ds.schema.names
    assert ds.count() == ds.to_table().num_rows == ROWS
    assert ds.limit(3).to_table().num_rows == 3
    assert sum(counted) == ROWS


# --- bad records, changing types, memory ---------------------------------------------------------


def test_bad_records_are_skipped_in_the_fit_as_in_the_run(tmp_path):
    source = tmp_path / "bad.csv"
    source.write_text("x,y\n1,2\n3;4\n5,6\n")
    ds = arrowsmith.open(source, on_error="skip").transform("min_max_scale", columns="x")
    stats = ds.write(tmp_path / "out.parquet")
    assert (stats.rows_out, stats.rejected) == (2, 1)
    assert pq.read_table(tmp_path / "out.parquet")["x"].to_pylist() == [0.0, 1.0]
    with pytest.raises(DataError, match="line 3"):
        arrowsmith.open(source).transform("min_max_scale", columns="x").to_table()
    rejects = tmp_path / "bad.jsonl"
    ds = arrowsmith.open(source, rejects=str(rejects)).transform("min_max_scale", columns="x")
    ds.write(tmp_path / "again.parquet")
    assert len(rejects.read_text().splitlines()) == 1
    ds = arrowsmith.open(source, on_error="skip", max_errors=0)
    with pytest.raises(TooManyErrors):
        ds.transform("min_max_scale", columns="x").write(tmp_path / "none.parquet")


def test_types_that_widen_begin_the_fit_again(tmp_path):
    source = tmp_path / "late.csv"
    lines = [f"{n},{n % 7},{n}" for n in range(40_000)]
    lines[20_000] = "20000.5,x,20000"
    source.write_text("n,word,id\n" + "\n".join(lines) + "\n")
    ds = arrowsmith.open(source, sample_bytes="2KB")
    ds = ds.transform("standard_scale", columns="n").transform("ordinal", columns="word")
    stats = ds.write(tmp_path / "out.parquet")
    assert stats.restarts == 1
    got = pq.read_table(tmp_path / "out.parquet")
    values = np.arange(40_000.0)
    values[20_000] += 0.5
    wanted = StandardScaler().fit_transform(values.reshape(-1, 1))[:, 0]
    np.testing.assert_allclose(got["n"].to_numpy(), wanted, rtol=1e-12, atol=1e-12)
    assert got["word"][20_000].as_py() == 7
    with pytest.raises(SchemaConflict):
        arrowsmith.open(source, sample_bytes="2KB").transform("ordinal", columns="word").to_table()


MEMORY = """
import sys, arrowsmith
ds = arrowsmith.open(sys.argv[1], budget="64MB")
ds = ds.transform("standard_scale", columns=["a", "b"]).transform("ordinal", columns=["c"])
print(ds.write(sys.argv[2]).peak_memory)
"""


def test_a_fit_keeps_to_the_budget(tmp_path):
    import duckdb

    source = tmp_path / "big.csv"
    duckdb.sql(
        "copy (select i / 3 as a, hash(i) % 1000003 as b, 'word' || hash(i) % 5000 as c,"
        f" repeat('text', 20) as d from range(1000000) t(i)) to '{source}'"
    )
    assert source.stat().st_size > 100 << 20
    run = subprocess.run(
        [sys.executable, "-c", MEMORY, str(source), str(tmp_path / "out.parquet")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(run.stdout) < 64 << 20


# --- saving and loading --------------------------------------------------------------------------


def test_what_was_learned_is_saved_and_loaded(path, tmp_path):
    fitted = chain(arrowsmith.open(path))
    fitted.save_state(tmp_path / "state.json")
    few = tmp_path / "few.parquet"
    pq.write_table(pq.read_table(path).slice(0, 10), few)
    got = chain(arrowsmith.open(few)).load_state(tmp_path / "state.json").to_table()
    kept = fitted.to_table().slice(0, got.num_rows)
    assert got.num_rows > 0
    assert got.equals(kept)
    with pytest.raises(TargetExists):
        fitted.save_state(tmp_path / "state.json")
    # steps that are not fitted do not count, and the older dataset has not changed
    more = arrowsmith.open(few).limit(3).transform("standard_scale", columns=["near", "far"])
    assert more.fitted() != fitted.fitted()[:1]


def test_loading_makes_no_pass(path, tmp_path):
    ds = arrowsmith.open(path).transform("ordinal", columns="kind")
    ds.save_state(tmp_path / "state.json")
    text = (tmp_path / "state.json").read_text()
    (tmp_path / "other.json").write_text(text.replace('"a"', '"zz"'))
    loaded = ds.load_state(tmp_path / "other.json")
    with pytest.raises(DataError, match="column 'kind' has the value 'a', which was not there"):
        loaded.to_table()
    lenient = arrowsmith.open(path).transform("ordinal", columns="kind", unknown="minus_one")
    lenient.save_state(tmp_path / "lenient.json")
    text = (tmp_path / "lenient.json").read_text()
    (tmp_path / "lenient2.json").write_text(text.replace('"a"', '"zz"'))
    got = lenient.load_state(tmp_path / "lenient2.json").to_table()["kind"].to_pylist()
    assert set(got) == {-1, 0, 1, 2, 4}  # zz, which does not come, sorts before é


@pytest.mark.parametrize(
    ("unknown", "ones"), [("ignore", [1, 0, 1, 1]), ("infrequent", [1, 1, 1, 1])]
)
def test_unknown_categories_are_ignored_or_infrequent(tmp_path, unknown, ones):
    pq.write_table(pa.table({"c": list("aaabbcd")}), tmp_path / "fit.parquet")
    pq.write_table(pa.table({"c": ["a", "?", "c", "b"]}), tmp_path / "new.parquet")
    options = {"column": "c", "max_categories": 3, "unknown": unknown}
    arrowsmith.open(tmp_path / "fit.parquet").transform("one_hot", **options).save_state(
        tmp_path / "state.json"
    )
    ds = arrowsmith.open(tmp_path / "new.parquet").transform("one_hot", **options)
    got = ds.load_state(tmp_path / "state.json").to_table()
    assert got.column_names == ["c_a", "c_b", "c_infrequent"]
    assert [sum(row.values()) for row in got.to_pylist()] == ones


@pytest.fixture
def saved(path, tmp_path):
    """A dataset and the text of its state."""
    ds = arrowsmith.open(path).transform("standard_scale", columns=["near"])
    ds.save_state(tmp_path / "state.json")
    return ds, json.loads((tmp_path / "state.json").read_text())


def test_a_state_of_another_chain_is_refused(path, saved, tmp_path):
    state = tmp_path / "state.json"
    ds = arrowsmith.open(path)
    with pytest.raises(OptionError, match="standard_scale in the state, ordinal in the chain"):
        ds.transform("ordinal", columns="kind").load_state(state)
    with pytest.raises(OptionError, match=r"columns=\['near'\] in the state and \['far'\]"):
        ds.transform("standard_scale", columns="far").load_state(state)
    with pytest.raises(OptionError, match="of 1 fitted steps, the chain has 2"):
        saved[0].transform("ordinal", columns="kind").load_state(state)
    with pytest.raises(OptionError, match="no step of the chain is fitted"):
        ds.select("near").load_state(state)
    with pytest.raises(OptionError, match="no step of the chain is fitted"):
        ds.select("near").save_state(tmp_path / "none.json")
    other = ds.cast({"near": "float32"}).transform("standard_scale", columns=["near"])
    with pytest.raises(SchemaMismatch, match="'near' of type double, which is float here"):
        _ = other.load_state(state).schema


@pytest.mark.parametrize(
    "damage",
    [
        lambda found: [],
        lambda found: {**found, "arrowsmith": "shards"},
        lambda found: {**found, "version": 2},
        lambda found: {**found, "steps": None},
        lambda found: {**found, "steps": [None]},
        lambda found: {**found, "steps": [{**found["steps"][0], "columns": {"near": 3}}]},
    ],
)
def test_what_is_no_state_is_told(saved, tmp_path, damage):
    ds, found = saved
    (tmp_path / "bad.json").write_text(json.dumps(damage(found)))
    with pytest.raises(DataError, match=r"bad.json"):
        ds.load_state(tmp_path / "bad.json")


@pytest.mark.parametrize(
    "moments",
    [
        {},
        None,
        [],
        {"count": -1},
        {"count": True},
        {"mean": "3"},
        {"mean": None},
        {"squares": -1.0},
        {"max": -1e9},
        {"count": 10**30},
        {"mean": 10**400},
    ],
)
def test_a_state_with_wrong_figures_is_refused(saved, tmp_path, moments):
    ds, found = saved
    columns = found["steps"][0]["state"]["columns"]
    columns["near"] = {**columns["near"], **moments} if moments else moments
    (tmp_path / "bad.json").write_text(json.dumps(found))
    with pytest.raises(SchemaMismatch, match="learned of column 'near' is not usable"):
        _ = ds.load_state(tmp_path / "bad.json").schema


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"[" * 100_000, b'{"arrowsmith": NaN}', b"1" * 10_000, b"{}"]
)
def test_a_file_that_is_no_json_is_told(saved, tmp_path, data):
    (tmp_path / "bad.json").write_bytes(data)
    with pytest.raises(DataError, match=r"bad.json: is no saved state"):
        saved[0].load_state(tmp_path / "bad.json")


def test_a_file_that_cannot_be_read_is_told(saved, tmp_path):
    for place in (tmp_path, tmp_path / "missing.json"):
        with pytest.raises(ArrowsmithError, match=str(place)):
            saved[0].load_state(place)


def test_large_values_that_are_all_the_same_are_only_shifted(tmp_path):
    pq.write_table(pa.table({"x": [1e200] * 3}), tmp_path / "in.parquet")
    ds = arrowsmith.open(tmp_path / "in.parquet").transform("standard_scale", columns=["x"])
    assert ds.to_table()["x"].to_pylist() == [0.0] * 3
