"""``Dataset``: what it is, and the runs that read it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from arrowsmith.context import Context
from arrowsmith.dataset.opened import Opened
from arrowsmith.dataset.verbs import Verbs
from arrowsmith.inputs import Input
from arrowsmith.memory import MemoryBudget, MemoryGauge
from arrowsmith.pipeline.config import PipelineConfig, RunStats
from arrowsmith.pipeline.engine import Engine
from arrowsmith.pipeline.fit import FitRun, known_plan, plan_run
from arrowsmith.pipeline.output.shape import MAX_PARTITIONS, Shape
from arrowsmith.pipeline.plan import Plan, Verb
from arrowsmith.pipeline.rejects import RejectLog
from arrowsmith.pipeline.run import ErrorPolicy, Pipeline
from arrowsmith.plugin.protocols import OnError

if TYPE_CHECKING:
    import pandas
    import polars

    from arrowsmith.dataset.mapped import Mapped
    from arrowsmith.stats import TableSummary
    from arrowsmith.timeseries import TimeSeries

Path = str | os.PathLike[str]


class Dataset(Verbs):
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
        opened: Opened,
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
        self.learned = opened.learned

    # --- what it is ------------------------------------------------------------------------------

    @property
    def schema(self) -> pa.Schema:
        """The schema of the rows, after all verbs; what was guessed stands in its metadata."""
        return self._plan(self._opened.input).schema

    @property
    def format(self) -> str:
        """The name of the format, such as ``"csv"``; of several, ``"csv, parquet"``."""
        return ", ".join(spec.name for spec in self._opened.input.specs)

    @property
    def files(self) -> list[str]:
        """The paths of the files, in the order in which they are read."""
        return [source.path for source in self._opened.sources]

    @property
    def nbytes(self) -> int | None:
        """The size of the files on disk, in bytes; None where only reading tells it of a pipe."""
        total = 0
        for source in self._opened.sources:
            if source.disk_bytes is None:
                return None
            total += source.disk_bytes
        return total

    @property
    def compression(self) -> str | None:
        """What the files are compressed with, such as ``"gzip"``; several names where mixed."""
        found = {source.compression or "none" for source in self._opened.sources}
        return None if found == {"none"} else ", ".join(sorted(found))

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
        can = [spec.capabilities for spec in source.specs]
        request = plan.request
        columns = request.columns if request.columns is not None else source.schema.names
        size = f"{self.nbytes:,} bytes" if self.nbytes is not None else "size not known"
        lines = [
            f"scan {self.format}: {len(self.files)} file(s), {size}",
            f"  columns: {', '.join(columns)} ({len(columns)} of {len(source.schema.names)}"
            f", {'read alone' if all(one.projection for one in can) else 'all are read'})",
        ]
        matching = source.matching(request.predicate)
        if not all(matching):
            lines.insert(1, f"  files: {sum(matching)} of {len(matching)}")
        if request.predicate is not None:
            prunes = any(one.predicate for one in can)
            how = "skips what cannot match" if prunes else "applied to each batch"
            lines.append(f"  where: {request.predicate} ({how})")
        if request.limit is not None:
            lines.append(f"  at most {request.limit} rows")
        lines += [
            f"{label} [{step.kind}]" for label, step in zip(plan.labels, plan.steps, strict=True)
        ]
        return "\n".join(lines)

    def _with(self, verbs: tuple[Verb, ...]) -> Self:
        return type(self)(
            self._opened,
            verbs=verbs,
            budget=self.budget,
            config=self.config,
            errors=self.errors,
        )

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
            fitting = FitRun(config, gauge, self.errors.max_errors)
            plan = plan_run(source, self.verbs, self.learned, fitting)
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
        append: bool = False,
        rows_per_file: int | None = None,
        bytes_per_file: int | str | None = None,
        partition_by: str | Sequence[str] | None = None,
        max_partitions: int = MAX_PARTITIONS,
        storage_options: Mapping[str, Any] | None = None,
        on_error: OnError | None = None,
        rejects: str | None = None,
        max_errors: int | None = None,
        budget: MemoryBudget | int | str | None = None,
        config: PipelineConfig | None = None,
        progress: Callable[[RunStats], None] | None = None,
        **options: Any,
    ) -> RunStats:
        """Write the rows to a file or a directory of files; it appears when it is complete.

        Args:
            target: the file; its suffix tells the format and compression. A name that ends in
                ``/`` is a directory, as it is with any of the next four; ``"-"`` is standard
                output.
            format: the format's name where the suffix does not tell.
            overwrite: replace an existing file, or a directory of nothing but such files.
            append: add the rows to the file or directory that is there.
            rows_per_file: every file but the last has just so many rows.
            bytes_per_file: a file ends before the row that takes it over so many bytes of Arrow
                data (encoded and compressed it is smaller): a number, or ``"128MB"``.
            partition_by: columns whose values become directories, ``lang=en/``.
            max_partitions: more directories than this are an error.
            storage_options: for a remote target; those of ``open()`` are for its sources alone.
            on_error, rejects, max_errors: what to do with bad records, see ``ErrorPolicy``.
            budget: memory that the run may add, see ``MemoryBudget``.
            config: threads and queue sizes.
            progress: called now and then with the running figures.
            **options: the target format's own, such as ``compression="zstd"``.

        Raises:
            TargetExists: the target is there, and neither ``overwrite`` nor ``append`` is set.
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
            shape=Shape(rows_per_file, bytes_per_file, partition_by, max_partitions, append),
            storage_options=storage_options,
            errors=errors,
            progress=progress,
        ).run()

    def count(self, *, progress: Callable[[RunStats], None] | None = None) -> int:
        """The number of rows; from metadata where that tells it, else by one pass.

        Bad records are left out under ``on_error="skip"`` and ``"quarantine"``; none is written.

        Args:
            progress: called now and then with the running figures of the pass.
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
            slim,
            (),
            _Nowhere,
            budget=self.budget,
            config=self.config,
            errors=slim.errors,
            progress=progress,
        )
        return run.run().rows_out

    def stats(self, *, progress: Callable[[RunStats], None] | None = None) -> TableSummary:
        """What each column holds, from one pass over the rows in the memory budget.

        Counts, nulls, bounds, mean and deviation are exact; distinct values, quantiles and the most
        frequent values are estimates where there are too many to keep, and say so.

        Example:
            >>> import arrowsmith
            >>> arrowsmith.open("in.csv").stats()["score"].mean
            0.6333333333333333
        """
        from arrowsmith.stats import TableSummarySink

        slim = self._only_looking()
        sinks: list[TableSummarySink] = []

        def make(schema: pa.Schema, context: Context) -> Any:
            sinks.append(TableSummarySink(schema, context))
            return sinks[-1]

        Pipeline(
            slim,
            (),
            make,
            budget=self.budget,
            config=self.config,
            errors=slim.errors,
            progress=progress,
        ).run()
        return sinks[-1].summary

    def timeseries(
        self, *, time: str, by: str | Sequence[str] = (), values: str | Sequence[str] = ()
    ) -> TimeSeries[Self]:
        """The rows seen as time series: what they are like, and their transforms.

        Args:
            time: the column of times: timestamps, dates or numbers.
            by: the columns that tell series apart; none for one series.
            values: the columns of values; none for all other numbers.

        Raises:
            SchemaMismatch: columns are not there or of types that do not do.

        Example:
            >>> import arrowsmith
            >>> arrowsmith.open("in.csv").timeseries(time="id").summary()[0].rows
            3
        """
        from arrowsmith.timeseries import TimeSeries

        names, columns = ((one,) if isinstance(one, str) else tuple(one) for one in (by, values))
        return TimeSeries(self, time=time, by=names, values=columns)

    def mapped(
        self,
        *,
        key: str | None = None,
        progress: Callable[[RunStats], None] | None = None,
    ) -> Mapped:
        """The rows by their number: decoded once into the cache, then mapped.

        An Arrow file that is not compressed is mapped as it is, if there are no verbs. Anything
        else is written once, in the memory budget, to an Arrow file in the cache, under a key of
        the bytes of the sources, how they are read, and the verbs. See docs/CACHE.md.

        Args:
            key: names what the functions in the chain do, which cannot tell it themselves.
            progress: called now and then with the running figures while the cache is written.

        Raises:
            OptionError: a function is in the chain and ``key`` is not given.
            TargetError: the cache cannot be written, or the disk is full.
            ArrowsmithError: whatever a stage found wrong.

        Example:
            >>> import arrowsmith
            >>> arrowsmith.open("in.csv").mapped()[1]
            {'id': 2, 'score': 0.75}
        """
        from arrowsmith.dataset.decoded import map_dataset

        return map_dataset(self, self._opened.input, key=key, progress=progress)

    def fingerprint(self, *, compute: bool = True) -> str | None:
        """The XXH3-128 of the files' bytes as stored, in hexadecimal; of several, in their order.

        Names, options and verbs do not count. What was read once is remembered until the file
        changes. Of a remote file it is that of its address, size and version.

        Args:
            compute: if False, None is given where it is not remembered.

        Raises:
            SourceError: a file cannot be read, or has changed since it was opened.

        Example:
            >>> import arrowsmith
            >>> arrowsmith.open("in.csv").fingerprint()
            '68601c470cae679bcb9bd26b3db45e37'
        """
        from arrowsmith.cache import Cache
        from arrowsmith.dataset import identity

        if not compute:
            return identity.known_fingerprint(self._opened.sources, Cache())
        return identity.content_fingerprint(self._opened.sources, Cache())

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
        rows = self.config.batch_rows
        known = known_plan(source.schema, self.verbs, source.context, rows, self.learned)
        return known if known is not None else self._learn()

    def _learn(self) -> Plan:
        """The plan after a pass over the rows for each step that has to learn from them."""
        with self.claim(self._context()) as source:
            fitting = FitRun(self.config, MemoryGauge(), self.errors.max_errors)
            return plan_run(source, self.verbs, self.learned, fitting)


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
