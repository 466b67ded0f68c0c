"""``Pipeline``: sources, transforms and sinks of each kind, bad records, figures, same bytes."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
import traceback
import warnings
from importlib.metadata import EntryPoint
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import arrowsmith
import arrowsmith.catalog
from arrowsmith import ErrorPolicy, MemoryBudget, Pipeline, PipelineConfig, RunStats
from arrowsmith.catalog import Catalog
from arrowsmith.errors import (
    BudgetExceeded,
    DataError,
    OptionError,
    SchemaConflict,
    SourceError,
    TargetError,
    TargetExists,
    TooManyErrors,
    UnknownName,
)
from arrowsmith.pipeline.plan import limit
from arrowsmith.testing import TableFeed
from conftest import ROWS
from test_dataset import SMALL_SAMPLE, contradicting


@pytest.fixture
def source(table, tmp_path) -> Path:
    path = tmp_path / "in.parquet"
    pq.write_table(table, path, row_group_size=100)
    return path


class Collected:
    """A sink that keeps its batches; ``fail`` names the method that raises."""

    def __init__(self, schema: pa.Schema, fail: str | None = None) -> None:
        self.schema = schema
        self.batches: list[pa.RecordBatch] = []
        self.log: list[str] = []
        self._fail = fail

    def _step(self, name: str) -> None:
        self.log.append(name)
        if self._fail == name:
            raise OSError(f"of {name}")

    def write(self, batch: pa.RecordBatch) -> None:
        self._step("write")
        self.batches.append(batch)

    def commit(self) -> None:
        self._step("commit")

    def __enter__(self):
        self._step("enter")
        return self

    def __exit__(self, kind, error, trace) -> None:
        self.log.append("exit" if kind is None else "abort")

    @property
    def table(self) -> pa.Table:
        return pa.Table.from_batches(self.batches, schema=self.schema)


def collecting(fail: str | None = None):
    made: list[Collected] = []

    def make(schema, context):
        made.append(Collected(schema, fail))
        return made[-1]

    return made, make


# --- what goes in and out ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [str, Path, lambda path: [path], arrowsmith.open])
def test_sources(kind, source, table, tmp_path, no_leaks):
    stats = Pipeline(kind(source), [], tmp_path / "out.parquet").run()
    assert pq.read_table(tmp_path / "out.parquet").equals(table)
    assert stats.rows_out == ROWS


def test_a_dataset_brings_its_verbs(source, table, tmp_path):
    ds = arrowsmith.open(source).filter("id < 10").select("id")
    Pipeline(ds, [lambda batch: batch.rename_columns(["n"])], tmp_path / "out.parquet").run()
    assert pq.read_table(tmp_path / "out.parquet")["n"].to_pylist() == list(range(10))


class Negate:
    """A transform object: bound to a schema, it negates a column."""

    kind = "stateless"

    def bind(self, schema):
        self.schema = schema
        return self

    def __call__(self, batch):
        return batch.set_column(0, schema_field(batch, 0), pc.negate(batch.column(0)))


def schema_field(batch, index):
    return batch.schema.field(index)


def test_transforms_are_objects_and_functions(source, table):
    made, make = collecting()
    steps = [Negate(), lambda batch: batch.select(["id"])]
    Pipeline(source, steps, make).run()
    assert made[0].table["id"].to_pylist() == [-n for n in range(ROWS)]


SPECS = """
from dataclasses import dataclass
from arrowsmith.plugin import TransformSpec, hookimpl, option

@dataclass(frozen=True, slots=True)
class ShiftOptions:
    column: str = option(help="to shift")
    by: int = option(1, help="how far")

@hookimpl
def arrowsmith_transforms():
    yield TransformSpec("shift", "shifting_impl:Shift", options=ShiftOptions, summary="adds")
"""
IMPL = """
import pyarrow.compute as pc

class Shift:
    kind = "stateless"

    def __init__(self, options, ctx):
        self.options = options

    def bind(self, schema):
        self.schema = schema
        self.index = schema.get_field_index(self.options.column)
        return self

    def __call__(self, batch):
        moved = pc.add(batch.column(self.index), self.options.by)
        return batch.set_column(self.index, self.schema.field(self.index), moved)
