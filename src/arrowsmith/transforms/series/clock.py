"""Steps of time as a clock on the wall shows them.

Days, weeks and months of times with a zone are those of its calendar: a day has 23 or 25 hours
where the clock is put forward or back. Shorter steps have the same length everywhere; where
``begins`` cuts, they start at midnight on the wall, so that an hour in India begins where its
clocks say so.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from arrowsmith.errors import OptionError
from arrowsmith.kernels.arrays import int64_array, numpy_view
from arrowsmith.kernels.frequency import Frequency, parse_frequency

Ints = NDArray[np.int64]

_DAYS = ("day", "month", "month_end")


class Clock:
    """Steps of one frequency in a column of times.

    Args:
        text: names the frequency.
        kind: of the column: timestamps, dates or whole numbers.

    Attributes:
        step: the frequency.

    Raises:
        OptionError: times of that type have no such steps.
    """

    def __init__(self, text: str, kind: pa.DataType) -> None:
        self.step = _step_of(text, kind)
        self._unit = time_unit(kind)
        self._zone = kind.tz if pa.types.is_timestamp(kind) else None

    def after(self, starts: Ints, numbers: Ints) -> Ints:
        """The moments so many steps behind others. One that the clock leaves out is where it goes
        on, and of two that it shows the same time the first."""
        if self._zone is None or self.step.unit not in _DAYS:
            return self.step.steps(starts, numbers, self._unit)
        there = self.step.steps(self._wall(starts), numbers, self._unit)
        return self._moments(there, "earliest")

    def number(self, starts: Ints, times: Ints) -> tuple[Ints, NDArray[np.bool_]]:
        """How many steps moments are behind others, and whether they are on a step."""
        if self._zone is None or self.step.unit not in _DAYS:
            numbers = self.step.between(starts, times, self._unit)
            return numbers, self.step.steps(starts, numbers, self._unit) == times
        begun, shown = self._wall(starts), self._wall(times)
        numbers = self.step.between(begun, shown, self._unit)
        wanted = self.step.steps(begun, numbers, self._unit)
        return numbers, (wanted == shown) | (self._moments(wanted, "earliest") == times)

    def begins(self, times: Ints) -> Ints:
        """Where the step begins that each moment is in."""
        if self._zone is None:
            return self.step.begins(times, self._unit)
        begun = self.step.begins(self._wall(times), self._unit)
        if self.step.unit == "month_end":
            return self._moments(begun, "earliest")
        late = self._moments(begun, "latest")  # of an hour shown twice that which the row is in
        return np.where(late <= times, late, self._moments(begun, "earliest"))

    def _wall(self, times: Ints) -> Ints:
        zoned = int64_array(times).view(pa.timestamp(self._unit, self._zone))
        return numpy_view(pc.local_timestamp(zoned))

    def _moments(self, shown: Ints, ambiguous: str) -> Ints:
        plain = int64_array(shown).view(pa.timestamp(self._unit))
        zoned = pc.assume_timezone(plain, self._zone, ambiguous=ambiguous, nonexistent="latest")
        return numpy_view(zoned)


def time_unit(kind: pa.DataType) -> str:
    """The unit of a time: of timestamps theirs, ``D`` for date32, ``s`` for numbers."""
    if pa.types.is_timestamp(kind):
        return str(kind.unit)
    return "D" if pa.types.is_date32(kind) else "ms" if pa.types.is_date64(kind) else "s"


def _step_of(text: str, kind: pa.DataType) -> Frequency:
    try:
        found = parse_frequency(text)
        if (found.unit == "step") != pa.types.is_integer(kind):
            what = "a plain number" if pa.types.is_integer(kind) else "one such as 1h or daily"
            raise ValueError(f"frequency {text!r} does not fit times of {kind}, which need {what}")
        if found.unit == "ns":
            found.in_unit(time_unit(kind))
    except ValueError as error:
        raise OptionError(str(error)) from None
    return found
