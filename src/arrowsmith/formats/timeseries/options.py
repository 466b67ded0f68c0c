"""The options of the time series reader and sink. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from arrowsmith.plugin.options import option

Kind = Literal["ts", "tsf", "arff", "ucr"]


@dataclass(frozen=True, slots=True)
class TimeSeriesReadOptions:
    """How to read files of time series.

    Attributes:
        kind: which of the formats; ``auto`` finds it out, and takes what has no header for UCR.
        layout: ``long`` has a row for each point, ``series`` a row for each series with lists.
        range_bytes: how much text one task parses.
        max_record_bytes: the longest line that is parsed as a whole.

    Example:
        >>> TimeSeriesReadOptions(layout="series").kind
        'auto'
    """

    kind: Literal["auto", "ts", "tsf", "arff", "ucr"] = option("auto", help="which of the formats")
    layout: Literal["long", "series"] = option("long", help="a row a point, or a row a series")
    range_bytes: int = option(
        1 << 20, help="how much text one task parses", min=16, max=1 << 28, size=True
    )
    max_record_bytes: int = option(
        256 << 20, help="the longest line parsed as a whole", min=16, max=1 << 28, size=True
    )


@dataclass(frozen=True, slots=True)
class TimeSeriesWriteOptions:
    """How files of time series are written.

    Attributes:
        kind: which of the formats; ``auto`` goes by the suffix.
        series: the column that names the series of a row in long rows.
        time: the column of times, or of the first time with rows of lists.
        values: columns of values; none for all numbers and lists of such but label and attributes.
        label: the column of labels, ``label`` where there is one; ``.tsf`` has none.
        frequency: of ``.tsf``: ``hourly``, ``15_minutes``; None takes the header's.
        horizon: of ``.tsf``; None takes the header's.
    """

    kind: Literal["auto", "ts", "tsf", "arff", "ucr"] = option(
        "auto", help="which format; auto: by the suffix"
    )
    series: str = option("series_id", help="the column that names the series")
    time: str = option("timestamp", help="the column of times")
    values: tuple[str, ...] = option((), help="columns of values; all of numbers if unset")
    label: str = option("label", help="the column of labels, if there is one")
    frequency: str | None = option(None, help="of .tsf, such as hourly; the header's if unset")
    horizon: int | None = option(None, help="of .tsf; the header's if unset", min=1)