"""


@pytest.fixture
def shift(tmp_path_factory, monkeypatch) -> None:
    """A plugin beside the core's formats, with a transform."""
    site = tmp_path_factory.mktemp("site")
    (site / "shifting.py").write_text(SPECS)
    (site / "shifting_impl.py").write_text(IMPL)
    monkeypatch.syspath_prepend(site)
    names = ("csv", "parquet", "arrow")
    points = [EntryPoint(name, f"arrowsmith.formats.{name}", "arrowsmith") for name in names]
    points.append(EntryPoint("shifting", "shifting", "arrowsmith"))
    monkeypatch.setattr(arrowsmith.catalog, "_shared", Catalog(points))


def test_transforms_of_plugins_go_by_name(shift, source):
    made, make = collecting()
    Pipeline(source, [("shift", {"column": "id", "by": "10"})], make).run()
    assert made[0].table["id"].to_pylist() == list(range(10, ROWS + 10))
    ds = arrowsmith.open(source).transform("shift", column="id")
    assert ds.filter("id > 998").to_table()["id"].to_pylist() == [999, 1000]
    assert ds.explain().splitlines()[-1] == "shift column=id [stateless]"
    assert "shift" in arrowsmith.registry.transforms()
    with pytest.raises(OptionError, match="colum"):
        arrowsmith.open(source).transform("shift", colum="id")


@pytest.mark.parametrize("step", [17, ("a", "b", "c"), None])
def test_what_is_no_transform_is_refused(source, step):
    with pytest.raises(OptionError, match="is no transform"):
        Pipeline(source, [step], "out.parquet")


@pytest.mark.parametrize("step", ["no_such", ("no_such", {"a": 1})])
def test_an_unknown_transform_is_named(source, step):
    with pytest.raises(UnknownName, match="no_such"):
        Pipeline(source, [step], "out.parquet")


def test_a_sink_factory_is_entered_written_and_committed(source, table, no_leaks):
    made, make = collecting()
    stats = Pipeline(source, [], make).run()
    assert made[0].table.equals(table)
    assert made[0].log == ["enter", "write", "commit", "exit"]
    assert (stats.bytes_out, stats.rows_out) == (0, ROWS)


def test_a_pipeline_needs_a_sink(source):
    with pytest.raises(OptionError, match="needs a sink"):
        Pipeline(source)


def test_an_existing_target_stays(source, tmp_path, no_leaks):
    target = tmp_path / "out.csv"
    target.write_text("old")
    with pytest.raises(TargetExists, match="exists already"):
        Pipeline(source, [], target).run()
    assert target.read_text() == "old"
    Pipeline(source, [], target, overwrite=True).run()
    assert pl.read_csv(target).height == ROWS


def test_the_source_is_no_target(source, table):
    with pytest.raises(TargetError):
        Pipeline(source, [], source, overwrite=True).run()
    assert pq.read_table(source).equals(table)


def test_format_and_options_of_the_target(source, tmp_path, table):
    Pipeline(source, [], tmp_path / "out.txt", format="csv", options={"delimiter": ";"}).run()
    assert pl.read_csv(tmp_path / "out.txt", separator=";").to_arrow().num_rows == ROWS
    with pytest.raises(OptionError, match="did you mean 'delimiter'"):
        Pipeline(source, [], tmp_path / "x.csv", options={"delimitr": ";"}).run()
    with pytest.raises(OptionError, match="did you mean 'delimiter'"):
        arrowsmith.open(source).write(tmp_path / "x.csv", delimitr=";")


# --- failures ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["enter", "write", "commit"])
def test_a_sink_that_raises_ends_the_run(method, source, no_leaks):
    made, make = collecting(method)
    with pytest.raises(OSError, match=f"of {method}"):
        Pipeline(source, [], make).run()
    assert "exit" not in made[0].log


