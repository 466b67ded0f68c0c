"""``Dataset.stats`` and ``arrowsmith stats`` against Polars, NumPy and Python."""

from __future__ import annotations

import collections
import datetime
import json
import math
import re
import subprocess
import sys
from decimal import Decimal

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import arrowsmith
import every_type
from arrowsmith import PipelineConfig
from arrowsmith.cli.stats import folded

ROWS = 200_000


def stats(table, folder, **settings):
    path = folder / "t.parquet"
    pq.write_table(table, path, row_group_size=30_000)
    return arrowsmith.open(path, **settings).stats()


def arrowsmith_command(*arguments):
    run = subprocess.run(
        [sys.executable, "-m", "arrowsmith", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        encoding="utf-8",
    )
    assert "Traceback" not in run.stderr
    return run


@pytest.fixture(scope="module")
def large():
    """Columns of known shape, long enough that sketches have to let go of values."""
    random = np.random.default_rng(11)
    score = random.normal(100.0, 15.0, ROWS)
    return pa.table(
        {
            "id": pa.array(np.arange(ROWS)),
            "score": pa.array(score, mask=random.random(ROWS) < 0.1),
            "skewed": pa.array(np.floor(random.exponential(50.0, ROWS)).astype(np.int32)),
            "kind": pa.array([f"kind {n}" for n in random.integers(0, 7, ROWS)]),
            "text": pa.array([f"some text {n}" for n in random.integers(0, 1 << 40, ROWS)]),
            "periodic": pa.array(np.arange(ROWS) % 8),
            "busy": pa.array(np.where(random.random(ROWS) < 0.2, -1, np.arange(ROWS))),
        }
    )


@pytest.fixture(scope="module")
def found(large, tmp_path_factory):
    return stats(large, tmp_path_factory.mktemp("large"))


def test_counts_bounds_and_moments_are_those_of_polars(large, found):
    frame = pl.from_arrow(large)
    assert found.rows == ROWS
    assert [column.name for column in found.columns] == large.column_names
    for name in ("id", "score", "skewed", "periodic", "busy"):
        column, judge = found[name], frame[name]
        assert (column.count, column.nulls) == (
            judge.len() - judge.null_count(),
            judge.null_count(),
        )
        assert (column.min, column.max) == (judge.min(), judge.max())
        assert column.mean == pytest.approx(judge.mean(), rel=1e-12)
        assert column.std == pytest.approx(judge.std(), rel=1e-12)


@pytest.mark.parametrize("name", ["id", "score", "skewed", "kind", "text", "periodic", "busy"])
def test_distinct_is_exact_or_near(large, found, name):
    true = pl.from_arrow(large)[name].drop_nulls().n_unique()
    column = found[name]
    if column.distinct_exact:
        assert column.distinct == true
    else:
        assert true > 16_000
        assert column.distinct == pytest.approx(true, rel=0.04)  # five standard errors


@pytest.mark.parametrize("name", ["id", "score", "skewed", "periodic", "busy"])
def test_quantiles_are_near_in_rank(large, found, name):
    values = np.sort(large[name].drop_null().to_numpy())
    assert not found[name].quantiles_exact
    for share, value in found[name].quantiles.items():
        low = np.searchsorted(values, value, "left") / len(values)
        high = np.searchsorted(values, value, "right") / len(values)
        assert low - 0.01 <= share <= high + 0.01


def test_histogram_is_near_the_true_one(large, found):
    histogram = found["score"].histogram
    true, _ = np.histogram(large["score"].drop_null().to_numpy(), bins=histogram["edges"])
    assert len(histogram["counts"]) == 20
    assert np.abs(true - histogram["counts"]).max() < 0.01 * ROWS


def test_few_values_are_counted_exactly(large, found):
    column = found["kind"]
    true = collections.Counter(large["kind"].to_pylist())
    assert column.top_exact
    assert column.top == true.most_common()
    assert column.length == {"min": 6, "mean": 6.0, "max": 6}


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1_745_678_901_234_567_890]),
        pa.array(range(1_745_678_901_234_567_890, 1_745_678_901_234_568_890)),
        pa.array([datetime.datetime(2024, 1, 1)] * 3, pa.timestamp("ns")),
        pa.array([0.1, math.nextafter(0.1, 1)]),
        pa.array([1e300] * 4),
        pa.array([Decimal("12345678901234567890.5")] * 2),
        pa.array([2**64 - 1, 2**64 - 2], pa.uint64()),
        pa.array([-0.0, 0.0]),
    ],
    ids=str,
)
def test_a_histogram_of_values_closer_than_floats(tmp_path, column):
    found = stats(pa.table({"x": column}), tmp_path)["x"]
    assert sum(found.histogram["counts"]) == len(column)
    assert len(found.histogram["edges"]) == len(found.histogram["counts"]) + 1


