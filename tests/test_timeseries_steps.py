"""The transforms of series and the view against pandas and Polars, and what they refuse."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import polars as pl
import polars.testing
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import arrowsmith
from arrowsmith.errors import DataError, OptionError

WHO = {"time": "at", "by": ["name"]}


def frame() -> pd.DataFrame:
    """Three series of an hour's step, of 50, 1 and 70 rows."""
    parts = []
    for number, (name, rows) in enumerate((("b", 50), ("a", 1), ("c", 70)), 1):
        at = pd.date_range(f"2024-0{number}-{27 + number}", periods=rows, freq="h").as_unit("ms")
        x = [None if n % 9 == 4 else (n * 37 % 101) / 8 for n in range(rows)]
        parts.append(pd.DataFrame({"name": name, "at": at, "x": x, "k": range(rows)}))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def opened(tmp_path):
    def make(data: pd.DataFrame | pa.Table) -> arrowsmith.Dataset:
        table = (
            data if isinstance(data, pa.Table) else pa.Table.from_pandas(data, preserve_index=False)
        )
        pq.write_table(table, tmp_path / "in.parquet", row_group_size=17)
        return arrowsmith.open(str(tmp_path / "in.parquet"))

    return make


def test_lag_and_difference(opened):
    data = frame()
    grouped = data.groupby("name", sort=False)
    got = opened(data).transform("lag", **WHO, lags=[1, 3]).to_table().to_pandas()
    for name in ("x", "k"):
        for lag in (1, 3):
            pd.testing.assert_series_equal(
                got[f"{name}_lag{lag}"],
                grouped[name].shift(lag),
                check_names=False,
                check_dtype=False,
            )
    got = opened(data).transform("difference", **WHO, lags=[2]).to_table().to_pandas()
    for name in ("x", "k"):
        pd.testing.assert_series_equal(
            got[f"{name}_diff2"], grouped[name].diff(2), check_names=False, check_dtype=False
        )


def test_rolling_is_as_in_pandas(opened):
    data = frame()
    functions = ["mean", "sum", "min", "max", "std"]
    step = {**WHO, "values": ["x"], "rows": 5, "functions": functions, "min_rows": 2}
    got = opened(data).transform("rolling", **step).to_table().to_pandas()
    rolled = data.groupby("name", sort=False)["x"].rolling(5, min_periods=2)
    for function in functions:
        wanted = getattr(rolled, function)().reset_index(drop=True)
        pd.testing.assert_series_equal(got[f"x_{function}5"], wanted, check_names=False)


def test_windows_stay_within_series(opened):
    data = frame()
    step = {**WHO, "values": ["k"], "context": 4, "horizon": 2, "stride": 3}
    got = opened(data).transform("window", **step).to_table().to_pylist()
    wanted = []
    for name, rows in data.groupby("name", sort=False):
        k, at = rows["k"].tolist(), rows["at"].tolist()
        for begin in range(0, len(k) - 5, 3):
            last = begin + 4
            wanted.append((name, at[last - 1], k[begin:last], k[last : last + 2]))
    assert [(r["name"], r["at"], r["k_context"], r["k_horizon"]) for r in got] == wanted


@pytest.mark.parametrize("method", ["forward", "backward", "linear", "null", "zero"])
def test_gaps_are_filled_as_in_pandas(opened, method):
    data = frame()[["name", "at", "x"]].dropna().reset_index(drop=True)
    data = data[data.index % 7 != 3]
    step = {**WHO, "frequency": "1h", "method": method}
    got = opened(data).transform("fill_gaps", **step).to_table().to_pandas()
    parts = []
    for name, rows in data.groupby("name", sort=False):
        regular = rows.set_index("at")["x"].asfreq("h")
        regular = {
            "forward": regular.ffill,
            "backward": regular.bfill,
            "linear": lambda one=regular: one.interpolate("time"),
            "null": lambda one=regular: one,
            "zero": lambda one=regular: one.fillna(0),
        }[method]()
        parts.append(regular.reset_index().assign(name=name))
    wanted = pd.concat(parts, ignore_index=True)
    pd.testing.assert_frame_equal(got, wanted[["name", "at", "x"]], check_freq=False)


