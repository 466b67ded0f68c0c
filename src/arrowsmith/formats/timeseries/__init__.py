"""Time series: sktime and aeon ``.ts``, Monash ``.tsf``, ``.arff``, UCR ``.tsv``."""

from __future__ import annotations

from collections.abc import Iterable

from arrowsmith.formats.timeseries.losses import LOSSES
from arrowsmith.formats.timeseries.probe import SUFFIXES, probe
from arrowsmith.plugin import ReaderCapabilities, ReaderSpec, SinkCapabilities, SinkSpec, hookimpl


@hookimpl
def arrowsmith_readers() -> Iterable[ReaderSpec]:
    """The time series reader."""
    return [
        ReaderSpec(
            name="timeseries",
            impl="arrowsmith.formats.timeseries.reader:TimeSeriesReader",
            extensions=SUFFIXES,
            probe=probe,
            options="arrowsmith.formats.timeseries.options:TimeSeriesReadOptions",
            capabilities=ReaderCapabilities(projection=True, split=True, residency="ranges"),
            summary="time series: .ts (sktime, aeon), .tsf (Monash), .arff, UCR .tsv by name",
        )
    ]


@hookimpl
def arrowsmith_sinks() -> Iterable[SinkSpec]:
    """The time series sink."""
    return [
        SinkSpec(
            name="timeseries",
            impl="arrowsmith.formats.timeseries.sink:TimeSeriesSink",
            extensions=SUFFIXES,
            options="arrowsmith.formats.timeseries.options:TimeSeriesWriteOptions",
            capabilities=SinkCapabilities(parallel=True, losses=LOSSES),
            summary="time series: .ts (sktime, aeon), .tsf (Monash), .arff, UCR .tsv by name",
        )
    ]
