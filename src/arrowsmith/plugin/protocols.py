"""The shapes of readers, sinks and transforms, and of what the host hands them.

Plugins need no other module of the core at run time. pyarrow appears in annotations only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    import pyarrow as pa

    from arrowsmith.plugin.specs import TransformKind

OnError = Literal["raise", "skip", "quarantine"]


# --- what the host gives -------------------------------------------------------------------------


class Source(Protocol):
    """One file to read, local or remote, its compression already peeled.

    Attributes:
        path: as the user knows it, for messages.
        name: the last part of the path without a compression suffix.
        size: bytes after decompression; None where only reading tells.
        seekable: ``read_at`` and ``read_into`` work (the file is not compressed, not a pipe).
        mappable: ``map`` works: seekable, and on a disk of this machine.
        compression: ``"gzip"``, ``"zstd"`` ... or None.
    """

    path: str
    name: str
    size: int | None
    seekable: bool
    mappable: bool
    compression: str | None

    def head(self, size: int) -> bytes:
        """The first bytes, decompressed; fewer at the end of the file."""
        ...

    def read_at(self, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes from ``offset``; fewer only at the end of the file."""
        ...

    def read_into(self, offset: int, buffer: bytearray | memoryview) -> int:
        """Fill ``buffer`` from ``offset``; the number of bytes read, short only at the end."""
        ...

    def open(self) -> BinaryIO:
        """A new stream over the decompressed bytes, from the first."""
        ...

    def map(self) -> pa.Buffer:
        """The whole file as a read-only mapping, where ``mappable``."""
        ...

    def check_unchanged(self) -> None:
        """Raise ``SourceChanged`` if size or modification time differ from when it was opened."""
        ...


@runtime_checkable
class SourceGroup(Protocol):
    """Many files as one source, for a reader whose spec says ``gathers``.

    It is a ``Source`` that cannot be read itself: its ``path`` is the directory of the files. A
    reader opens members when it reads them, and closes each (``with member: ...``) soon after.

    Attributes:
        members: the files, in the order of the rows; sidecars are among them.
    """

    path: str

    @property
    def members(self) -> Sequence[Source]: ...


class Target(Protocol):
    """One file to write. The host publishes it after ``Sink.commit()``, or discards it.

    Attributes:
        path: the path that the file will have.
        name: its last part.
    """

    path: str
    name: str

    def open(self) -> BinaryIO:
        """The writable stream, compressed as the target's suffix asks; call it once."""
        ...


class RunContext(Protocol):
    """What a run lends to readers, transforms and sinks.

    Attributes:
        memory_limit: the run's budget in bytes; no single allocation may come near it.
        threads: how many workers there are.
        on_error: what to do with a record that cannot be read.
    """

    memory_limit: int
    threads: int
    on_error: OnError

    def check_cancelled(self) -> None:
        """Raise ``Cancelled`` when the run is over; call it now and then in long loops."""
        ...

    def reject(self, reject: Reject) -> None:
        """Hand over a bad record under ``"skip"`` or ``"quarantine"``; thread-safe.

        Raises ``TooManyErrors`` above the limit. Under ``"raise"`` it raises ``DataError``.
        """
        ...

    def scratch(self) -> AbstractContextManager[BinaryIO]:
        """A new temporary file on disk that has no name and is gone when it is closed."""
        ...

    def warn(self, message: str) -> None:
        """Tell the user once about something that is not an error."""
        ...

    def predicate(self, condition: object, schema: pa.Schema) -> Predicate:
        """A condition from text such as ``"score > 0.5"``, or from a pyarrow expression.

        Raises ``PredicateError`` where it does not parse or does not fit the schema.
        """
        ...

    def expression(self, value: object, schema: pa.Schema) -> Expression:
        """Values computed from text such as ``"price * quantity"``, or by a pyarrow expression.

        Raises ``PredicateError`` where it does not parse or does not fit the schema.
        """
        ...


@dataclass(frozen=True, slots=True)
class Reject:
    """One record that could not be read, and where it stands.

    Attributes:
        source: the file's path.
        record: number of the record in the file, from 0, headers not counted.
        line: number of its first line, from 1; None where the format has no lines.
        offset: byte offset of its start, after decompression.
        column: the column that failed, None if the record as a whole did.
        reason: what is wrong.
        raw: the record's bytes without the line end.
    """

    source: str
    record: int | None
    line: int | None
    offset: int | None
    column: str | None
    reason: str
    raw: bytes


# --- reading -------------------------------------------------------------------------------------


@runtime_checkable
class Split(Protocol):
    """A piece of a source: picklable, readable apart from all others.

    Attributes:
        nbytes: about how many bytes of the source it covers.
    """

    @property
    def nbytes(self) -> int: ...


@dataclass(frozen=True, slots=True)
class ColumnStats:
    """What is known of one column of a row group before it is read.

    Attributes:
        min, max: bounds as pyarrow scalars of the column's type, or None where unknown.
        null_count: or None where unknown.
        rows: the number of rows.
    """

    min: pa.Scalar | None
    max: pa.Scalar | None
    null_count: int | None
    rows: int


