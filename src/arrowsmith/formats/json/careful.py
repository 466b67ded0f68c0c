"""Reads a range in which something is wrong, record by record: finds what, and what is still good.

Sound records are written anew where their columns ask for it (numbers as text, objects as JSON
text), and go through Arrow's parser like all others, so that both ways give the same values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from arrowsmith.errors import DataError, SchemaConflict
from arrowsmith.formats.json.decode import RecordError, decode, encode
from arrowsmith.formats.json.infer import infer
from arrowsmith.formats.json.kinds import Kind
from arrowsmith.formats.json.parse import parse, typed
from arrowsmith.formats.json.plan import Plan
from arrowsmith.formats.json.ranges import Range
from arrowsmith.formats.json.structure import Flaw
from arrowsmith.plugin.protocols import Reject

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one record of a range.

    Attributes:
        number: of the record, within the range.
        start: where it begins, within the range.
    """

    number: int
    start: int
    raw: bytes
    reason: str
    column: str | None = None
    hint: str = "mend the record"


@dataclass(frozen=True, slots=True)
class Sound:
    """A record that is JSON."""

    number: int
    start: int
    raw: bytes
    value: dict[str, Any]


def sound(piece: Range, max_depth: int) -> tuple[list[Sound], list[Fault]]:
    """The objects of a range, and the faults of what is none."""
    spans: list[tuple[int, int, Flaw | None]] = [(*span, None) for span in piece.records()]
    spans += [(flaw.start, flaw.start, flaw) for flaw in piece.flaws]
    good, faults = [], []
    for number, (start, end, flaw) in enumerate(sorted(spans, key=lambda span: span[:2])):
        if flaw is not None:
            faults.append(Fault(number, start, flaw.raw, flaw.reason))
            continue
        raw = bytes(piece.buffer[start:end])
        try:
            good.append(Sound(number, start, raw, decode(raw, max_depth)))
        except RecordError as error:
            faults.append(Fault(number, start, raw, error.reason, error.column))
    return good, faults


def read_carefully(piece: Range, plan: Plan) -> pa.RecordBatch:
    """The rows of ``piece`` without its bad records, which go to the run's context.

    Raises:
        SchemaConflict: a value does not fit its inferred type, or a field is new.
        DataError: a record is bad and the run's ``on_error`` is ``"raise"``.
    """
    good, faults = sound(piece, plan.max_depth)
    conflict = next(filter(None, (_conflict(record, plan) for record in good)), None)
    if conflict is not None:
        before = [fault for fault in faults if fault.number < conflict[0].number]
        if plan.ctx.on_error != "raise" or not before:
            raise _conflict_error(*conflict, piece, plan)
    lines = [_line(record, plan) for record in good]
    batch, bad = _parsed(lines, good, plan)
    _hand_over(faults + bad, piece, plan)
    return batch


# --- what contradicts the inference --------------------------------------------------------------


def _conflict(record: Sound, plan: Plan) -> tuple[Sound, str, Any] | None:
    """The record with the column and the value that its known kind does not have."""
    for name, value in record.value.items():
        kind = plan.kinds.get(name)
        if kind is None:
            if plan.whole and not plan.ignore:
                return record, name, value
        elif not fits(value, kind, plan.ignore):
            return record, name, value
    return None


def fits(value: Any, kind: Kind, ignore: bool = False) -> bool:
    """Whether a column of that kind has the value as it is; any value fits a type that was asked
    for, as far as the inference is concerned."""
    if value is None or kind.tag in ("json", "given"):
        return True
    if kind.tag == "struct":
        if not isinstance(value, dict):
            return False
        known = dict(kind.fields)
        return all(
            fits(inner, known[name], ignore) if name in known else ignore
            for name, inner in value.items()
        )
    if kind.tag == "list":
        assert kind.item is not None
        return isinstance(value, list) and all(fits(inner, kind.item, ignore) for inner in value)
    if kind.tag in ("string", "null"):
        return isinstance(value, str)
    if kind.tag == "bool":
        return isinstance(value, bool)
    return kind.join(infer([value])).same(kind)


def _conflict_error(
    record: Sound, name: str, value: Any, piece: Range, plan: Plan
) -> SchemaConflict:
    kind = plan.kinds.get(name)
    _, line = plan.locator.at(piece.offset)
    line += piece.buffer.count(b"\n", 0, record.start)
    what = f"{_shown(value)} in column {name!r} is no "
    if kind is None:
        what = f"the field {name!r} is not among those of the sample"
        hint = f"-r unknown_fields=ignore, or -r types={name}:string"
    elif pa.types.is_nested(kind.type):
        what += "value of the type inferred from a sample"
        hint = f"-r types={name}:string, which gives its JSON text"
    else:
        what += f"{kind.type}, the type inferred from a sample"
        hint = f"-r types={name}:string"
    return SchemaConflict(
        what,
        column=name,
        path=plan.source.path,
        place=f"line {line}, byte {piece.offset + record.start}",
        hint=f'read with -r infer=full (infer="full"), or {hint}',
    )


