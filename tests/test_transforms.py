"""The transforms that need no fit, from Python and from the command line."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import arrowsmith
from arrowsmith.cli.app import app
from arrowsmith.errors import (
    DataError,
    OptionError,
    PredicateError,
    SchemaMismatch,
    TargetExists,
    UnknownColumn,
)
from arrowsmith.testing import TableFeed, collect


@pytest.fixture
def source(table, tmp_path):
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=130)
    return tmp_path / "in.parquet"


def run(*args: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(arg) for arg in args])
    return done.exit_code, done.output


# --- by verb, by name and from the command line --------------------------------------------------

WAYS = [
    (lambda ds: ds.drop("lang", "good"), ("drop", {"columns": ["lang", "good"]}),
     "drop:columns=lang,good"),
    (lambda ds: ds.select("good", "id"), ("select", {"columns": ["good", "id"]}),
     "select:columns=good,id"),
    (lambda ds: ds.rename({"id": "n"}), ("rename", {"names": {"id": "n"}}), "rename:names=id:n"),
    (lambda ds: ds.cast({"id": "int16"}), ("cast", {"columns": {"id": "int16"}}),
     "cast:columns=id:int16"),
    (lambda ds: ds.filter("id > 3 and id < 9"), ("filter", {"condition": "id > 3 and id < 9"}),
     "filter:condition=id > 3 and id < 9"),
    (lambda ds: ds.limit(7), ("limit", {"rows": 7}), "limit:rows=7"),
    (lambda ds: ds.with_column("t", "id * 2"), ("with_column", {"name": "t", "expression":
     "id * 2"}), "with_column:name=t,expression=id * 2"),
    (lambda ds: ds.fill_null({"score": -1}), ("fill_null", {"values": {"score": -1}}),
     "fill_null:values=score:-1"),
    (lambda ds: ds.fill_forward("lang"), ("fill_forward", {"columns": ["lang"]}),
     "fill_forward:columns=lang"),
    (lambda ds: ds.sample(0.25, seed=3), ("sample", {"fraction": 0.25, "seed": 3}),
     "sample:fraction=0.25,seed=3"),
    (lambda ds: ds.sample(rows=9, seed=3), ("sample_rows", {"rows": 9, "seed": 3}),
     "sample_rows:rows=9,seed=3"),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "step", "text"), WAYS, ids=[way[1][0] for way in WAYS])
def test_all_ways_lead_to_the_same_rows(source, tmp_path, verb, step, text):
    ds = arrowsmith.open(source)
    wanted = verb(ds).to_table()
    assert ds.transform(step[0], **step[1]).to_table().equals(wanted)
    code, output = run("convert", source, tmp_path / "out.arrow", "--transform", text)
    assert code == 0, output
    assert arrowsmith.open(tmp_path / "out.arrow").to_table().equals(wanted)


def test_verbs_need_no_plugin(source, monkeypatch):
    monkeypatch.setenv("ARROWSMITH_PLUGINS", "parquet")
    from arrowsmith.catalog import Catalog

    assert "drop" not in Catalog().transforms()
    assert arrowsmith.open(source).drop("id").schema.names == ["score", "lang", "good"]


# --- what reaches the reader ---------------------------------------------------------------------


def columns_read(ds: arrowsmith.Dataset) -> str:
    return ds.explain().splitlines()[1].strip().partition(" (")[0]


@pytest.mark.parametrize(
    ("chain", "columns"),
    [
        (lambda ds: ds.drop("lang", "good"), "columns: id, score"),
        (lambda ds: ds.with_column("t", "id + score").select("t"), "columns: id, score"),
        (
            lambda ds: ds.with_column("t", "id + score").drop("t", "good"),
            "columns: id, score, lang",
        ),
        (lambda ds: ds.with_column("t", "7").select("t"), "columns: id"),
        (lambda ds: ds.drop("id").with_column("t", "7").select("t"), "columns: score"),
        (lambda ds: ds.rename({"id": "score", "score": "id"}).select("id"), "columns: score"),
        (lambda ds: ds.cast({"id": "int16"}).select("lang"), "columns: lang"),
        (lambda ds: ds.fill_null({"score": 0}).filter("good").select("id"), "columns: id, good"),
        (lambda ds: ds.sample(0.5).fill_forward("lang").select("id"), "columns: id"),
        (lambda ds: ds.map(lambda batch: batch).select("id"), "columns: id, score, lang, good"),
    ],
)
def test_only_columns_that_matter_are_read(source, table, chain, columns):
    ds = chain(arrowsmith.open(source))
    assert columns_read(ds) == columns
    whole = chain(arrowsmith.open(source).map(lambda batch: batch))  # reads all columns
    assert ds.to_table().equals(whole.to_table())


def test_conditions_pass_steps_that_leave_their_columns_alone(source):
    ds = arrowsmith.open(source)
    passed = ds.drop("lang").with_column("t", "id + 1").fill_null({"score": 0}).filter("id > 900")
    assert "where: (id > 900) (skips what cannot match)" in passed.explain()
    assert passed.count() == 99
    for held in (ds.fill_null({"id": 0}), ds.rename({"id": "score", "score": "id"}), ds.limit(5)):
        assert "where" not in held.filter("id > 900").explain()


def test_limits_pass_steps_that_keep_the_rows(source):
    ds = arrowsmith.open(source)
    assert "at most 3 rows" in ds.flatten().with_column("t", "id").limit(3).explain()
    for held in (ds.filter("good"), ds.sample(0.5), ds.map(lambda batch: batch)):
        assert "at most" not in held.limit(3).explain()


def test_a_transform_of_a_plugin_may_say_what_it_needs(source):
    class Bound:
        kind = "stateless"

        def __init__(self, schema):
            self.schema = schema

        def needed(self, outputs):
            return outputs | {"id"}

        def narrowed(self, schema):
            return Bound(schema)

        def __call__(self, batch):
            return batch.filter(pc.greater(batch["id"], 990))

    class Late:
        def bind(self, schema):
            return Bound(schema)

    from arrowsmith.pipeline.plan import as_verb

    ds = arrowsmith.open(source)._then(as_verb(Late())).select("lang")
    assert columns_read(ds) == "columns: id, lang"
    assert ds.count() == 9


# --- with_column ---------------------------------------------------------------------------------

FORMULAS = [
    ("id + score * 2", pl.col("id") + pl.col("score") * 2),
    ("-id - 1 - 1", -pl.col("id") - 1 - 1),
    ("id -1", pl.col("id") - 1),
    ("(id + 1) / 4", (pl.col("id") + 1) / 4),
    ("id % 7", pl.col("id") % 7),
    ("score >= 10 and good", (pl.col("score") >= 10) & pl.col("good")),
    ("not good or id < 5", ~pl.col("good") | (pl.col("id") < 5)),
    ("lang is null", pl.col("lang").is_null()),
    ("lang is not null and id != 4", pl.col("lang").is_not_null() & (pl.col("id") != 4)),
    ("coalesce(lang, 'none')", pl.coalesce("lang", pl.lit("none"))),
    ("upper(lang)", pl.col("lang").str.to_uppercase()),
    ("concat(lang, '-', id)", pl.concat_str("lang", pl.lit("-"), pl.col("id").cast(pl.String))),
    ("length(coalesce(lang, ''))", pl.col("lang").fill_null("").str.len_chars().cast(pl.Int32)),
    ("if(good, score, 0.5)", pl.when("good").then("score").otherwise(0.5)),
    ("abs(round(score - 100))", (pl.col("score") - 100).round(mode="half_to_even").abs()),
    ("sqrt(id) + floor(score)", pl.col("id").sqrt() + pl.col("score").floor()),
    ("text(id)", pl.col("id").cast(pl.String)),
    ("`id` + \"id\"", pl.col("id") * 2),
    ("'it''s'", pl.lit("it's")),
    ("true", pl.lit(True)),
]  # fmt: skip


@pytest.mark.parametrize(("formula", "judge"), FORMULAS, ids=[text for text, _ in FORMULAS])
def test_formulas_give_what_polars_gives(source, table, formula, judge):
    got = pl.from_arrow(arrowsmith.open(source).with_column("t", formula).select("t").to_table())
    frame = pl.from_arrow(table)
    wanted = (
        frame.select(t=judge) if judge.meta.root_names() else frame.select(t=judge.repeat_by(1))
    )
    if not judge.meta.root_names():
        wanted = pl.DataFrame({"t": [frame.select(judge).item()] * frame.height})
    assert got["t"].to_list() == wanted["t"].to_list()


def test_times_in_formulas(tmp_path):
    times = pl.datetime_range(
        pl.datetime(2023, 12, 31), pl.datetime(2024, 1, 3), "7h", eager=True
    ).alias("at")
    pl.DataFrame(times).write_parquet(tmp_path / "t.parquet")
    ds = arrowsmith.open(tmp_path / "t.parquet")
    got = ds.with_column("n", "year(at) * 10000 + month(at) * 100 + day(at)").to_table()
    assert got["n"].to_pylist() == [int(at.strftime("%Y%m%d")) for at in times]
    late = ds.with_column("late", "at >= '2024-01-01 10:00:00' or hour(at) = 0").to_table()
    import datetime

    noon = datetime.datetime(2024, 1, 1, 10)
    assert late["late"].to_pylist() == [at >= noon or at.hour == 0 for at in times]


def test_with_column_takes_expressions_and_functions(source, table):
    ds = arrowsmith.open(source)
    wanted = pc.add(table["id"], 1)
    for value in (pc.field("id") + 1, lambda batch: pc.add(batch["id"], 1), "id + 1"):
        assert ds.with_column("id", value).to_table()["id"].equals(wanted)
    assert columns_read(ds.with_column("t", pc.field("id") + 1).select("t")) == "columns: id"
    with pytest.raises(SchemaMismatch, match="a value for each row"):
        _ = ds.with_column("t", lambda batch: 3).schema
    with pytest.raises(PredicateError, match="cannot compute a column from int"):
        _ = ds.with_column("t", 3).schema


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("id +", "at character 5: a value expected, the end found"),
        ("idd + 1", "at character 1: no column 'idd'; did you mean id"),
        ("low(lang)", "no function 'low'; did you mean lower"),
        ("if(good, 1)", "if takes 3 values, not 2"),
        ("lower(id)", "does not fit the columns"),
        ("id + lang", "does not fit the columns"),
        ("id ? 3", "at character 4: '\\?' is not understood"),
        ("lang = 'x", "at character 8: .* is not understood"),
        ("99999999999999999999", "is beyond 64 bits"),
        ("(" * 100 + "id", "nested deeper than 64 levels"),
        ("-" * 100 + "id", "nested deeper than 64 levels"),
        ("not " * 100 + "good", "nested deeper than 64 levels"),
        ("id id", "an operator or the end expected, 'id' found"),
        ("", "a value expected"),
        ("1" * 70_000, "longer than 65536 characters"),
    ],
)
def test_wrong_formulas_are_told_with_their_place(source, formula, message):
    with pytest.raises(PredicateError, match=message):
        _ = arrowsmith.open(source).with_column("t", formula).schema


@pytest.mark.parametrize("formula", ["id * 9223372036854775807", "id % (id - id)", "int(lang)"])
def test_what_cannot_be_computed_is_an_error(source, formula):
    with pytest.raises(DataError, match="cannot compute"):
        arrowsmith.open(source).with_column("t", formula).to_table()


# --- fill, flatten, drop -------------------------------------------------------------------------


def test_fill_null_fills_values_of_many_types(tmp_path):
    kinds = [pa.int8(), pa.float32(), pa.bool_(), pa.date32(), pa.timestamp("ms"), pa.string()]
    kinds.append(pa.decimal128(9, 2))
    table = pa.table({str(kind): pa.nulls(3, kind) for kind in kinds})
    given = [7, 0.5, True, "2024-02-29", "2024-02-29 12:00:00", "x", "1.25"]
    values = dict(zip(table.column_names, given, strict=True))
    got = collect(TableFeed(table, 2), [("fill_null", {"values": values})], 1)
    assert got.schema.equals(table.schema)
    assert all(column.null_count == 0 for column in got.columns)
    assert [str(column[0].as_py()) for column in got.columns] == [
        "7", "0.5", "True", "2024-02-29", "2024-02-29 12:00:00", "x", "1.25",
    ]  # fmt: skip
    with pytest.raises(SchemaMismatch, match="'int8' of type int8 cannot be filled with '300'"):
        collect(TableFeed(table, 2), [("fill_null", {"values": {"int8": 300}})], 1)
    with pytest.raises(OptionError, match="cannot be filled with list"):
        collect(TableFeed(table, 2), [("fill_null", {"values": {"int8": [1]}})], 1)


def test_flatten_goes_as_deep_as_asked():
    rows = [{"s": {"a": 1, "t": {"b": "x"}}}, {"s": None}, {"s": {"a": None, "t": None}}]
    table = pa.Table.from_pylist(rows)
    deep = collect(TableFeed(table, 2), [("flatten", {"separator": "_"})], 1)
    wanted = {"s_a": [1, None, None], "s_t_b": ["x", None, None]}
    assert deep.to_pydict() == wanted
    flat = collect(TableFeed(table, 2), [("flatten", {"recursive": False})], 1)
    assert flat.column_names == ["s.a", "s.t"]
    clash = table.append_column("s.a", pa.array([1, 2, 3]))
    with pytest.raises(SchemaMismatch, match=r"two columns would be named 's\.a'"):
        collect(TableFeed(clash, 2), ["flatten"], 1)


def test_what_would_leave_no_column_is_refused(source):
    with pytest.raises(SchemaMismatch, match="no column would be left"):
        _ = arrowsmith.open(source).drop("id", "score", "lang", "good").schema


def test_an_unknown_column_is_told_with_the_nearest(source):
    for verb in ("drop", "fill_forward"):
        with pytest.raises(UnknownColumn, match=r"no column 'lnag'.*did you mean 'lang'"):
            _ = getattr(arrowsmith.open(source), verb)("lnag").schema


# --- samples -------------------------------------------------------------------------------------


@given(rows=st.integers(0, 300), batch=st.integers(1, 50), seed=st.integers(0, 2**63 - 1))
def test_a_sample_is_the_same_however_batches_are_cut(rows, batch, seed):
    feed = pa.table({"n": pa.array(range(rows), pa.int64())})
    steps = [
        ("sample", {"fraction": 0.4, "seed": seed}),
        ("sample_rows", {"rows": 10, "seed": seed}),
    ]
    for step in steps:
        one = collect(TableFeed(feed, 1000), [step], 1)
        assert collect(TableFeed(feed, batch), [step], 2).equals(one)
        kept = one["n"].to_pylist()
        assert kept == sorted(kept)
        assert len(set(kept)) == len(kept)
    assert len(kept) == min(rows, 10)


def test_a_sample_is_fair_and_follows_its_seed():
    feed = pa.table({"n": np.arange(20_000)})
    counts: Counter[int] = Counter()
    for seed in range(40):
        got = collect(TableFeed(feed, 20_000), [("sample", {"fraction": 0.1, "seed": seed})], 1)
        # five standard deviations of a binomial count
        assert abs(got.num_rows - 2000) < 5 * np.sqrt(20_000 * 0.1 * 0.9)
        counts.update(got["n"].to_pylist())
    shares = np.bincount(list(counts.values()))
    assert counts.most_common(1)[0][1] < 20  # of 40 draws of a tenth
    assert shares.sum() > 19_000  # nearly every row comes at some time
    for fraction, rows in ((0, 0), (1, 20_000)):
        kept = collect(TableFeed(feed, 999), [("sample", {"fraction": fraction})], 1)
        assert kept.num_rows == rows


def test_sample_takes_one_of_two(source):
    for wrong in ({}, {"fraction": 0.1, "rows": 3}):
        with pytest.raises(OptionError, match="a fraction or a number of rows"):
            arrowsmith.open(source).sample(**wrong)
    with pytest.raises(OptionError, match=r"'fraction' cannot be 1\.5"):
        arrowsmith.open(source).sample(1.5)


# --- the command line ----------------------------------------------------------------------------


def test_transforms_are_listed_with_their_options():
    code, output = run("transforms")
    assert code == 0
    assert "one_hot" in output
    code, output = run("transforms", "--json")
    found = {one["name"]: one for one in json.loads(output)}
    assert found["ordinal"]["kind"] == "fitted"
    assert {option["name"] for option in found["sample"]["options"]} == {"fraction", "seed"}
    assert all(option["help"] for one in found.values() for option in one["options"])
    code, output = run("transforms", "sample")
    assert (code, "written: --transform sample:fraction=..." in output) == (0, True)
    code, output = run("transforms", "smaple")
    assert (code, "did you mean 'sample'" in output) == (2, True)


def test_commas_inside_a_formula_begin_no_option(source, tmp_path):
    text = "with_column:name=t,expression=if(good, id = 3, lang = 'en')"
    code, output = run("convert", source, tmp_path / "out.arrow", "--transform", text)
    assert code == 0, output
    wanted = arrowsmith.open(source).with_column("t", "if(good, id = 3, lang = 'en')").to_table()
    assert arrowsmith.open(tmp_path / "out.arrow").to_table().equals(wanted)


def test_state_is_saved_by_a_run_that_succeeds_and_by_no_other(source, tmp_path):
    state = tmp_path / "state.json"
    scale = ("--transform", "standard_scale:columns=id")
    code, output = run("convert", source, tmp_path / "a.arrow", *scale, "--save-state", state)
    assert code == 0, output
    learned = json.loads(state.read_text())["steps"][0]["state"]["columns"]["id"]
    assert (learned["count"], learned["mean"]) == (1000, 499.5)
    code, output = run("convert", source, tmp_path / "b.arrow", *scale, "--save-state", state)
    assert (code, TargetExists.exit_code) == (2, 2)
    assert not (tmp_path / "b.arrow").exists()
    few = ("--where", "id < 10", *scale, "--load-state", state)
    code, output = run("convert", source, tmp_path / "c.arrow", *few)
    assert code == 0, output
    whole = arrowsmith.open(tmp_path / "a.arrow").to_table()
    assert arrowsmith.open(tmp_path / "c.arrow").to_table().equals(whole.slice(0, 10))
    bad = tmp_path / "bad.json"
    failing = (*scale, "--transform", "cast:columns=score:int8", "--save-state", bad)
    code, output = run("convert", source, tmp_path / "d.arrow", *failing)
    assert (code, bad.exists(), (tmp_path / "d.arrow").exists()) == (1, False, False)
    code, output = run("convert", source, tmp_path / "e.arrow", "--save-state", bad)
    assert (code, "no step of the chain is fitted" in output) == (2, True)
