"""The most frequent values.

Values are told apart by codes: numbers by themselves, short texts by their bytes, others by their
hashes. A chunk of few values is counted in full. Of one with many a sample is sorted, since to
count millions of distinct values takes longer than to read them, and what occurs there more than
once is kept: what it says is then an estimate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from arrowsmith.kernels.arrays import int64_array, numpy_view
from arrowsmith.kernels.scratch import Scratch
from arrowsmith.kernels.spans import Spans, is_ragged
from arrowsmith.stats import sampling
from arrowsmith.stats.values import plain

Codes = NDArray[Any]

_FEW = 256  # values in a sample; a chunk of no more is counted in full
_ROOM = 4096  # values kept between chunks, at most
_LEAST = 1000  # of so many rows one must have a value that a sample tells: it meets it eight times
_SEEN = 100  # how often a value must have been met in all samples: its count is 10 % off then


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

    @property
    def complete(self) -> bool:
        """Every value is there with its true count."""
        return self.step == 1 and self.all


class Frequent:
    """Counts values.

    Args:
        room: bytes that the values between chunks may take, about; the most frequent stay.

    Example:
        >>> frequent = Frequent()
        >>> frequent.merge(counted(pa.array(["a", "b", "a"])))
        >>> frequent.top(1, of=3)
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

    def partial(
        self, codes: Codes, sample: Codes, named: Callable[[Codes], pa.Array], scratch: Scratch
    ) -> Part:
        """Of a chunk; pure.

        Args:
            codes: of all values, different where these are.
            sample: those at ``sampling.places()`` or all, sorted.
            named: the values of some of the codes, which are ascending.
            scratch: for what is no longer needed when it returns.
        """
        if len(sample) < len(codes):
            again = np.flatnonzero(sample[1:] == sample[:-1])
            if len(sample) - len(again) > _FEW:
                found, counts = _runs(sample[again], scratch)
                return Part(named(found), (counts + 1) * sampling.STEP, sampling.STEP)
            sample = scratch.array("sorted", len(codes), codes.dtype)
            sample[:] = codes
            sample.sort()
        found, counts = _runs(sample, scratch)
        if len(found) <= 2 * self._most:
            return self.trimmed(Part(named(found), counts, 1))
        most = _largest(counts, self._most)
        return self.trimmed(Part(named(found[most]), counts[most], 1, all=False))

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
            self._parts = [self.trimmed(Part(values.dictionary, summed, 1))]
            self._held = len(self._parts[0].counts)
            self._bytes = self._parts[0].values.nbytes
            self.dropped = self.dropped or not self._parts[0].all
        return self._parts[0] if self._parts else None

    def trimmed(self, part: Part) -> Part:
        """The most frequent; the order in which they stand decides between equals."""
        heavy = is_ragged(part.values.type) and part.values.nbytes > self._room
        if len(part.counts) <= 2 * self._most and not heavy:
            return part
        order = np.argsort(-part.counts, kind="stable")[: self._most]
        if heavy:
            total = np.cumsum(Spans(part.values).lengths[order])
            order = order[: np.searchsorted(total, self._room, side="right")]
        order.sort()
        return Part(part.values.take(int64_array(order)), part.counts[order], part.step, all=False)

    def top(self, number: int, of: int) -> list[tuple[object, int]]:
        """The most frequent values with their counts; of a sample only those that were met often
        enough to tell something.

        Args:
            number: how many at most.
            of: the number of all values.
        """
        found = self._gather()
        if found is None:
            return []
        order = np.argsort(-found.counts, kind="stable")[:number]
        least = max(_SEEN * sampling.STEP, of // _LEAST) if self.sampled else 1
        places = order[found.counts[order] >= least]
        values = found.values.take(int64_array(places))
        return list(zip(map(plain, values), found.counts[places].tolist(), strict=True))


def counted(values: pa.Array) -> Part:
    """All values of an array without nulls, in the order in which they occur."""
    if pa.types.is_boolean(values.type):
        true = values.true_count
        found = [(False, len(values) - true), (True, true)]
        met = [(value, count) for value, count in found if count]
        return Part(_booleans([v for v, _ in met]), np.array([n for _, n in met], np.int64), 1)
    groups = pc.value_counts(values)
    return Part(groups.field("values"), numpy_view(groups.field("counts")), 1)


def representatives(values: pa.Array, codes: Codes, wanted: Codes) -> pa.Array:
    """For each of the ``wanted`` codes, which are ascending, a value that has it.

    Args:
        values: of which some have these codes.
        codes: of the values.
        wanted: each of them occurs.
    """
    found = np.zeros(len(wanted), np.int64)
    missing = np.arange(len(wanted))
    for step in (sampling.STEP, 1):
        if not len(missing):  # most, if not all, are in the sample
            break
        places = sampling.places(len(codes)) if step > 1 else np.arange(len(codes))
        some = codes[places]
        order = np.argsort(some)
        near = order[np.searchsorted(some, wanted[missing], sorter=order).clip(max=len(order) - 1)]
        found[missing] = places[near]
        missing = missing[some[near] != wanted[missing]]
    return values.take(int64_array(found))


def _runs(ascending: Codes, scratch: Scratch) -> tuple[Codes, NDArray[np.int64]]:
    """The distinct ones among codes in ascending order, and how often each occurs."""
    if not len(ascending):
        return ascending, np.empty(0, np.int64)
    other = scratch.array("other", len(ascending) - 1, np.bool_)
    np.not_equal(ascending[1:], ascending[:-1], out=other)
    starts = np.concatenate([[0], np.flatnonzero(other) + 1])
    ends = np.concatenate([starts[1:], [len(ascending)]])
    return ascending[starts], ends - starts


def _largest(counts: NDArray[np.int64], number: int) -> NDArray[np.intp]:
    """Where the largest are, in ascending order of places; the first of equals."""
    return np.sort(np.argsort(-counts, kind="stable")[:number])


def _booleans(values: list[bool]) -> pa.BooleanArray:
    bits = sum(value << place for place, value in enumerate(values))
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(bytes([bits]))])