def test_a_function_that_raises_leaves_the_old_target(source, tmp_path, no_leaks):
    target = tmp_path / "out.parquet"
    target.write_bytes(b"old")

    def faulty(batch):
        if batch.num_rows:
            raise ZeroDivisionError("of the function")
        return batch

    with pytest.raises(ZeroDivisionError) as caught:
        Pipeline(source, [faulty], target, overwrite=True).run()
    assert target.read_bytes() == b"old"
    assert "in faulty" in "".join(traceback.format_exception(caught.value))
    assert caught.value.__notes__ == ["in the transform stage"]


def test_a_damaged_source_leaves_no_target(source, tmp_path, no_leaks):
    data = bytearray(source.read_bytes())
    data[40:400] = bytes(360)
    source.write_bytes(data)
    with pytest.raises((DataError, SourceError)) as caught:
        Pipeline(source, [], tmp_path / "out.csv").run()
    assert str(source) in str(caught.value)
    assert not (tmp_path / "out.csv").exists()


def test_a_row_group_that_is_larger_than_the_budget_names_one_that_would_do(tmp_path, no_leaks):
    path = tmp_path / "in.parquet"
    wide = pa.table({"t": [os.urandom(1 << 20).hex() for _ in range(12)]})
    pq.write_table(wide, path, compression="none", use_dictionary=False)
    with pytest.raises(BudgetExceeded, match=r"--memory \d+MB") as caught:
        Pipeline(path, [], tmp_path / "out.parquet", budget="1MB").run()
    assert caught.value.needed > 1 << 20
    assert not (tmp_path / "out.parquet").exists()


# --- types that change on the way ----------------------------------------------------------------


def test_a_file_is_begun_again_with_wider_types_once(tmp_path, no_leaks):
    path = contradicting(tmp_path / "in.csv")
    stats = arrowsmith.open(path, **SMALL_SAMPLE).write(tmp_path / "out.parquet")
    assert (stats.restarts, stats.rows_out) == (1, 60_000)
    got = pq.read_table(tmp_path / "out.parquet")
    assert got.equals(pl.read_csv(path, infer_schema_length=None).to_arrow().cast(got.schema))
    assert arrowsmith.open(path, infer="full").write(tmp_path / "full.parquet").restarts == 0
    assert (tmp_path / "full.parquet").read_bytes() == (tmp_path / "out.parquet").read_bytes()


def test_rejects_are_begun_again_too(tmp_path):
    path = contradicting(tmp_path / "in.csv")
    lines = path.read_text().splitlines()
    lines[101] = "100"
    path.write_text("\n".join(lines) + "\n")
    ds = arrowsmith.open(path, **SMALL_SAMPLE)
    stats = ds.write(tmp_path / "out.parquet", rejects=str(tmp_path / "bad.jsonl"))
    assert (stats.restarts, stats.rejected, stats.rows_out) == (1, 1, 59_999)
    assert len((tmp_path / "bad.jsonl").read_text().splitlines()) == 1


def test_a_sink_factory_is_called_again(tmp_path):
    made, make = collecting()
    ds = arrowsmith.open(contradicting(tmp_path / "in.csv"), **SMALL_SAMPLE)
    assert Pipeline(ds, [], make).run().restarts == 1
    assert [sink.log[-1] for sink in made] == ["abort", "exit"]
    assert made[1].schema.field("b").type == pa.string()


# --- bad records ---------------------------------------------------------------------------------

BAD = b'id,name,at\n1,a,2\n2,b\nx,c,3\n4,"d\n5",4\n5,e,5,6\n6,\xff,7\n7,g,8\n'
EXPECTED = [  # record, line, offset, column, raw
    (record, line, BAD.index(raw), column, raw)
    for record, line, column, raw in (
        (1, 3, None, b"2,b"),
        (2, 4, "id", b"x,c,3"),
        (4, 7, None, b"5,e,5,6"),
        (5, 8, "name", b"6,\xff,7"),
    )
]


@pytest.fixture
def bad(tmp_path) -> Path:
    path = tmp_path / "bad.csv"
    path.write_bytes(BAD)
    return path


def opened(path, **options):
    return arrowsmith.open(path, types={"id": "int64"}, **options)


