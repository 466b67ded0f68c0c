"""``Pipeline``: one run from a source through transforms into a sink."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Protocol

import pyarrow as pa

from arrowsmith.context import Context
from arrowsmith.errors import OptionError, PredicateError, SchemaConflict, SchemaMismatch
from arrowsmith.inputs import Input, open_input
from arrowsmith.location import check_not_source
from arrowsmith.memory import MemoryBudget, MemoryGauge
from arrowsmith.pipeline.config import PipelineConfig, RunStats
from arrowsmith.pipeline.engine import Engine
from arrowsmith.pipeline.fit import FitRun, Learned, plan_run
from arrowsmith.pipeline.output import Destination, Output, Shape, open_output
from arrowsmith.pipeline.output.outputs import SinkFactory
from arrowsmith.pipeline.pieces import staged
from arrowsmith.pipeline.plan import Plan, Verb, as_verb
from arrowsmith.pipeline.rejects import RejectLog
from arrowsmith.plugin.protocols import OnError

_NOTES_KEY = b"arrowsmith"  # what a reader guessed: true of the source, not of what is written


class Lazy(Protocol):
    """What ``Pipeline`` takes as a source besides paths: a ``Dataset``.

    Its ``budget``, ``config`` and ``errors``, where it has such, hold unless others are given.
    """

    verbs: tuple[Verb, ...]

    def claim(self, context: Context) -> Input: ...


@dataclasses.dataclass(frozen=True, slots=True)
class ErrorPolicy:
    """What to do with bad records.

    Attributes:
        on_error: ``"raise"``, ``"skip"`` (left out and counted) or ``"quarantine"`` (and written
            to the rejects file).
        rejects: the rejects file, ``.jsonl`` or ``.parquet``; needed for ``"quarantine"``.
        max_errors: how many are let pass, None for any number.

    Raises:
        OptionError: the three do not go together.
    """

    on_error: OnError = "raise"
    rejects: str | None = None
    max_errors: int | None = None

    def __post_init__(self) -> None:
        if self.on_error not in ("raise", "skip", "quarantine"):
            raise OptionError(
                f"on_error is raise, skip or quarantine, not '{self.on_error}'",
            )
        if self.on_error == "quarantine" and self.rejects is None:
            raise OptionError(
                "quarantine needs a file for the bad records",
                hint="name it: --rejects bad.jsonl or rejects='bad.jsonl'",
            )
        if self.on_error != "quarantine" and self.rejects is not None:
            raise OptionError(
                f"a rejects file is not written when on_error is '{self.on_error}'",
                hint="say --on-error quarantine",
            )
        if self.max_errors is not None and self.max_errors < 0:
            raise OptionError(f"max_errors must be at least 0, not {self.max_errors}")


class Pipeline:
    """Reads a source, transforms it and writes it, in bounded memory.

    Args:
        source: a path, glob, directory or list of them, or a ``Dataset``.
        transforms: names of transforms, ``(name, options)`` pairs, transform objects, or functions
            from ``RecordBatch`` to ``RecordBatch``.
        sink: a path, or a function ``(schema, context) -> Sink``.
        budget: memory that the run may add to the process; default the dataset's, else a quarter
            of the machine's.
        config: threads and queue sizes; default the dataset's.
        format: the target's format where its suffix does not tell.
        options: the target format's options.
        overwrite: replace an existing target.
        shape: one file or a directory of several, new or added to; see ``Shape``.
        storage_options: for a remote target, see ``docs/REMOTE.md``.
        errors: what to do with bad records; default the dataset's policy.
        progress: called now and then with the running figures, on a thread of the run.

    Example:
        >>> from arrowsmith import Pipeline, MemoryBudget
        >>> stats = Pipeline("in.csv", [], "out.parquet", budget=MemoryBudget("1GB")).run()
        >>> stats.rows_out
        3
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | Sequence[Any] | Lazy,
        transforms: Iterable[Any] = (),
        sink: str | os.PathLike[str] | SinkFactory | None = None,
        *,
        budget: MemoryBudget | int | str | None = None,
        config: PipelineConfig | None = None,
        format: str | None = None,
        options: Mapping[str, Any] | None = None,
        overwrite: bool = False,
        shape: Shape | None = None,
        storage_options: Mapping[str, Any] | None = None,
        errors: ErrorPolicy | None = None,
        progress: Callable[[RunStats], None] | None = None,
    ) -> None:
        self._source = source
        self._verbs = [*getattr(source, "verbs", ()), *map(as_verb, transforms)]
        self._learned: Learned = getattr(source, "learned", None) or Learned()
        if sink is None:
            raise OptionError("a pipeline needs a sink: a path or a function that makes one")
        self._sink = sink
        if budget is None:
            budget = getattr(source, "budget", None)
        self._budget = budget if isinstance(budget, MemoryBudget) else MemoryBudget(budget)
        self._config = config or getattr(source, "config", None) or PipelineConfig()
        self._format = format
        self._options = dict(options or {})
        self._overwrite = overwrite
        self._shape = shape or Shape()
        self._storage_options = storage_options
        self._final = False
        self._errors = errors or getattr(source, "errors", None) or ErrorPolicy()
        self._progress = progress

    def run(self) -> RunStats:
        """Run to the end; the target is there when this returns, or untouched when it raises.

        Raises:
            ArrowsmithError: what a stage found wrong, with its ``stage``.
            KeyboardInterrupt: after all threads have ended and the partial target is gone.
        """
        began = time.perf_counter()
        gauge = MemoryGauge()
        destination = self._destination()
        context = self._context()
        with self._claim(context) as source:
            try:
                stats = self._attempt(source, destination, gauge)
            except SchemaConflict as conflict:
                if self._final:
                    raise
                source.close()
                context = self._context()
                context.warnings += source.context.warnings  # told already
                again = source.reopened(context)
                stats = self._again(again, destination, gauge, conflict)
        stats.elapsed = time.perf_counter() - began
        return stats

    def _again(
        self,
        source: Input,
        destination: Destination | SinkFactory,
        gauge: MemoryGauge,
        conflict: SchemaConflict,
    ) -> RunStats:
        """The run from its start, with types that fit all of the data."""
        with source:
            if not source.widen():
                raise conflict
            try:
                stats = self._attempt(source, destination, gauge)
            except (PredicateError, SchemaMismatch) as error:  # a step was meant for the other type
                conflict.hint = f"{conflict.hint}; with a type that fits, {error.what}"
                raise conflict from error
        stats.restarts = 1
        return stats

    def _context(self) -> Context:
        return Context(
            memory_limit=self._budget.limit,
            threads=self._config.threads,
            on_error=self._errors.on_error,
        )

    def _claim(self, context: Context) -> Input:
        claim = getattr(self._source, "claim", None)
        if claim is not None:
            return claim(context)
        return open_input(self._source, context)  # type: ignore[arg-type]

    def _destination(self) -> Destination | SinkFactory:
        """The target with its format and options, checked before anything is opened."""
        if callable(self._sink):
            if self._shape != Shape():
                raise OptionError("a sink of one's own has no files to divide or to append to")
            return self._sink
        return Destination(
            os.fspath(self._sink),
            format=self._format,
            options=self._options,
            overwrite=self._overwrite,
            shape=self._shape,
            storage_options=self._storage_options,
        )

    def _attempt(
        self, source: Input, destination: Destination | SinkFactory, gauge: MemoryGauge
    ) -> RunStats:
        context = source.context
        stats = RunStats(warnings=context.warnings)
        fitting = FitRun(self._config, gauge, self._errors.max_errors, self._progress)
        plan = plan_run(source, self._verbs, self._learned, fitting)
        schema = without_notes(plan.schema)
        rejects = self._errors.rejects
        if rejects is not None:
            check_not_source(rejects, source.sources)
        with ExitStack() as stack:
            output = open_output(destination, schema, context, source.sources)
            stack.enter_context(output)
            log = stack.enter_context(
                RejectLog(rejects, max_errors=self._errors.max_errors, overwrite=self._overwrite)
            )
            try:
                self._write(source, plan, output, stats, gauge, log)
            finally:
                self._final = output.final
            with staged("write"):
                output.complete()
                log.complete()
                log.publish()
                output.publish()
            stats.bytes_out = output.nbytes
        return stats

    def _write(
        self,
        source: Input,
        plan: Plan,
        output: Output,
        stats: RunStats,
        gauge: MemoryGauge,
        log: RejectLog,
    ) -> None:
        engine = Engine(
            source.tasks(plan.request),
            plan.steps,
            context=source.context,
            config=self._config,
            stats=stats,
            gauge=gauge,
            cutter=output.cutter,
            encoded=output.encoded,
            rejects=log,
            progress=self._progress,
        )
        with engine:
            for part, value in engine.deliveries():
                began = time.perf_counter()
                with staged("write"):
                    output.write(part, value)
                stats.seconds["write"] += time.perf_counter() - began


def without_notes(schema: pa.Schema) -> pa.Schema:
    """The schema as it is written: without what the reader noted about the source."""
    metadata = dict(schema.metadata or {})
    if _NOTES_KEY not in metadata:
        return schema
    del metadata[_NOTES_KEY]
    return schema.with_metadata(metadata or None)
