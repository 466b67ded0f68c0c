"""The places that a run writes to: a sink of the caller's, one file, or a directory of files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Protocol, Self

import pyarrow as pa

from arrowsmith.catalog import get_catalog
from arrowsmith.context import Context
from arrowsmith.errors import TargetError
from arrowsmith.location import InputFile, OutputFile, check_not_source, remote_scheme
from arrowsmith.location.directory import DirectoryTarget
from arrowsmith.location.parts import part_name
from arrowsmith.location.places import STANDARD
from arrowsmith.pipeline.chunks import BatchSizes, Chunker
from arrowsmith.pipeline.output.continuing import begin_behind
from arrowsmith.pipeline.output.cuts import Cutter, WholeCutter
from arrowsmith.pipeline.output.destination import Destination
from arrowsmith.pipeline.output.fidelity import warn_of_losses
from arrowsmith.pipeline.output.gather import PartitionCutter
from arrowsmith.pipeline.output.partitions import Partitioning
from arrowsmith.pipeline.output.parts import SinkPart, chunk_of, encoded_chunk
from arrowsmith.pipeline.output.shards import ENDLESS, FileBounds, ShardCutter
from arrowsmith.plugin.protocols import Chunk, EncodingSink, Sink

SinkFactory = Callable[[pa.Schema, Context], Sink]


class Output(Protocol):
    """Where the rows of one attempt at a run go; leaving its block unpublished discards them.

    Attributes:
        cutter: cuts the rows into chunks of files.
        encoded: what workers encode at a time; None where they encode nothing.
        nbytes: bytes written, in the end.
        final: something is out that cannot be taken back, so that there is no beginning again.
    """

    cutter: Cutter
    encoded: Chunk | None

    @property
    def nbytes(self) -> int: ...

    @property
    def final(self) -> bool: ...

    def write(self, part: Any, value: Any) -> None:
        """Take a piece; None says that its file is complete."""
        ...

    def complete(self) -> None:
        """Everything is written, and not yet published."""
        ...

    def publish(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class SinkOutput:
    """A sink that a function of the caller's makes."""

    final = False

    def __init__(self, make: SinkFactory, schema: pa.Schema, context: Context) -> None:
        self._make = make
        self._schema = schema
        self._context = context
        self._stack = ExitStack()
        self.nbytes = 0

    def __enter__(self) -> Self:
        sink = self._make(self._schema, self._context)
        self._part = SinkPart(None, lambda: sink, encoding=isinstance(sink, EncodingSink))
        self._stack.push(self._part.leave)
        self.cutter: Cutter = _whole(self._part, self._schema)
        self.encoded = encoded_chunk(self._part.sink)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def write(self, part: SinkPart, value: Any) -> None:
        part.write(value)

    def complete(self) -> None:
        self._part.sink.commit()

    def publish(self) -> None:
        """That is the sink's own business."""


class TargetOutput(SinkOutput):
    """A target that one sink writes: by default a directory with files of the sink's own."""

    def __init__(self, destination: Destination, schema: pa.Schema, context: Context) -> None:
        super().__init__(self._sink, schema, context)
        self._destination = destination
        self._target: Any = self._target_of(destination)

    def _target_of(self, destination: Destination) -> OutputFile | DirectoryTarget:
        return destination.directory()

    def _sink(self, schema: pa.Schema, context: Context) -> Sink:
        sink: Sink = _make_sink(self._destination, self._target, schema, context)
        return sink

    def __enter__(self) -> Self:
        self._stack.enter_context(self._target)
        try:
            return super().__enter__()
        except BaseException:
            self._stack.close()
            raise

    def publish(self) -> None:
        self._target.publish()
        self.nbytes = getattr(self._target, "nbytes", 0)


class FileOutput(TargetOutput):
    """One file, standard output or a remote object."""

    def _target_of(self, destination: Destination) -> OutputFile | DirectoryTarget:
        return destination.file()

    def _sink(self, schema: pa.Schema, context: Context) -> Sink:
        sink = super()._sink(schema, context)
        if self._destination.shape.append:
            begin_behind(sink, self._destination.spec, self._target, self._stack)
        return sink

    @property
    def final(self) -> bool:  # type: ignore[override]
        direct = getattr(self._target, "direct", False)
        return bool(direct and getattr(self._target, "nbytes", 0))

    def complete(self) -> None:
        super().complete()
        self._target.finish()


