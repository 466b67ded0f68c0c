"""Reads a run: checks payloads, decodes, hands bad records over with their place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from arrowsmith.errors import DataError, SchemaConflict
from arrowsmith.plugin import Reject, RunContext
from arrowsmith_tfrecord.decode import Layout, Misfit, decode
from arrowsmith_tfrecord.frames import Fault, Run, wrong_payloads
from arrowsmith_tfrecord.infer import two_kinds
from arrowsmith_tfrecord.kinds import NAMES, Seen
from arrowsmith_tfrecord.rows import Rows
from arrowsmith_tfrecord.wire import copy_ragged, offsets_of

WRONG = "the checksum of the record does not match"


@dataclass(frozen=True, slots=True)
class Plan:
    """How runs are read.

    Attributes:
        path: of the file.
        ctx: the run.
        layout: of the columns; None for raw records.
        schema: of the batches.
        verify: check the payloads' checksums.
    """

    path: str
    ctx: RunContext
    layout: Layout | None
    schema: pa.Schema
    verify: bool


def read_run(run: Run, plan: Plan) -> pa.RecordBatch:
    """The rows of a run without its bad records, which go to the run's context.

    Raises:
        SchemaConflict: a feature does not fit its inferred type, or is new.
        DataError: a record is bad and the run's ``on_error`` is ``"raise"``, or a feature has
            another kind than the sample had.
    """
    faults: list[Fault] = []
    rows = Rows.of(run)
    if plan.verify:
        wrong = wrong_payloads(run)
        if wrong.any():
            faults += [fault_of(run, row, WRONG) for row in np.flatnonzero(wrong).tolist()]
            rows = rows.where(~wrong)
    if plan.layout is None:
        batch = _raw(rows, plan.schema)
    else:
        batch = _decoded(run, rows, plan, plan.layout, faults)
    if run.tail is not None:
        faults.append(run.tail)
    _hand_over(faults, plan)
    return batch


def _raw(rows: Rows, schema: pa.Schema) -> pa.RecordBatch:
    lengths = rows.stops - rows.starts
    bounds = offsets_of(lengths)
    data = pa.allocate_buffer(int(bounds[-1]))
    if data.size:
        copy_ragged(rows.octets.buffer, rows.starts, data, bounds[:-1], lengths)
    offsets = pa.py_buffer(bounds.astype(np.int32))
    records = pa.Array.from_buffers(pa.binary(), len(lengths), [None, offsets, data])
    batch = pa.RecordBatch.from_arrays([records], names=["record"])
    return batch.select(schema.names).cast(schema) if len(schema) else batch.select([])


def _decoded(
    run: Run, rows: Rows, plan: Plan, layout: Layout, faults: list[Fault]
) -> pa.RecordBatch:
    """Decode until all rows that are left are sound."""
    anew: set[int] = set()  # the rows that the reference implementation wrote
    while True:
        result = decode(rows.octets, rows.starts, rows.stops, layout)
        if result.batch is not None:
            return result.batch
        if result.odd.any():
            odd = np.flatnonzero(result.odd).tolist()
            if again := [place for place in odd if int(rows.source[place]) in anew]:
                faults += [fault_of(run, int(rows.source[p]), "is not decoded") for p in again]
                kept = np.ones(len(rows.starts), np.bool_)
                kept[again] = False
                rows = rows.where(kept)
                continue
            anew.update(rows.source[odd].tolist())
            rows, bad = rows.rewritten(odd, sequence=layout.sequence)
            what = "SequenceExample" if layout.sequence else "Example"
            faults += [fault_of(run, row, f"is no {what}: {reason}") for row, reason in bad]
            continue
        inferred = [one for one in result.misfits if one.column is None or one.column.seen]
        if inferred:
            first = min(inferred, key=lambda one: one.row)
            _before(faults, run.record + int(rows.source[first.row]), plan)
            raise _contradiction(first, run, rows, plan)
        sound = np.ones(len(rows.starts), np.bool_)
        for one in result.misfits:
            if sound[one.row]:
                source = int(rows.source[one.row])
                reason = f"feature {one.name!r} {one.reason}"
                faults.append(fault_of(run, source, reason, one.name))
                sound[one.row] = False
        rows = rows.where(sound)


def fault_of(run: Run, row: int, reason: str, column: str | None = None) -> Fault:
    """What is wrong with one record of a run."""
    return Fault(run.record + row, run.place(row), reason, run.frame(row), column)


def _contradiction(misfit: Misfit, run: Run, rows: Rows, plan: Plan) -> DataError:
    """The error for a feature that is not as the sample made it out to be."""
    source = int(rows.source[misfit.row])
    record, offset = run.record + source, run.place(source)
    column, name = misfit.column, misfit.name
    hint = 'read with -r infer=full (infer="full"), or say the types: features='
    what = f"feature {name!r} {misfit.reason}"
    if column is not None and column.seen is not None:
        if column.tag is not None and misfit.tag != column.tag:
            here = Seen(misfit.tag, 0, 0, record, offset)
            return two_kinds(plan.path, name, column.seen, here)
        if column.tag is None and misfit.tag is not None:
            what = f"feature {name!r} is a {NAMES[misfit.tag]}, and had no value in the sample"
    else:
        hint += ", or leave it out: -r unknown_features=ignore"
    return SchemaConflict(
        what,
        column=name if column is None else column.name,
        path=plan.path,
        place=f"record {record}, byte {offset}",
        hint=hint,
    )


def _before(faults: list[Fault], record: int, plan: Plan) -> None:
    """Under ``raise``, a bad record that stands before ``record`` is what is told."""
    if plan.ctx.on_error == "raise":
        _hand_over([fault for fault in faults if fault.record < record], plan)


def _hand_over(faults: list[Fault], plan: Plan) -> None:
    """Raise the first fault, or hand all of them to the context, by record."""
    for fault in sorted(faults, key=lambda one: one.record):
        if plan.ctx.on_error == "raise":
            raise DataError(
                fault.reason,
                path=plan.path,
                place=f"record {fault.record}, byte {fault.offset}",
                hint="--on-error skip leaves bad records out",
            )
        plan.ctx.reject(
            Reject(
                source=plan.path,
                record=fault.record,
                line=None,
                offset=fault.offset,
                column=fault.column,
                reason=fault.reason,
                raw=fault.raw,
            )
        )