def test_months_are_filled_by_the_calendar(opened):
    days = ["2024-01-31", "2024-02-29", "2024-05-31"]
    table = pa.table({"at": pa.array(map(dt.date.fromisoformat, days)), "x": [1.0, 2.0, 5.0]})
    ds = opened(table).transform("fill_gaps", time="at", frequency="monthly", method="linear")
    got = ds.to_table().to_pydict()
    assert [str(day) for day in got["at"]] == [*days[:2], "2024-03-31", "2024-04-30", days[2]]
    assert got["x"] == [1.0, 2.0, 3.0, 4.0, 5.0]


@pytest.mark.parametrize("function", ["mean", "min", "max", "first", "last", "count"])
def test_resample_of_large_integers(opened, function):
    """Their sum is beyond int64, and nobody asked for it."""
    base = 1_704_067_200_000_000_000
    values = [base + (n * 7919) % 1000 for n in range(60)]
    step = {"time": "t", "frequency": "30", "aggregate": [function]}
    data = opened(pa.table({"t": range(60), "x": values})).transform("resample", **step)
    halves = [values[:30], values[30:]]
    wanted = {
        "mean": [float(sum(half) / 30) for half in halves],
        "min": [min(half) for half in halves],
        "max": [max(half) for half in halves],
        "first": [half[0] for half in halves],
        "last": [half[-1] for half in halves],
        "count": [30, 30],
    }
    for rows in (1, 7, 1000):
        got = pa.Table.from_batches(data.batches(rows))
        assert got["x"].to_pylist() == wanted[function]
    summed = opened(pa.table({"t": range(60), "x": values}))
    with pytest.raises(DataError, match="a sum of column 'x' does not fit int64"):
        summed.transform("resample", **{**step, "aggregate": ["sum"]}).to_table()


@pytest.mark.parametrize("values", [[2**63 - 1, -5, 4], [-(2**63), 3, -3], [-1, 1 << 40, -7]])
def test_resample_adds_integers_up_to_the_last(opened, values):
    data = opened(pa.table({"t": range(3), "x": values}))
    step = {"time": "t", "frequency": "10", "aggregate": ["sum"]}
    for rows in (1, 2, 3):
        got = pa.Table.from_batches(data.transform("resample", **step).batches(rows))
        assert got["x"].to_pylist() == [sum(values)]


@pytest.mark.parametrize(
    ("pandas", "ours"), [("MS", "month"), ("QS", "quarter"), ("2MS", "2 months"), ("YS", "1y")]
)
def test_first_days_as_pandas_names_them(opened, pandas, ours):
    """In lower case they would be milliseconds and the like."""
    data = opened(frame())
    step = {"time": "at", "by": ["name"], "values": ["k"]}
    named = data.transform("resample", frequency=pandas, **step).to_table()
    assert named == data.transform("resample", frequency=ours, **step).to_table()
    with pytest.raises(OptionError, match="may be minutes or months"):
        data.transform("resample", frequency="1M", **step).to_table()


@pytest.mark.parametrize("every", ["6h", "1d", "1w", "1mo"])
def test_resample_is_as_in_polars(opened, every):
    data = frame()
    functions = ["mean", "sum", "min", "max", "first", "last", "count"]
    step = {**WHO, "values": ["x"], "frequency": every, "aggregate": functions}
    got = pl.from_arrow(opened(data).transform("resample", **step).to_table())
    x = pl.col("x")
    wanted = (
        pl.from_pandas(data)
        .with_columns(pl.col("at").dt.truncate(every))
        .group_by("name", "at", maintain_order=True)
        .agg(
            x.mean().alias("x_mean"),
            pl.when(x.count() > 0).then(x.sum()).alias("x_sum"),
            x.min().alias("x_min"),
            x.max().alias("x_max"),
            x.drop_nulls().first().alias("x_first"),
            x.drop_nulls().last().alias("x_last"),
            x.count().alias("x_count"),
        )
    )
    assert got["at"].to_list() == wanted["at"].to_list()
    for function in functions:
        polars.testing.assert_series_equal(
            got[f"x_{function}"], wanted[f"x_{function}"], check_dtypes=False
        )


def test_split_and_scale_learn_from_the_train_part_alone(opened):
    data = frame()
    ds = opened(data).transform("temporal_split", **WHO, validation_rows=3, test_rows=5)
    got = ds.to_table().to_pandas()
    for _, rows in got.groupby("name", sort=False):
        names = ["train"] * max(len(rows) - 8, 0) + ["validation"] * 3 + ["test"] * 5
        assert rows["split"].tolist() == names[-len(rows) :]
    step = {"by": ["name"], "values": ["x"], "split": "split", "unknown": "null"}
    scaled = ds.transform("scale_per_series", **step).to_table().to_pandas()
    for name, rows in got.groupby("name", sort=False):
        train = rows[rows["split"] == "train"]["x"]
        wanted = (rows["x"] - train.mean()) / train.std(ddof=0)
        found = scaled[scaled["name"] == name]["x"]
        pd.testing.assert_series_equal(found, wanted, check_names=False)
    with pytest.raises(DataError, match=r"\[\"a\"\] has no row in the train part"):
        ds.transform("scale_per_series", **{**step, "unknown": "error"}).to_table()


