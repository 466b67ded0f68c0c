"""Reads a range in which something is wrong, record by record: finds what, and what is still good.

Sound records are written anew where their columns ask for it (numbers as text, objects as JSON
text), and go through Arrow's parser like all others, so that both ways give the same values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
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
from arrowsmith.formats.json.sift import Spans, numbered, sifted
from arrowsmith.plugin.protocols import Reject

_SHOWN = 60
_REFUSED = re.compile(rb"[0-9][eE]\+?0*[0-9]{3}|[0-9]{300}|-0(?![0-9.eE])")


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


def sound(piece: Range, spans: Spans, max_depth: int) -> tuple[list[Sound], list[Fault]]:
    """The objects among the records of a range, and the faults of what is none."""
    good, faults = [], []
    for number, start, end in spans:
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
    spans, found = numbered(piece)
    faults = [Fault(number, flaw.start, flaw.raw, flaw.reason) for number, flaw in found]
    unfit: list[Fault] = []
    batches = []
    for some, batch in sifted(piece, spans, plan):
        if batch is not None:
            batches.append(batch)
            continue
        good, bad = sound(piece, some, plan.max_depth)
        faults += bad
        conflict = _conflict(good, plan)
        if conflict is not None:
            before = any(fault.number < conflict[0].number for fault in faults)
            if plan.ctx.on_error != "raise" or not before:
                raise _conflict_error(*conflict, piece, plan)
        rows, bad = _parsed([_line(record, plan) for record in good], good, plan)
        batches += rows
        unfit += bad
    _hand_over(faults + unfit, piece, plan)
    if len(batches) == 1:
        return batches[0]
    whole = pa.Table.from_batches(batches, plan.schema).combine_chunks().to_batches()
    return whole[0] if whole else empty(plan.schema)


# --- what contradicts the inference --------------------------------------------------------------


def _conflict(good: Sequence[Sound], plan: Plan) -> tuple[Sound, str, Any] | None:
    """The first record with a value that its known kind does not have, and its column."""
    column = _column_of_conflict(good, plan)
    if column is None:
        return None
    if len(good) == 1:
        return good[0], column, good[0].value[column]
    middle = len(good) // 2
    return _conflict(good[:middle], plan) or _conflict(good[middle:], plan)


def _column_of_conflict(good: Sequence[Sound], plan: Plan) -> str | None:
    names = dict.fromkeys(name for record in good for name in record.value)
    for name in names:
        kind = plan.kinds.get(name)
        if kind is None:
            if plan.whole and not plan.ignore:
                return name
        elif not fits([record.value.get(name) for record in good], kind, plan.ignore):
            return name
    return None


def fits(values: Sequence[Any], kind: Kind, ignore: bool = False) -> bool:
    """Whether a column of that kind has the values as they are; any value fits a type that was
    asked for, as far as the inference is concerned."""
    values = [value for value in values if value is not None]
    if not values or kind.tag in ("json", "given"):
        return True
    if kind.tag == "struct":
        return set(map(type, values)) == {dict} and _fields_fit(values, kind, ignore)
    if kind.tag == "list":
        assert kind.item is not None
        inner = (one for some in values if isinstance(some, list) for one in some)
        return set(map(type, values)) == {list} and fits(list(inner), kind.item, ignore)
    if kind.tag in ("string", "null"):
        return set(map(type, values)) == {str}
    if kind.tag == "bool":
        return set(map(type, values)) == {bool}
    return kind.join(infer(values)).same(kind)


def _fields_fit(values: Sequence[dict[str, Any]], kind: Kind, ignore: bool) -> bool:
    known = dict(kind.fields)
    if not ignore and any(value.keys() - known.keys() for value in values):
        return False
    return all(
        fits([value.get(name) for value in values], inner, ignore) for name, inner in known.items()
    )


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
    """The record for the parser, on one line.

    As it stands, unless it has to be written anew: also where a number may be beyond a double's
    range, since the parser refuses that even in fields that are not read, and ``0e400`` too; and
    ``-0``, which is no uint64 to it.
    """
    plain = all(kind.direct and "text" not in kind.form for kind in plan.kinds.values())
    if plain and not _REFUSED.search(record.raw):
        return record.raw
    return _columns(record, plan.kinds)


def _columns(record: Sound, kinds: Mapping[str, Kind]) -> bytes:
    """The record with those columns alone."""
    value = record.value
    return encode({name: _written(value[name], k) for name, k in kinds.items() if name in value})


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
) -> tuple[list[pa.RecordBatch], list[Fault]]:
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
                faults.append(_value_fault(good[start], plan, error))
            else:
                middle = (start + stop) // 2
                pending += [(start, middle), (middle, stop)]
    return [batch for _, batch in sorted(batches, key=lambda part: part[0])], faults


def empty(schema: pa.Schema) -> pa.RecordBatch:
    """A batch of no rows."""
    return pa.RecordBatch.from_arrays([pa.nulls(0, kind) for kind in schema.types], schema=schema)


def _parse(lines: Sequence[bytes], plan: Plan) -> pa.RecordBatch:
    batch = parse(b"\n".join(lines), plan.physical, ignore=plan.ignore or not plan.whole)
    return typed(batch, plan.schema)


def _value_fault(record: Sound, plan: Plan, error: pa.ArrowInvalid) -> Fault:
    for name, kind in plan.kinds.items():
        if name in record.value and not _fits_alone(name, kind, record):
            return Fault(
                record.number,
                record.start,
                record.raw,
                f"{_shown(record.value[name])} is no {kind.type}",
                name,
                f"mend the value, or read the column as text with -r types={name}:string",
            )
    return Fault(record.number, record.start, record.raw, " ".join(str(error).split()))


def _fits_alone(name: str, kind: Kind, record: Sound) -> bool:
    try:
        batch = parse(
            _columns(record, {name: kind}), pa.schema([(name, kind.physical)]), ignore=True
        )
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
