"""Which columns of a table are what in a file of time series."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from arrowsmith.errors import OptionError, SchemaMismatch
from arrowsmith.formats.timeseries.options import TimeSeriesWriteOptions
from arrowsmith.kernels.frequency import Frequency, parse_frequency
from arrowsmith.kernels.plain import unwrapped_type
from arrowsmith.plugin import check_columns

_SHOWN = 5  # columns by name
_SUFFIXES = {"ts": "ts", "tsf": "tsf", "arff": "arff", "tsv": "ucr"}


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns are.

    Attributes:
        kind: which of the formats.
        told: what the header said when the data was read; empty if it was not.
        lists: rows are series.
        series: the column that names series, or None.
        time: of times; with lists in ``.tsf`` of the first time; or None.
        counted: times are 0, 1, 2 ... and not written.
        values: columns of values.
        label: or None.
        attributes: of ``.tsf``, the columns and their names and kinds.
    """

    kind: str
    told: dict[str, Any]
    lists: bool
    series: str | None
    time: str | None
    counted: bool
    values: tuple[str, ...]
    label: str | None
    attributes: tuple[tuple[str, str, str], ...]
    frequency: Frequency | None
    left_out: tuple[str, ...]

    @property
    def between_values(self) -> str:
        return "\t" if self.kind == "ucr" else ","

    @property
    def between_dimensions(self) -> str:
        return r"\n" if self.kind == "arff" else ":"

    @property
    def relational(self) -> bool:
        """Dimensions of ``.arff`` stand in quotes."""
        return self.kind == "arff" and len(self.values) > 1


def columns_of(schema: pa.Schema, options: TimeSeriesWriteOptions, name: str) -> Columns:
    """The columns of a schema.

    Raises:
        SchemaMismatch: there are no values, or more than the format has.
        OptionError: a frequency that is none.
    """
    kind: str = options.kind
    if kind == "auto":
        parts = name.lower().split(".")[1:]
        kind = next((_SUFFIXES[part] for part in parts if part in _SUFFIXES), "ts")
    told = _told(schema)
    known = {str(own): (str(shown), str(sort)) for shown, own, sort in told.get("attributes", [])}
    names = schema.names
    series = options.series if options.series in names else None
    label = options.label if options.label in names and kind != "tsf" else None
    time = options.time if options.time in names else None
    if time is None and "start_timestamp" in names and kind == "tsf":
        time = "start_timestamp"
    taken = {series, label, time, *known}
    lists = any(_is_list(field.type) for field in schema if field.name not in taken)
    fits = _is_list if lists else _is_number
    values = options.values or tuple(
        field.name for field in schema if field.name not in taken and fits(field.type)
    )
    check_columns(schema, values, fits=fits, wanted="lists of numbers" if lists else "numbers")
    if not values:
        shown = ", ".join(f"'{field.name}' ({field.type})" for field in list(schema)[:_SHOWN])
        raise SchemaMismatch(
            f"there is no column of numbers, or of lists of numbers, among {shown}",
            hint="cast one with --transform cast:columns=NAME:float64",
        )
    if kind in ("tsf", "ucr") and len(values) > 1:
        shown = ".tsf" if kind == "tsf" else "a UCR file"
        raise SchemaMismatch(
            f"{shown} has one column of values, and there are {', '.join(values[:5])}",
            hint="say which with -w values=NAME",
        )
    if kind == "ucr" and label is None:
        raise SchemaMismatch("a UCR file has a label for each series", hint="-w label=NAME")
    attributes = _attributes(schema, series, known, time, values) if kind == "tsf" else ()
    used = {series, label, time, *values, *(own for own, _, _ in attributes)}
    return Columns(
        kind=kind,
        told=told,
        lists=lists,
        series=series,
        time=time,
        counted=_counted(schema, time, kind, told, lists),
        values=values,
        label=label,
        attributes=attributes,
        frequency=_frequency(options, told),
        left_out=tuple(one for one in names if one not in used),
    )


def _told(schema: pa.Schema) -> dict[str, Any]:
    try:
        found = json.loads((schema.metadata or {}).get(b"timeseries", b"{}"))
        return found if isinstance(found, dict) else {}
    except ValueError:
        return {}


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _is_list(kind: pa.DataType) -> bool:
    types = pa.types
    lists = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    return bool(lists and _is_number(kind.value_type))


def _is_text(kind: pa.DataType) -> bool:
    plain = unwrapped_type(kind)
    return bool(pa.types.is_string(plain) or pa.types.is_large_string(plain))


def _counted(
    schema: pa.Schema, time: str | None, kind: str, told: dict[str, Any], lists: bool
) -> bool:
    """Whether times only count the points."""
    if time is None or kind in ("arff", "ucr"):
        return True
    plain = schema.field(time).type
    if kind == "tsf":
        return not pa.types.is_timestamp(plain)
    if lists:
        return not pa.types.is_list(plain)
    return pa.types.is_integer(plain) and not told.get("timestamps")


def _attributes(
    schema: pa.Schema,
    series: str | None,
    known: dict[str, tuple[str, str]],
    time: str | None,
    values: tuple[str, ...],
) -> tuple[tuple[str, str, str], ...]:
    found = []
    for field in schema:
        if field.name == series and (not known or series in known):
            found.append((field.name, "series_name", "text"))
        elif field.name in known and field.name not in (time, series, *values):
            found.append((field.name, known[field.name][0], known[field.name][1]))
        elif _is_text(field.type) and field.name not in (time, series, *values):
            found.append((field.name, field.name, "text"))
    return tuple(found)


def _frequency(options: TimeSeriesWriteOptions, told: dict[str, Any]) -> Frequency | None:
    text = options.frequency or told.get("frequency")
    if not text:
        return None
    try:
        return parse_frequency(str(text))
    except ValueError as error:
        if options.frequency:
            raise OptionError(str(error)) from None
        return None
