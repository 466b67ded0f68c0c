"""The runner: source -> workers -> ordered output -> consumer, inside a memory budget.

One thread draws scan tasks from the source. Workers advance the tasks batch by batch, apply the
stateless steps, and encode finished chunks. The output of the tasks is put in order by whichever
worker completes the next piece of it. The consumer, a sink's thread or the caller's loop, takes the
results in order.

Nobody blocks while holding memory that others wait for: a worker only picks up work that the budget
has room for; chunks come before batches, since encoding frees memory; and the first task in order
may always go on when nothing behind it is left to drain, so that the run never stalls.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from arrowsmith.context import Context
from arrowsmith.memory import MemoryGauge
from arrowsmith.pipeline.config import PipelineConfig, RunStats
from arrowsmith.pipeline.ledger import Ledger
from arrowsmith.pipeline.output.cuts import Cut, Cutter, Part
from arrowsmith.pipeline.pieces import Drawn, Scan, Slot, at_stage, close, held_bytes, staged
from arrowsmith.pipeline.rejects import RejectLog
from arrowsmith.pipeline.tail import Tail, split_steps
from arrowsmith.pipeline.watch import Watch
from arrowsmith.plugin.protocols import BoundTransform, Chunk, ScanTask

_MOST_CUT = 64  # pieces on their way to the consumer: a batch may hold rows of a thousand files
_SAMPLING = 0.02  # seconds: an encoding is long enough to peak between two calls of a worker


class Engine:
    """Runs scan tasks to an ordered output, as a context manager: leaving it ends all threads.

    Args:
        tasks: the source's tasks in order, drawn lazily by one thread.
        steps: bound transforms, applied in turn.
        context: carries the budget and cancellation.
        config: threads and queue sizes.
        stats: counted into while running.
        cutter: cuts the output into chunks of files, which workers encode where the file has an
            ``encode``; None passes batches on as they come.
        encoded: the sizes of what is encoded at a time; None where nothing is.
        gauge: measures the process's memory since the run began.
        rejects: takes the bad records in order.
        progress: called now and then, on a thread of the engine.
    """

    def __init__(
        self,
        tasks: Iterator[ScanTask],
        steps: list[BoundTransform],
        *,
        context: Context,
        config: PipelineConfig,
        stats: RunStats,
        gauge: MemoryGauge,
        cutter: Cutter | None = None,
        encoded: Chunk | None = None,
        rejects: RejectLog,
        progress: Callable[[RunStats], None] | None = None,
    ) -> None:
        self._parallel, ordered = split_steps(steps)
        self._tail = Tail(ordered, cutter)
        self._tasks = tasks
        self._context = context
        self._config = config
        self._stats = stats
        self._rejects = rejects
        self._progress = progress
        self._ledger = Ledger(context.memory_limit, config, gauge, encoded)
        self._gauge = gauge
        self._cond = threading.Condition()
        self._scans: deque[Scan] = deque()
        self._jobs: deque[Slot] = deque()
        self._output: deque[Slot] = deque()
        self._cuts: Iterator[Cut] | None = None
        self._uncut = 0
        self._flushing = False
        self._draining = False
        self._exhausted = False
        self._ended = False
        self._flushed = False
        self._failure: BaseException | None = None
        self._stopped = False
        self._watch = Watch(min(config.memory_check_interval, _SAMPLING), self._tick, self._fail)
        self._threads: list[threading.Thread] = []
        self._began = time.perf_counter()

    # --- for the consumer ------------------------------------------------------------------------

    def __enter__(self) -> Engine:
        self._stats.threads = self._config.threads
        self._stats.memory_limit = self._context.memory_limit
        if self._tail.enough:
            self._exhausted = self._flushed = True
            return self
        self._spawn(self._source_loop, "source")
        for number in range(self._config.threads):
            self._spawn(self._worker_loop, f"worker-{number}")
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the run: nothing new is begun; returns when every thread has ended."""
        with self._cond:
            self._stopped = True
            self._cond.notify_all()
        if not self._finished:
            self._context.cancel()
        current = threading.current_thread()
        for thread in self._threads:
            if thread is not current:
                thread.join()
        self._watch.end()
        for scan in self._scans:
            close(scan.iterator)
        self._scans.clear()
        self._jobs.clear()
        self._output.clear()
        close(self._cuts)
        self._cuts = None
        close(self._tasks)
        self._gauge.sample()
        self._stats.peak_memory = max(self._stats.peak_memory, self._gauge.peak)
        self._stats.elapsed = time.perf_counter() - self._began

    def results(self) -> Iterator[Any]:
        """The ordered output: encoded chunks, chunks or batches. Raises what a stage raised."""
        for _, value in self.deliveries():
            yield value

    def deliveries(self) -> Iterator[tuple[Part, Any]]:
        """The ordered output with the file that each piece belongs to; None ends a file."""
        while True:
            with self._cond:
                while not (self._failure or self._stopped or self._finished or self._next_ready):
                    self._cond.wait()
                if self._failure is not None:
                    raise self._failure
                if self._stopped or not self._output:
                    return
                slot = self._output.popleft()
                if slot.failure is not None:
                    try:
                        raise slot.failure
                    finally:
                        del slot  # it would hold the exception, whose traceback holds this frame
                self._stats.chunks += not slot.end
                self._stats.rows_out += slot.rows
                self._cond.notify_all()
            assert slot.part is not None
            yield slot.part, slot.value
            slot.value = None
            with self._cond:
                self._ledger.used -= slot.nbytes
                self._cond.notify_all()

    @property
    def _next_ready(self) -> bool:
        return bool(self._output) and self._output[0].ready

    @property
    def _finished(self) -> bool:
        return self._flushed and not self._output

    # --- the source ------------------------------------------------------------------------------

    def _source_loop(self) -> None:
        try:
            while not self._over():
                began = time.perf_counter()
                task = next(self._tasks, None)
                with self._cond:
                    self._stats.seconds["read"] += time.perf_counter() - began
                if task is None:
                    break
                self._ledger.check("one piece of the input", task.cost)
                if not self._admit(Scan(task)):
                    return
        except BaseException as error:
            with self._cond:
                if not self._over():  # behind a limit nobody waits for it
                    self._scans.append(Scan.failed(at_stage(error, "read")))
        with self._cond:
            self._exhausted = True
            self._cond.notify_all()

    def _admit(self, scan: Scan) -> bool:
        """Wait until the budget has room for another task; False if the run ended before."""
        began = time.perf_counter()
        with self._cond:
            while not (self._over() or self._has_room_for(scan.cost)):
                self._cond.wait()
            self._stats.blocked += time.perf_counter() - began
            if self._over():
                return False
            self._ledger.used += scan.cost
            self._scans.append(scan)
            self._cond.notify_all()
            return True

    def _has_room_for(self, cost: int) -> bool:
        """Whether a task may begin; when nothing else is left to do, the budget does not matter."""
        if not self._scans:
            return self._ledger.may_admit(cost) or self._drained
        return len(self._scans) <= self._config.threads and self._ledger.may_admit(cost)

    def _over(self) -> bool:
        return self._stopped or self._ended or self._failure is not None

    @property
    def _drained(self) -> bool:
        """Nothing stands between the ordered output and the consumer."""
        return self._delivered and self._cuts is None and not self._draining

    @property
    def _delivered(self) -> bool:
        """Nothing that was cut is on its way to the consumer."""
        return not (self._jobs or self._ledger.encoding or self._output)

    # --- the workers -----------------------------------------------------------------------------

    def _worker_loop(self) -> None:
        try:
            while (work := self._pick()) is not None:
                work()
                self._ledger.relieve()
        except BaseException as error:
            self._fail(error)

    def _pick(self) -> Callable[[], None] | None:
        """The most urgent piece of work that the budget has room for; None at the end."""
        with self._cond:
            while True:
                if self._stopped or self._failure is not None:
                    return None
                if not self._draining and self._has_ordered_work:
                    self._draining = True
                    return self._drain
                if self._jobs and self._ledger.may_encode(self._jobs[0].nbytes):
                    slot = self._jobs.popleft()
                    self._ledger.encoding += 1
                    self._ledger.used += self._ledger.encode_cost(slot.nbytes)
                    return lambda: self._encode_slot(slot)
                scan = next(filter(self._may_advance, self._scans), None)
                if scan is not None:
                    scan.busy = scan.started = True
                    return lambda: self._advance(scan)
                if self._flushed and not self._jobs:
                    return None
                self._cond.wait()

    @property
    def _has_ordered_work(self) -> bool:
        if self._cuts is not None:
            return self._may_cut
        if self._scans:
            return self._scans[0].pending
        return self._exhausted and not self._flushed

    @property
    def _may_cut(self) -> bool:
        """Whether the next piece may be cut; when nothing else is left to do, it always may."""
        if self._delivered:
            return True
        return len(self._output) < _MOST_CUT and (not self._flushing or self._ledger.fits(0))

    def _may_advance(self, scan: Scan) -> bool:
        if scan.busy or scan.finished:
            return False
        capacity = self._config.buffer_capacity
        if scan is self._scans[0]:
            roomy = self._ledger.may_advance(scan.last) and len(self._output) < capacity
            return roomy or self._drained
        if not scan.started:
            return True  # its cost is reserved since it was admitted
        return len(scan.outputs) < capacity and self._ledger.may_advance(scan.last)

    def _advance(self, scan: Scan) -> None:
        """Draw one batch from a task and run the stateless steps over it."""
        drawn = scan.draw(self._parallel, self._context)
        with self._cond:
            drawn.count_into(self._stats)
            scan.busy = False
            scan.last = drawn.size
            scan.outputs.append(drawn)
            self._ledger.used += drawn.size
            if drawn.failure is not None or drawn.batch is None:
                scan.finished = True
                scan.iterator = None
                self._ledger.used -= scan.cost
            if self._ended:
                close(scan.iterator)
            self._cond.notify_all()

    def _encode_slot(self, slot: Slot) -> None:
        began = time.perf_counter()
        reserved = slot.nbytes + self._ledger.encode_cost(slot.nbytes)
        try:
            value = slot.encoded()
        except BaseException as error:
            slot.fail(at_stage(error, "encode"))
        with self._cond:
            self._stats.seconds["encode"] += time.perf_counter() - began
            self._ledger.encoding -= 1
            if slot.failure is None:
                slot.fill(value)
                slot.nbytes = held_bytes(value)
            self._ledger.used += slot.nbytes - reserved
            self._cond.notify_all()

    # --- the ordered output ----------------------------------------------------------------------

    def _drain(self) -> None:
        """Move what the first tasks have given to the ordered output; one worker at a time."""
        try:
            self._move()
        except BaseException as error:
            with self._cond:
                self._end_early()
                self._cuts = None
                self._output.append(Slot.failed(error))
                self._draining, self._flushed = False, True

    def _move(self) -> None:
        while True:
            if self._cuts is not None and not self._put_cuts():
                return
            with self._cond:
                scan = self._scans[0] if self._scans and not self._over() else None
                if scan is None and self._exhausted and not (self._scans or self._flushed):
                    self._flushing = True
                    self._cuts = self._tail.flush()
                    continue
                if scan is None or not scan.pending:
                    self._draining = False
                    self._cond.notify_all()
                    return
                drawn = scan.outputs.popleft() if scan.outputs else None
                if drawn is None:
                    self._scans.popleft()
                    self._cond.notify_all()
            if drawn is not None:
                self._take_in(drawn)

    def _take_in(self, drawn: Drawn) -> None:
        """Run the ordered steps on what was drawn, and begin to cut it."""
        if drawn.rejects:
            self._stats.rejected += len(drawn.rejects)
            self._rejects.write(drawn.rejects)
        if drawn.failure is not None:
            raise drawn.failure
        if drawn.batch is None:
            return
        began = time.perf_counter()
        with staged("transform"):
            batch = self._tail.step(drawn.batch)
        with self._cond:
            self._stats.seconds["transform"] += time.perf_counter() - began
            self._uncut = batch.nbytes
            self._ledger.used += self._uncut - drawn.size
            self._cuts = self._tail.cut(batch)
            if self._tail.enough:
                self._end_early()

    def _put_cuts(self) -> bool:
        """Cut on, until all is cut (True) or the consumer has enough to do for now (False)."""
        assert self._cuts is not None
        while True:
            with self._cond:
                if self._stopped or self._failure is not None or not self._may_cut:
                    self._draining = False
                    self._cond.notify_all()
                    return False
            held = self._tail.held
            cut = next(self._cuts, None)
            with self._cond:
                self._ledger.used += self._tail.held - held
                if cut is None:
                    self._cuts = None
                    self._ledger.used -= self._uncut
                    self._uncut = 0
                    self._flushed = self._flushing
                    return True
            self._put(cut)

    def _end_early(self) -> None:
        """Forget what was begun and has not been put in order yet."""
        self._ended = True
        for scan in self._scans:
            if not scan.busy:
                close(scan.iterator)
        self._scans.clear()
        self._exhausted = True
        self._cond.notify_all()

    def _put(self, cut: Cut) -> None:
        """Give the consumer a piece, by way of the encoders where its file has one."""
        slot = Slot(cut)
        if slot.end:
            slot.fill(None)
        else:
            nbytes = slot.nbytes
            self._ledger.check("one chunk of the output", nbytes + self._ledger.encode_cost(nbytes))
            if cut.part.encode is None:
                slot.fill(slot.take())
        with self._cond:
            self._ledger.used += slot.nbytes
            if not slot.end:
                self._ledger.expect(slot.nbytes)
            self._output.append(slot)
            if not slot.ready:
                self._jobs.append(slot)
            self._cond.notify_all()

    # --- threads and failure ---------------------------------------------------------------------

    def _tick(self) -> None:
        """Look at the memory also while all workers are in long calls."""
        if self._progress is not None:
            self._progress(self._stats)
        self._ledger.relieve()
        with self._cond:
            self._cond.notify_all()  # there may be room again

    def _spawn(self, target: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=target, name=f"arrowsmith-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _fail(self, error: BaseException) -> None:
        with self._cond:
            if self._failure is None:
                self._failure = error
            self._cond.notify_all()
