"""The ordered end of the stream: steps that need all rows in turn, limits, cutting into chunks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from arrowsmith.pipeline.chunks import Chunker
from arrowsmith.pipeline.steps import Limit
from arrowsmith.plugin.protocols import BoundTransform


class Tail:
    """Takes batches in order and gives what the consumer gets, as lists of zero-copy parts.

    Args:
        steps: the bound transforms from the first that is not stateless.
        chunker: cuts the stream; None passes batches on as they come.
    """

    def __init__(self, steps: Sequence[BoundTransform], chunker: Chunker | None) -> None:
        self._steps = steps
        self._limits = [step for step in steps if isinstance(step, Limit)]
        self._chunker = chunker

    @property
    def enough(self) -> bool:
        """A limit is reached: no further input can change the output."""
        return any(limit.left == 0 for limit in self._limits)

    def step(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch after the ordered steps."""
        for step in self._steps:
            batch = step(batch)
        return batch

    def size(self, batch: pa.RecordBatch) -> int:
        """The bytes of a batch: those of the chunks that are cut out of it add up to it."""
        return self._chunker.size(batch) if self._chunker is not None else batch.nbytes

    def cut(self, batch: pa.RecordBatch, size: int) -> Iterable[tuple[list[pa.RecordBatch], int]]:
        """The chunks that the batch of ``size`` bytes completes, and their bytes."""
        if batch.num_rows == 0:
            return ()
        return self._chunker.push(batch) if self._chunker is not None else (([batch], size),)

    def flush(self) -> Iterator[tuple[list[pa.RecordBatch], int]]:
        """The last chunk, which may be short, if there is one."""
        if self._chunker is not None:
            parts, size = self._chunker.flush()
            if parts:
                yield parts, size


def split_steps(
    steps: Sequence[BoundTransform],
) -> tuple[Sequence[BoundTransform], Sequence[BoundTransform]]:
    """The steps that any worker may run on any batch, and the rest."""
    first = next((i for i, step in enumerate(steps) if step.kind != "stateless"), len(steps))
    return steps[:first], steps[first:]
