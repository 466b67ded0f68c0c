"""What lies between the stages of a run, and which piece of it may be taken up next."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator

from arrowsmith.pipeline.config import PipelineConfig
from arrowsmith.pipeline.crew import Crew
from arrowsmith.pipeline.ledger import Ledger
from arrowsmith.pipeline.output.cuts import Cut
from arrowsmith.pipeline.pieces import Scan, Slot

_MOST_CUT = 64  # pieces on their way to the consumer: a batch may hold rows of a thousand files
_MOST_WAITING = 4 << 20  # bytes of batches that the consumer takes as they are


class Board:
    """The queues of a run and the rules of admission. All of it is used under the engine's lock.

    Whatever runs short, memory around the run included, somebody can always move: see "Memory" in
    docs/ARCHITECTURE.md.

    Args:
        config: queue sizes.
        ledger: the budget's account.
        crew: for how many workers tasks are read ahead.

    Attributes:
        scans: tasks under way, in order.
        jobs: pieces that wait to be encoded.
        output: pieces in order, for the consumer.
        cuts: gives the pieces of the batch that is being cut.
        uncut: bytes of that batch.
        flushing: ``cuts`` are the last.
        draining: a worker is putting in order.
        drawing: a worker is drawing a task from the source.
        advancing: how many workers have a task give its next batch.
        offered: the task that was drawn last and waits for room.
        exhausted: no further task will come.
        ended: what is left of the input changes nothing any more.
        flushed: no further piece will come.
        stopped: the consumer has ended the run.
        failure: what ends the run.
        blocked: seconds for which tasks that were drawn waited for room.
        level: share of the usual read-ahead that memory around the run bears.
    """

    def __init__(self, config: PipelineConfig, ledger: Ledger, crew: Crew) -> None:
        self.scans: deque[Scan] = deque()
        self.jobs: deque[Slot] = deque()
        self.output: deque[Slot] = deque()
        self.cuts: Iterator[Cut] | None = None
        self.uncut = 0
        self.flushing = False
        self.draining = False
        self.drawing = False
        self.advancing = 0
        self.offered: Scan | None = None
        self.exhausted = False
        self.ended = False
        self.flushed = False
        self.stopped = False
        self.failure: BaseException | None = None
        self.blocked = 0.0
        self.level = 1.0
        self._buffer_capacity = config.buffer_capacity
        self._ledger = ledger
        self._crew = crew

    @property
    def over(self) -> bool:
        """Nothing more is to be read."""
        return self.stopped or self.ended or self.failure is not None

    @property
    def broken(self) -> bool:
        """Nothing more is to be done."""
        return self.stopped or self.failure is not None

    @property
    def next_ready(self) -> bool:
        """The consumer can have the next piece."""
        return bool(self.output) and self.output[0].ready

    @property
    def finished(self) -> bool:
        """The consumer has had everything."""
        return self.flushed and not self.output

    @property
    def may_draw(self) -> bool:
        """Whether another task may be drawn from the source.

        Drawing may take as long as a pipe is silent. So nobody begins to while the first task or
        the output only waits for the consumer: nobody else might be there to go on with it then.
        """
        if self.drawing or self.exhausted or self.offered is not None or self.over:
            return False
        if self.cuts is not None or len(self.scans) > self._ahead:
            return False
        return not self.scans or self.scans[0].busy or self.scans[0].finished

    @property
    def may_admit(self) -> bool:
        """Whether the task that was drawn last may begin; when nothing else is left to do, the
        budget does not matter."""
        if self.offered is None or self.over:
            return False
        if not self.scans:
            return self._ledger.may_admit(self.offered.cost) or self._drained
        return len(self.scans) <= self._ahead and self._ledger.may_admit(self.offered.cost)

    @property
    def _ahead(self) -> int:
        return int(self.level * self._crew.ahead)

    def offer(self, scan: Scan) -> None:
        """Take what was drawn: a task, or a failure or the end, after which no other comes."""
        if scan.finished:
            self.exhausted = True
            self.scans.append(scan)
        else:
            self.offered = scan

    def admitted(self) -> Scan | None:
        """The task that was drawn last, which begins now, or None if there is none or no room."""
        if not self.may_admit:
            return None
        scan, self.offered = self.offered, None
        assert scan is not None
        self.blocked += time.perf_counter() - scan.drawn
        self._ledger.used += scan.cost
        self.scans.append(scan)
        return scan

    def take_up(self, scan: Scan) -> None:
        """A worker has the task give its next batch."""
        scan.busy = True
        self.advancing += 1

    def put_down(self, scan: Scan) -> None:
        """It is done with that."""
        scan.busy = False
        self.advancing -= 1

    def clear(self) -> list[object]:
        """Forget all pieces; what is to be closed of them."""
        offered = [self.offered] if self.offered is not None else []
        left: list[object] = [self.cuts, *(scan.iterator for scan in [*self.scans, *offered])]
        self.offered = self.cuts = None
        self.scans.clear()
        self.jobs.clear()
        self.output.clear()
        return left

    @property
    def has_ordered_work(self) -> bool:
        """There is something to put in order."""
        if self.cuts is not None:
            return self.may_cut
        if self.scans:
            return self.scans[0].pending
        return self.exhausted and not self.flushed

    @property
    def may_cut(self) -> bool:
        """Whether the next piece may be cut; when nothing else is left to do, it always may."""
        if self._delivered:
            return True
        return len(self.output) < _MOST_CUT and (not self.flushing or self._ledger.fits(0))

    @property
    def may_encode(self) -> bool:
        """Whether the next piece may be encoded."""
        return bool(self.jobs) and self._ledger.may_encode(self.jobs[0].nbytes)

    @property
    def has_work(self) -> bool:
        """There is something that a worker may take up."""
        ordered = not self.draining and self.has_ordered_work
        return (
            ordered
            or self.may_encode
            or self.next_scan() is not None
            or self.may_admit
            or self.may_draw
        )

    def next_scan(self) -> Scan | None:
        """The first task that may give a batch."""
        return next(filter(self._may_advance, self.scans), None)

    def _may_advance(self, scan: Scan) -> bool:
        if scan.busy or scan.finished:
            return False
        capacity = max(1, int(self.level * self._buffer_capacity))
        if scan is self.scans[0]:
            roomy = len(self.output) < capacity and self._waiting < _MOST_WAITING
            return (roomy and self._ledger.may_advance(scan.last)) or self._drained
        return len(scan.outputs) < capacity and self._ledger.may_advance(scan.last)

    @property
    def _waiting(self) -> int:
        """Bytes of the batches that nobody encodes. More of them would not make the consumer
        faster, who finds few of them still in the processor's cache."""
        plain = (slot for slot in self.output if slot.part is not None and not slot.part.encode)
        return sum(slot.nbytes for slot in plain)

    @property
    def _drained(self) -> bool:
        """Nothing stands between the ordered output and the consumer."""
        return self._delivered and self.cuts is None and not self.draining

    @property
    def _delivered(self) -> bool:
        """Nothing that was cut is on its way to the consumer."""
        return not (self.jobs or self._ledger.encoding or self.output)