class Predicate(Protocol):
    """A condition on rows. Readers use it to skip; the runner applies it to what is left.

    Attributes:
        columns: the columns that it looks at.
    """

    @property
    def columns(self) -> frozenset[str]: ...

    def mask(self, batch: pa.RecordBatch) -> pa.BooleanArray:
        """One boolean a row; null counts as false."""
        ...

    def may_match(self, stats: Mapping[str, ColumnStats]) -> bool:
        """False only when no row of a group with these statistics can match."""
        ...


class Expression(Protocol):
    """A value for each row, computed from some of its columns.

    Attributes:
        columns: the columns that it looks at.
        type: of its values.
    """

    @property
    def columns(self) -> frozenset[str]: ...

    @property
    def type(self) -> pa.DataType: ...

    def evaluate(self, batch: pa.RecordBatch) -> pa.Array:
        """One value a row; ``DataError`` where one cannot be computed."""
        ...


@dataclass(frozen=True, slots=True)
class ScanRequest:
    """What to read.

    Attributes:
        columns: names in the order wanted, at least one, None for all. A reader without
            projection gives all.
        predicate: rows that cannot match may be left out.
        split: the piece to read, None for the whole source.
        batch_rows: a batch has at most so many rows.
        batch_bytes: and at most about so many bytes (one row may be larger).
        limit: rows needed at most; a reader may stop there.
    """

    columns: tuple[str, ...] | None = None
    predicate: Predicate | None = None
    split: Split | None = None
    batch_rows: int = 65_536
    batch_bytes: int = 8 << 20
    limit: int | None = None


class ScanTask(Protocol):
    """A unit of reading for one worker of this process.

    Attributes:
        cost: about how many bytes of memory ``read()`` holds at its peak.
    """

    @property
    def cost(self) -> int: ...

    def read(self) -> Iterator[pa.RecordBatch]:
        """The batches, in order. Called once, on any thread."""
        ...


@runtime_checkable
class MeasuredTask(Protocol):
    """A ``ScanTask`` that knows about how many bytes of the file, as stored, it covers.

    It serves to show progress. Without it, what counts is how far the file has been read, which
    tells nothing where that is not front to back or the file is mapped. None is as good as without.
    """

    @property
    def nbytes(self) -> int | None: ...


