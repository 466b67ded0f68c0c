"""``TimeSeries``: a dataset whose columns of times, series and values are known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, Protocol, Self, TypeVar

import pyarrow as pa

from arrowsmith.timeseries.survey import SeriesSummary, Survey


class Rows(Protocol):
    """What the view needs of a dataset."""

    @property
    def schema(self) -> pa.Schema: ...

    def select(self, *columns: str) -> Self: ...

    def transform(self, name: str, /, **options: Any) -> Self: ...

    def batches(self) -> Iterator[pa.RecordBatch]: ...


D = TypeVar("D", bound=Rows)


class TimeSeries(Generic[D]):
    """A dataset seen as time series, made by ``Dataset.timeseries()``.

    Attributes:
        dataset: the rows.
        time: the column of times.
        by: the columns that tell series apart.
        values: the columns of values; none for all other numbers.

    Example:
        >>> import arrowsmith
        >>> arrowsmith.open("in.csv").timeseries(time="id").summary()[0].frequency
        '1'
    """

    def __init__(
        self, dataset: D, *, time: str, by: tuple[str, ...] = (), values: tuple[str, ...] = ()
    ) -> None:
        self.dataset = dataset
        self.time, self.by, self.values = time, by, values
        Survey(dataset.schema, time, by)  # which checks the columns

    def summary(self, *, max_series: int = 1_000_000) -> list[SeriesSummary]:
        """Frequency, gaps, duplicates, disorder and zone of each series, by one pass.

        Rows may stand in any order; a series is told of as its rows come.

        Raises:
            DataError: there are more series than ``max_series``, each of which takes memory.
        """
        chosen = self.dataset.select(*dict.fromkeys((*self.by, self.time)))
        survey = Survey(chosen.schema, self.time, self.by, max_series)
        for batch in chosen.batches():
            survey.push(batch)
        return survey.summaries()

    def transform(self, name: str, /, **options: Any) -> D:
        """The dataset after a transform of series, told which columns are what.

        Example:
            >>> import arrowsmith
            >>> view = arrowsmith.open("in.csv").timeseries(time="id", values=["score"])
            >>> view.transform("lag").to_table()["score_lag1"].to_pylist()
            [None, 0.25, 0.75]
        """
        known: dict[str, Any] = {"time": self.time, "by": self.by}
        if self.values:
            known["values"] = self.values
        if name == "temporal_split":
            known.pop("values", None)
        if name == "scale_per_series" and "until" not in options:
            known.pop("time")
        return self.dataset.transform(name, **{**known, **options})
