"""What stands before the data: names, labels, frequency, how many dimensions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from arrowsmith.formats.timeseries.options import Kind
from arrowsmith.kernels.frequency import Frequency


@dataclass(frozen=True, slots=True)
class Attribute:
    """Something said once of a series.

    Attributes:
        name: of its column.
        kind: ``text``, ``number`` or ``date``.
        values: those allowed; none for any.
        place: of its field in a line.
        pattern: of dates, for ``strptime``; None for ISO 8601 and what ``.tsf`` has.
    """

    name: str
    kind: str
    values: tuple[str, ...] = ()
    place: int = -1
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a header: its number, the first word in lower case, and the others."""

    number: int
    word: str
    rest: str


@dataclass(slots=True)
class Header:
    """What a file says of itself.

    Attributes:
        start, line: where the data begins, in bytes and as the number of the line from 1.
        comment: lines that begin so are passed over.
        told: what the header says, as JSON values, for the schema's metadata.
        fields: how many fields a line has; 0 for any.
        dimensions: of the values.
        timestamps: points are ``(time,value)``.
        attributes: of each series, in their order.
        numbers: places of the fields that are values, of dense ARFF.
        relational: a field holds all dimensions in quotes, of ARFF.
        separator: between fields.
    """

    kind: Kind
    start: int = 0
    line: int = 1
    comment: bytes = b"#"
    told: dict[str, Any] = field(default_factory=dict)
    fields: int = 0
    dimensions: int = 1
    timestamps: bool = False
    attributes: tuple[Attribute, ...] = ()
    numbers: tuple[int, ...] = ()
    relational: bool = False
    separator: str = ":"
    frequency: Frequency | None = None

    @property
    def value_names(self) -> tuple[str, ...]:
        """Of the columns of values."""
        if self.dimensions == 1:
            return ("value",)
        return tuple(f"dim_{number}" for number in range(self.dimensions))

    @property
    def started_by(self) -> Attribute | None:
        """The attribute that says when a series begins."""
        dates = [one for one in self.attributes if one.kind == "date"]
        named = [one for one in dates if one.name == "start_timestamp"]
        return next(iter(named or dates), None)

    @property
    def has_steps(self) -> bool:
        """Whether times follow from where a series begins."""
        return self.frequency is not None and self.frequency.unit != "step"
