"""``Dataset``: what it tells, its verbs, and the runs that end early or fail."""

from __future__ import annotations

import math
import tempfile
import traceback
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import arrowsmith
from arrowsmith import PipelineConfig, RunStats
from arrowsmith.errors import (
    DataError,
    OptionError,
    PredicateError,
    SchemaConflict,
    SchemaMismatch,
    UnknownName,
)
from conftest import ROWS, open_files, run_threads


@pytest.fixture
def parquet(table, tmp_path) -> Path:
    path = tmp_path / "in.parquet"
    pq.write_table(table, path, row_group_size=100)
    return path


@pytest.fixture
def text(table, tmp_path) -> Path:
    path = tmp_path / "in.csv"
    pyarrow.csv.write_csv(table, path)
    return path


def contradicting(path: Path, rows: int = 60_000) -> Path:
    """A file whose column ``b`` stops to be a number between the places that are sampled."""
    lines = [f"{n},{n}" for n in range(rows)]
    lines[rows // 3] = f"{rows // 3},many"
    path.write_text("a,b\n" + "\n".join(lines) + "\n")
    return path


SMALL_SAMPLE = {"sample_bytes": 4096, "range_bytes": 16384}


# --- what it is ----------------------------------------------------------------------------------


def test_schema_files_and_sizes(parquet, table):
    ds = arrowsmith.open(parquet)
    assert ds.schema.equals(table.schema)
    assert (ds.format, ds.files, ds.nbytes) == ("parquet", [str(parquet)], parquet.stat().st_size)


def test_schema_of_text_is_what_polars_infers(text):
    kinds = {pl.Int64: pa.int64(), pl.Float64: pa.float64(), pl.String: pa.string(),
             pl.Boolean: pa.bool_()}  # fmt: skip
    expected = {name: kinds[type_] for name, type_ in pl.read_csv(text).schema.items()}
    schema = arrowsmith.open(text).schema
    assert dict(zip(schema.names, schema.types, strict=True)) == expected


def test_repr_names_the_file_and_the_verbs(parquet):
    text = repr(arrowsmith.open(parquet).select("id").limit(3))
    assert text == f"<Dataset parquet {parquet} | select id | limit 3>"


@pytest.mark.parametrize("name", ["in.parquet", "in.csv"])
def test_count_and_head(name, parquet, text, tmp_path, table):
    ds = arrowsmith.open(tmp_path / name)
    assert ds.count() == ROWS
    assert ds.head(7).equals(table.slice(0, 7))
    assert ds.head().num_rows == 5
    assert ds.head(0).num_rows == 0
    assert ds.head(5000).num_rows == ROWS
    assert ds.filter("good").count() == pc.sum(table["good"]).as_py()
    assert ds.filter("id < 0").count() == 0
    assert ds.limit(11).count() == 11
    assert ds.map(lambda batch: batch.slice(0, 0)).count() == 0
    assert ds.count() == ROWS


def test_count_minds_no_types(tmp_path):
    """Which type a column has does not change how many rows there are."""
    path = contradicting(tmp_path / "in.csv")
    ds = arrowsmith.open(path, **SMALL_SAMPLE)
    assert ds.count() == 60_000
    assert ds.select("b").count() == 60_000


def test_count_is_that_of_the_rows_which_are_read(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("a,b\n1,2\n2,x\n3,4\n")
    ds = arrowsmith.open(path, types={"b": "int64"}, on_error="skip")
    assert ds.count() == ds.to_table().num_rows == 2


def test_explain_tells_what_reaches_the_reader(parquet, text):
    ds = arrowsmith.open(parquet).filter("id >= 900").select("lang")
    lines = ds.explain().splitlines()
    assert lines[0] == f"scan parquet: 1 file(s), {parquet.stat().st_size:,} bytes"
    assert lines[1] == "  columns: id, lang (2 of 4, read alone)"
    assert lines[2].startswith("  where: ")
    assert "id" in lines[2]
    assert "900" in lines[2]
    assert lines[2].endswith("(skips what cannot match)")
    assert lines[3:] == ["filter id >= 900 [stateless]", "select lang [stateless]"]
    limited = arrowsmith.open(text).limit(3).explain().splitlines()
    assert limited[2:] == ["  at most 3 rows", "limit 3 [ordered]"]


def test_a_limit_behind_a_filter_stays_out_of_the_reader(parquet):
    assert "at most" not in arrowsmith.open(parquet).filter("good").limit(3).explain()
    assert "where" not in arrowsmith.open(parquet).limit(3).filter("good").explain()


# --- what reaches the reader ---------------------------------------------------------------------


def run(ds: arrowsmith.Dataset, **options) -> tuple[pa.Table, RunStats]:
    stats = RunStats()
    batches = list(ds.batches(stats=stats, **options))
    return pa.Table.from_batches(batches, schema=ds.schema), stats


def test_row_groups_that_cannot_match_are_not_read(parquet, table):
    got, stats = run(arrowsmith.open(parquet).filter("id >= 950"))
    assert got.equals(table.slice(950))
    assert (stats.rows_in, stats.rows_out) == (100, 50)


def test_projection_reads_fewer_bytes(parquet, table):
    _, whole = run(arrowsmith.open(parquet))
    got, slim = run(arrowsmith.open(parquet).select("good"))
    assert got.equals(table.select(["good"]))
    assert 0 < slim.bytes_in < whole.bytes_in / 5


def test_limit_ends_the_reading(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("a\n" + "12345\n" * 200_000)
    got, stats = run(arrowsmith.open(path, range_bytes=4096).limit(10))
    assert got["a"].to_pylist() == [12345] * 10
    assert stats.rows_in < 50_000
    assert stats.rows_out == 10


@pytest.mark.parametrize("batch_rows", [1, 7, 100, 333, 100_000])
def test_batches_have_at_most_so_many_rows(parquet, table, batch_rows):
    batches = list(arrowsmith.open(parquet).batches(batch_rows))
    assert max(batch.num_rows for batch in batches) <= batch_rows
    assert pa.Table.from_batches(batches).equals(table)


@pytest.mark.parametrize("batch_rows", [0, -1])
def test_batches_of_no_rows_are_refused(parquet, batch_rows):
    with pytest.raises(OptionError, match="batch_rows must be at least 1"):
        list(arrowsmith.open(parquet).batches(batch_rows))


# --- verbs ---------------------------------------------------------------------------------------


def test_verbs_leave_the_dataset_as_it_was(parquet, table):
    ds = arrowsmith.open(parquet)
    ds.select("id").filter("id > 3").limit(1)
    assert ds.to_table().equals(table)


def test_select_orders_columns(parquet, table):
    ds = arrowsmith.open(parquet).select("lang", "id")
    assert ds.schema.names == ["lang", "id"]
    assert ds.to_table().equals(table.select(["lang", "id"]))


def test_rename_may_swap(parquet, table):
    ds = arrowsmith.open(parquet).rename({"id": "good", "good": "id"}).select("id")
    assert ds.to_table().equals(pa.table({"id": table["good"]}))


@pytest.mark.parametrize(
    ("verb", "message"),
    [
        (lambda ds: ds.select("lnag"), "no column 'lnag'.*did you mean 'lang'"),
        (lambda ds: ds.select("id", "id"), "selected twice"),
        (lambda ds: ds.select(), "at least one column"),
        (lambda ds: ds.rename({"idd": "x"}), "no column 'idd'"),
        (lambda ds: ds.rename({"id": "lang"}), "two columns would be named 'lang'"),
        (lambda ds: ds.cast({"nope": "int8"}), "no column 'nope'"),
        (lambda ds: ds.cast({"id": "int7"}), "no type 'int7'"),
        (lambda ds: ds.select(["id", "lang"]), "select takes names of columns, not list"),
        (lambda ds: ds.limit("3"), "limit takes a number of rows, not str"),
        (lambda ds: ds.limit(-1), "limit must be at least 0"),
        (lambda ds: ds.transform("no_such_transform"), "no_such_transform"),
        (lambda ds: ds.filter("nope > 1"), "nope"),
        (lambda ds: ds.filter(17), "cannot filter by int"),
    ],
)
def test_wrong_verbs_are_usage_errors(parquet, verb, message):
    with pytest.raises((OptionError, PredicateError, UnknownName), match=message) as caught:
        _ = verb(arrowsmith.open(parquet)).schema
    assert caught.value.exit_code == 2


def test_a_cast_that_has_no_kernel_is_seen_before_the_data(parquet):
    with pytest.raises(SchemaMismatch, match="'good' of type bool cannot be cast to timestamp"):
        _ = arrowsmith.open(parquet).cast({"good": "timestamp[us]"}).schema


def test_a_value_that_does_not_fit_a_cast_is_an_error_with_its_stage(parquet):
    with pytest.raises(DataError, match="column 'id' cannot be cast to int8") as caught:
        arrowsmith.open(parquet).cast({"id": "int8"}).to_table()
    assert caught.value.stage == "transform"


@pytest.mark.parametrize(
    ("condition", "expression"),
    [
        ("id >= 10 and id < 20", (pc.field("id") >= 10) & (pc.field("id") < 20)),
        ("score > 100.5 or good", (pc.field("score") > 100.5) | pc.field("good")),
        ("lang = 'en'", pc.field("lang") == "en"),
        ("not lang = 'en'", ~(pc.field("lang") == "en")),
        ("score is null", pc.field("score").is_null()),
        ("id in (1, 500, 2000)", pc.field("id").isin([1, 500, 2000])),
    ],
)
@pytest.mark.parametrize("name", ["in.parquet", "in.csv"])
def test_filters_by_text_and_by_expression(
    name, condition, expression, parquet, text, tmp_path, table
):
    expected = table.filter(expression)
    assert 0 < expected.num_rows < ROWS
    ds = arrowsmith.open(tmp_path / name)
    assert ds.filter(condition).to_table().equals(expected)
    assert ds.filter(expression).to_table().equals(expected)


def test_map_may_change_rows_and_schema(parquet, table):
    def doubled(batch: pa.RecordBatch) -> pa.RecordBatch:
        kept = batch.filter(pc.less(batch["id"], 500))
        return pa.record_batch({"twice": pc.multiply(kept["id"], 2)})

    ds = arrowsmith.open(parquet).map(doubled)
    assert ds.schema == pa.schema([("twice", pa.int64())])
    assert ds.to_table()["twice"].to_pylist() == list(range(0, 1000, 2))


def test_map_that_answers_wrongly_is_named(parquet):
    def wrong(batch):
        return batch.to_pylist()

    with pytest.raises(SchemaMismatch, match="map function 'wrong' gave list"):
        arrowsmith.open(parquet).map(wrong).to_table()

    def other(batch):
        return batch.select(["id"]) if batch.num_rows else batch

    with pytest.raises(SchemaMismatch, match="map function 'other' gave columns id: int64 where"):
        arrowsmith.open(parquet).map(other).to_table()


def test_map_with_a_schema_is_not_called_on_an_empty_batch(parquet, table):
    def first(batch):
        return pa.record_batch({"id": pa.array([batch["id"][0].as_py()], pa.int64())})

    with pytest.raises(SchemaMismatch, match="fails on an empty batch"):
        _ = arrowsmith.open(parquet).map(first).schema
    ds = arrowsmith.open(parquet).map(first, schema=pa.schema([("id", pa.int64())]))
    assert len(ds.to_table()["id"]) == 10


def test_a_function_that_raises_keeps_its_traceback_and_stage(parquet, no_leaks):
    def faulty(batch):
        if batch.num_rows and batch["id"][0].as_py() >= 500:
            raise ZeroDivisionError("of the function")
        return batch

    with pytest.raises(ZeroDivisionError, match="of the function") as caught:
        arrowsmith.open(parquet).map(faulty).to_table()
    assert "in faulty" in "".join(traceback.format_exception(caught.value))
    assert caught.value.__notes__ == ["in the transform stage"]


# --- verbs in any order, against the same on a table ---------------------------------------------

TABLE = pa.table(
    {
        "a": pa.array([None if n % 4 == 0 else n - 30 for n in range(60)], pa.int64()),
        "b": pa.array([None if n % 5 == 0 else n * 0.5 for n in range(60)], pa.float64()),
        "c": pa.array([None if n % 6 == 0 else f"t{n % 3}" for n in range(60)]),
        "d": pa.array(range(60), pa.int32()),
    }
)


@pytest.fixture(scope="module")
def chained():
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(TABLE, f"{folder}/t.parquet", row_group_size=17)
        pyarrow.csv.write_csv(TABLE, f"{folder}/t.csv")
        yield folder


def reversed_columns(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.select(batch.schema.names[::-1])


def step(draw, names: list[str], kinds: dict[str, str]):
    """A verb as (on a dataset, on a table, names and kinds after it)."""
    verb = draw(st.sampled_from(["select", "rename", "cast", "filter", "limit", "map"]))
    name = draw(st.sampled_from(names))
    if verb == "select":
        kept = draw(st.permutations(names))[: draw(st.integers(1, len(names)))]
        return (lambda ds: ds.select(*kept)), (lambda t: t.select(kept)), kept, kinds
    if verb == "rename":
        fresh = f"{name}x"
        after = [fresh if known == name else known for known in names]
        kinds = {**kinds, fresh: kinds[name]}
        return (
            (lambda ds: ds.rename({name: fresh})),
            (lambda t: t.rename_columns(after)),
            after,
            kinds,
        )
    if verb == "cast":
        if kinds[name] == "text":
            to, kind = pa.large_string(), "text"
        else:
            to, kind = pa.float64(), "number"

        def casted(t):
            index = t.schema.get_field_index(name)
            return t.set_column(index, name, t[name].cast(to))

        return (lambda ds: ds.cast({name: to})), casted, names, {**kinds, name: kind}
    if verb == "filter":
        if kinds[name] == "text":
            condition, mask = f"{name} = 't1'", lambda t: pc.equal(t[name], "t1")
        else:
            bound = draw(st.integers(-20, 40))
            condition, mask = f"{name} > {bound}", lambda t: pc.greater(t[name], bound)
        return (lambda ds: ds.filter(condition)), (lambda t: t.filter(mask(t))), names, kinds
    if verb == "limit":
        rows = draw(st.integers(0, 70))
        return (lambda ds: ds.limit(rows)), (lambda t: t.slice(0, rows)), names, kinds
    after = names[::-1]
    return (lambda ds: ds.map(reversed_columns)), (lambda t: t.select(after)), after, kinds


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_chains_do_what_the_same_does_to_a_table(chained, data):
    suffix = data.draw(st.sampled_from(["parquet", "csv"]))
    types = {} if suffix == "parquet" else {"types": {"d": "int32"}, "range_bytes": 200}
    ds, expected = arrowsmith.open(f"{chained}/t.{suffix}", **types), TABLE
    names, kinds = ["a", "b", "c", "d"], {"a": "number", "b": "number", "c": "text", "d": "number"}
    for _ in range(data.draw(st.integers(1, 6))):
        on_dataset, on_table, names, kinds = step(data.draw, names, kinds)
        ds, expected = on_dataset(ds), on_table(expected)
    got = ds.to_table()
    assert got.schema.names == expected.schema.names
    assert got.schema.types == expected.schema.types
    assert got.to_pydict() == expected.to_pydict()
    assert ds.count() == expected.num_rows
    assert list(ds.schema) == list(got.schema)


# --- runs ----------------------------------------------------------------------------------------


def test_a_dataset_is_read_as_often_as_one_likes(parquet, table, no_leaks):
    ds = arrowsmith.open(parquet)
    assert all(ds.to_table().equals(table) for _ in range(3))


@pytest.mark.parametrize("name", ["in.parquet", "in.csv", "in.arrow"])
def test_two_iterators_at_once(name, parquet, text, tmp_path, table, no_leaks):
    arrowsmith.open(parquet).write(tmp_path / "in.arrow")
    options = {"range_bytes": 1024} if name == "in.csv" else {}
    ds = arrowsmith.open(tmp_path / name, **options)
    one, other = ds.batches(100), ds.batches(30)
    first = [next(one), next(other), next(other)]
    rest_of_other = list(other)
    rest_of_one = list(one)
    assert pa.Table.from_batches([first[0], *rest_of_one]).to_pydict() == table.to_pydict()
    assert pa.Table.from_batches([*first[1:], *rest_of_other]).to_pydict() == table.to_pydict()


@pytest.mark.parametrize("name", ["in.parquet", "in.csv"])
def test_a_closed_iterator_leaves_nothing(name, parquet, text, tmp_path, no_leaks):
    options = {"range_bytes": 1024} if name == "in.csv" else {}
    batches = arrowsmith.open(tmp_path / name, **options).batches(10)
    next(batches)
    assert open_files(tmp_path)
    batches.close()
    assert not open_files(tmp_path)
    assert list(batches) == []


def test_a_consumer_that_raises_leaves_nothing(parquet, no_leaks):
    def consume() -> None:
        for _ in arrowsmith.open(parquet).batches(10):
            raise KeyError("of the consumer")

    with pytest.raises(KeyError, match="of the consumer"):
        consume()


def test_an_error_comes_after_the_rows_before_it(tmp_path, no_leaks):
    path = tmp_path / "in.csv"
    lines = [f"{n},x" for n in range(5000)]
    lines[4000] = "4000"
    path.write_text("a,b\n" + "\n".join(lines) + "\n")
    ds = arrowsmith.open(path, range_bytes=1024, config=PipelineConfig(worker_threads=4))
    seen: list[int] = []

    def consume() -> None:
        for batch in ds.batches():
            seen.extend(batch["a"].to_pylist())

    with pytest.raises(DataError, match="found 1 field where there should be 2") as caught:
        consume()
    assert seen == list(range(len(seen)))
    assert len(seen) <= 4000
    assert caught.value.stage == "read"
    assert "line 4002" in str(caught.value)


def test_an_error_waits_for_a_slow_consumer(tmp_path, no_leaks):
    """Which rows come before an error depends on the data, not on who is faster."""
    path = tmp_path / "in.csv"
    lines = [f"{n},x" for n in range(1500)]
    lines[1200] = "1200"
    path.write_text("a,b\n" + "\n".join(lines) + "\n")
    config = PipelineConfig(worker_threads=2, buffer_capacity=64)
    batches = arrowsmith.open(path, range_bytes=1024, config=config).batches()
    seen = next(batches)["a"].to_pylist()
    for thread in run_threads():
        if "worker" in thread.name:
            thread.join(timeout=20)  # they have done all there is to do

    def consume() -> None:
        for batch in batches:
            seen.extend(batch["a"].to_pylist())

    with pytest.raises(DataError, match="line 1202"):
        consume()
    assert seen == list(range(len(seen)))
    assert 1000 < len(seen) <= 1200


def test_an_iterator_names_the_line_that_contradicts_the_types(tmp_path, no_leaks):
    path = contradicting(tmp_path / "in.csv")
    with pytest.raises(SchemaConflict) as caught:
        arrowsmith.open(path, **SMALL_SAMPLE).to_table()
    assert caught.value.column == "b"
    assert str(caught.value).startswith(f"{path}: line 20002, byte ")
    assert 'infer="full"' in str(caught.value)
    whole = arrowsmith.open(path, infer="full").to_table()
    assert whole["b"].to_pylist() == pl.read_csv(path, infer_schema_length=None)["b"].to_list()


def test_float_specials_go_through(tmp_path):
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"x": [math.nan, math.inf, -0.0, None]}), path)
    values = arrowsmith.open(path).to_table()["x"].to_pylist()
    assert math.isnan(values[0])
    assert values[1:] == [math.inf, 0.0, None]
    assert math.copysign(1, values[2]) == -1


# --- opening -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"delimitr": ";"}, "did you mean 'delimiter'"),
        ({"on_error": "explode"}, "on_error is raise, skip or quarantine"),
        ({"on_error": "quarantine"}, "quarantine needs a file"),
        ({"on_error": "skip", "rejects": "x.jsonl"}, "a rejects file is not written"),
        ({"max_errors": -1}, "max_errors must be at least 0"),
        ({"budget": "many"}, "many"),
        ({"file_path_column": ""}, "file_path_column must not be empty"),
    ],
)
def test_wrong_options_are_usage_errors(text, options, message):
    with pytest.raises(OptionError, match=message):
        arrowsmith.open(text, **options)


def test_options_are_checked_before_the_file(tmp_path):
    with pytest.raises(OptionError, match="delimitr"):
        arrowsmith.open(tmp_path / "missing.csv", format="csv", delimitr=";")