def test_one_frequent_value_among_many(found):
    (value, count), *rest = found["busy"].top
    assert value == -1
    assert count == pytest.approx(ROWS * 0.2, rel=0.1)
    assert (rest, found["busy"].top_exact) == ([], False)
    assert found["id"].top == []


def test_the_same_for_any_threads_and_batches(large, found, tmp_path):
    for threads, rows in ((1, 100), (2, 7777), (4, 65_536)):
        config = PipelineConfig(worker_threads=threads, batch_rows=rows)
        assert stats(large, tmp_path, config=config) == found


def test_a_small_table_is_exact(tmp_path):
    numbers = [3.0, 1.5, None, 2.25, 9.0, 1.5]
    column = stats(pa.table({"a": numbers}), tmp_path)["a"]
    there = [number for number in numbers if number is not None]
    assert column.quantiles_exact
    assert column.distinct_exact
    for share, value in column.quantiles.items():
        assert value == pytest.approx(np.quantile(there, share))
    assert column.top[0] == (1.5, 2)
    assert column.distinct == 4


def test_nan_and_infinity(tmp_path):
    column = stats(pa.table({"a": [1.0, math.nan, math.nan, 3.0, None]}), tmp_path)["a"]
    assert (column.count, column.nulls, column.nan) == (4, 1, 2)
    assert (column.min, column.mean, column.max) == (1.0, 2.0, 3.0)
    column = stats(pa.table({"a": [1.0, math.inf]}), tmp_path)["a"]
    assert (column.min, column.max, column.mean) == (1.0, math.inf, math.inf)
    column = stats(pa.table({"a": [math.nan, math.nan]}), tmp_path)["a"]
    assert (column.nan, column.min, column.mean) == (2, None, None)
    assert json.loads(json.dumps(column.as_dict(), allow_nan=False))["nan"] == 2


def test_variance_does_not_cancel(tmp_path):
    """A sum of squares would lose all digits here."""
    values = np.tile([1e9 + 1, 1e9 + 2, 1e9 + 3], 50_000)
    column = stats(pa.table({"a": values}), tmp_path)["a"]
    assert column.std == pytest.approx(np.std(values - 1e9, ddof=1), rel=1e-9)


def test_large_integers_keep_their_value(tmp_path):
    values = [2**63 - 1, 2**53 + 1, -(2**63)]
    column = stats(pa.table({"a": values}), tmp_path)["a"]
    assert (column.min, column.max) == (-(2**63), 2**63 - 1)
    assert column.quantiles[0.5] == 2**53 + 1
    column = stats(pa.table({"a": pa.array([2**64 - 1, 5], pa.uint64())}), tmp_path)["a"]
    assert (column.min, column.max) == (5, 2**64 - 1)
    decimals = pa.array([Decimal("99999999999999999999.25"), None, Decimal("-1.5")])
    column = stats(pa.table({"a": decimals}), tmp_path)["a"]
    assert (column.min, column.max) == (Decimal("-1.50"), Decimal("99999999999999999999.25"))
    prices = [Decimal("1.25"), Decimal("2.50"), None, Decimal("7.75")]
    column = stats(pa.table({"a": prices}), tmp_path)["a"]
    judge = pl.Series([float(price) for price in prices if price is not None])
    assert (column.mean, column.std) == pytest.approx((judge.mean(), judge.std()))
    assert column.quantiles[0.5] == pytest.approx(judge.median())
    assert sum(column.histogram["counts"]) == 3


