"""The pieces that a run moves: scans of tasks, and slots of the ordered output."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from arrowsmith.errors import ArrowsmithError
from arrowsmith.plugin.protocols import Reject, ScanTask


class Scan:
    """A task under way: its iterator and the output that is not yet in order.

    Attributes:
        cost: bytes reserved for it until it is finished.
        iterator: gives the batches; None when there are no more.
        outputs: batches, or the exception that ended the task.
        rejects: bad records found so far.
        last: bytes of its last batch.
        busy: a worker is advancing it.
        started: a worker has advanced it before.
        finished: nothing more will be appended to ``outputs``.
    """

    __slots__ = ("busy", "cost", "finished", "iterator", "last", "outputs", "rejects", "started")

    def __init__(self, task: ScanTask | None) -> None:
        self.cost = task.cost if task is not None else 0
        self.iterator: Iterator[pa.RecordBatch] | None = task.read() if task is not None else None
        self.outputs: deque[pa.RecordBatch | BaseException] = deque()
        self.rejects: list[Reject] = []
        self.last = 0
        self.busy = False
        self.started = False
        self.finished = task is None

    @classmethod
    def failed(cls, error: BaseException) -> Scan:
        """A scan that ends the run when its turn comes."""
        scan = cls(None)
        scan.outputs.append(error)
        return scan

    @property
    def pending(self) -> bool:
        """It has something for the ordered output, be it only that it has ended."""
        return bool(self.outputs) or (self.finished and not self.busy)


class Slot:
    """A place in the ordered output.

    Attributes:
        parts: the batches of the chunk, until they are encoded.
        nbytes: bytes that it holds: of the parts, later of the value.
        rows: number of rows.
        value: what the consumer gets, once it is ``ready``.
    """

    __slots__ = ("nbytes", "parts", "ready", "rows", "value")

    def __init__(self, parts: list[pa.RecordBatch]) -> None:
        self.parts = parts
        self.nbytes = sum(part.nbytes for part in parts)
        self.rows = sum(part.num_rows for part in parts)
        self.value: Any = None
        self.ready = False

    def take(self) -> pa.RecordBatch:
        """The chunk as one batch; the slot lets go of it."""
        parts, self.parts = self.parts, []
        return parts[0] if len(parts) == 1 else pa.concat_batches(parts)

    def fill(self, value: Any) -> None:
        """Make ``value`` what the consumer gets."""
        size = getattr(value, "nbytes", None)
        self.value = value
        self.nbytes = int(size) if size is not None else len(value)
        self.ready = True


def at_stage(error: BaseException, stage: str) -> BaseException:
    """Note in an exception which stage of the pipeline it comes from."""
    if isinstance(error, ArrowsmithError):
        error.stage = error.stage or stage
    else:
        error.add_note(f"in the {stage} stage")
    return error


def close(iterator: Any) -> None:
    """Close a generator; other iterators have nothing to close."""
    end = getattr(iterator, "close", None)
    if end is not None:
        end()
