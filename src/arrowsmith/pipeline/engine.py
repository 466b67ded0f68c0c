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

from arrowsmith.errors import ArrowsmithError
from arrowsmith.memory import MemoryGauge, budget_exceeded, release_unused
from arrowsmith.pipeline.chunks import Chunker
from arrowsmith.pipeline.config import PipelineConfig, RunStats
from arrowsmith.context import Context
from arrowsmith.pipeline.rejects import RejectLog
from arrowsmith.pipeline.steps import Limit
from arrowsmith.plugin.protocols import BoundTransform, Chunk, Reject, ScanTask

Encode = Callable[[pa.RecordBatch], Any]

_RELIEF_PAUSE = 0.02  # seconds between two calls, which cost up to a millisecond each
_OVERHEAD = 8 << 20  # threads, codecs, and pages that the allocator has yet to give back
_HARD = 0.95  # share of the budget at which the measured memory itself stops new work


class _Scan:
    """A task under way: its iterator and the output that is not yet in order."""

    __slots__ = ("busy", "cost", "finished", "iterator", "last", "outputs", "rejects", "started")

    def __init__(self, task: ScanTask | None) -> None:
        self.cost = task.cost if task is not None else 0
        self.iterator: Iterator[pa.RecordBatch] | None = task.read() if task is not None else None
        self.outputs: deque[pa.RecordBatch | BaseException] = deque()
        self.rejects: list[Reject] = []
        self.last = 0  # bytes of its last batch
        self.busy = False
        self.started = False
        self.finished = task is None


class _Slot:
    """A place in the ordered output; ``value`` is what the consumer gets once it is ready."""

    __slots__ = ("nbytes", "parts", "ready", "rows", "value")

    def __init__(self, parts: list[pa.RecordBatch], nbytes: int) -> None:
        self.parts = parts
        self.nbytes = nbytes
        self.rows = sum(part.num_rows for part in parts)
        self.value: Any = None
        self.ready = False