@pytest.mark.parametrize("range_bytes", [16, 1 << 20])
@pytest.mark.parametrize("suffix", ["jsonl", "parquet", "jsonl.gz"])
def test_rejects_file(suffix, range_bytes, bad, tmp_path, no_leaks):
    rejects = tmp_path / f"rejects.{suffix}"
    ds = opened(bad, range_bytes=range_bytes)
    stats = ds.write(tmp_path / "out.parquet", rejects=str(rejects))
    assert (stats.rows_out, stats.rejected) == (3, 4)
    assert pq.read_table(tmp_path / "out.parquet")["name"].to_pylist() == ["a", "d\n5", "g"]
    if suffix == "parquet":
        found = pq.read_table(rejects).to_pylist()
    else:
        found = duckdb.sql(f"from read_json_auto('{rejects}')").to_arrow_table().to_pylist()
        for row in found:
            coded = row.pop("raw_base64", None)
            row["raw"] = base64.b64decode(coded) if coded else row["raw"].encode()
    places = [(r["record"], r["line"], r["offset"], r["column"], r["raw"]) for r in found]
    assert places == EXPECTED
    assert {row["source"] for row in found} == {str(bad)}
    reasons = [row["reason"] for row in found]
    assert reasons[0] == "found 2 fields where there should be 3"
    assert "'x' is no int64" in reasons[1]
    assert reasons[2] == "found 4 fields where there should be 3"
    assert "0xff is not UTF-8" in reasons[3]


def test_mended_rejects_give_the_missing_rows(bad, tmp_path):
    rejects = tmp_path / "rejects.jsonl"
    opened(bad).write(tmp_path / "good.parquet", on_error="quarantine", rejects=str(rejects))
    records = [json.loads(line) for line in rejects.read_text().splitlines()]
    raws = [
        record["raw"].encode() if "raw" in record else base64.b64decode(record["raw_base64"])
        for record in records
    ]
    short, typed, long, encoded = raws
    mended = [short + b",2", typed.replace(b"x", b"3"), long[:5], encoded.replace(b"\xff", b"f")]
    again = tmp_path / "again.csv"
    again.write_bytes(b"id,name,at\n" + b"\n".join(mended) + b"\n")
    both = pa.concat_tables(
        [pq.read_table(tmp_path / "good.parquet"), opened(again).to_table()],
    )
    rows = sorted(both.to_pylist(), key=lambda row: row["id"])
    assert [row["id"] for row in rows] == [1, 2, 3, 4, 5, 6, 7]
    assert "".join(row["name"][0] for row in rows) == "abcdefg"


