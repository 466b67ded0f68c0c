"""Zones, clocks that are put forward and back, ends of months, many rows: against pandas, Polars
and scikit-learn."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import arrowsmith
from arrowsmith.errors import DataError, OptionError

ZONES = ["Europe/Zagreb", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"]


@pytest.fixture
def opened(tmp_path):
    def make(table: pa.Table, rows: int = 101) -> arrowsmith.Dataset:
        pq.write_table(table, tmp_path / "in.parquet", row_group_size=rows)
        return arrowsmith.open(str(tmp_path / "in.parquet"))

    return make


def moments(seconds: np.ndarray, zone: str | None, unit: str = "ms") -> pa.Array:
    plain = pa.array(seconds).cast(pa.timestamp("s")).cast(pa.timestamp(unit))
    return plain if zone is None else plain.cast(pa.timestamp(unit, zone))


@pytest.mark.parametrize("zone", ZONES)
def test_steps_begin_where_the_clock_of_the_zone_says(opened, zone):
    rng = np.random.default_rng(3)
    begin = int(dt.datetime(2023, 1, 1, tzinfo=dt.UTC).timestamp())
    seconds = np.sort(begin + rng.integers(0, 500 * 86_400, 3000))
    table = pa.table({"at": moments(seconds, zone), "k": rng.integers(-(2**50), 2**50, 3000)})
    frame = pl.from_arrow(table)
    ds = opened(table)
    for ours, theirs in (
        *(("15min", "15m"), ("1h", "1h"), ("2h", "2h"), ("6h", "6h"), ("1d", "1d")),
        *(("1w", "1w"), ("monthly", "1mo"), ("quarterly", "1q"), ("1y", "1y")),
    ):
        step = {"time": "at", "values": ["k"], "frequency": ours, "aggregate": ["sum"]}
        got = pl.from_arrow(ds.transform("resample", **step).to_table())
        wanted = frame.group_by(pl.col("at").dt.truncate(theirs), maintain_order=True).sum()
        assert got.equals(wanted), ours


@pytest.mark.parametrize("zone", ["Europe/Zagreb", "America/New_York", None])
@pytest.mark.parametrize("rule", ["D", "7D", "MS", "ME", "QE", "YE", "3h"])
def test_gaps_are_those_of_the_calendar(opened, zone, rule):
    """Days of 23 and 25 hours are days."""
    names = {"D": "daily", "7D": "weekly", "MS": "1mo", "ME": "month_end", "QE": "QE"}
    names |= {"YE": "year_end", "3h": "3h"}
    index = pd.date_range("2024-01-31 03:00", "2026-12-31 03:00", freq=rule, tz=zone)[:400]
    frame = pd.DataFrame({"at": index.as_unit("ms"), "x": np.arange(len(index)) * 1.5})
    kept = frame[(frame.index % 5 != 3) | (frame.index == len(frame) - 1)]
    table = pa.Table.from_pandas(kept, preserve_index=False)
    step = {"time": "at", "frequency": names[rule], "method": "null"}
    got = opened(table, 7).transform("fill_gaps", **step).to_table().to_pandas()
    assert (got["at"] == frame["at"]).all()
    assert got["x"].isna().sum() == len(frame) - len(kept)


def test_a_month_that_begins_on_its_last_day_is_told_the_way_out(opened):
    days = [dt.date(2024, 2, 29), dt.date(2024, 3, 31)]
    ds = opened(pa.table({"at": days, "x": [1.0, 2.0]}))
    with pytest.raises(DataError, match=r"time 2024-03-31 is not on the steps.*month_end"):
        ds.transform("fill_gaps", time="at", frequency="monthly", method="null").to_table()


def test_summary_goes_by_the_calendar(opened):
    days = pd.date_range("2024-03-01", periods=60, freq="D", tz="Europe/Zagreb").delete([9, 10])
    (found,) = (
        opened(pa.table({"at": pa.array(days.as_unit("us"))})).timeseries(time="at").summary()
    )
    assert (found.frequency, found.gaps, found.missing) == ("1d", 1, 2)
    assert found.zone == "Europe/Zagreb"
    assert found.start == days[0].to_pydatetime()


def test_summary_of_series_that_take_turns(opened):
    rng = np.random.default_rng(4)
    name = rng.integers(0, 50, 5000)
    at = rng.integers(0, 40, 5000)
    table = pa.table({"name": name, "at": at})
    found = {one.series[0]: one for one in opened(table).timeseries(time="at", by="name").summary()}
    for key, rows in table.to_pandas().groupby("name"):
        steps = rows["at"].diff().dropna()
        forward = steps[steps > 0].value_counts()
        common = min(forward[forward == forward.max()].index)
        longer = forward[forward.index > common]
        whole = longer[longer.index % common == 0]
        one = found[key]
        assert one.rows == len(rows)
        assert (one.start, one.end) == (rows["at"].min(), rows["at"].max())
        assert (one.duplicates, one.disorder) == ((steps == 0).sum(), (steps < 0).sum())
        assert one.frequency == str(int(common))
        assert one.gaps == longer.sum()
        assert one.missing == ((whole.index / common - 1) * whole).sum()


def test_parts_are_split_on_the_clock_of_the_zone(opened):
    index = pd.date_range("2024-03-30", periods=72, freq="h", tz="Europe/Zagreb")
    table = pa.table({"at": pa.array(index.as_unit("ms"))})
    for text, cut in (
        ("2024-03-31", pd.Timestamp("2024-03-31", tz="Europe/Zagreb")),
        ("2024-03-31T00:00:00Z", pd.Timestamp("2024-03-31", tz="UTC")),
    ):
        got = opened(table).transform("temporal_split", time="at", test=text).to_table()
        assert (np.array(got["split"].to_pylist()) == "test").tolist() == list(index >= cut)
    with pytest.raises(OptionError, match="is no timestamp"):
        opened(table).transform("temporal_split", time="at", test="soon").to_table()


def deviations(values: pd.Series, rows: int) -> np.ndarray:
    padded = np.concatenate((np.full(rows - 1, np.nan), values.to_numpy()))
    windows = np.lib.stride_tricks.sliding_window_view(padded, rows)
    enough = (~np.isnan(windows)).sum(axis=1) > 1
    found = np.full(len(values), np.nan)
    found[enough] = np.nanstd(windows[enough], axis=1, ddof=1)
    return found


@pytest.mark.parametrize("rows", [1, 2, 7, 64, 100, 1000])
def test_rolling_over_many_rows_is_as_in_pandas(opened, rows):
    rng = np.random.default_rng(rows)
    frame = pd.DataFrame(
        {
            "name": np.sort(rng.integers(0, 4, 3000)),
            "at": np.arange(3000),
            "x": rng.standard_normal(3000) * 10.0 ** rng.integers(-3, 4, 3000),
        }
    )
    frame.loc[rng.integers(0, 3000, 300), "x"] = np.nan
    functions = ["mean", "sum", "min", "max", "std"]
    step = {"time": "at", "by": ["name"], "values": ["x"], "rows": rows, "min_rows": 1}
    table = pa.Table.from_pandas(frame, preserve_index=False)
    got = opened(table, 313).transform("rolling", **step, functions=functions).to_table()
    rolled = frame.groupby("name")["x"].rolling(rows, min_periods=1)
    for function in functions:
        wanted = getattr(rolled, function)().to_numpy()
        if function == "std":  # that of pandas loses digits as values come and go
            wanted = np.concatenate(
                [deviations(one, rows) for _, one in frame.groupby("name")["x"]]
            )
        found = got[f"x_{function}{rows}"].to_pandas().to_numpy()
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)


def test_integers_stay_exact_in_longer_steps(opened):
    k = [2**60 + 1, 3, -(2**60), 5, None, 7]
    table = pa.table({"at": range(6), "k": pa.array(k, pa.int64())})
    functions = ["sum", "min", "max", "first", "last", "mean", "count"]
    step = {"time": "at", "values": ["k"], "frequency": "4", "aggregate": functions}
    got = opened(table, 2).transform("resample", **step).to_table().to_pylist()
    assert got[0] == {
        "at": 0,
        "k_sum": 9,
        "k_min": -(2**60),
        "k_max": 2**60 + 1,
        "k_first": 2**60 + 1,
        "k_last": 5,
        "k_mean": 9 / 4,
        "k_count": 4,
    }
    large = pa.table({"at": [0, 1], "k": [2**62, 2**62]})
    with pytest.raises(DataError, match="does not fit int64"):
        opened(large).transform("resample", **step).to_table()


@pytest.mark.parametrize(
    ("method", "scaler"), [("standard", StandardScaler), ("min_max", MinMaxScaler)]
)
def test_each_series_is_scaled_as_by_scikit_learn(opened, method, scaler):
    rng = np.random.default_rng(8)
    frame = pd.DataFrame(
        {"name": np.repeat(["a", "b", "c"], 200), "at": np.tile(np.arange(200), 3)}
    )
    frame["x"] = rng.standard_normal(600) * 1e3 + 1e6
    frame.loc[frame["name"] == "c", "x"] = 7.5
    step = {"by": ["name"], "values": ["x"], "time": "at", "until": "150", "method": method}
    table = pa.Table.from_pandas(frame, preserve_index=False)
    got = opened(table).transform("scale_per_series", **step).to_table().to_pandas()
    for name, rows in frame.groupby("name"):
        learned = scaler().fit(rows[rows["at"] < 150][["x"]].to_numpy())
        wanted = learned.transform(rows[["x"]].to_numpy())[:, 0]
        np.testing.assert_allclose(got[got["name"] == name]["x"], wanted, rtol=1e-9, atol=1e-12)
