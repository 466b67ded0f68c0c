"""Transforms of time series: specs and options. This module imports neither pyarrow nor numpy.

They take any table whose rows stand series by series, and by time in each. A row that does not is
an error which names it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from arrowsmith.plugin import TransformSpec, hookimpl


def _spec(
    name: str,
    impl: str,
    options: str,
    summary: str,
    kind: Literal["stateless", "ordered", "fitted"] = "ordered",
) -> TransformSpec:
    path = f"arrowsmith.transforms.series.{impl}"
    chosen = f"arrowsmith.transforms.series.options:{options}"
    return TransformSpec(name=name, impl=path, options=chosen, kind=kind, summary=summary)


SPECS = (
    _spec("lag", "lag:Lag", "LagOptions", "put values of earlier rows beside each row of a series"),
    _spec("difference", "lag:Difference", "LagOptions", "subtract the values of earlier rows"),
    _spec("rolling", "rolling:Rolling", "RollingOptions", "compute over the last rows of a series"),
    _spec(
        "window", "window:Window", "WindowOptions", "cut series into windows of context and horizon"
    ),
    _spec("fill_gaps", "fill_gaps:FillGaps", "FillGapsOptions", "put in the rows that are missing"),
    _spec(
        "resample", "resample:Resample", "ResampleOptions", "join the rows of longer steps of time"
    ),
    _spec(
        "temporal_split",
        "temporal_split:TemporalSplit",
        "TemporalSplitOptions",
        "tell train, validation and test apart by time",
    ),
    _spec(
        "scale_per_series",
        "scale_per_series:ScalePerSeries",
        "ScaleOptions",
        "scale each series by what its train part tells",
        "fitted",
    ),
)


@hookimpl
def arrowsmith_transforms() -> Iterable[TransformSpec]:
    """The transforms of time series."""
    return SPECS
