"""The ordered end of the stream: steps that need all rows in turn, limits, cutting into chunks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from arrowsmith.pipeline.output.cuts import Cut, Cutter, PlainPart
from arrowsmith.plugin.protocols import BoundTransform, FinishingTransform, LimitingTransform


class Tail:
    """Takes batches in order and gives what the consumer gets, as lists of zero-copy parts.

    Args:
        steps: the bound transforms from the first that is not stateless.
        cutter: cuts the stream; None passes batches on as they come.
    """

    def __init__(self, steps: Sequence[BoundTransform], cutter: Cutter | None) -> None:
        self._steps = steps
        limits = [step for step in steps if isinstance(step, LimitingTransform)]
        self._limits = [(limit, limit.rows_left) for limit in limits]
        self._cutter = cutter
        self._whole = PlainPart()

    @property
    def enough(self) -> bool:
        """A limit is reached: no further input can change the output."""
        return any(limit.rows_left == 0 for limit, _ in self._limits)

    @property
    def used(self) -> float | None:
        """The share of the rows let through by the limit that is nearest to its end, or None."""
        shares = [1 - limit.rows_left / max(rows, 1) for limit, rows in self._limits]
        return max(shares, default=None)

    def step(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch after the ordered steps."""
        for step in self._steps:
            batch = step(batch)
        return batch

    @property
    def held(self) -> int:
        """Bytes in memory of rows that are not cut yet."""
        return self._cutter.held if self._cutter is not None else 0

    def cut(self, batch: pa.RecordBatch) -> Iterator[Cut]:
        """The pieces that the batch completes."""
        if batch.num_rows == 0:
            return
        if self._cutter is None:
            yield Cut([batch], batch.nbytes, self._whole)
        else:
            yield from self._cutter.push(batch)

    def flush(self) -> Iterator[Cut]:
        """What is left at the end, in steps that keep rows and in the cutter."""
        for place, step in enumerate(self._steps):
            for batch in step.finish() if isinstance(step, FinishingTransform) else ():
                for later in self._steps[place + 1 :]:
                    batch = later(batch)
                yield from self.cut(batch)
        if self._cutter is not None:
            yield from self._cutter.flush()


def split_steps(
    steps: Sequence[BoundTransform],
) -> tuple[Sequence[BoundTransform], Sequence[BoundTransform]]:
    """The steps that any worker may run on any batch, and the rest."""
    first = next((i for i, step in enumerate(steps) if step.kind != "stateless"), len(steps))
    return steps[:first], steps[first:]
