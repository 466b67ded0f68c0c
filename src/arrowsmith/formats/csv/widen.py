"""Finds types that fit all of a file, not just a sample."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import pyarrow as pa

from arrowsmith.formats.csv.careful import sound
from arrowsmith.formats.csv.columns import Column
from arrowsmith.formats.csv.convert import convert
from arrowsmith.formats.csv.fast import read_fast
from arrowsmith.formats.csv.infer import Guess, guess
from arrowsmith.formats.csv.plan import Plan
from arrowsmith.formats.csv.ranges import Range
from arrowsmith.plugin.feed import Buffers

Ranges = Callable[[], Iterator[Range]]
Found = dict[str, Guess]

_FLOATING = (pa.float64(), pa.timestamp("ns"))


def widen(
    plan: Plan, columns: tuple[Column, ...], ranges: Ranges, buffers: Buffers, known: Found
) -> tuple[Column, ...]:
    """The columns with types that have every value of the file without loss.

    Passes are made until one finds nothing new. After the first, only the columns are read again
    whose new type may refuse what the old one took: integers that became floats, and microseconds
    that became nanoseconds.

    Args:
        known: what is known of the inferred columns so far; ``pa.null()`` where nothing is. It is
            brought up to date.
    """
    pending = [name for name, found in known.items() if not pa.types.is_string(found.type)]
    while pending:
        before = dict(known)
        _one_pass(plan, ranges, buffers, known, pending)
        pending = [
            name
            for name in pending
            if known[name].type != before[name].type and known[name].type in _FLOATING
        ]
    return tuple(
        known[column.name].column(column.name) if column.name in known else column
        for column in columns
    )


def _one_pass(
    plan: Plan, ranges: Ranges, buffers: Buffers, known: Found, pending: Iterable[str]
) -> None:
    """Look at all ranges once and widen ``known`` in place, a few ranges at a time."""
    threads = max(plan.ctx.threads, 1)
    with ThreadPoolExecutor(threads) as pool:
        running: list[Future[Found]] = []
        try:
            for piece in ranges():
                held = {name: known[name] for name in pending}
                held = {n: found for n, found in held.items() if not pa.types.is_string(found.type)}
                if not held:
                    buffers.give(piece.buffer)
                    break
                running.append(pool.submit(_look, piece, plan, buffers, held))
                if len(running) > threads:
                    _learn(running.pop(0), known)
            for future in running:
                _learn(future, known)
        finally:
            for future in running:
                future.cancel()


def _learn(future: Future[Found], known: Found) -> None:
    for name, found in future.result().items():
        known[name] = known[name].join(found)


def _look(piece: Range, plan: Plan, buffers: Buffers, held: Found) -> Found:
    """Guesses for those columns of one range that ``held``, what was known then, does not fit."""
    columns = {name: found.column(name) for name, found in held.items()}
    plan = replace(plan, read=tuple(columns.values()))
    try:
        batch = read_fast(piece, plan)
        if batch is None:
            text = sound(piece, plan).text
            return {
                name: _wider(text.column(name), held[name], name)
                for name, column in columns.items()
                if pa.types.is_null(held[name].type) or convert(text.column(name), column)[1].any()
            }
        blank = [name for name, found in held.items() if pa.types.is_null(found.type)]
        return {name: guess(batch.column(name)) for name in blank}
    finally:
        buffers.give(piece.buffer)


def _wider(text: pa.StringArray, held: Guess, name: str) -> Guess:
    """The narrowest guess that has the values of ``text`` and those that ``held`` stands for."""
    joined = held.join(guess(text))
    if convert(text, joined.column(name))[1].any():
        return Guess(pa.string())
    return joined