def test_texts(tmp_path):
    texts = [
        "",
        "äöü",
        "z" * 1000,
        "日本語",
        "z" * 1000 + "!",
        "common prefix a",
        "common prefix b",
    ]
    column = stats(pa.table({"a": texts}), tmp_path)["a"]
    assert column.length["min"] == 0
    assert column.length["max"] == 1001
    assert column.length["mean"] == pytest.approx(sum(map(len, texts)) / len(texts))
    assert (column.min, column.max) == (min(texts, key=str.encode), max(texts, key=str.encode))
    assert column.distinct == len(texts)


def test_times(tmp_path):
    frame = pl.DataFrame(
        {"t": pl.datetime_range(pl.datetime(2020, 1, 1), pl.datetime(2020, 1, 9), "1h", eager=True)}
    )
    for unit in ("ms", "us", "ns"):
        judge = frame["t"].dt.cast_time_unit(unit)
        column = stats(judge.to_frame().to_arrow(), tmp_path)["t"]
        assert (column.min, column.max) == (judge.min(), judge.max())
        assert abs(column.mean - judge.mean()) <= datetime.timedelta(milliseconds=1)
        assert column.std is None


def test_every_type_has_stats(tmp_path):
    columns = every_type.columns() | every_type.only_arrow()
    table = pa.table(columns)
    path = tmp_path / "t.arrow"
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_table(table)
    found = arrowsmith.open(path).stats()
    for column, name in zip(found.columns, table.column_names, strict=True):
        assert column.count + column.nulls == table.num_rows, name
        assert json.dumps(column.as_dict(), allow_nan=False)


def test_no_rows_and_no_such_column(tmp_path):
    found = stats(
        pa.table({"a": pa.array([], pa.int64()), "b": pa.array([], pa.string())}), tmp_path
    )
    assert found.rows == 0
    assert (found["a"].min, found["a"].mean, found["b"].top) == (None, None, [])
    with pytest.raises(KeyError):
        found["c"]


@given(st.lists(st.one_of(st.none(), st.text(max_size=30)), min_size=1, max_size=60))
def test_any_texts(tmp_path_factory, texts):
    column = stats(pa.table({"a": pa.array(texts, pa.string())}), tmp_path_factory.mktemp("t"))["a"]
    there = [text for text in texts if text is not None]
    assert (column.count, column.nulls) == (len(there), len(texts) - len(there))
    assert column.distinct == len(set(there))
    assert dict(column.top).items() <= collections.Counter(there).items()
    if there:
        assert column.min == min(there, key=str.encode)
        assert column.max == max(there, key=str.encode)


# --- sketches against what is true, where they have to estimate ---------------------------------

N = 150_000
STRUCTURED = {
    "counted up": np.arange(N),
    "by steps": np.arange(N) * 1_000_003,
    "powers in the way": np.arange(N) << 20,
    "negative": -np.arange(N),
    "small": np.arange(N, dtype=np.int32),
    "whole floats": np.arange(N).astype(np.float64),
    "halves": np.arange(N) / 2,
    "cents": np.round(np.arange(N) / 100, 2),
    "single floats": np.arange(N, dtype=np.float32),
    "seconds": (np.arange(N) * 1_000_000).view("M8[us]"),
    "hours": (np.arange(N) * 3_600_000_000_000).view("M8[ns]"),
    "numbered": [f"user_{n:08d}" for n in range(N)],
    "short": [f"{n:x}" for n in range(N)],
    "last of sixteen": [f"0123456789{n:06d}" for n in range(N)],
    "long": [f"https://example.org/items/{n}/description" for n in range(N)],
    "both ends": [f"{n % 387:03d}-------------{n // 387:03d}" for n in range(N)],
    "binary": [n.to_bytes(8, "big") for n in range(N)],
    "fixed": pa.array([n.to_bytes(5, "big") for n in range(N)], pa.binary(5)),
    "decimal": pa.array(np.arange(N)).cast(pa.decimal128(20, 0)),
}