def test_bad_records_raise_by_default(bad, tmp_path, no_leaks):
    with pytest.raises(DataError, match=r"line 3, byte 17.*found 2 fields"):
        opened(bad).write(tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_bad_records_are_counted_when_skipped(bad, tmp_path):
    stats = opened(bad, on_error="skip").write(tmp_path / "out.parquet")
    assert (stats.rejected, stats.rows_out) == (4, 3)
    stats = RunStats()
    list(opened(bad, on_error="skip").batches(stats=stats))
    assert stats.rejected == 4
    errors = ErrorPolicy("skip")
    assert Pipeline(bad, [], tmp_path / "all.csv", errors=errors).run().rejected == 3


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_max_errors(suffix, bad, tmp_path, no_leaks):
    rejects = tmp_path / f"rejects.{suffix}"
    with pytest.raises(TooManyErrors, match=r"line 7.*more than 2 bad records"):
        opened(bad).write(tmp_path / "out.parquet", rejects=str(rejects), max_errors=2)
    assert not (tmp_path / "out.parquet").exists()
    kept = pq.read_table(rejects).num_rows if suffix == "parquet" else len(
        rejects.read_text().splitlines()
    )  # fmt: skip
    assert kept == 3  # what was found up to the one too many helps to mend the input
    assert opened(bad, on_error="skip", max_errors=4).to_table().num_rows == 3
    with pytest.raises(TooManyErrors):
        opened(bad, on_error="skip", max_errors=3).to_table()


def test_an_iterator_writes_rejects_and_a_look_does_not(bad, tmp_path):
    rejects = tmp_path / "rejects.jsonl"
    ds = opened(bad, rejects=str(rejects))
    assert ds.head(9).num_rows == ds.count() == 3
    assert not rejects.exists()
    assert ds.to_table().num_rows == 3
    assert len(rejects.read_text().splitlines()) == 4


def test_a_run_may_have_another_policy_than_the_dataset(bad, tmp_path):
    ds = opened(bad, rejects=str(tmp_path / "rejects.jsonl"))
    with pytest.raises(DataError, match="line 3"):
        ds.write(tmp_path / "out.parquet", on_error="raise")
    assert ds.write(tmp_path / "out.parquet", on_error="skip").rejected == 4
    assert not (tmp_path / "rejects.jsonl").exists()


def test_a_rejects_file_that_is_there_stays(bad, tmp_path):
    rejects = tmp_path / "rejects.jsonl"
    rejects.write_text("old")
    with pytest.raises(TargetExists):
        opened(bad).write(tmp_path / "out.parquet", rejects=str(rejects))
    assert rejects.read_text() == "old"
    opened(bad).write(tmp_path / "out.parquet", rejects=str(rejects), overwrite=True)
    assert len(rejects.read_text().splitlines()) == 4


def test_the_source_is_no_rejects_file(tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_bytes(BAD)
    ds = arrowsmith.open(source, format="csv")
    with pytest.raises(TargetError):
        ds.write(tmp_path / "out.parquet", rejects=str(source), overwrite=True)
    with pytest.raises(TargetError):
        arrowsmith.open(source, format="csv", rejects=str(source)).to_table()
    assert source.read_bytes() == BAD


@pytest.mark.parametrize("name", ["rejects.csv", "rejects"])
def test_rejects_are_jsonl_or_parquet(name, bad, tmp_path):
    with pytest.raises(OptionError, match=r"must end with \.jsonl or \.parquet"):
        opened(bad).write(tmp_path / "out.parquet", rejects=str(tmp_path / name))


# --- figures -------------------------------------------------------------------------------------


def test_figures_of_a_run(source, table, tmp_path):
    seen: list[int] = []
    stats = arrowsmith.open(source).filter("id >= 250").write(
        tmp_path / "out.parquet",
        budget=MemoryBudget("256MB"),
        config=PipelineConfig(worker_threads=3, memory_check_interval=0.001),
        progress=lambda running: seen.append(running.rows_in),
    )  # fmt: skip
    assert (stats.rows_in, stats.rows_out) == (800, 750)
    assert stats.bytes_in > 750 * 16
    assert stats.bytes_out == (tmp_path / "out.parquet").stat().st_size
    assert stats.batches >= 8
    assert stats.chunks == 1
    assert (stats.threads, stats.memory_limit) == (3, 256 << 20)
    assert 0 <= stats.peak_memory < 256 << 20
    assert set(stats.seconds) == {"read", "transform", "encode", "write"}
    assert all(0 <= value < stats.elapsed * 5 for value in stats.seconds.values())
    assert stats.seconds["read"] > 0
    assert stats.seconds["encode"] > 0
    assert stats.blocked >= 0
    assert (stats.rejected, stats.restarts, stats.warnings) == (0, 0, [])
    assert sorted(seen) == seen
    assert json.loads(json.dumps(stats.as_dict()))["rows_out"] == 750


def test_peak_memory_is_measured_on_the_process(tmp_path):
    """In a process of its own, since one that ran before has memory to spare."""
    (tmp_path / "in.csv").write_text("a\n" + "y" * 1000 + "\n" + ("z" * 1000 + "\n") * 20_000)
    program = (
        "import arrowsmith\n"
        "stats = arrowsmith.open('in.csv').write('out.parquet', budget='64MB')\n"
        "print(stats.peak_memory)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert 1 << 20 < int(run.stdout) < 64 << 20


def test_figures_of_an_iterator(source):
    stats = RunStats()
    rows = sum(batch.num_rows for batch in arrowsmith.open(source).batches(stats=stats))
    assert (stats.rows_out, stats.rows_in, stats.bytes_out) == (rows, rows, 0)
    assert stats.elapsed > 0


def test_a_slow_consumer_is_waited_for(tmp_path):
    """The source does not run ahead of what the queues and the budget hold."""
    path = tmp_path / "in.csv"
    path.write_text("a\n" + "x" * 1000 + "\n" + ("y" * 1000 + "\n") * 20_000)
    stats = RunStats()
    config = PipelineConfig(worker_threads=2, buffer_capacity=2)
    ds = arrowsmith.open(path, range_bytes=16384, budget="64MB", config=config)
    batches = ds.batches(stats=stats)
    next(batches)
    next(batches)
    assert stats.rows_in < 20_001 - 1000
    assert sum(batch.num_rows for batch in batches) > 0
    assert stats.rows_in == 20_001
    assert stats.peak_memory < 64 << 20


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_rows": 0},
        {"worker_threads": 0},
        {"worker_threads": 5000},
        {"buffer_capacity": 0},
        {"backpressure_threshold": 0},
        {"backpressure_threshold": 1.5},
        {"memory_check_interval": 0},
    ],
)
def test_knobs_out_of_range(wrong):
    with pytest.raises(OptionError, match=next(iter(wrong))):
        PipelineConfig(**wrong)


def test_threads_follow_the_cores():
    assert PipelineConfig().threads == len(os.sched_getaffinity(0))
    assert PipelineConfig(worker_threads=7).threads == 7


# --- same input, same bytes ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    n = 12_000
    table = pa.table(
        {
            "id": pa.array(range(n), pa.int64()),
            "x": pa.array([None if i % 11 == 0 else i / 8 for i in range(n)]),
            "t": pa.array([f'a "{i % 13}"\nb' if i % 50 == 0 else f"v{i % 97}" for i in range(n)]),
            "b": pa.array([None if i % 17 == 0 else i % 2 == 0 for i in range(n)]),
        }
    )
    pyarrow.csv.write_csv(table, folder / "in.csv")
    pq.write_table(table, folder / "in.parquet", row_group_size=1500)
    return folder


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("in.csv", "parquet"), ("in.csv", "arrow"), ("in.csv", "arrows"), ("in.csv", "csv"),
     ("in.parquet", "csv"), ("in.parquet", "parquet"), ("in.csv", "csv.gz")],
)  # fmt: skip
def test_output_depends_on_neither_threads_nor_budget_nor_batches(name, suffix, inputs, tmp_path):
    options = {"range_bytes": 20_000} if name == "in.csv" else {}
    outputs = set()
    for threads in (1, 2, 4):
        for budget in ("64MB", "1GB"):
            for batch_rows in (1000, 65_536):
                target = tmp_path / f"out.{suffix}"
                config = PipelineConfig(worker_threads=threads, batch_rows=batch_rows)
                arrowsmith.open(inputs / name, **options).filter("id != 77").write(
                    target, budget=budget, config=config, overwrite=True
                )
                outputs.add(target.read_bytes())
    assert len(outputs) == 1