class Reader(Protocol):
    """An opened source. The schema is known before the first batch, and all batches have it."""

    @property
    def schema(self) -> pa.Schema: ...

    def scan(self, request: ScanRequest) -> Iterator[pa.RecordBatch]:
        """The batches of the source or of one split, in order."""
        ...

    def splits(self, target: int) -> Iterable[Split]:
        """Pieces of about ``target`` bytes each, in order; none from a reader that cannot split."""
        ...

    def count(self) -> int | None:
        """The number of rows where metadata tells it, else None."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


@runtime_checkable
class TaskReader(Protocol):
    """A reader that divides its own work among the workers of one process.

    ``tasks()`` is iterated by one thread at a time, in order, as memory allows; ``read()`` of each
    task runs on any worker. A reader without it is read split by split, or else by one thread.
    """

    def tasks(self, request: ScanRequest) -> Iterator[ScanTask]: ...


@runtime_checkable
class WideningReader(Protocol):
    """A reader that infers types from a sample and may raise ``SchemaConflict`` later.

    ``widened()`` scans the whole source once and returns a reader of it whose schema fits all of
    it. The runner calls it at most once, when the output can be begun again.
    """

    def widened(self) -> Reader: ...


@runtime_checkable
class LearningReader(Protocol):
    """A reader that looks at its data to know how to read it, and need not look twice.

    ``learned`` is what it found out: small, never changed, and without a hold on the file. Whoever
    opens the same file again gives it to the implementation as the keyword ``known``; and to that
    of another file of the input, with the same options, as ``like``: what may hold there as well,
    if the reader finds that it does. What it reads must not depend on either.
    """

    @property
    def learned(self) -> object: ...


@runtime_checkable
class DescribingReader(Protocol):
    """A reader that can tell more of its file than schema and number of rows.

    ``details()`` gives JSON values by name, cheap to know, for ``arrowsmith info``: numbers, which
    are added up over several files, and texts or lists of texts, which are joined.
    """

    def details(self) -> Mapping[str, int | str | list[str]]: ...


# --- writing -------------------------------------------------------------------------------------


class Sink(Protocol):
    """Writes batches of one schema. ``commit()`` completes the file; without it nothing is kept."""

    def write(self, batch: pa.RecordBatch) -> None: ...

    def commit(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Chunk:
    """The sizes in which a sink wants its rows: the runner cuts the stream exactly so.

    A chunk ends at ``rows`` rows, or before the row that would take it over ``nbytes`` of Arrow
    data, whichever comes first, and has at least one row. Both are properties of the data and the
    options, so that the output is the same whatever the batches were.

    Attributes:
        rows: rows at most.
        nbytes: bytes of Arrow data at most.
        encode_cost: memory that ``encode()`` takes at its peak, its result included, per byte of
            the chunk; the runner reserves it.
    """

    rows: int
    nbytes: int
    encode_cost: float = 3.0


@runtime_checkable
class EncodingSink(Protocol):
    """A sink whose expensive half runs on the workers.

    The runner cuts the stream into chunks, calls ``prepare()`` with the first before anything
    else, ``encode()`` with each on any worker, and ``append()`` with the results in order.
    """

    @property
    def chunk(self) -> Chunk: ...

    def prepare(self, first: pa.RecordBatch) -> None: ...

    def encode(self, chunk: pa.RecordBatch) -> Any:
        """Pure and thread-safe; the result has ``nbytes`` or a length."""
        ...

    def append(self, encoded: Any) -> None: ...

    def commit(self) -> None: ...


@runtime_checkable
class AppendingSink(Protocol):
    """A sink that can go on where a finished file of its format ends (``SinkCapabilities.append``).

    The host calls ``resume()`` before anything else but the constructor. It then copies the first
    bytes of the old file, as many as ``resume()`` says, into the new one; what the sink writes to
    ``target.open()`` follows them. The new file replaces the old one on commit, so that a run that
    fails leaves the old one as it was.
    """

    def resume(self, old: Source) -> int:
        """Check that rows can be added behind those of ``old``; how many of its bytes to keep.

        Raises ``TargetError`` or ``SchemaMismatch`` where they cannot.
        """
        ...


# --- transforming --------------------------------------------------------------------------------


class Transform(Protocol):
    """A step that is not yet bound to a schema."""

    def bind(self, schema: pa.Schema) -> BoundTransform:
        """Check the schema before any data flows; ``SchemaMismatch`` if it does not fit."""
        ...


class BoundTransform(Protocol):
    """A step bound to a schema: maps each batch to a batch of ``schema``.

    Attributes:
        schema: the output schema.
        kind: ``"stateless"`` runs on all workers at once, ``"ordered"`` sees batches one by one
            in order.
    """

    @property
    def schema(self) -> pa.Schema: ...

    @property
    def kind(self) -> TransformKind: ...

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch: ...


@runtime_checkable
class ProjectingTransform(Protocol):
    """A bound transform that knows which columns it needs, so that no others are read."""

    def needed(self, outputs: frozenset[str]) -> frozenset[str]:
        """The columns of its input on which these of its output depend."""
        ...

    def narrowed(self, schema: pa.Schema) -> BoundTransform:
        """The same step for an input with the columns that are needed, and perhaps others."""
        ...


@runtime_checkable
class RowwiseTransform(Protocol):
    """A bound transform that gives one row for each, in order: limits pass through it.

    Attributes:
        unchanged: columns that keep name and values: conditions on these pass through, too.
    """

    @property
    def unchanged(self) -> frozenset[str]: ...


@runtime_checkable
class FilteringTransform(Protocol):
    """A bound transform that keeps the rows of its ``predicate`` and changes nothing else."""

    @property
    def predicate(self) -> Predicate: ...


@runtime_checkable
class LimitingTransform(Protocol):
    """An ordered bound transform that lets so many rows pass; at 0 the run ends.

    Attributes:
        rows_left: how many more.
    """

    @property
    def rows_left(self) -> int: ...


@runtime_checkable
class FinishingTransform(Protocol):
    """An ordered bound transform that keeps rows back, and gives what is left at the end."""

    def finish(self) -> Iterator[pa.RecordBatch]:
        """The last batches, of its ``schema``; called once, behind the last batch."""
        ...


class FittedTransform(Protocol):
    """A step that learns from all rows before it is applied to any (kind ``"fitted"``)."""

    def fitter(self, schema: pa.Schema) -> Fitter:
        """Check the schema before any data flows; ``SchemaMismatch`` if it does not fit."""
        ...

    def bind(self, schema: pa.Schema, state: Mapping[str, Any]) -> BoundTransform:
        """The step with what was learned; ``SchemaMismatch`` if the state does not fit."""
        ...


class Fitter(Protocol):
    """Learns from one pass over the rows.

    The runner cuts the rows into chunks that depend on the data alone, calls ``partial()`` with
    each on any worker and ``merge()`` with the results in the order of the rows, so that the state
    is the same whatever the threads and batches.

    Attributes:
        columns: what it looks at; nothing else need be read.
    """

    @property
    def columns(self) -> frozenset[str]: ...

    def partial(self, rows: pa.RecordBatch) -> Any:
        """What a chunk tells: pure, thread-safe, and much smaller than the chunk."""
        ...

    def merge(self, partial: Any) -> None:
        """Add what the next chunk tells."""
        ...

    def state(self) -> Mapping[str, Any]:
        """What was learned, as JSON values."""
        ...
