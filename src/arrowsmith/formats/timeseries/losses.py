"""What files of time series cannot keep. Standard library only."""

from __future__ import annotations

from arrowsmith.plugin.specs import Loss

LOSSES: tuple[Loss | str, ...] = (
    "columns other than series, times, values, label and attributes are left out, with a warning",
    "in .ts series have numbers, not names",
    "a series without a value has no row when it is read with layout=long",
    "types are not stored: values come back as double, labels and names as text",
    "texts with the marks of the format, or blanks at their ends, are refused",
    Loss("times come back in UTC, without their zone", types=("local timestamp",)),
)
