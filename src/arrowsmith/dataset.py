"""``Dataset``: a lazy chain of verbs over files of one format."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from arrowsmith.context import Context
from arrowsmith.inputs import Input, open_input
from arrowsmith.memory import MemoryBudget, MemoryGauge
from arrowsmith.pipeline import plan as verbs
from arrowsmith.pipeline.config import PipelineConfig, RunStats
from arrowsmith.pipeline.engine import Engine
from arrowsmith.pipeline.plan import Plan, Verb, make_plan
from arrowsmith.pipeline.rejects import RejectLog
from arrowsmith.pipeline.run import ErrorPolicy, Pipeline
from arrowsmith.plugin.protocols import OnError
from arrowsmith.plugin.specs import ReaderSpec

if TYPE_CHECKING:
    import pandas
    import polars

    from arrowsmith.location import FileSource

Path = str | os.PathLike[str]


class Dataset:
    """Rows of one schema in one or more files, with verbs yet to be applied.

    Made by :func:`arrowsmith.open`. Verbs give a new dataset and read nothing; ``batches``,
    ``write``, ``to_table`` and their like run the chain.

    Example:
        >>> import arrowsmith
        >>> ds = arrowsmith.open("in.csv").filter("score > 0.5").select("id")
        >>> ds.to_table().num_rows
        2
    """

    def __init__(
        self,
        opened: _Opened,
        *,
        verbs: tuple[Verb, ...] = (),
        budget: MemoryBudget,
        config: PipelineConfig,
        errors: ErrorPolicy,
    ) -> None:
        self._opened = opened
        self.verbs = verbs
        self.budget = budget
        self.config = config
        self.errors = errors

    # --- what it is ------------------------------------------------------------------------------

    @property
    def schema(self) -> pa.Schema:
        """The schema of the rows, after all verbs; what was guessed stands in its metadata."""
        return self._plan(self._opened.input).schema

    @property
    def format(self) -> str:
        """The name of the format, such as ``"csv"``."""
        return self._opened.spec.name

    @property
    def files(self) -> list[str]:
        """The paths of the files, in the order in which they are read."""
        return [source.path for source in self._opened.sources]

    @property
    def nbytes(self) -> int:
        """The size of the files on disk, in bytes."""
        return sum(source.disk_bytes for source in self._opened.sources)

    @property
    def details(self) -> dict[str, int | str | list[str]]:
        """What the format tells of the files beyond schema and rows: row groups, codecs ..."""
        return self._opened.input.details()

    def __repr__(self) -> str:
        files = self.files
        shown = files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
        chain = "".join(f" | {verb.label}" for verb in self.verbs)
        return f"<Dataset {self.format} {shown}{chain}>"

    def explain(self) -> str:
        """What will be read and done, a line each: the scan, then the steps on its batches."""
        source = self._opened.input
        plan = self._plan(source)
        can = source.spec.capabilities
        request = plan.request
        columns = request.columns if request.columns is not None else source.schema.names
        lines = [
            f"scan {self.format}: {len(self.files)} file(s), {self.nbytes:,} bytes",
            f"  columns: {', '.join(columns)} ({len(columns)} of {len(source.schema.names)}"
            f", {'read alone' if can.projection else 'all are read'})",
        ]
        if request.predicate is not None:
            how = "skips what cannot match" if can.predicate else "applied to each batch"
            lines.append(f"  where: {request.predicate} ({how})")
        if request.limit is not None:
            lines.append(f"  at most {request.limit} rows")
        lines += [
            f"{label} [{step.kind}]" for label, step in zip(plan.labels, plan.steps, strict=True)
        ]
        return "\n".join(lines)

    # --- verbs -----------------------------------------------------------------------------------

    def _then(self, verb: Verb) -> Dataset:
        return Dataset(
            self._opened,
            verbs=(*self.verbs, verb),
            budget=self.budget,
            config=self.config,
            errors=self.errors,
        )

    def select(self, *columns: str) -> Dataset:
        """Keep these columns, in this order."""
        return self._then(verbs.select(columns))

    def rename(self, names: Mapping[str, str]) -> Dataset:
        """Rename columns: ``{"old": "new"}``."""
        return self._then(verbs.rename(names))

    def cast(self, columns: Mapping[str, str | pa.DataType]) -> Dataset:
        """Convert columns: ``{"id": "int32"}``. A value that does not fit is a ``DataError``."""
        return self._then(verbs.cast(columns))

    def filter(self, condition: Any) -> Dataset:
        """Keep the rows for which a condition is true.

        Args:
            condition: text such as ``"score > 0.5 and lang = 'en'"``, or a
                ``pyarrow.compute.Expression``.
        """
        return self._then(verbs.where(condition))

    def limit(self, rows: int) -> Dataset:
        """Keep the first ``rows`` rows; nothing behind them is read."""
        return self._then(verbs.limit(rows))

    def map(
        self,
        function: Callable[[pa.RecordBatch], pa.RecordBatch],
        schema: pa.Schema | None = None,
    ) -> Dataset:
        """Apply a function from batch to batch, on any worker thread.

        Args:
            function: must give the same rows however the input is cut into batches.
            schema: of its output; by default what it gives for an empty batch.
        """
        return self._then(verbs.map_batches(function, schema))

    def transform(self, name: str, **options: Any) -> Dataset:
        """Apply a transform of a plugin, by name."""
        return self._then(verbs.transform(name, options))

    # --- runs ------------------------------------------------------------------------------------

    def batches(
        self,
        batch_rows: int | None = None,
        *,
        stats: RunStats | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """The rows as record batches of at most ``batch_rows`` rows, in order.

        Closing the iterator ends the run and its threads.

        Args:
            batch_rows: ceiling, 65,536 by default.
            stats: filled with the figures of the run.

        Raises:
            SchemaConflict: a value contradicts the type inferred from a sample.
            DataError: a bad record under ``on_error="raise"``.
        """
        config = self.config
        if batch_rows is not None:
            config = dataclasses.replace(config, batch_rows=batch_rows)
        return self._batches(config, stats if stats is not None else RunStats())

    def _batches(self, config: PipelineConfig, stats: RunStats) -> Iterator[pa.RecordBatch]:
        gauge = MemoryGauge()
        context = self._context()
        log = RejectLog(self.errors.rejects, max_errors=self.errors.max_errors)
        with self.claim(context) as source, log:
            plan = make_plan(source.schema, self.verbs, source.context, config.batch_rows)
            stats.warnings = source.context.warnings
            with Engine(
                source.tasks(plan.request),
                plan.steps,
                context=source.context,
                config=config,
                stats=stats,
                gauge=gauge,
                rejects=log,
            ) as engine:
                yield from engine.results()

    def write(
        self,
        target: Path,
        *,
        format: str | None = None,
        overwrite: bool = False,
        on_error: OnError | None = None,
        rejects: str | None = None,
        max_errors: int | None = None,
        budget: MemoryBudget | int | str | None = None,
        config: PipelineConfig | None = None,
        progress: Callable[[RunStats], None] | None = None,
        **options: Any,
    ) -> RunStats:
        """Write the rows to a file; it appears when it is complete.

        Args:
            target: the file; its suffix tells the format and compression.
            format: the format's name where the suffix does not tell.
            overwrite: replace an existing file.
            on_error, rejects, max_errors: what to do with bad records, see ``ErrorPolicy``.
            budget: memory that the run may add, see ``MemoryBudget``.
            config: threads and queue sizes.
            progress: called now and then with the running figures.
            **options: the target format's own, such as ``compression="zstd"``.

        Raises:
            TargetExists: the file is there and ``overwrite`` is not set.
            ArrowsmithError: whatever a stage found wrong.
        """
        known = self.errors
        policy = on_error or ("quarantine" if rejects else known.on_error)
        if rejects is None and policy == "quarantine":
            rejects = known.rejects
        errors = ErrorPolicy(
            policy, rejects, max_errors if max_errors is not None else known.max_errors
        )
        return Pipeline(
            self,
            (),
            target,
            budget=budget if budget is not None else self.budget,
            config=config or self.config,
            format=format,
            options=options,
            overwrite=overwrite,
            errors=errors,
            progress=progress,
        ).run()

    def count(self) -> int:
        """The number of rows; from metadata where that tells it, else by one pass.

        Bad records are left out under ``on_error="skip"`` and ``"quarantine"``; none is written.
        """
        if not self.verbs:
            rows = self._opened.input.count()
            if rows is not None:
                return rows
        slim = self._only_looking()
        # which records are bad may depend on any column
        if self.errors.on_error == "raise" and len(self.schema) > 1:
            slim = slim.select(self.schema.names[0])
        run = Pipeline(
            slim, (), _Nowhere, budget=self.budget, config=self.config, errors=slim.errors
        )
        return run.run().rows_out

    def head(self, rows: int = 5) -> pa.Table:
        """The first rows as a table; reads no more than it needs and writes no rejects."""
        return self._only_looking().limit(rows).to_table()

    def to_table(self) -> pa.Table:
        """All rows as a ``pyarrow.Table``, in memory."""
        return pa.Table.from_batches(self.batches(), schema=self.schema)

    def to_pandas(self, **options: Any) -> pandas.DataFrame:
        """All rows as a pandas ``DataFrame``; ``options`` go to ``pyarrow.Table.to_pandas``."""
        return self.to_table().to_pandas(**options)

    def to_polars(self) -> polars.DataFrame:
        """All rows as a Polars ``DataFrame``.

        Raises:
            ModuleNotFoundError: Polars is not installed (``pip install arrowsmith[polars]``).
        """
        import polars

        frame: Any = polars.from_arrow(self.to_table())
        return frame

    def to_reader(self) -> pa.RecordBatchReader:
        """The rows as a stream that any Arrow library reads, batch by batch."""
        return pa.RecordBatchReader.from_batches(self.schema, self.batches())

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The Arrow PyCapsule stream: DuckDB, Polars and pandas take a dataset as it is."""
        return self.to_reader().__arrow_c_stream__(requested_schema)

    # --- inside ----------------------------------------------------------------------------------

    def claim(self, context: Context) -> Input:
        """Files and readers for one run, which closes them."""
        return self._opened.claim(context)

    def _only_looking(self) -> Dataset:
        """The same dataset, of which a run writes no rejects file."""
        if self.errors.rejects is None:
            return self
        errors = ErrorPolicy("skip", None, self.errors.max_errors)
        return Dataset(
            self._opened,
            verbs=self.verbs,
            budget=self.budget,
            config=self.config,
            errors=errors,
        )

    def _context(self) -> Context:
        return Context(
            memory_limit=self.budget.limit,
            threads=self.config.threads,
            on_error=self.errors.on_error,
        )

    def _plan(self, source: Input) -> Plan:
        return make_plan(source.schema, self.verbs, source.context, self.config.batch_rows)