def test_a_run_warns_of_nothing(inputs, tmp_path):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for source in ("in.csv", "in.parquet"):
            for suffix in ("csv", "parquet", "arrow"):
                out = tmp_path / f"{source}.{suffix}"
                assert arrowsmith.open(inputs / source).write(out).warnings == []
                assert arrowsmith.open(out).count() == 12_000
    assert caught == []


def test_what_a_reader_guessed_is_not_written(inputs, tmp_path):
    ds = arrowsmith.open(inputs / "in.csv")
    assert json.loads(ds.schema.metadata[b"arrowsmith"])["delimiter"] == ","
    ds.write(tmp_path / "out.parquet")
    assert b"arrowsmith" not in (pq.read_schema(tmp_path / "out.parquet").metadata or {})


def test_a_conflict_that_no_widening_mends_is_told(tmp_path):
    """A named type is the user's word: a value that does not fit it is a bad record."""
    path = contradicting(tmp_path / "in.csv")
    ds = arrowsmith.open(path, types={"b": "int64"}, **SMALL_SAMPLE)
    with pytest.raises(DataError, match="'many' is no int64") as caught:
        ds.write(tmp_path / "out.parquet")
    assert not isinstance(caught.value, SchemaConflict)


class _FailsAfterTheLimit(TableFeed):
    """Fails while a second task is drawn, once its first was closed: the limit is reached."""

    def tasks(self, request):
        drawing, ended = threading.Event(), threading.Event()
        [first] = super().tasks(request)

        class First:
            cost = 0

            def read(self):
                assert drawing.wait(30)
                try:
                    yield from first.read()
                finally:
                    ended.set()

        yield First()
        drawing.set()
        assert ended.wait(30)
        raise DataError("the source fails behind the limit")


