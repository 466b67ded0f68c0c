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
    "day": ("ns", 86_400 * 10**9),
    "week": ("ns", 7 * 86_400 * 10**9),
    "month": ("month", 1),
    "quarter": ("month", 3),
    "year": ("month", 12),
}
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
    "daily": "day",
    "minutely": "minute",
    "secondly": "second",
    "annually": "year",
}
_PER = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Frequency:
    """A step of time.

    Attributes:
        text: as it was written.
        count: how many of ``unit``.
        unit: ``"ns"``, ``"month"``, or ``"step"`` for times that are mere numbers.
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
        if self.unit == "step":
            return starts + numbers * self.count
        if self.unit == "ns":
            return starts + numbers * self.in_unit(unit)
        moments = starts.astype(f"M8[{unit}]")
        months = moments.astype("M8[M]")
        inside = moments - months.astype("M8[D]")
        wanted = months + (numbers * self.count).astype("m8[M]")
        first = wanted.astype("M8[D]")
        days = (wanted + 1).astype("M8[D]") - first
        day = inside.astype("m8[D]")
        clipped = np.minimum(day, days - 1)
        moved = first + clipped + (inside - day)
        return moved.astype(f"M8[{unit}]").astype(np.int64)

    def in_unit(self, unit: str) -> int:
        """The step in ``unit``; ``ValueError`` where it is no whole number of them."""
        if self.unit == "step":
            return self.count
        per = 86_400 * 10**9 if unit == "D" else _PER[unit]
        if self.unit != "ns" or self.count % per:
            raise ValueError(f"{self.text} is no whole number of {unit}")
        return self.count // per


def parse_frequency(text: str) -> Frequency:
    """The step that a text names; a bare number counts times that are numbers.

    Raises:
        ValueError: it names none.

    Example:
        >>> parse_frequency("10_minutes").count == parse_frequency("600s").count
        True
    """
    plain = text.strip().lower().replace("-", "_")
    if re.fullmatch(r"[1-9][0-9]{0,17}", plain):
        return Frequency(text, int(plain), "step")
    if plain.startswith("half_"):
        whole = parse_frequency(plain[5:])
        if whole.unit == "ns" and whole.count % 2 == 0:
            return Frequency(text, whole.count // 2, "ns")
    found = re.fullmatch(r"([1-9][0-9]{0,8})?[ _]?([a-z]+)", plain)
    if found is not None:
        name = found[2]
        name = _SHORT.get(name) or name.removesuffix("s").removesuffix("ly")
        if name in _UNITS:
            unit, size = _UNITS[name]
            return Frequency(text, int(found[1] or 1) * size, unit)
    raise ValueError(f"{text[:40]!r} is no frequency such as 15min, hourly, 1d, 3 months")
