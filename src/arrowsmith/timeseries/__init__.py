"""A table seen as time series."""

from __future__ import annotations

from arrowsmith.timeseries.survey import SeriesSummary, Survey
from arrowsmith.timeseries.view import TimeSeries

__all__ = ["SeriesSummary", "Survey", "TimeSeries"]