def test_a_source_that_fails_behind_the_limit_is_not_heard(tmp_path):
    """Many times, since it takes the source to be faster than the other worker."""

    def run():
        for number in range(100):
            feed = _FailsAfterTheLimit(pa.table({"a": [1, 2, 3]}), rows=10)
            config = PipelineConfig(worker_threads=2)
            Pipeline(feed, [limit(2)], tmp_path / f"{number}.arrow", config=config).run()

    runs = threading.Thread(target=run, daemon=True)
    runs.start()
    runs.join(60)
    assert not runs.is_alive()
    for path in tmp_path.iterdir():
        assert pa.ipc.open_file(path).read_all().to_pydict() == {"a": [1, 2]}
    assert len(list(tmp_path.iterdir())) == 100


class _WaitsBehindTheLimit(TableFeed):
    """Its second task waits, in the place asked for, until the run is cancelled."""

    def __init__(self, place: str) -> None:
        super().__init__(pa.table({"a": [1, 2, 3]}), rows=10)
        self.place = place
        self.closed = 0

    def tasks(self, request):
        [first] = super().tasks(request)
        waiting = threading.Event()

        def wait():
            waiting.set()
            while True:
                self.context.check_cancelled()
                threading.Event().wait(0.001)

        feed = self

        class First:
            cost = 0

            def read(self):
                assert waiting.wait(30)
                yield from first.read()

        class Second:
            cost = 0

            def read(self):
                return self

            def __next__(self):
                wait()

            def close(self):
                feed.closed += 1

        yield First()
        if self.place == "tasks":
            wait()
        yield Second()


@pytest.mark.parametrize("place", ["tasks", "read"])
def test_a_limit_does_not_wait_for_who_waits_behind_it(tmp_path, place):
    feed = _WaitsBehindTheLimit(place)
    config = PipelineConfig(worker_threads=2)
    pipeline = Pipeline(feed, [limit(2)], tmp_path / "a.arrow", config=config)
    run = threading.Thread(target=pipeline.run, daemon=True)
    run.start()
    run.join(60)
    assert not run.is_alive()
    assert pa.ipc.open_file(tmp_path / "a.arrow").read_all().to_pydict() == {"a": [1, 2]}
    feed.context.check_cancelled()  # raises nothing: the run is over


def test_tasks_that_were_drawn_in_vain_are_closed(tmp_path):
    opened, ended = set(), set()

    class Task:
        """Opens something at once, in place of a generator."""

        cost = 0

        def __init__(self, number):
            self.number = number
            self.left = 1

        def read(self):
            opened.add(self.number)
            return self

        def __next__(self):
            if not self.left:
                ended.add(self.number)
                raise StopIteration
            self.left = 0
            return pa.record_batch({"a": [self.number]})

        def close(self):
            ended.add(self.number)

    class Feed(TableFeed):
        def tasks(self, request):
            yield from map(Task, range(200))

    for rows in (1, 5, 45, 500):
        feed = Feed(pa.table({"a": [1]}), rows=1)
        stats = Pipeline(feed, [limit(rows)], tmp_path / f"{rows}.arrow").run()
        assert stats.rows_out == min(rows, 200)
        assert opened == ended
        opened.clear()
        ended.clear()


def test_a_thread_that_cannot_be_started_is_what_is_told(tmp_path, monkeypatch):
    start = threading.Thread.start
    begun = []

    def failing(self):
        if len(begun) == 2:
            raise RuntimeError("can't start new thread")
        begun.append(self)
        start(self)

    monkeypatch.setattr(threading.Thread, "start", failing)
    feed = TableFeed(pa.table({"a": [1, 2, 3]}), rows=1)
    config = PipelineConfig(worker_threads=4)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        Pipeline(feed, [], tmp_path / "a.arrow", config=config).run()
    assert not any(thread.is_alive() for thread in begun)
