"""Options of the transforms of time series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from arrowsmith.plugin import option

Aggregate = Literal["mean", "sum", "min", "max", "first", "last", "count"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesOptions:
    """Which columns are times, series and values."""

    time: str = option(help="the column of times: timestamps, dates or numbers")
    by: tuple[str, ...] = option((), help="columns that tell series apart; none for one series")
    values: tuple[str, ...] = option((), help="columns of values; all other numbers if unset")


@dataclass(frozen=True, slots=True, kw_only=True)
class LagOptions(SeriesOptions):
    """How many rows back."""

    lags: tuple[int, ...] = option((1,), help="so many rows back", min=1, max=100_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class RollingOptions(SeriesOptions):
    """Over how many rows, and what."""

    rows: int = option(help="the row itself and those before it", min=1, max=100_000)
    functions: tuple[Literal["mean", "sum", "min", "max", "std"], ...] = option(
        ("mean",), help="what is computed"
    )
    min_rows: int | None = option(None, help="fewer values give null; rows if unset", min=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowOptions(SeriesOptions):
    """How long windows are."""

    context: int = option(help="rows that a model sees", min=1, max=1 << 20)
    horizon: int = option(1, help="rows behind them, to be foretold", min=0, max=1 << 20)
    stride: int = option(1, help="rows from one window to the next", min=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FillGapsOptions(SeriesOptions):
    """What regular times are, and what stands in rows that are missing."""

    frequency: str = option(help="such as 1h, daily, 15min, 3 months, or a number")
    method: Literal["null", "forward", "backward", "linear", "zero"] = option(
        help="what the values of missing rows become"
    )
    max_gap: int = option(100_000, help="more missing rows in a row are an error", min=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResampleOptions(SeriesOptions):
    """How long the new steps are, and what is computed in each."""

    frequency: str = option(help="such as 1h, daily, weekly, 3 months, or a number")
    aggregate: tuple[Literal["mean", "sum", "min", "max", "first", "last", "count"], ...] = option(
        ("mean",), help="what is computed"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporalSplitOptions:
    """Where validation and test begin: at times, or so many rows before the end of each series."""

    time: str = option(help="the column of times: timestamps, dates or numbers")
    by: tuple[str, ...] = option((), help="columns that tell series apart; none for one series")
    validation: str | None = option(None, help="the time from which on rows are validation")
    test: str | None = option(None, help="the time from which on rows are test")
    validation_rows: int = option(0, help="rows before test in each series", min=0, max=1 << 20)
    test_rows: int = option(0, help="last rows of each series", min=0, max=1 << 20)
    name: str = option("split", help="of the new column: train, validation or test")

    def __post_init__(self) -> None:
        times = self.validation is not None or self.test is not None
        rows = bool(self.validation_rows or self.test_rows)
        if times == rows:
            raise ValueError("give times (validation=, test=) or rows (validation_rows=, ...)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleOptions:
    """What is scaled, how, and which rows it learns from."""

    by: tuple[str, ...] = option((), help="columns that tell series apart; none for one series")
    values: tuple[str, ...] = option(help="columns of numbers")
    split: str | None = option(None, help="a column; it learns where that is train")
    time: str | None = option(None, help="the column of times, for until")
    until: str | None = option(None, help="it learns from rows before this time")
    method: Literal["standard", "min_max"] = option(
        "standard", help="mean 0 and variance 1, or 0 to 1"
    )
    unknown: Literal["error", "null"] = option("error", help="series not seen in the train part")
    max_series: int = option(100_000, help="more series are an error", min=1)

    def __post_init__(self) -> None:
        if (self.split is None) == (self.until is None):
            raise ValueError("say which rows are the train part: split=COLUMN, or time= and until=")
        if (self.time is None) != (self.until is None):
            raise ValueError("time= and until= go together")
