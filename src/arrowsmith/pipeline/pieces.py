"""The pieces that a run moves: scans of tasks, and slots of the ordered output."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from arrowsmith.context import Context
from arrowsmith.errors import ArrowsmithError
from arrowsmith.inputs import Mark
from arrowsmith.pipeline.config import RunStats
from arrowsmith.pipeline.output.cuts import Cut
from arrowsmith.plugin.protocols import BoundTransform, Reject, ScanTask


@dataclass(slots=True)
class Drawn:
    """One batch of a task after the stateless steps, or the end of the task.

    Attributes:
        batch: None at the end.
        failure: what was raised, if anything.
        rejects: bad records found on the way to the batch.
        rows, nbytes: of the batch as the reader gave it.
        size: bytes of the batch after the steps.
        read, transform: seconds spent.
    """

    batch: pa.RecordBatch | None = None
    failure: BaseException | None = None
    rejects: list[Reject] = field(default_factory=list)
    rows: int = 0
    nbytes: int = 0
    size: int = 0
    read: float = 0.0
    transform: float = 0.0

    def count_into(self, stats: RunStats) -> None:
        """Add the figures to those of the run."""
        stats.seconds["read"] += self.read
        stats.seconds["transform"] += self.transform
        stats.rows_in += self.rows
        stats.bytes_in += self.nbytes
        stats.batches += self.batch is not None


class Scan:
    """A task under way: its iterator and the output that is not yet in order.

    Attributes:
        cost: bytes reserved for it until it is finished.
        drawn: when it was drawn from the source, on the clock of ``time.perf_counter``.
        iterator: gives the batches; None when there are no more.
        outputs: what was drawn and is not yet in order.
        last: bytes of its last batch.
        mark: how far the input is read with it, where the task tells.
        busy: a worker is advancing it.
        finished: nothing more will be appended to ``outputs``.
    """

    __slots__ = ("busy", "cost", "drawn", "finished", "iterator", "last", "mark", "outputs")

    def __init__(self, task: ScanTask | None) -> None:
        self.cost = task.cost if task is not None else 0
        self.drawn = time.perf_counter()
        self.iterator: Iterator[pa.RecordBatch] | None = task.read() if task is not None else None
        self.outputs: deque[Drawn] = deque()
        self.last = 0
        self.mark: Mark | None = getattr(task, "mark", None)
        self.busy = False
        self.finished = task is None

    @classmethod
    def failed(cls, error: BaseException) -> Scan:
        """A scan that ends the run when its turn comes."""
        scan = cls(None)
        scan.outputs.append(Drawn(failure=error))
        return scan

    def draw(self, steps: Sequence[BoundTransform], context: Context) -> Drawn:
        """The next batch through ``steps``. Never raises."""
        drawn = Drawn()
        began = time.perf_counter()
        stage = "read"
        try:
            assert self.iterator is not None
            with context.collecting(drawn.rejects):
                drawn.batch = next(self.iterator, None)
                drawn.read = time.perf_counter() - began
                if drawn.batch is not None:
                    stage = "transform"
                    drawn.rows, drawn.nbytes = drawn.batch.num_rows, drawn.batch.nbytes
                    for step in steps:
                        drawn.batch = step(drawn.batch)
                    drawn.size = drawn.batch.nbytes if steps else drawn.nbytes
                    drawn.transform = time.perf_counter() - began - drawn.read
        except BaseException as error:
            drawn.failure = at_stage(error, stage)
        try:
            return drawn
        finally:
            del drawn  # a failure holds this frame, which must not hold the failure in turn

    @property
    def pending(self) -> bool:
        """It has something for the ordered output, be it only that it has ended."""
        return bool(self.outputs) or (self.finished and not self.busy)


class Slot:
    """A place in the ordered output.

    Attributes:
        parts: the batches of the chunk, until they are encoded.
        part: the file of the output that it belongs to; None for a failure.
        first: it is the first of its file.
        end: it is no chunk but says that the file has no more.
        nbytes: bytes that it holds: of the parts, later of the value.
        rows: number of rows.
        value: what the consumer gets, once it is ``ready``.
        failure: what is raised in its place.
    """

    __slots__ = ("end", "failure", "first", "nbytes", "part", "parts", "ready", "rows", "value")

    def __init__(self, cut: Cut | None) -> None:
        self.parts = cut.parts if cut is not None else []
        self.nbytes = cut.nbytes if cut is not None else 0
        self.part = cut.part if cut is not None else None
        self.first = cut is not None and cut.first
        self.rows = sum(part.num_rows for part in self.parts)
        self.end = cut is not None and not cut.parts
        self.value: Any = None
        self.failure: BaseException | None = None
        self.ready = False

    @classmethod
    def failed(cls, error: BaseException) -> Slot:
        """A slot that ends the run when its turn comes."""
        slot = cls(None)
        slot.fail(error)
        return slot

    def fail(self, error: BaseException) -> None:
        """Make ``error`` what is raised in this slot's turn."""
        self.parts = []
        self.failure = error
        self.ready = True

    def take(self) -> pa.RecordBatch:
        """The chunk as one batch; the slot lets go of it."""
        parts, self.parts = self.parts, []
        return parts[0] if len(parts) == 1 else pa.concat_batches(parts)

    def encoded(self) -> Any:
        """What the consumer gets for the chunk, which is let go of."""
        encode = self.part.encode if self.part is not None else None
        chunk = self.take()
        return chunk if encode is None else encode(self.first, chunk)

    def fill(self, value: Any) -> None:
        """Make ``value`` what the consumer gets."""
        self.value = value
        self.ready = True


def held_bytes(value: Any) -> int:
    """The size of an encoded chunk."""
    size = getattr(value, "nbytes", None)
    return int(size) if size is not None else len(value)


def at_stage(error: BaseException, stage: str) -> BaseException:
    """Note in an exception which stage of the pipeline it comes from."""
    if isinstance(error, ArrowsmithError):
        error.stage = error.stage or stage
    else:
        error.add_note(f"in the {stage} stage")
    return error


@contextmanager
def staged(stage: str) -> Iterator[None]:
    """What is raised inside the block comes from that stage."""
    try:
        yield
    except BaseException as error:
        at_stage(error, stage)
        raise


def close(iterator: Any) -> None:
    """Close a generator; other iterators have nothing to close."""
    end = getattr(iterator, "close", None)
    if end is not None:
        end()
