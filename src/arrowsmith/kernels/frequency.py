"""Steps of time: ``15min``, ``hourly``, ``10_minutes``, ``3 months``, by name and as arrays."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_UNITS = {
    "nanosecond": ("ns", 1),
    "microsecond": ("ns", 10**3),
    "millisecond": ("ns", 10**6),
    "second": ("ns", 10**9),
    "minute": ("ns", 60 * 10**9),
    "hour": ("ns", 3600 * 10**9),
    "day": ("day", 1),
    "week": ("day", 7),
    "month": ("month", 1),
    "quarter": ("month", 3),
    "year": ("month", 12),
    "month_end": ("month_end", 1),
    "quarter_end": ("month_end", 3),
    "year_end": ("month_end", 12),
}
_DAY = 86_400 * 10**9
_SHORT = {
    "ns": "nanosecond",
    "us": "microsecond",
    "ms": "millisecond",
    "s": "second",
    "sec": "second",
    "min": "minute",
    "m": "minute",
    "h": "hour",
    "d": "day",
    "w": "week",
    "mo": "month",
    "q": "quarter",
    "y": "year",
    "me": "month_end",
    "qe": "quarter_end",
    "ye": "year_end",
    "daily": "day",
    "minutely": "minute",
    "secondly": "second",
    "annually": "year",
}
_STARTS = {"MS": "month", "QS": "quarter", "YS": "year"}  # as pandas names them
_PER = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Frequency:
    """A step of time.

    Attributes:
        text: as it was written.
        count: how many of ``unit``.
        unit: ``"ns"``, ``"day"``, ``"month"``, ``"month_end"`` for last days of months, or
            ``"step"`` for times that are mere numbers. Days and months are those of the calendar
            where times have a zone.
    """

    text: str
    count: int
    unit: str

    def steps(self, starts: Ints, numbers: Ints, unit: str) -> Ints:
        """The moments so many steps behind others.

        Args:
            starts: moments since 1970 in ``unit``, any shape.
            numbers: steps for each, of the same shape.
            unit: ``"s"``, ``"ms"``, ``"us"``, ``"ns"``, or ``"D"`` for days; ignored for
                ``"step"``.

        Example:
            >>> day = np.array(["2024-01-31"], "M8[s]").astype(np.int64)
            >>> parse_frequency("monthly").steps(day, np.array([1]), "s").astype("M8[s]")[0].item()
            datetime.datetime(2024, 2, 29, 0, 0)
        """
        if self.unit not in ("month", "month_end"):
            return starts + numbers * self.in_unit(unit)
        moments = starts.astype(f"M8[{unit}]")
        months = moments.astype("M8[M]")
        inside = moments - months.astype("M8[D]")
        wanted = months + (numbers * self.count).astype("m8[M]")
        first = wanted.astype("M8[D]")
        days = (wanted + 1).astype("M8[D]") - first
        day = inside.astype("m8[D]")
        clipped = np.minimum(day, days - 1) if self.unit == "month" else days - 1
        moved = first + clipped + (inside - day)
        return moved.astype(f"M8[{unit}]").astype(np.int64)

    def in_unit(self, unit: str) -> int:
        """The step in ``unit``; ``ValueError`` where it is no whole number of them."""
        if self.unit == "step":
            return self.count
        per = _DAY if unit == "D" else _PER[unit]
        size = self.count * (_DAY if self.unit == "day" else 1)
        if self.unit not in ("ns", "day") or size % per:
            raise ValueError(f"{self.text} is no whole number of {unit}")
        return size // per

    def between(self, starts: Ints, times: Ints, unit: str) -> Ints:
        """How many whole steps moments are behind others, days within a month left aside.

        Args:
            starts, times: moments since 1970 in ``unit``, of one shape.
            unit: as for ``steps``.
        """
        if self.unit not in ("month", "month_end"):
            return (times - starts) // self.in_unit(unit)
        return (_months(times, unit) - _months(starts, unit)) // self.count

    def begins(self, times: Ints, unit: str) -> Ints:
        """Where the step begins that each moment is in: steps are counted from 1970, weeks from
        Mondays. For last days of months it is that day.

        Args:
            times: moments since 1970 in ``unit``, any shape.
            unit: as for ``steps``.
        """
        if self.unit in ("month", "month_end"):
            months = _months(times, unit) // self.count * self.count
            if self.unit == "month_end":
                months = months + self.count
            first = months.astype("M8[M]").astype("M8[D]") - (self.unit == "month_end")
            return first.astype(f"M8[{unit}]").astype(np.int64)
        size = self.in_unit(unit)
        weeks = self.unit == "day" and self.count % 7 == 0
        origin = _MONDAY * (size // self.count) if weeks else 0
        return (times - origin) // size * size + origin


_MONDAY = 4  # days from 1970-01-01 to the first Monday


def _months(times: Ints, unit: str) -> Ints:
    return times.astype(f"M8[{unit}]").astype("M8[M]").astype(np.int64)


def parse_frequency(text: str) -> Frequency:
    """The step that a text names; a bare number counts times that are numbers.

    Raises:
        ValueError: it names none.

    Example:
        >>> parse_frequency("10_minutes").count == parse_frequency("600s").count
        True
    """
    plain = _first_days(text).strip().lower().replace("-", "_")
    if re.fullmatch(r"[1-9][0-9]{0,17}", plain):
        return Frequency(text, int(plain), "step")
    if plain.startswith("half_"):
        whole = parse_frequency(plain[5:])
        size = {"ns": whole.count, "day": whole.count * _DAY}.get(whole.unit, 1)
        if size % 2 == 0:
            return Frequency(text, size // 2, "ns")
        if whole.unit == "month" and whole.count % 2 == 0:  # half a year
            return Frequency(text, whole.count // 2, "month")
    found = re.fullmatch(r"([1-9][0-9]{0,8})?[ _]?([a-z]+(?:[_ ]ends?)?)", plain)
    if found is not None:
        name = found[2].replace(" ", "_")
        name = _SHORT.get(name) or name.removesuffix("s").removesuffix("ly")
        if name in _UNITS:
            unit, size = _UNITS[name]
            return Frequency(text, int(found[1] or 1) * size, unit)
    raise ValueError(
        f"{text[:40]!r} is no frequency such as 15min, hourly, 1d, 3 months, month_end"
    )


def _first_days(text: str) -> str:
    """The text with pandas' names of first days spelled out, which in lower case mean others."""
    found = re.fullmatch(r"\s*([0-9]*)[ _]?(M|[MQY]S)\s*", text)
    if found is None:
        return text
    if found[2] == "M":
        raise ValueError(f"{text[:40]!r} may be minutes or months; write min, month or month_end")
    return f"{found[1]}{_STARTS[found[2]]}"
