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

import pyarrow as pa

from arrowsmith.context import Context
from arrowsmith.memory import MemoryGauge
from arrowsmith.pipeline.config import PipelineConfig, RunStats
from arrowsmith.pipeline.ledger import Ledger
from arrowsmith.pipeline.pieces import Scan, Slot, at_stage, close
from arrowsmith.pipeline.rejects import RejectLog
from arrowsmith.pipeline.tail import Tail, split_steps
from arrowsmith.pipeline.watch import Watch
from arrowsmith.plugin.protocols import BoundTransform, Chunk, Reject, ScanTask

Encode = Callable[[pa.RecordBatch], Any]


class Engine:
    """Runs scan tasks to an ordered output, as a context manager: leaving it ends all threads.

    Args:
        tasks: the source's tasks in order, drawn lazily by one thread.
        steps: bound transforms, applied in turn.
        context: carries the budget and cancellation.
        config: threads and queue sizes.
        stats: counted into while running.
        chunk: sizes into which the output is cut; None passes batches on as they come.
        prepare: called with the first chunk before any is encoded.
        encode: makes what the consumer gets out of a chunk, on the workers; None for the chunk.
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
        chunk: Chunk | None = None,
        prepare: Callable[[pa.RecordBatch], None] | None = None,
        encode: Encode | None = None,
        rejects: RejectLog | None = None,
        progress: Callable[[RunStats], None] | None = None,
    ) -> None:
        self._parallel, ordered = split_steps(steps)
        self._tail = Tail(ordered, chunk)
        self._tasks = tasks
        self._context = context
        self._config = config
        self._stats = stats
        self._prepare = prepare
        self._encode = encode
        self._rejects = rejects
        self._progress = progress
        self._ledger = Ledger(
            context.memory_limit,
            config.backpressure_threshold,
            gauge,
            chunk if encode is not None else None,
        )
        self._gauge = gauge
        self._cond = threading.Condition()
        self._scans: deque[Scan] = deque()
        self._jobs: deque[Slot] = deque()
        self._output: deque[Slot] = deque()
        self._draining = False
        self._exhausted = False
        self._flushed = False
        self._failure: BaseException | None = None
        self._stopped = False
        self._watch = Watch(config.memory_check_interval, self._tick, self._fail)
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
        close(self._tasks)
        self._gauge.sample()
        self._stats.peak_memory = max(self._stats.peak_memory, self._gauge.peak)
        self._stats.elapsed = time.perf_counter() - self._began

    def results(self) -> Iterator[Any]:
        """The ordered output: encoded chunks, chunks or batches. Raises what a stage raised."""
        while True:
            with self._cond:
                while not (self._failure or self._stopped or self._finished or self._next_ready):
                    self._cond.wait()
                if self._failure is not None:
                    raise self._failure
                if self._stopped or not self._output:
                    return
                slot = self._output.popleft()
                self._stats.chunks += 1
                self._stats.rows_out += slot.rows
                self._cond.notify_all()
            yield slot.value
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
        return self._stopped or self._failure is not None or self._tail.enough

    @property
    def _drained(self) -> bool:
        """Nothing stands between the ordered output and the consumer."""
        return not (self._jobs or self._ledger.encoding or self._output or self._draining)

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
                if self._scans and not self._draining and self._scans[0].pending:
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
                if self._exhausted and not self._scans and not self._draining:
                    if self._flushed:
                        return None
                    self._draining = True
                    return self._flush
                self._cond.wait()

    def _may_advance(self, scan: Scan) -> bool:
        if scan.busy or scan.finished:
            return False
        capacity = self._config.buffer_capacity
        if scan is self._scans[0]:
            roomy = self._ledger.fits(0) and len(self._output) < capacity
            return roomy or self._drained
        if not scan.started:
            return True  # its cost is reserved since it was admitted
        return len(scan.outputs) < capacity and self._ledger.may_advance(scan.last)

    def _advance(self, scan: Scan) -> None:
        """Draw one batch from a task and run the stateless steps over it."""
        output: pa.RecordBatch | BaseException | None
        began = time.perf_counter()
        middle = None
        rows = size = 0
        try:
            assert scan.iterator is not None
            with self._context.collecting(scan.rejects):
                output = next(scan.iterator, None)
                middle = time.perf_counter()
                if output is not None:
                    rows, size = output.num_rows, output.nbytes
                    for step in self._parallel:
                        output = step(output)
        except BaseException as error:
            output = at_stage(error, "read" if middle is None else "transform")
        ended = time.perf_counter()
        with self._cond:
            stats = self._stats
            stats.seconds["read"] += (middle or ended) - began
            stats.seconds["transform"] += ended - (middle or ended)
            scan.busy = False
            if isinstance(output, pa.RecordBatch):
                stats.rows_in += rows
                stats.bytes_in += size
                stats.batches += 1
                if output.num_rows:
                    scan.last = output.nbytes
                    self._ledger.used += scan.last
                    scan.outputs.append(output)
            else:
                if output is not None:
                    scan.outputs.append(output)
                scan.finished = True
                scan.iterator = None
                self._ledger.used -= scan.cost
            if self._tail.enough:
                close(scan.iterator)
            self._cond.notify_all()

    def _encode_slot(self, slot: Slot) -> None:
        began = time.perf_counter()
        reserved = slot.nbytes + self._ledger.encode_cost(slot.nbytes)
        try:
            assert self._encode is not None
            value = self._encode(slot.take())
        except BaseException as error:
            self._fail(at_stage(error, "encode"))
            return
        with self._cond:
            self._stats.seconds["encode"] += time.perf_counter() - began
            self._ledger.encoding -= 1
            slot.fill(value)
            self._ledger.used += slot.nbytes - reserved
            self._cond.notify_all()

    # --- the ordered output ----------------------------------------------------------------------

    def _drain(self) -> None:
        """Move what the first tasks have given to the ordered output; one worker at a time."""
        while True:
            with self._cond:
                scan = self._scans[0] if self._scans and not self._over() else None
                if scan is None or not scan.pending:
                    self._draining = False
                    self._cond.notify_all()
                    return
                if not scan.outputs:
                    self._scans.popleft()
                    self._cond.notify_all()
                    item: pa.RecordBatch | None = None
                else:
                    first = scan.outputs.popleft()
                    if isinstance(first, BaseException):
                        raise first
                    item = first
            if item is None:
                self._log(scan.rejects)
            else:
                self._emit(item)

    def _log(self, rejects: list[Reject]) -> None:
        if rejects:
            self._stats.rejected += len(rejects)
            if self._rejects is not None:
                self._rejects.write(rejects)

    def _emit(self, batch: pa.RecordBatch) -> None:
        size = batch.nbytes
        began = time.perf_counter()
        try:
            batch = self._tail.step(batch)
        except BaseException as error:
            raise at_stage(error, "transform") from None
        with self._cond:
            self._stats.seconds["transform"] += time.perf_counter() - began
            self._ledger.used += batch.nbytes - size
        for parts in self._tail.cut(batch):
            self._put(parts)
        if self._tail.enough:
            with self._cond:
                self._end_early()

    def _end_early(self) -> None:
        """Forget what was begun behind the limit."""
        self._log(self._scans[0].rejects)
        for scan in self._scans:
            if not scan.busy:
                close(scan.iterator)
        self._scans.clear()
        self._exhausted = True
        self._cond.notify_all()

    def _put(self, parts: list[pa.RecordBatch]) -> None:
        """Give the consumer a chunk, by way of the encoders where there are any."""
        slot = Slot(parts)
        self._ledger.check(
            "one chunk of the output", slot.nbytes + self._ledger.encode_cost(slot.nbytes)
        )
        if self._encode is None:
            slot.fill(slot.take())
        elif self._prepare is not None:
            prepare, self._prepare = self._prepare, None
            slot.parts = [slot.take()]
            prepare(slot.parts[0])
        with self._cond:
            self._ledger.expect(slot.nbytes)
            self._output.append(slot)
            if not slot.ready:
                self._jobs.append(slot)
            self._cond.notify_all()

    def _flush(self) -> None:
        for parts in self._tail.flush():
            self._put(parts)
        with self._cond:
            self._draining = False
            self._flushed = True
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
