"""What a run holds of its budget: by account, and by measurement."""

from __future__ import annotations

import threading
import time

from arrowsmith.memory import MemoryGauge, budget_exceeded, release_unused, run_overhead
from arrowsmith.pipeline.config import PipelineConfig
from arrowsmith.plugin.protocols import Chunk

_HARD = 0.95  # share of the budget at which the measured memory itself stops new work
_RELIEF_PAUSE = 0.02  # seconds between two calls of a thread, which cost up to a millisecond each
_SHORT_PAUSE = 0.25  # the same while the budget has room and others need memory


class Ledger:
    """Decides what may be begun. ``used`` is changed under the engine's lock.

    Args:
        limit: the budget in bytes.
        config: the share of it up to which new work is begun, and the threads.
        gauge: measures the process's memory since the run began.
        chunk: what the sink encodes at a time; None where nothing is encoded.

    Attributes:
        used: bytes held or reserved.
        encoding: chunks that are being encoded.
    """

    def __init__(
        self, limit: int, config: PipelineConfig, gauge: MemoryGauge, chunk: Chunk | None
    ) -> None:
        share = int(limit * config.backpressure_threshold)
        overhead = run_overhead(config.threads)
        self.limit = limit
        self.used = 0
        self.encoding = 0
        self._encode_cost = chunk.encode_cost if chunk is not None else 0.0
        self._next_encoding = self.encode_cost(chunk.nbytes) if chunk is not None else 0
        self._high = max(share - overhead, share // 2)
        self._overhead = overhead
        self._threshold = config.backpressure_threshold
        self._gauge = gauge
        self._local = threading.local()

    def fits(self, nbytes: int) -> bool:
        """Whether so much more may be held, going by the account."""
        return self.used + nbytes <= self._high

    def may_admit(self, cost: int) -> bool:
        """Whether another task may begin: it fits, and so would the next chunk's encoding."""
        return self._gauge.growth < self._high and self.fits(cost + self._reserve)

    def may_advance(self, nbytes: int) -> bool:
        """Whether a task may give a further batch of about ``nbytes``."""
        return self._bearable and self.fits(nbytes + self._reserve)

    def may_encode(self, nbytes: int) -> bool:
        """Whether a chunk may be encoded; one at a time always may, since that frees memory."""
        return self.encoding == 0 or (self._bearable and self.fits(self.encode_cost(nbytes)))

    def encode_cost(self, nbytes: int) -> int:
        """What encoding a chunk takes beside the chunk itself."""
        return int(self._encode_cost * nbytes)

    def expect(self, nbytes: int) -> None:
        """Note the size of the newest chunk: the next one will be of about that size."""
        self._next_encoding = self.encode_cost(nbytes)

    @property
    def _reserve(self) -> int:
        return 0 if self.encoding else self._next_encoding

    @property
    def _bearable(self) -> bool:
        return self._gauge.growth < self.limit * _HARD

    def check(self, what: str, nbytes: int) -> None:
        """Raise ``BudgetExceeded`` for a single piece that the budget can never hold."""
        if nbytes > self.limit:
            enough = int(nbytes / self._threshold) + self._overhead
            raise budget_exceeded(what, enough, self.limit)

    def relieve(self, short: bool = False) -> None:
        """Measure; when memory runs short, have the allocator give back what it hoards.

        Some allocators only give back the calling thread's share, so each thread calls it.

        Args:
            short: the machine runs short, whatever the budget says.
        """
        over = self._gauge.sample() > self._high
        if not (over or short):
            return
        now = time.monotonic()
        if now >= getattr(self._local, "next", 0.0):
            self._local.next = now + (_RELIEF_PAUSE if over else _SHORT_PAUSE)
            release_unused()
            self._gauge.sample()