class _Nowhere:
    """A sink for runs of which only the figures matter."""

    def __init__(self, schema: pa.Schema, context: Context) -> None:
        """Nothing is kept."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Drop it."""

    def commit(self) -> None:
        """Nothing to complete."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to undo."""


class _Opened:
    """An opened input, shared by the datasets that verbs make of it.

    The first run takes over the readers that were opened to know the schema; later runs, and runs
    at the same time, open their own.
    """

    def __init__(self, source: Input) -> None:
        self.input = source
        self.spec: ReaderSpec = source.spec
        self.sources: list[FileSource] = source.sources
        self._free = True
        self._lock = threading.Lock()

    def claim(self, context: Context) -> Input:
        with self._lock:
            free, self._free = self._free, False
        if not free:
            return self.input.reopened(context)
        self.input.context.take_over(context)
        return self.input


def open_dataset(
    what: Path | Sequence[Path],
    *,
    format: str | None = None,
    on_error: OnError | None = None,
    rejects: str | None = None,
    max_errors: int | None = None,
    budget: MemoryBudget | int | str | None = None,
    config: PipelineConfig | None = None,
    file_path_column: str | None = None,
    max_ratio: float = 1000.0,
    **options: Any,
) -> Dataset:
    """Open files of any known format as one lazy dataset.

    Args:
        what: a path, a glob, a directory, a ``file://`` URL, or a list of them. Several files are
            one dataset: columns are matched by name and types promoted where that is exact.
        format: the format's name; by default the content decides.
        on_error: ``"raise"``, ``"skip"`` or ``"quarantine"`` for records that cannot be read; by
            default ``"quarantine"`` with a rejects file and ``"raise"`` without.
        rejects: the file for bad records under ``"quarantine"``.
        max_errors: how many bad records are let pass.
        budget: memory that a run may add to the process; default a quarter of the machine's.
        config: threads and queue sizes.
        file_path_column: name of an added column that holds each row's file.
        max_ratio: how many times larger than on disk a compressed file may be.
        **options: the format's own, see ``arrowsmith formats NAME``.

    Raises:
        SourceError: nothing there, or it cannot be read.
        FormatError: no reader, or more than one, recognises it.
        OptionError: an option is unknown or out of range.

    Example:
        >>> import arrowsmith
        >>> arrowsmith.open("in.csv").schema.names
        ['id', 'score']
    """
    budget = budget if isinstance(budget, MemoryBudget) else MemoryBudget(budget)
    config = config or PipelineConfig()
    policy = on_error or ("quarantine" if rejects else "raise")
    errors = ErrorPolicy(policy, rejects, max_errors)
    context = Context(memory_limit=budget.limit, threads=config.threads, on_error=policy)
    source = open_input(
        what,
        context,
        format=format,
        options=options,
        max_ratio=max_ratio,
        file_path_column=file_path_column,
    )
    return Dataset(_Opened(source), budget=budget, config=config, errors=errors)
