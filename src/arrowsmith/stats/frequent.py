"""The most frequent values.

A column of few values is counted in full. One of many is counted in a sample, since counting
millions of distinct values takes longer than reading them; what it says is then an estimate.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from arrowsmith.kernels.arrays import int64_array, numpy_view
from arrowsmith.kernels.spans import Spans, is_ragged
from arrowsmith.stats.values import plain

_STEP = 64  # one value in so many is counted first, to tell whether a chunk has many
_FEW = 256
_WHOLE = 60_000  # chunks of fewer rows are counted in full
_ROOM = 4096  # values kept between chunks, at most
_SEEN = 100  # how often a value must have been met in a sample: its count is 10 % off then


class Part(NamedTuple):
    """Distinct values and how often each occurs.

    Attributes:
        step: one in so many values was counted.
        all: no value was dropped.
    """

    values: pa.Array
    counts: NDArray[np.int64]
    step: int
    all: bool = True


class Frequent:
    """Counts values.

    Args:
        room: bytes that the values between chunks may take, about; the most frequent stay.

    Example:
        >>> frequent = Frequent()
        >>> frequent.merge(frequent.partial(pa.array(["a", "b", "a"])))
        >>> frequent.top(1)
        [('a', 2)]
    """

    def __init__(self, room: int = 1 << 20) -> None:
        self._room = room
        self._most = max(_FEW, min(_ROOM, room // 32))
        self._parts: list[Part] = []
        self._held = 0
        self._bytes = 0
        self.sampled = False
        self.dropped = False

    @property
    def exact(self) -> bool:
        """Every value was counted, and none was dropped for want of room."""
        return not (self.sampled or self.dropped)

    def partial(self, values: pa.Array) -> Part:
        """Of an array without nulls; pure."""
        if pa.types.is_boolean(values.type):
            true = values.true_count
            found = [(False, len(values) - true), (True, true)]
            met = [(value, count) for value, count in found if count]
            return Part(_booleans([v for v, _ in met]), np.array([n for _, n in met], np.int64), 1)
        if len(values) >= _WHOLE:
            sample = values.take(int64_array(np.arange(_STEP // 2, len(values), _STEP)))
            part = _counted(sample, _STEP)
            if len(part.counts) > _FEW:
                return part
        return self._trimmed(_counted(values, 1))

    def merge(self, part: Part) -> None:
        self.sampled = self.sampled or part.step > 1
        self._parts.append(part)
        self._held += len(part.counts)
        self._bytes += part.values.nbytes
        if self._held > 8 * self._most or self._bytes > 2 * self._room:
            self._gather()

    def _gather(self) -> Part | None:
        """All parts as one."""
        self.dropped = self.dropped or not all(part.all for part in self._parts)
        if len(self._parts) > 1:
            values = pa.concat_arrays([part.values for part in self._parts]).dictionary_encode()
            counts = np.concatenate([part.counts for part in self._parts])
            summed = np.zeros(len(values.dictionary), np.int64)
            np.add.at(summed, numpy_view(values.indices), counts)
            self._parts = [self._trimmed(Part(values.dictionary, summed, 1))]
            self._held = len(self._parts[0].counts)
            self._bytes = self._parts[0].values.nbytes
            self.dropped = self.dropped or not self._parts[0].all
        return self._parts[0] if self._parts else None

    def _trimmed(self, part: Part) -> Part:
        """The most frequent; the order in which they were met decides between equals."""
        heavy = is_ragged(part.values.type) and part.values.nbytes > self._room
        if len(part.counts) <= 2 * self._most and not heavy:
            return part
        order = np.argsort(-part.counts, kind="stable")[: self._most]
        if heavy:
            total = np.cumsum(Spans(part.values).lengths[order])
            order = order[: np.searchsorted(total, self._room, side="right")]
        order.sort()
        return Part(part.values.take(int64_array(order)), part.counts[order], part.step, all=False)

    def top(self, number: int) -> list[tuple[object, int]]:
        """The most frequent values with their counts; of a sample only those that were met often
        enough to tell something."""
        found = self._gather()
        if found is None:
            return []
        order = np.argsort(-found.counts, kind="stable")[:number]
        least = _SEEN * _STEP if self.sampled else 1
        places = order[found.counts[order] >= least]
        values = found.values.take(int64_array(places))
        return list(zip(map(plain, values), found.counts[places].tolist(), strict=True))


def _booleans(values: list[bool]) -> pa.BooleanArray:
    bits = sum(value << place for place, value in enumerate(values))
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(bytes([bits]))])


def _counted(values: pa.Array, step: int) -> Part:
    found = pc.value_counts(values)
    return Part(found.field("values"), numpy_view(found.field("counts")) * step, step)
