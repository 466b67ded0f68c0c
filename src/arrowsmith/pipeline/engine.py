"""The runner: source -> workers -> ordered output -> consumer, inside a memory budget.

Workers draw scan tasks from the source, one at a time, advance the tasks batch by batch, apply the
stateless steps, and encode finished chunks. The output of the tasks is put in order by whichever
worker completes the next piece of it. The consumer, a sink's thread or the caller's loop, takes the
results in order. (A thread of its own for the source costs a switch to it and back for each task.)

Nobody blocks while holding memory that others wait for: a worker only picks up work that the budget
has room for; chunks come before batches, since encoding frees memory; and the first task in order
may always go on when nothing behind it is left to drain, so that the run never stalls.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

from arrowsmith.context import Context
from arrowsmith.memory import MemoryGauge
from arrowsmith.pipeline.board import Board
from arrowsmith.pipeline.config import PipelineConfig, RunStats, usable_cores
from arrowsmith.pipeline.crew import Crew
from arrowsmith.pipeline.ledger import Ledger
from arrowsmith.pipeline.output.cuts import Cut, Cutter, Part
from arrowsmith.pipeline.pieces import Drawn, Scan, Slot, at_stage, close, held_bytes, staged
from arrowsmith.pipeline.pressure import PressureMonitor
from arrowsmith.pipeline.rejects import RejectLog
from arrowsmith.pipeline.signals import Signals
from arrowsmith.pipeline.tail import Tail, split_steps
from arrowsmith.pipeline.threads import Threads
from arrowsmith.pipeline.track import Track
from arrowsmith.pipeline.watch import Watch
from arrowsmith.plugin.protocols import BoundTransform, Chunk, Reject, ScanTask

_SAMPLING = 0.02  # seconds: an encoding is long enough to peak between two calls of a worker


class Engine:
    """Runs scan tasks to an ordered output, as a context manager: leaving it ends all threads.

    Args:
        tasks: the source's tasks in order, drawn lazily, by one thread at a time.
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
        self._gauge = gauge
        self._pressure = PressureMonitor(interval=config.memory_check_interval)
        self._ledger = Ledger(context.memory_limit, config, gauge, encoded)
        self._crew = Crew(config.threads, usable_cores())
        self._board = Board(config, self._ledger, self._crew)
        self._track = Track(stats, self._tail)
        self._signals = Signals(self._board)
        self._lock = self._signals.lock
        self._watch = Watch(min(config.memory_check_interval, _SAMPLING), self._tick, self._fail)
        self._threads = Threads()
        self._began = time.perf_counter()

    # --- for the consumer ------------------------------------------------------------------------

    def __enter__(self) -> Engine:
        self._stats.threads = self._config.threads
        self._stats.memory_limit = self._context.memory_limit
        if self._tail.enough:
            self._board.exhausted = self._board.flushed = True
            return self
        self._feel()
        try:
            for number in range(self._config.threads):
                self._threads.begin(partial(self._worker_loop, number), f"worker-{number}")
            self._threads.begin(self._watch.run, "watch")
        except BaseException:  # Ctrl-C while they start: nobody would end those that have
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self.stop()
        except Exception:
            if kind is None:  # else it would stand before what ended the run
                raise

    def stop(self) -> None:
        """End the run: nothing new is begun; returns when every thread has ended.

        Should the garbage collector find an abandoned run on a thread of that run, which may be in
        the middle of anything, another one waits for the end.
        """
        board = self._board
        with self._lock:
            board.stopped = True
            self._signals.wake_all()
            self._signals.woken.notify_all()
            reading = board.drawing or board.advancing
        self._watch.end()
        if reading or not board.finished:  # be it that behind a limit a pipe is silent
            self._context.cancel()
        if self._threads.has_current:
            threading.Thread(target=self._end, name="arrowsmith-end", daemon=True).start()
        else:
            self._end()

    def _end(self) -> None:
        self._threads.join()
        self._context.resume()  # the sink has its target to complete, others may read on
        with ExitStack() as stack:
            stack.callback(close, self._tasks)
            for iterator in self._board.clear():
                stack.callback(close, iterator)
        self._gauge.sample()
        self._stats.peak_memory = max(self._stats.peak_memory, self._gauge.peak)
        self._stats.elapsed = time.perf_counter() - self._began
        self._stats.blocked = self._board.blocked
        self._stats.workers = round(self._crew.mean, 2)
        self._stats.pressure_events = self._pressure.events
        self._stats.pressure_seconds = self._pressure.seconds
        self._stats.lowest_available = self._pressure.lowest

    def results(self) -> Iterator[Any]:
        """The ordered output: encoded chunks, chunks or batches. Raises what a stage raised."""
        for _, value in self.deliveries():
            yield value

    def deliveries(self) -> Iterator[tuple[Part, Any]]:
        """The ordered output with the file that each piece belongs to; None ends a file."""
        board = self._board
        held = 0
        while True:
            with self._lock:
                if held:
                    self._ledger.used -= held
                    self._signals.changed()
                while not (board.broken or board.finished or board.next_ready):
                    self._signals.ready.wait()
                if board.failure is not None:
                    raise board.failure
                if board.stopped or not board.output:
                    if board.finished:
                        self._track.finish(whole=not board.ended)
                    return
                slot = board.output.popleft()
                if slot.failure is not None:
                    try:
                        raise slot.failure
                    finally:
                        del slot  # it would hold the exception, whose traceback holds this frame
                self._stats.chunks += not slot.end
                self._stats.rows_out += slot.rows
                self._signals.changed()
            assert slot.part is not None
            yield slot.part, slot.value
            slot.value, held = None, slot.nbytes

    # --- the workers -----------------------------------------------------------------------------

    def _worker_loop(self, number: int) -> None:
        try:
            while (work := self._pick(number)) is not None:
                self._crew.begin(number)
                work()
                self._ledger.relieve(short=self._board.level < 1)
                self._crew.end(number)
        except BaseException as error:
            self._fail(error)

    def _pick(self, number: int) -> Callable[[], None] | None:
        """The most urgent piece of work that the budget has room for; None at the end."""
        board = self._board
        with self._lock:
            while True:
                if board.broken:
                    return None
                if number >= self._crew.active + board.drawing:
                    self._signals.woken.wait()
                    continue
                if not board.draining and board.has_ordered_work:
                    board.draining = True
                    return self._drain
                if board.may_encode:
                    slot = board.jobs.popleft()
                    self._ledger.encoding += 1
                    self._ledger.used += self._ledger.encode_cost(slot.nbytes)
                    return partial(self._encode_slot, slot)
                scan = board.next_scan() or board.admitted()
                if scan is not None:
                    board.take_up(scan)
                    return partial(self._advance, scan)
                if board.may_draw:
                    board.drawing = True
                    return self._draw
                if board.flushed and not board.jobs:
                    return None
                self._signals.idle += 1
                self._signals.work.wait()
                self._signals.idle -= 1

    def _draw(self) -> None:
        """Draw the next task from the source, and advance it at once if there is room for it."""
        board = self._board
        began = time.perf_counter()
        rejects: list[Reject] = []
        try:
            with self._context.collecting(rejects):
                task = next(self._tasks, None)
            if task is not None:
                self._ledger.check("one piece of the input", task.cost)
            scan = Scan(task)
        except BaseException as error:
            scan = Scan.failed(at_stage(error, "read"))
        if rejects:
            scan.outputs.appendleft(Drawn(rejects=rejects))
        with self._lock:
            self._stats.seconds["read"] += time.perf_counter() - began
            board.drawing = False
            if board.over:  # behind a limit nobody waits for it
                close(scan.iterator)
            else:
                board.offer(scan)
            admitted = board.admitted()
            if admitted is not None:
                board.take_up(admitted)
            self._signals.changed()
        if admitted is not None:
            self._advance(admitted)

    def _advance(self, scan: Scan) -> None:
        """Draw one batch from a task and run the stateless steps over it."""
        drawn = scan.draw(self._parallel, self._context)
        with self._lock:
            drawn.count_into(self._stats)
            self._board.put_down(scan)
            scan.last = drawn.size
            scan.outputs.append(drawn)
            self._ledger.used += drawn.size
            if drawn.failure is not None or drawn.batch is None:
                scan.finished = True
                scan.iterator = None
                self._ledger.used -= scan.cost
            if self._board.ended:
                close(scan.iterator)
            self._signals.changed()

    def _encode_slot(self, slot: Slot) -> None:
        began = time.perf_counter()
        reserved = slot.nbytes + self._ledger.encode_cost(slot.nbytes)
        try:
            value = slot.encoded()
        except BaseException as error:
            slot.fail(at_stage(error, "encode"))
        with self._lock:
            self._stats.seconds["encode"] += time.perf_counter() - began
            self._ledger.encoding -= 1
            if slot.failure is None:
                slot.fill(value)
                slot.nbytes = held_bytes(value)
            self._ledger.used += slot.nbytes - reserved
            self._signals.changed()

    # --- the ordered output ----------------------------------------------------------------------

    def _drain(self) -> None:
        """Move what the first tasks have given to the ordered output; one worker at a time."""
        try:
            self._move()
        except BaseException as error:
            with self._lock:
                self._end_early()
                self._board.cuts = None
                self._board.output.append(Slot.failed(error))
                self._board.draining, self._board.flushed = False, True

    def _move(self) -> None:
        board = self._board
        while board.cuts is None or self._put_cuts():
            with self._lock:
                scan = board.scans[0] if board.scans and not board.over else None
                if scan is None and board.exhausted and not (board.scans or board.flushed):
                    board.flushing = True
                    board.cuts = self._tail.flush()
                    continue
                if scan is None or not scan.pending:
                    board.draining = False
                    self._signals.changed()
                    return
                drawn = scan.outputs.popleft() if scan.outputs else None
                if drawn is None:
                    self._track.passed(board.scans.popleft().mark)
                    self._signals.changed()
            if drawn is not None and not self._take_in(drawn):
                return

    def _take_in(self, drawn: Drawn) -> bool:
        """Run the ordered steps on what was drawn, and begin to cut it; see ``_go_on``."""
        if drawn.rejects:
            self._stats.rejected += len(drawn.rejects)
            self._rejects.write(drawn.rejects)
        if drawn.failure is not None:
            raise drawn.failure
        if drawn.batch is None:
            return True
        began = time.perf_counter()
        with staged("transform"):
            batch = self._tail.step(drawn.batch)
        with self._lock:
            self._stats.seconds["transform"] += time.perf_counter() - began
            self._board.uncut = batch.nbytes
            self._ledger.used += self._board.uncut - drawn.size
            self._board.cuts = self._tail.cut(batch)
            if self._tail.enough:
                self._end_early()
            return self._go_on()

    def _put_cuts(self) -> bool:
        """Cut on, until all is cut (True) or the consumer has enough to do for now (False)."""
        board = self._board
        assert board.cuts is not None
        while True:
            held = self._tail.held
            cut = next(board.cuts, None)
            slot = self._placed(cut) if cut is not None else None
            with self._lock:
                self._ledger.used += self._tail.held - held
                if slot is None:
                    board.cuts = None
                    self._ledger.used -= board.uncut
                    board.uncut = 0
                    board.flushed = board.flushing
                    return True
                self._put(slot)
                if not self._go_on():
                    return False

    def _go_on(self) -> bool:
        """Whether the next piece may be cut; if not, whoever can shall drain on. Under the lock."""
        board = self._board
        if board.may_cut and not board.broken:
            return True
        board.draining = False
        self._signals.changed()
        return False

    def _end_early(self) -> None:
        """Forget what was begun and has not been put in order yet."""
        self._look()
        self._board.ended = True
        for scan in self._board.scans:
            if not scan.busy:
                close(scan.iterator)
        self._board.scans.clear()
        self._board.exhausted = True
        self._signals.changed()

    def _placed(self, cut: Cut) -> Slot:
        """A place in the output for a piece, which is ready if its file has no encoder."""
        slot = Slot(cut)
        nbytes = slot.nbytes
        self._ledger.check("one chunk of the output", nbytes + self._ledger.encode_cost(nbytes))
        if slot.end or cut.part.encode is None:
            slot.fill(None if slot.end else slot.take())
        return slot

    def _put(self, slot: Slot) -> None:
        """Give it to the consumer, by way of the encoders where it is not ready. Under the lock."""
        self._ledger.used += slot.nbytes
        if not slot.end:
            self._ledger.expect(slot.nbytes)
        self._board.output.append(slot)
        if not slot.ready:
            self._board.jobs.append(slot)
        self._signals.changed()

    # --- threads and failure ---------------------------------------------------------------------

    def _tick(self) -> None:
        """Look at memory and workers, also while all of these are in long calls."""
        if self._progress is not None:
            with self._lock:
                self._look()
            self._progress(self._stats)
        self._feel()
        self._ledger.relieve(short=self._board.level < 1)

    def _look(self) -> None:
        """Count how far the input is read."""
        scans = self._board.scans
        self._track.look(scans[0].mark if scans else None)

    def _feel(self) -> None:
        """Let as much be begun as memory around the run and the work at hand suggest."""
        level = self._pressure.sample()
        with self._lock:
            self._board.level = level
            if self._crew.review(level) or self._board.drawing:  # who draws may be away for long
                self._signals.woken.notify_all()
            self._signals.wake_all()  # there may be room again

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            if self._board.failure is None:
                self._board.failure = error
            self._signals.wake_all()