def _shown(value: Any) -> str:
    text = encode(value).decode()
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


# --- records for the parser ----------------------------------------------------------------------


def _line(record: Sound, plan: Plan) -> bytes:
    """The record for the parser, on one line."""
    if all(kind.direct and "text" not in kind.form for kind in plan.kinds.values()):
        return record.raw
    value = {
        name: _written(record.value[name], kind)
        for name, kind in plan.kinds.items()
        if name in record.value
    }
    return encode(value)


def _written(value: Any, kind: Kind) -> Any:
    """The value as the column's physical type takes it."""
    if value is None:
        return None
    if kind.item is not None and isinstance(value, list):
        return [_written(inner, kind.item) for inner in value]
    if kind.fields and isinstance(value, dict):
        known = dict(kind.fields)
        return {
            name: _written(inner, known[name]) for name, inner in value.items() if name in known
        }
    if kind.tag == "json" or (kind.tag == "struct" and not kind.fields):
        return encode(value).decode()
    if kind.form == "text" and not isinstance(value, str):
        return encode(value).decode()
    return value


def _parsed(
    lines: Sequence[bytes], good: Sequence[Sound], plan: Plan
) -> tuple[pa.RecordBatch, list[Fault]]:
    """The rows, and the faults of records with a value that does not fit a type asked for.

    They are found by halving, so that a range with few of them costs few passes.
    """
    batches: list[tuple[int, pa.RecordBatch]] = []
    faults = []
    pending = [(0, len(lines))] if lines else []
    while pending:
        start, stop = pending.pop()
        try:
            batches.append((start, _parse(lines[start:stop], plan)))
        except pa.ArrowInvalid as error:
            if stop - start == 1:
                faults.append(_value_fault(good[start], lines[start], plan, error))
            else:
                middle = (start + stop) // 2
                pending += [(start, middle), (middle, stop)]
    parts = [batch for _, batch in sorted(batches, key=lambda part: part[0])]
    if len(parts) == 1:
        return parts[0], faults
    whole = pa.Table.from_batches(parts, plan.schema).combine_chunks().to_batches()
    return whole[0] if whole else empty(plan.schema), faults


def empty(schema: pa.Schema) -> pa.RecordBatch:
    """A batch of no rows."""
    return pa.RecordBatch.from_arrays([pa.nulls(0, kind) for kind in schema.types], schema=schema)


def _parse(lines: Sequence[bytes], plan: Plan) -> pa.RecordBatch:
    batch = parse(b"\n".join(lines), plan.physical, ignore=plan.ignore or not plan.whole)
    return typed(batch, plan.schema)


def _value_fault(record: Sound, line: bytes, plan: Plan, error: pa.ArrowInvalid) -> Fault:
    for name, kind in plan.kinds.items():
        if name in record.value and not _fits_alone(name, kind, line):
            return Fault(
                record.number,
                record.start,
                record.raw,
                f"{_shown(record.value[name])} is no {kind.type}",
                name,
                f"mend the value, or read the column as text with -r types={name}:string",
            )
    return Fault(record.number, record.start, record.raw, " ".join(str(error).split()))


def _fits_alone(name: str, kind: Kind, line: bytes) -> bool:
    try:
        batch = parse(line, pa.schema([(name, kind.physical)]), ignore=True)
        typed(batch, pa.schema([(name, kind.type)]))
    except pa.ArrowInvalid:
        return False
    return True


# --- bad records ---------------------------------------------------------------------------------


def _hand_over(faults: Sequence[Fault], piece: Range, plan: Plan) -> None:
    """Raise the first fault, or hand all of them to the context, by record."""
    if not faults:
        return
    number, line = plan.locator.at(piece.offset)
    for fault in sorted(faults, key=lambda fault: fault.number):
        begins = line + piece.buffer.count(b"\n", 0, fault.start)
        offset = piece.offset + fault.start
        if plan.ctx.on_error == "raise":
            column = f", column {fault.column!r}" if fault.column else ""
            raise DataError(
                fault.reason,
                path=plan.source.path,
                place=f"line {begins}, byte {offset}{column}",
                hint=f"{fault.hint}; --on-error skip leaves bad records out",
            )
        plan.ctx.reject(
            Reject(
                source=plan.source.path,
                record=number + fault.number,
                line=begins,
                offset=offset,
                column=fault.column,
                reason=fault.reason,
                raw=fault.raw,
            )
        )
