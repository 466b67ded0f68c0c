"""Fitted steps: one pass over the rows for each, before the run that applies them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from arrowsmith.errors import SchemaMismatch
from arrowsmith.inputs import Input
from arrowsmith.memory import MemoryGauge
from arrowsmith.pipeline.chunks import Chunker
from arrowsmith.pipeline.config import PipelineConfig, RunStats
from arrowsmith.pipeline.engine import Engine
from arrowsmith.pipeline.output.cuts import Encoder, PlainPart, WholeCutter
from arrowsmith.pipeline.pieces import staged
from arrowsmith.pipeline.plan import Fit, Plan, Verb, make_plan, select
from arrowsmith.pipeline.rejects import RejectLog
from arrowsmith.plugin.protocols import Chunk, Fitter, RunContext

# data-determined, so that a state is the same for any threads and batches
_CHUNK = Chunk(rows=32_768, nbytes=2 << 20, encode_cost=4.0)

Fits = list[Fit | None]


class Learned:
    """What the fitted steps of the datasets over one input have learned. Thread-safe.

    A step is known by the verbs up to it, and by the types of the columns that it learned from.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], Fit] = {}
        self._lock = threading.Lock()

    def get(self, verbs: Sequence[Verb], columns: dict[str, str]) -> Fit | None:
        """What the last of the verbs has learned from columns of these types, or None."""
        with self._lock:
            return self._known.get((tuple(verbs), tuple(columns.items())))

    def put(self, verbs: Sequence[Verb], fit: Fit) -> None:
        """Remember it, as the latest fit of these verbs too."""
        with self._lock:
            self._known[tuple(verbs), tuple(fit.columns.items())] = fit
            self._known[tuple(verbs), ()] = fit

    def latest(self, verbs: Sequence[Verb]) -> Fit | None:
        """What the last of the verbs has learned in the latest run, or loaded."""
        return verbs[-1].fit or self.get(verbs, {})


@dataclass(frozen=True, slots=True)
class FitRun:
    """What a pass over the rows needs beside the input.

    Attributes:
        config, gauge, progress: those of the run that it comes before.
        max_errors: how many bad records are let pass.
    """

    config: PipelineConfig
    gauge: MemoryGauge
    max_errors: int | None = None
    progress: Callable[[RunStats], None] | None = None


def plan_run(source: Input, verbs: Sequence[Verb], learned: Learned, run: FitRun) -> Plan:
    """The plan of a run, after a pass over the rows for each step that has not learned yet.

    Raises:
        ArrowsmithError: what a pass found wrong, ``SchemaConflict`` among it.
    """
    fits: Fits = []
    for place, verb in enumerate(verbs):
        fit = None
        if verb.fitted:
            fit = _fit(source, verbs[: place + 1], fits, learned, run)
        fits.append(fit)
    return make_plan(source.schema, verbs, source.context, run.config.batch_rows, fits)


def known_plan(
    schema: pa.Schema,
    verbs: Sequence[Verb],
    context: RunContext,
    batch_rows: int,
    learned: Learned,
) -> Plan | None:
    """The plan where every step has learned already; None if a pass is needed."""
    fits: Fits = []
    for place, verb in enumerate(verbs):
        fit = None
        if verb.fitted:
            before = make_plan(schema, verbs[:place], context, batch_rows, fits).schema
            fitter = verb.make(context).fitter(before)
            fit = _known(verbs[: place + 1], _columns(fitter, before), learned)
            if fit is None:
                return None
        fits.append(fit)
    return make_plan(schema, verbs, context, batch_rows, fits)


def _fit(source: Input, verbs: Sequence[Verb], fits: Fits, learned: Learned, run: FitRun) -> Fit:
    """What the last of the verbs learns from the rows that those before it give."""
    context = source.context
    rows = run.config.batch_rows
    before = make_plan(source.schema, verbs[:-1], context, rows, fits).schema
    fitter: Fitter = verbs[-1].make(context).fitter(before)
    columns = _columns(fitter, before)
    fit = _known(verbs, columns, learned)
    if fit is None:
        # of no column at all, the rows can still be counted
        chain = [*verbs[:-1], select(columns or before.names[:1])]
        # which records are bad may depend on any column
        narrow = context.on_error == "raise"
        plan = make_plan(source.schema, chain, context, rows, [*fits, None], narrow=narrow)
        _pass(source, plan, fitter, run)
        with staged("transform"):
            fit = Fit(columns, fitter.state())
    learned.put(verbs, fit)
    return fit


def _columns(fitter: Fitter, schema: pa.Schema) -> dict[str, str]:
    """What is learned from, in the order of the schema."""
    return {field.name: str(field.type) for field in schema if field.name in fitter.columns}


def _known(verbs: Sequence[Verb], columns: dict[str, str], learned: Learned) -> Fit | None:
    loaded = verbs[-1].fit
    if loaded is None:
        return learned.get(verbs, columns) if columns else learned.latest(verbs)
    for name in {**loaded.columns, **columns}:
        here, there = columns.get(name), loaded.columns.get(name)
        if here != there:
            raise SchemaMismatch(
                f"the loaded state of {verbs[-1].name} was learned from column '{name}' of type"
                f" {there or 'missing'}, which is {here or 'missing'} here",
                hint="cast the column, or fit again",
            )
    return loaded


@dataclass(frozen=True, slots=True)
class _Partial:
    """What a chunk told, and about what it holds, at most."""

    value: Any
    nbytes: int


def _pass(source: Input, plan: Plan, fitter: Fitter, run: FitRun) -> None:
    def partial(rows: pa.RecordBatch) -> _Partial:
        with staged("transform"):
            return _Partial(fitter.partial(rows), rows.nbytes)

    with (
        RejectLog(None, max_errors=run.max_errors) as log,
        Engine(
            source.tasks(plan.request, again=True),
            plan.steps,
            context=source.context,
            config=run.config,
            stats=RunStats(),
            gauge=run.gauge,
            cutter=WholeCutter(Chunker(_CHUNK, plan.schema), PlainPart(Encoder(partial, None))),
            encoded=_CHUNK,
            rejects=log,
            progress=run.progress,
        ) as engine,
    ):
        for result in engine.results():
            with staged("transform"):
                fitter.merge(result.value)