def test_what_comes_after_changes_no_scale(opened):
    data = frame()
    step = {"by": ["name"], "values": ["x"], "time": "at", "until": "2024-03-31"}
    first = opened(data).transform("scale_per_series", **step).fitted()
    data.loc[data["at"] >= "2024-03-31", "x"] = 1e6
    assert opened(data).transform("scale_per_series", **step).fitted() == first


def test_rows_out_of_order_are_named(opened):
    data = frame()
    swapped = data.copy()
    swapped.loc[[60, 61], "at"] = data.loc[[61, 60], "at"].to_numpy()
    with pytest.raises(DataError, match=r"row 61: series 'c' goes back in time.*sort the rows"):
        opened(swapped).transform("lag", **WHO).to_table()
    again = pd.concat([data, data[:3]], ignore_index=True)
    with pytest.raises(DataError, match="row 121: series 'b' begins a second time"):
        opened(again).transform("lag", **WHO).to_table()
    empty = data.copy()
    empty.loc[33, "at"] = None
    with pytest.raises(DataError, match="row 33: column 'at' is null"):
        opened(empty).transform("lag", **WHO).to_table()


def test_times_off_the_steps_are_named(opened):
    data = frame()
    with pytest.raises(DataError, match=r"row 1: .*not on the steps of 2h"):
        opened(data).transform("fill_gaps", **WHO, frequency="2h", method="null").to_table()
    with pytest.raises(OptionError, match="is no frequency"):
        opened(data).transform("fill_gaps", **WHO, frequency="often", method="null").schema  # noqa: B018


def test_summary_tells_gaps_duplicates_and_disorder(opened):
    hours = {"a": [0, 1, 2, 5, 6, 6, 7], "b": [3, 2, 1, 0], "c": [4]}
    rows = [(name, dt.datetime(2024, 1, 1, hour)) for name, all_ in hours.items() for hour in all_]
    rows = [*rows[:3], *rows[7:9], *rows[3:7], *rows[9:]]  # a and b take turns
    kind = pa.timestamp("us", "Europe/Zagreb")
    at = pa.array([at for _, at in rows], pa.timestamp("us")).cast(kind)
    ds = opened(pa.table({"name": [name for name, _ in rows], "at": at}))
    a, b, c = ds.timeseries(time="at", by="name").summary()
    assert (a.series, a.rows, a.frequency, a.gaps, a.missing) == (("a",), 7, "1h", 1, 2)
    assert (a.duplicates, a.disorder, a.zone) == (1, 0, "Europe/Zagreb")
    assert (b.disorder, b.gaps, b.frequency) == (3, 0, None)
    assert (c.rows, c.frequency, c.start == c.end) == (1, None, True)


def test_summary_knows_months(opened):
    days = pd.date_range("2023-01-31", periods=14, freq="ME").delete(5)
    (found,) = opened(pd.DataFrame({"at": days.as_unit("ms")})).timeseries(time="at").summary()
    assert (found.frequency, found.gaps, found.missing) == ("monthly", 1, 1)


def test_a_series_beyond_the_budget(tmp_path):
    """One series of 40 million bytes a column, under 64 MB for all there is."""
    rows = 5_000_000
    with pq.ParquetWriter(
        tmp_path / "in.parquet", pa.schema([("t", pa.int64()), ("x", pa.float64())])
    ) as out:
        for start in range(0, rows, 250_000):
            t = pa.array(range(start, start + 250_000))
            out.write_table(pa.table({"t": t, "x": t.cast(pa.float64())}))
    ds = arrowsmith.open(str(tmp_path / "in.parquet"), budget="64MB")
    stats = (
        ds.transform("rolling", time="t", values=["x"], rows=3)
        .transform("resample", time="t", values=["x"], frequency="1000")
        .write(str(tmp_path / "out.parquet"))
    )
    assert stats.rows_out == rows // 1000
    assert pq.read_table(tmp_path / "out.parquet")["x"].to_pylist()[:2] == [499.5, 1499.5]
