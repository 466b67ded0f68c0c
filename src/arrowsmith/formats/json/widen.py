"""Finds types that fit all of a file, not just a sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import pyarrow as pa

from arrowsmith.formats.json.careful import sound
from arrowsmith.formats.json.fast import read_fast
from arrowsmith.formats.json.infer import infer
from arrowsmith.formats.json.kinds import NULL, Kind
from arrowsmith.formats.json.plan import Plan
from arrowsmith.formats.json.ranges import Range
from arrowsmith.formats.json.sift import few, numbered, sifted
from arrowsmith.plugin.feed import Buffers

Ranges = Callable[[], Iterator[Range]]


def widen(make_plan: Callable[[Kind], Plan], known: Kind, ranges: Ranges, buffers: Buffers) -> Kind:
    """The record with kinds that have every value of the file without loss.

    Passes are made until one finds nothing new, since a wider type may refuse what the narrower
    one took: integers that became doubles.
    """
    while True:
        found = _one_pass(make_plan(known), ranges, buffers)
        if found.same(known):
            return found
        known = found


def _one_pass(plan: Plan, ranges: Ranges, buffers: Buffers) -> Kind:
    """Look at all ranges once, a few at a time."""
    known = plan.record
    threads = max(plan.ctx.threads, 1)
    with ThreadPoolExecutor(threads) as pool:
        running: list[Future[Kind | None]] = []
        try:
            for piece in ranges():
                running.append(pool.submit(_look, piece, plan, buffers))
                if len(running) > threads:
                    known = _learn(running.pop(0), known, plan)
            for future in running:
                known = _learn(future, known, plan)
        finally:
            for future in running:
                future.cancel()
    return known


def _learn(future: Future[Kind | None], known: Kind, plan: Plan) -> Kind:
    found = future.result()
    if found is None:
        return known
    return known.join(restricted(found, known) if plan.ignore else found)


def _look(piece: Range, plan: Plan, buffers: Buffers) -> Kind | None:
    """What the records of one range are, or None where that is known already."""
    try:
        batch = read_fast(piece, plan)
        if batch is not None and not _news(batch, plan):
            return None
        spans, _ = numbered(piece)
        parts = [(spans, batch)] if batch is not None else sifted(piece, spans, plan)
        found = NULL
        for some, batch in parts:
            if batch is None or _news(batch, plan):
                for each in few(some):
                    good, _ = sound(piece, each, plan.max_depth)
                    found = found.join(infer([record.value for record in good]))
        return None if found is NULL else found
    finally:
        buffers.give(piece.buffer)


def _news(batch: pa.RecordBatch, plan: Plan) -> bool:
    """Whether a column has a value that had none."""
    pairs = zip(batch.columns, plan.kinds.values(), strict=True)
    return any(_seen(column, kind) for column, kind in pairs)


def _seen(array: pa.Array, kind: Kind) -> bool:
    """Whether there is a value where none was seen before."""
    if not kind.open:
        return False
    if kind.item is not None:
        return _seen(array.flatten(), kind.item)
    if kind.fields:
        return any(_seen(array.field(place), inner) for place, (_, inner) in enumerate(kind.fields))
    return bool(array.null_count < len(array))


def restricted(found: Kind, known: Kind) -> Kind:
    """``found`` without the fields that ``known`` does not have."""
    if found.tag != known.tag:
        return found
    if found.item is not None and known.item is not None:
        return replace(found, item=restricted(found.item, known.item))
    names = dict(known.fields)
    return replace(
        found,
        fields=tuple((n, restricted(kind, names[n])) for n, kind in found.fields if n in names),
    )