@pytest.fixture(scope="module")
def structured(tmp_path_factory):
    table = pa.table({name: pa.array(values) for name, values in STRUCTURED.items()})
    return stats(table, tmp_path_factory.mktemp("structured"))


@pytest.mark.parametrize("name", STRUCTURED)
def test_distinct_of_regular_values(structured, name):
    """Hashes that let order through would be far off."""
    column = structured[name]
    assert not column.distinct_exact
    assert column.distinct == pytest.approx(N, rel=0.04)  # five standard errors
    assert {count for _, count in column.top} <= {1}


def zipf(random, size):
    return random.zipf(1.3, size).clip(max=1 << 40)


MIXES = {
    "numbers": lambda n: n,
    "floats": lambda n: n / 8,
    "short texts": lambda n: [f"{x:x}"[:7] for x in n],
    "texts": lambda n: [f"category {x}" for x in n],
    "long texts": lambda n: [f"a rather long name of a category {x}" for x in n],
    "few numbers": lambda n: n % 23,
    "few short texts": lambda n: [f"k{x % 23}" for x in n],
    "few texts": lambda n: [f"one of few: {x % 23}" for x in n],
    "many rare ones": lambda n: [f"name {x}" if x > 40 else "the same everywhere" for x in n],
    "fixed": lambda n: pa.array([int(x % 999).to_bytes(9, "big") for x in n], pa.binary(9)),
    "decimals": lambda n: pa.array(n % 999).cast(pa.decimal128(21, 2)),
}


@pytest.mark.parametrize("name", MIXES)
def test_the_most_frequent_of_many(tmp_path, name):
    values = pa.array(MIXES[name](zipf(np.random.default_rng(5), N)))
    column = stats(pa.table({"a": values}), tmp_path)["a"]
    true = collections.Counter(values.to_pylist())
    assert column.distinct == pytest.approx(len(true), rel=0 if column.distinct_exact else 0.04)
    if column.top_exact:
        assert [count for _, count in column.top] == [count for _, count in true.most_common(10)]
    for value, count in column.top:
        assert true[value] == pytest.approx(count, rel=0 if column.top_exact else 0.3)
    value, count = true.most_common(1)[0]
    assert column.top[0][0] == value
    if name != "decimals":
        assert (column.min, column.max) == (min(true), max(true))


@pytest.mark.parametrize("longest", [3, 7, 8, 9, 16, 17, 40])
@pytest.mark.parametrize("alphabet", ["ab", "aé日"])
def test_many_texts_of_any_length(tmp_path, longest, alphabet):
    """Lengths around those of words, up to the last byte of the data."""
    random = np.random.default_rng(longest)
    letters = random.choice(list(alphabet), (70_000, longest))
    lengths = random.integers(0, longest + 1, 70_000)
    texts = ["".join(row[:n]) for row, n in zip(letters, lengths, strict=True)]
    column = stats(pa.table({"a": pa.array(texts)}), tmp_path)["a"]
    judge = pl.Series(texts)
    assert column.length == {
        "min": judge.str.len_chars().min(),
        "mean": pytest.approx(judge.str.len_chars().mean()),
        "max": judge.str.len_chars().max(),
    }
    assert (column.min, column.max) == (min(texts, key=str.encode), max(texts, key=str.encode))
    true = judge.n_unique()
    assert column.distinct == pytest.approx(true, rel=0 if column.distinct_exact else 0.04)


def test_zero_has_no_sign(tmp_path):
    for size in (4, N):
        values = np.where(np.arange(size) % 2, -0.0, 0.0)
        column = stats(pa.table({"a": values}), tmp_path)["a"]
        assert column.distinct == 1
        assert [(str(value), count) for value, count in column.top] == [("0.0", size)]


def test_nan_is_not_among_the_values(tmp_path):
    values = np.where(np.arange(N) % 3, np.arange(N) % 5, np.nan)
    column = stats(pa.table({"a": values}), tmp_path)["a"]
    there = pl.Series(values).drop_nans()
    assert column.nan == N - len(there)
    assert column.distinct == there.n_unique()
    assert sum(count for _, count in column.top) == len(there)
    assert column.mean == pytest.approx(there.mean())
    assert column.std == pytest.approx(there.std())


