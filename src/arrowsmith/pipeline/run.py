"""``Pipeline``: one run from a source through transforms into a sink."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from arrowsmith.catalog import get_catalog
from arrowsmith.context import Context
from arrowsmith.errors import OptionError, SchemaConflict
from arrowsmith.inputs import Input, open_input
from arrowsmith.location import FileTarget, check_not_source
from arrowsmith.memory import MemoryBudget, MemoryGauge
from arrowsmith.pipeline.chunks import Chunker
from arrowsmith.pipeline.config import PipelineConfig, RunStats
from arrowsmith.pipeline.engine import Engine
from arrowsmith.pipeline.pieces import staged
from arrowsmith.pipeline.plan import Plan, Verb, as_verb, make_plan
from arrowsmith.pipeline.rejects import RejectLog
from arrowsmith.plugin.options import build_options
from arrowsmith.plugin.protocols import Chunk, EncodingSink, OnError, Sink
from arrowsmith.plugin.specs import SinkSpec

_DEFAULT_CHUNK = Chunk(rows=65_536, nbytes=8 << 20)
_NOTES_KEY = b"arrowsmith"  # what a reader guessed: true of the source, not of what is written

SinkFactory = Callable[[pa.Schema, Context], Sink]


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
        errors: ErrorPolicy | None = None,
        progress: Callable[[RunStats], None] | None = None,
    ) -> None:
        self._source = source
        self._verbs = [*getattr(source, "verbs", ()), *map(as_verb, transforms)]
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
        maker = self._maker()
        context = self._context()
        with self._claim(context) as source:
            try:
                stats = self._attempt(source, maker, gauge)
            except SchemaConflict as conflict:
                source.close()
                stats = self._again(source.reopened(self._context()), maker, gauge, conflict)
        stats.elapsed = time.perf_counter() - began
        return stats

    def _again(
        self,
        source: Input,
        maker: _SinkMaker | None,
        gauge: MemoryGauge,
        conflict: SchemaConflict,
    ) -> RunStats:
        """The run from its start, with types that fit all of the data."""
        with source:
            if not source.widen():
                raise conflict
            stats = self._attempt(source, maker, gauge)
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

    def _maker(self) -> _SinkMaker | None:
        """The sink's format and options, checked before anything is opened."""
        if callable(self._sink):
            return None
        path = os.fspath(self._sink)
        catalog = get_catalog()
        spec = catalog.sink(self._format) if self._format else catalog.sink_for(path)
        options: Any = build_options(spec.options, self._options, owner=f"sink '{spec.name}'")
        return _SinkMaker(path, spec, options)

    def _attempt(self, source: Input, maker: _SinkMaker | None, gauge: MemoryGauge) -> RunStats:
        context = source.context
        stats = RunStats(warnings=context.warnings)
        plan = make_plan(source.schema, self._verbs, context, self._config.batch_rows)
        schema = without_notes(plan.schema)
        with ExitStack() as stack:
            target = None
            for path in (maker.path if maker else None, self._errors.rejects):
                if path is not None:
                    check_not_source(path, source.sources)
            if maker is not None:
                target = stack.enter_context(FileTarget(maker.path, overwrite=self._overwrite))
                impl = get_catalog().load(maker.spec)
                sink = stack.enter_context(impl(target, schema, maker.options, context))
            else:
                sink = stack.enter_context(self._sink(schema, context))  # type: ignore[operator]
            log = stack.enter_context(
                RejectLog(
                    self._errors.rejects,
                    max_errors=self._errors.max_errors,
                    overwrite=self._overwrite,
                )
            )
            with self._engine(source, plan, sink, stats, gauge, log) as engine:
                write = sink.append if isinstance(sink, EncodingSink) else sink.write
                for value in engine.results():
                    began = time.perf_counter()
                    with staged("write"):
                        write(value)
                    stats.seconds["write"] += time.perf_counter() - began
            with staged("write"):
                sink.commit()
                log.complete()
                if target is not None:
                    target.finish()
                log.publish()
                if target is not None:
                    target.publish()
            if target is not None:
                stats.bytes_out = Path(target.path).stat().st_size
        return stats

    def _engine(
        self,
        source: Input,
        plan: Plan,
        sink: Any,
        stats: RunStats,
        gauge: MemoryGauge,
        log: RejectLog,
    ) -> Engine:
        encoding = isinstance(sink, EncodingSink)
        return Engine(
            source.tasks(plan.request),
            plan.steps,
            context=source.context,
            config=self._config,
            stats=stats,
            gauge=gauge,
            chunker=Chunker(getattr(sink, "chunk", _DEFAULT_CHUNK), plan.schema),
            prepare=sink.prepare if encoding else None,
            encode=sink.encode if encoding else None,
            rejects=log,
            progress=self._progress,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class _SinkMaker:
    path: str
    spec: SinkSpec
    options: Any


def without_notes(schema: pa.Schema) -> pa.Schema:
    """The schema as it is written: without what the reader noted about the source."""
    metadata = dict(schema.metadata or {})
    if _NOTES_KEY not in metadata:
        return schema
    del metadata[_NOTES_KEY]
    return schema.with_metadata(metadata or None)