class DirectoryOutput:
    """A directory of files: shards in a row, or some for each partition."""

    final = False

    def __init__(self, destination: Destination, schema: pa.Schema, context: Context) -> None:
        shape = destination.shape
        self._destination = destination
        self._context = context
        self._suffix = destination.suffix()
        self._partitioning = Partitioning.of(schema, shape) if shape.partition_columns else None
        self._schema = schema if self._partitioning is None else self._partitioning.rest
        self._bounds = FileBounds(shape.rows_per_file or ENDLESS, shape.file_bytes or ENDLESS)
        self._target = destination.directory()
        self._open: dict[int, SinkPart] = {}
        self._written = False

    def __enter__(self) -> Self:
        try:
            self._probe()
        except BaseException:
            self._target.abort()
            raise
        return self

    def _probe(self) -> None:
        """Learn from a first sink in which sizes it wants its rows."""
        probe = self._target.part(f".probe{self._suffix}")
        try:
            with _make_sink(self._destination, probe, self._schema, self._context) as sink:
                self.encoded = encoded_chunk(sink)
                chunk = chunk_of(sink)
                self._encoding = isinstance(sink, EncodingSink)
        finally:
            probe.discard()
        if self._partitioning is None:
            self.cutter: Cutter = ShardCutter(
                chunk, BatchSizes(self._schema), self._bounds, self._shard
            )
            return
        self.cutter = PartitionCutter(
            self._partitioning, chunk, self._bounds, self._part, self._context
        )

    def _shard(self, number: int) -> SinkPart:
        return self._part("", number)

    def _part(self, folder: str, number: int) -> SinkPart:
        name = part_name(self._target.next_number(folder) + number, self._suffix)
        target = self._target.part(f"{folder}/{name}" if folder else name)
        part = SinkPart(
            target,
            lambda: _make_sink(self._destination, target, self._schema, self._context),
            encoding=self._encoding,
        )
        self._open[id(part)] = part
        self._written = True
        return part

    def write(self, part: SinkPart, value: Any) -> None:
        if value is None:
            part.complete()
            del self._open[id(part)]
        else:
            part.write(value)

    def complete(self) -> None:
        if not self._written and self._partitioning is None and not self._adds:
            self._shard(0)  # no rows: a file that tells their columns
        for part in list(self._open.values()):
            self.write(part, None)
        self._target.finish()

    @property
    def _adds(self) -> bool:
        return self._target.next_number("") > 0

    def publish(self) -> None:
        self._target.publish()

    @property
    def nbytes(self) -> int:
        return self._target.nbytes

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with ExitStack() as stack:
            stack.push(self._target)
            for part in self._open.values():
                stack.push(part.abandon)


def open_output(
    destination: Destination | SinkFactory,
    schema: pa.Schema,
    context: Context,
    sources: Iterable[InputFile],
) -> Output:
    """The output of one attempt at a run, to be entered.

    Raises:
        TargetExists: it is there already.
        TargetError: it cannot be written, or is one of the sources.
    """
    if not isinstance(destination, Destination):
        return SinkOutput(destination, schema, context)
    warn_of_losses(destination, schema, context)
    if destination.is_directory:
        _check_holds_none(destination.directory(), sources)
        made = TargetOutput if destination.is_tree else DirectoryOutput
        return made(destination, schema, context)
    check_not_source(destination.path, sources)
    return FileOutput(destination, schema, context)


def _check_holds_none(target: DirectoryTarget, sources: Iterable[InputFile]) -> None:
    """Raise ``TargetError`` if a source lies in the directory."""
    for source in sources:
        lies = getattr(source, "absolute", source.path)
        local = lies != STANDARD and remote_scheme(lies) is None
        if local and target.holds(lies):
            raise TargetError(
                f"holds a source ({source.path})",
                path=target.path,
                hint="write to another directory",
            )


def _make_sink(
    destination: Destination,
    target: OutputFile | DirectoryTarget,
    schema: pa.Schema,
    context: Context,
) -> Any:
    impl = get_catalog().load(destination.spec)
    return impl(target, schema, destination.options, context)


def _whole(part: SinkPart, schema: pa.Schema) -> WholeCutter:
    return WholeCutter(Chunker(chunk_of(part.sink), schema), part)