@pytest.mark.parametrize("kind", ["int8", "int64", "uint64", "float16", "float32"])
def test_moments_at_the_ends_of_types(tmp_path, kind):
    """Sums of integers would overflow."""
    numbers = np.array([200, -100, 50] if kind == "float16" else [1, 2, 4])
    if kind != "float16":
        ends = np.finfo(kind) if kind.startswith("float") else np.iinfo(kind)
        numbers = np.array([ends.max // 2 if kind != "float32" else 1e18, 1, 0]).astype(kind)
    values = np.tile(numbers.astype(kind), 1000)
    column = stats(pa.table({"a": pa.array(values)}), tmp_path)["a"]
    exact = [int(value) for value in values]
    assert column.mean == pytest.approx(sum(exact) / len(exact), rel=1e-12)
    judge = np.std(values.astype(np.float64), ddof=1)
    assert column.std == pytest.approx(judge, rel=1e-9)


# --- the command ---------------------------------------------------------------------------------


def test_json_is_what_python_gives(large, found, tmp_path):
    pq.write_table(large, tmp_path / "t.parquet")
    run = arrowsmith_command("stats", tmp_path / "t.parquet", "--json")
    assert run.returncode == 0
    assert json.loads(run.stdout) == found.as_dict()


def test_the_report_reads_well(tmp_path):
    path = tmp_path / "t.csv"
    lines = "".join(f"{n},{n / 8},{'even' if n % 2 == 0 else 'odd'}\n" for n in range(1000))
    path.write_text("id,score,kind\n" + lines)
    run = arrowsmith_command("stats", path)
    assert (run.returncode, run.stderr) == (0, "")
    rows, id_, score, kind = run.stdout.strip().split("\n\n")
    assert rows == "1,000 rows"
    assert id_.startswith("id  int64\n  1,000 values, 0 null, 1,000 distinct\n")
    assert "  min 0  mean 499.5  max 999  std 288.819\n" in id_
    assert re.search("^  █{20}$", id_, re.MULTILINE)
    assert "50% 62.4375" in score
    assert "top  even (500)  odd (500)" in kind


def test_what_is_asked_for_is_looked_at(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,x\n2,y\n3,z\n")
    run = arrowsmith_command("stats", path, "--columns", "a", "--where", "b <> 'x'", "--json")
    columns = json.loads(run.stdout)["columns"]
    assert [(column["name"], column["min"]) for column in columns] == [("a", 2)]
    run = arrowsmith_command("stats", path, "--columns", "c")
    assert run.returncode == 2
    assert "no column 'c'" in run.stderr


def test_what_is_between_infinities(tmp_path):
    values = [-math.inf, -math.inf, 1.0, 2.0, math.inf]
    column = stats(pa.table({"a": values}), tmp_path)["a"]
    assert list(column.quantiles.values()) == [
        -math.inf, -math.inf, -math.inf, 1.0, 2.0, 2.0, 2.0
    ]  # fmt: skip


@pytest.mark.parametrize("width", [24, 40, 80, 200])
def test_lines_fit_into_the_terminal(width):
    line = "  " + "  ".join(f"{n}% {n * 12345:,}" for n in (1, 5, 25, 50, 75, 95, 99))
    found = folded(line, width)
    assert max(map(len, found)) <= width
    assert "  ".join(part.strip() for part in found) == line.strip()
    assert folded(line, None) == [line]
    assert folded("  █                  █", 10) != []


def test_controls_do_not_reach_the_terminal(tmp_path):
    pq.write_table(pa.table({"a\x1b[2J": ["\x1b[31mred", "\x1b[31mred"]}), tmp_path / "t.parquet")
    run = arrowsmith_command("stats", tmp_path / "t.parquet")
    assert "\x1b" not in run.stdout
    assert "\\x1b[31mred" in run.stdout