class Engine:
    """Runs scan tasks to an ordered output. Use it as a context manager: leaving it ends all threads.

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
        ordered = next((i for i, step in enumerate(steps) if step.kind != "stateless"), len(steps))
        self._parallel, self._ordered = steps[:ordered], steps[ordered:]
        self._tasks = tasks
        self._context = context
        self._config = config
        self._stats = stats
        self._chunker = Chunker(chunk) if chunk is not None else None
        self._encode_cost = chunk.encode_cost if chunk is not None and encode is not None else 0.0
        self._headroom = int(self._encode_cost * chunk.nbytes) if chunk is not None else 0
        self._prepare = prepare
        self._encode = encode
        self._limits = [step for step in self._ordered if isinstance(step, Limit)]
        self._rejects = rejects
        self._progress = progress
        self._limit = context.memory_limit
        share = int(self._limit * config.backpressure_threshold)
        self._high = max(share - _OVERHEAD, share // 2)
        self._gauge = gauge
        self._cond = threading.Condition()
        self._used = 0
        self._scans: deque[_Scan] = deque()
        self._jobs: deque[_Slot] = deque()
        self._output: deque[_Slot] = deque()
        self._encoding = 0
        self._draining = False
        self._exhausted = False
        self._flushed = False
        self._failure: BaseException | None = None
        self._stopped = False
        self._threads: list[threading.Thread] = []
        self._next_relief = 0.0
        self._began = time.perf_counter()

    # --- for the consumer ------------------------------------------------------------------------

    def __enter__(self) -> Engine:
        self._stats.threads = self._config.threads
        self._stats.memory_limit = self._limit
        if self._enough:
            self._exhausted = self._flushed = True
            return self
        self._spawn(self._source_loop, "source")
        for number in range(self._config.threads):
            self._spawn(self._worker_loop, f"worker-{number}")
        self._spawn(self._watch_loop, "memory")
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the run: nothing new is begun; returns when every thread has ended."""
        with self._cond:
            self._stopped = True
            self._cond.notify_all()
        self._context.cancel()
        current = threading.current_thread()
        for thread in self._threads:
            if thread is not current:
                thread.join()
        for scan in self._scans:
            _close(scan.iterator)
        self._scans.clear()
        self._jobs.clear()
        self._output.clear()
        _close(self._tasks)
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
                self._used -= slot.nbytes
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
                if task.cost > self._limit:
                    raise budget_exceeded("one piece of the input", task.cost, self._limit)
                if not self._admit(_Scan(task)):
                    return
        except BaseException as error:
            scan = _Scan(None)
            scan.outputs.append(_at_stage(error, "read"))
            with self._cond:
                self._scans.append(scan)
        with self._cond:
            self._exhausted = True
            self._cond.notify_all()

    def _admit(self, scan: _Scan) -> bool:
        """Wait until the budget has room for another task; False if the run ended before."""
        began = time.perf_counter()
        with self._cond:
            while not (self._over() or self._has_room_for(scan.cost)):
                self._cond.wait()
            self._stats.blocked += time.perf_counter() - began
            if self._over():
                return False
            self._used += scan.cost
            self._scans.append(scan)
            self._cond.notify_all()
            return True

    def _has_room_for(self, cost: int) -> bool:
        """Whether a task may begin: its cost fits, and so would the next chunk's encoding."""
        reserve = 0 if self._encoding else self._headroom
        fits = self._used + cost + reserve <= self._high and self._gauge.growth < self._high
        if not self._scans:
            return fits or self._drained
        return fits and len(self._scans) <= self._config.threads

    def _over(self) -> bool:
        return self._stopped or self._failure is not None or self._enough

    @property
    def _enough(self) -> bool:
        """A limit is reached: no further input can change the output."""
        return any(limit.left == 0 for limit in self._limits)

    @property
    def _drained(self) -> bool:
        """Nothing stands between the ordered output and the consumer."""
        return not (self._jobs or self._encoding or self._output or self._draining)

    # --- the workers -----------------------------------------------------------------------------

    def _worker_loop(self) -> None:
        try:
            while (work := self._pick()) is not None:
                work()
                self._relieve()
        except BaseException as error:
            self._fail(error)

    def _pick(self) -> Callable[[], None] | None:
        """The most urgent piece of work that the budget has room for; None at the end."""
        with self._cond:
            while True:
                if self._stopped or self._failure is not None:
                    return None
                if self._scans and not self._draining and self._pending(self._scans[0]):
                    self._draining = True
                    return self._drain
                if self._jobs and self._may_encode(self._jobs[0]):
                    slot = self._jobs.popleft()
                    self._encoding += 1
                    self._used += self._cost_of(slot)
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

    @staticmethod
    def _pending(scan: _Scan) -> bool:
        return bool(scan.outputs) or (scan.finished and not scan.busy)

    def _may_encode(self, slot: _Slot) -> bool:
        return self._encoding == 0 or (
            self._used + self._cost_of(slot) <= self._high
            and self._gauge.growth < self._limit * _HARD
        )

    def _cost_of(self, slot: _Slot) -> int:
        """Memory that encoding a chunk takes beside the chunk itself."""
        return int(self._encode_cost * slot.nbytes)

    def _may_advance(self, scan: _Scan) -> bool:
        if scan.busy or scan.finished:
            return False
        capacity = self._config.buffer_capacity
        if scan is self._scans[0]:
            roomy = self._used <= self._high and len(self._output) < capacity
            return roomy or self._drained
        if not scan.started:
            return True  # its cost is reserved since it was admitted
        reserve = 0 if self._encoding else self._headroom
        return (
            len(scan.outputs) < capacity
            and self._used + scan.last + reserve <= self._high
            and self._gauge.growth < self._limit * _HARD
        )

    def _advance(self, scan: _Scan) -> None:
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
            output = _at_stage(error, "read" if middle is None else "transform")
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
                    self._used += scan.last
                    scan.outputs.append(output)
            else:
                if output is not None:
                    scan.outputs.append(output)
                scan.finished = True
                scan.iterator = None
                self._used -= scan.cost
            if self._enough:
                _close(scan.iterator)
            self._cond.notify_all()

    def _encode_slot(self, slot: _Slot) -> None:
        began = time.perf_counter()
        reserved = slot.nbytes + self._cost_of(slot)
        try:
            batch = _joined(slot.parts)
            slot.parts = []
            assert self._encode is not None
            value = self._encode(batch)
            del batch
        except BaseException as error:
            self._fail(_at_stage(error, "encode"))
            return
        with self._cond:
            self._stats.seconds["encode"] += time.perf_counter() - began
            self._encoding -= 1
            slot.value = value
            slot.nbytes = _nbytes(value)
            self._used += slot.nbytes - reserved
            slot.ready = True
            self._cond.notify_all()

    # --- the ordered output ----------------------------------------------------------------------

    def _drain(self) -> None:
        """Move what the first tasks have given to the ordered output; one worker at a time."""
        while True:
            with self._cond:
                scan = self._scans[0] if self._scans and not self._over() else None
                if scan is None or not self._pending(scan):
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
        if self._ordered:
            began = time.perf_counter()
            try:
                for step in self._ordered:
                    batch = step(batch)
            except BaseException as error:
                raise _at_stage(error, "transform") from None
            self._stats.seconds["transform"] += time.perf_counter() - began
        with self._cond:
            self._used += batch.nbytes - size
        if batch.num_rows == 0:
            pass
        elif self._chunker is None:
            self._put([batch])
        else:
            for parts in self._chunker.push(batch):
                self._put(parts)
        if self._enough:
            with self._cond:
                self._end_early()

    def _end_early(self) -> None:
        """Forget what was begun behind the limit."""
        self._log(self._scans[0].rejects)
        for scan in self._scans:
            if not scan.busy:
                _close(scan.iterator)
        self._scans.clear()
        self._exhausted = True
        self._cond.notify_all()

    def _put(self, parts: list[pa.RecordBatch]) -> None:
        """Give the consumer a chunk, by way of the encoders where there are any."""
        if not parts:
            return
        slot = _Slot(parts, sum(part.nbytes for part in parts))
        needed = slot.nbytes + self._cost_of(slot)
        if needed > self._limit:
            raise budget_exceeded("one chunk of the output", needed, self._limit)
        if self._encode is None:
            slot.value, slot.parts, slot.ready = _joined(parts), [], True
        elif self._prepare is not None:
            prepare, self._prepare = self._prepare, None
            slot.parts = [_joined(parts)]
            prepare(slot.parts[0])
        with self._cond:
            self._headroom = self._cost_of(slot)
            self._output.append(slot)
            if not slot.ready:
                self._jobs.append(slot)
            self._cond.notify_all()

    def _flush(self) -> None:
        """After the last task: the last chunk, which may be short."""
        if self._chunker is not None:
            self._put(self._chunker.flush())
        with self._cond:
            self._draining = False
            self._flushed = True
            self._cond.notify_all()

    # --- the watch -------------------------------------------------------------------------------

    def _watch_loop(self) -> None:
        """Look at the memory also while all workers are in long calls."""
        while True:
            with self._cond:
                if self._stopped or self._failure is not None or self._finished:
                    return
                self._cond.wait(self._config.memory_check_interval)
            if self._progress is not None:
                self._progress(self._stats)
            self._relieve()

    def _relieve(self) -> None:
        """When memory runs short, have the allocator give back what it hoards."""
        now = time.monotonic()
        if self._gauge.sample() > self._high and now >= self._next_relief:
            self._next_relief = now + _RELIEF_PAUSE
            release_unused()
            self._gauge.sample()
            with self._cond:
                self._cond.notify_all()

    def _spawn(self, target: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=target, name=f"arrowsmith-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _fail(self, error: BaseException) -> None:
        with self._cond:
            if self._failure is None:
                self._failure = error
            self._cond.notify_all()


def _at_stage(error: BaseException, stage: str) -> BaseException:
    if isinstance(error, ArrowsmithError):
        error.stage = error.stage or stage
    else:
        error.add_note(f"in the {stage} stage")
    return error


def _joined(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    return parts[0] if len(parts) == 1 else pa.concat_batches(parts)


def _nbytes(value: Any) -> int:
    size = getattr(value, "nbytes", None)
    return int(size) if size is not None else len(value)


def _close(iterator: Any) -> None:
    close = getattr(iterator, "close", None)
    if close is not None:
        close()
