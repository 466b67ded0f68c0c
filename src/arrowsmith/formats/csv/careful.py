"""Reads a range in which something is wrong: finds what, where, and what is still good.

Everything is laid out, checked and converted a column at a time. Only the records at fault are
looked at one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from arrowsmith.errors import DataError, SchemaConflict
from arrowsmith.formats.csv.columns import Column
from arrowsmith.formats.csv.convert import convert
from arrowsmith.formats.csv.dialect import CR, LF
from arrowsmith.formats.csv.layout import Layout, lay_out, without
from arrowsmith.formats.csv.masks import Mask, boolean
from arrowsmith.formats.csv.parse import parse_text
from arrowsmith.formats.csv.plan import Plan
from arrowsmith.formats.csv.ranges import Range
from arrowsmith.plugin.protocols import Reject

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one record of a range."""

    record: int
    reason: str
    column: str | None = None
    hint: str | None = None
    line: int | None = None  # of the quote that is never closed, counted from the range's first


@dataclass(frozen=True, slots=True)
class Sound:
    """The well-formed records of a range, as text.

    Attributes:
        text: the columns asked for.
        records: the number, within the layout, of each row.
        faults: the other records, in order.
    """

    layout: Layout
    text: pa.RecordBatch
    records: np.ndarray
    faults: list[Fault]


def sound(piece: Range, plan: Plan) -> Sound:
    """The records of ``piece`` that have the right form, as text, and the faults of the others."""
    data = np.frombuffer(piece.buffer, np.uint8, piece.size)
    layout = lay_out(data, plan.dialect)
    bad = layout.faults(len(plan.names))
    faults = [_form_fault(data, layout, int(record), plan) for record in np.flatnonzero(bad)]
    good = without(data, layout, bad)
    wrong = _nuls(data, layout, bad, plan)
    bad[[fault.record for fault in wrong]] = True
    wrong += _not_utf8(data, layout, bad, plan)
    if wrong:
        faults = sorted(faults + wrong, key=lambda fault: fault.record)
        bad[[fault.record for fault in wrong]] = True
        good = without(data, layout, bad)
    names = [column.name for column in plan.read]
    records = np.flatnonzero(~bad)
    if len(records):
        text = parse_text(good, plan.dialect, plan.names, names, plan.nulls)
    else:
        text = pa.RecordBatch.from_arrays([pa.nulls(0, pa.string()) for _ in names], names=names)
    return Sound(layout, text, records, faults)


def read_carefully(piece: Range, plan: Plan) -> pa.RecordBatch:
    """The rows of ``piece`` without its bad records, which go to the run's context.

    Raises:
        SchemaConflict: a value does not fit its inferred type.
        DataError: a record is bad and the run's ``on_error`` is ``"raise"``.
    """
    found = sound(piece, plan)
    faults = list(found.faults)
    keep = np.ones(len(found.records), np.bool_)
    arrays = []
    for column, text in zip(plan.read, found.text.columns, strict=True):
        values, bad = convert(text, column)
        if bad.any():
            if not column.explicit:
                raise _conflict(found, int(np.argmax(bad)), text, column, piece, plan)
            faults += _value_faults(found, bad & keep, text, column)
            keep &= ~bad
        arrays.append(values)
    _hand_over(faults, found.layout, piece, plan)
    batch = pa.RecordBatch.from_arrays(arrays, names=found.text.schema.names)
    return batch if keep.all() else batch.filter(boolean(keep))


def _form_fault(data: np.ndarray, layout: Layout, record: int, plan: Plan) -> Fault:
    last = record == len(layout.starts) - 1
    if layout.unclosed >= 0 and last:
        size = int(layout.ends[record] - layout.starts[record])
        lines = layout.total_lines - int(layout.lines[record]) + (data[-1] not in (LF, CR))
        return Fault(
            record,
            "the quote that opens here is never closed: "
            f"all up to the end of the file, {size} bytes in {lines} lines, is one bad record",
            hint="close it, or read quotes as text with -r quote=",
            line=layout.unclosed_line,
        )
    if layout.broken[record]:
        return Fault(
            record,
            "text follows a closing quote",
            hint=f"double the quotes within a field: {plan.dialect.quote * 2}",
        )
    count, expected = int(layout.fields[record]), len(plan.names)
    hint = f"look for a delimiter {plan.dialect.delimiter!r} that is missing or not quoted"
    if expected == 1:
        hint = "remove what stands before the header, or say the delimiter with -r delimiter=X"
    return Fault(
        record,
        f"found {count} field{'s' * (count != 1)} where there should be {expected}",
        hint=hint,
    )


def _nuls(data: np.ndarray, layout: Layout, bad: Mask, plan: Plan) -> list[Fault]:
    """Faults of records, one each, that have a NUL in a column to read."""
    places = np.flatnonzero(data == 0)
    if not len(places):
        return []
    records = np.searchsorted(layout.starts, places, side="right") - 1
    before = np.searchsorted(layout.delimiters, layout.starts[records])
    columns = np.searchsorted(layout.delimiters, places) - before
    wanted = [plan.names.index(column.name) for column in plan.read]
    counts = np.isin(columns, wanted) & ~bad[records]
    found, first = np.unique(records[counts], return_index=True)
    named = [plan.names[place] for place in columns[counts][first].tolist()]
    hint = "remove it; if there are many, this is another format, or UTF-16"
    return [
        Fault(record, "a NUL is no text", name, hint)
        for record, name in zip(found.tolist(), named, strict=True)
    ]


def _not_utf8(data: np.ndarray, layout: Layout, bad: Mask, plan: Plan) -> list[Fault]:
    """Faults of records, one each, whose bytes in a column to read are not UTF-8."""
    wanted = {plan.names.index(column.name) for column in plan.read}
    faults: list[Fault] = []
    at = 0
    while at < len(data):
        try:
            data[at : at + (1 << 20)].tobytes().decode()
            at += 1 << 20
        except UnicodeDecodeError as error:
            wrong = at + error.start
            if error.reason == "unexpected end of data" and at + (1 << 20) < len(data):
                at = wrong
                continue
            at = wrong + 1
            record = int(np.searchsorted(layout.starts, wrong, side="right")) - 1
            first, until = np.searchsorted(layout.delimiters, (layout.starts[record], wrong))
            place = int(until - first)
            if not bad[record] and place in wanted:
                faults.append(
                    Fault(
                        record,
                        f"byte 0x{data[wrong]:02x} is not UTF-8",
                        plan.names[place],
                        "convert the file to UTF-8",
                    )
                )
                at = int(layout.follows[record])
    return faults


def _value_faults(found: Sound, bad: Mask, text: pa.StringArray, column: Column) -> list[Fault]:
    return [
        Fault(
            int(found.records[row]),
            f"{_shown(text, row)} is no {column.type}",
            column.name,
            f"mend the value, or read the column as text with -r types={column.name}:string",
        )
        for row in np.flatnonzero(bad).tolist()
    ]


def _conflict(
    found: Sound, row: int, text: pa.StringArray, column: Column, piece: Range, plan: Plan
) -> SchemaConflict:
    record = int(found.records[row])
    _, line = plan.locator.at(piece.offset)
    line += int(found.layout.lines[record])
    offset = piece.offset + int(found.layout.starts[record])
    return SchemaConflict(
        f"{_shown(text, row)} in column {column.name!r} is no {column.type}, "
        "the type inferred from a sample",
        column=column.name,
        path=plan.source.path,
        place=f"line {line}, byte {offset}",
        hint=f'read with -r infer=full (infer="full"), or -r types={column.name}:string',
    )


def _shown(text: pa.StringArray, row: int) -> str:
    value = text[row].as_py()
    return repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "...")


def _hand_over(faults: Sequence[Fault], layout: Layout, piece: Range, plan: Plan) -> None:
    """Raise the first fault, or hand all of them to the context, by record."""
    if not faults:
        return
    number, line = plan.locator.at(piece.offset)
    for fault in sorted(faults, key=lambda fault: fault.record):
        start, end = int(layout.starts[fault.record]), int(layout.ends[fault.record])
        begins = line + int(layout.lines[fault.record])
        where = begins if fault.line is None else line + fault.line
        offset = piece.offset + start
        if plan.ctx.on_error == "raise":
            column = f", column {fault.column!r}" if fault.column else ""
            raise DataError(
                fault.reason,
                path=plan.source.path,
                place=f"line {where}, byte {offset}{column}",
                hint=f"{fault.hint}; --on-error skip leaves bad records out",
            )
        if fault.line is not None:
            plan.ctx.warn(f"{plan.source.path}: line {where}: {fault.reason}")
        plan.ctx.reject(
            Reject(
                source=plan.source.path,
                record=number + fault.record,
                line=begins,
                offset=offset,
                column=fault.column,
                reason=fault.reason,
                raw=bytes(piece.text[start:end]).removesuffix(b"\n").removesuffix(b"\r"),
            )
        )
