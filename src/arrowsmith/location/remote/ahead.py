"""Reading ahead: several requests at once for what is read front to back, in bounded memory.

A read that begins where another has ended, or a little behind, goes on a *run*: blocks behind it
are asked for before they are wanted, the more the longer it lasts. Any other read is answered by
requests for just its bytes. Blocks are dropped as soon as they are used.
"""

from __future__ import annotations

import mmap
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

BLOCK = 2 << 20
"""Bytes of one request at most."""
AHEAD = 8 << 20
"""Bytes that all sources of the process together have read or asked for ahead."""

_FIRST = 256 << 10  # asked for ahead when a run begins; doubled with each block
_GAP = 128 << 10  # bytes between two reads that are read along: a request costs more
_RUNS = 8  # of a source; a Parquet file is read at several places in turn
_AT_ONCE = 4  # requests for one large read

Fetch = Callable[[int, memoryview], Future[None]]
"""``fetch(offset, view)``: fills ``view`` on another thread."""


class Allowance:
    """Counts the bytes read ahead by all sources."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        with self._lock:
            granted = size <= self._left
            self._left -= size if granted else 0
        return granted

    def give(self, size: int) -> None:
        with self._lock:
            self._left += size


_allowance = Allowance(AHEAD)


@dataclass(slots=True)
class _Block:
    start: int
    data: mmap.mmap  # given back to the system at once, which malloc's would not be
    future: Future[None]
    counted: int

    @property
    def end(self) -> int:
        return self.start + len(self.data)


@dataclass(slots=True)
class _Run:
    """Blocks one behind the other.

    Attributes:
        at: where its reader is.
        end: where its last block ends.
        step: bytes to have asked for ahead.
    """

    at: int
    end: int
    step: int = _FIRST
    blocks: deque[_Block] = field(default_factory=deque)

    def drop_before(self, offset: int) -> None:
        while self.blocks and self.blocks[0].end <= offset:
            _allowance.give(self.blocks.popleft().counted)

    def drop(self) -> None:
        while self.blocks:
            block = self.blocks.popleft()
            block.future.cancel()
            _allowance.give(block.counted)


class Ahead:
    """Reads an object by ``fetch``; any number of threads may do so at once.

    Args:
        fetch: gets bytes.
        size: of the object.
        known: bytes at the start that are read elsewhere, so that a read behind them goes on.
    """

    def __init__(self, fetch: Fetch, size: int, known: int = 0) -> None:
        self._fetch = fetch
        self._size = size
        # The one used last stands last.
        self._runs: list[_Run] = [_Run(known, known)] if known else []
        self._lock = threading.Lock()
        self._closed = False

    def read(self, offset: int, view: memoryview) -> None:
        """Fill ``view``, all of which lies within the object."""
        run = self._take(offset)
        try:
            if run is None:
                self._read_alone(offset, view)
                run = _Run(offset + len(view), offset + len(view))
            else:
                self._read_on(run, offset, view)
        except BaseException:
            if run is not None:
                run.drop()
            raise
        self._put(run)

    def close(self) -> None:
        """Forget what was read ahead."""
        with self._lock:
            self._closed = True
            runs, self._runs = self._runs, []
        for run in runs:
            run.drop()

    def _take(self, offset: int) -> _Run | None:
        """The run that a read goes on; it is this thread's until it is put back."""
        with self._lock:
            for number, run in enumerate(self._runs):
                if run.at <= offset <= max(run.end, run.at) + _GAP:
                    return self._runs.pop(number)
        return None

    def _put(self, run: _Run) -> None:
        with self._lock:
            if not self._closed:
                self._runs.append(run)
                run = self._runs.pop(0) if len(self._runs) > _RUNS else _Run(0, 0)
        run.drop()

    def _read_alone(self, offset: int, view: memoryview) -> None:
        waiting: deque[Future[None]] = deque()
        for start in range(0, len(view), BLOCK):
            if len(waiting) == _AT_ONCE:
                waiting.popleft().result()
            waiting.append(self._fetch(offset + start, view[start : start + BLOCK]))
        for future in waiting:
            future.result()

    def _read_on(self, run: _Run, offset: int, view: memoryview) -> None:
        run.drop_before(offset)
        done = 0
        while done < len(view):
            place = offset + done
            self._extend(run, offset + len(view))
            block = run.blocks[0]
            block.future.result()
            data = memoryview(block.data)[place - block.start :][: len(view) - done]
            view[done : done + len(data)] = data
            done += len(data)
            run.at = offset + done
            run.drop_before(run.at)

    def _extend(self, run: _Run, wanted: int) -> None:
        """Ask for the next block if none is there, and for more as far as may be."""
        while run.end < self._size:
            needed = not run.blocks
            if not needed and run.end >= max(wanted, run.at + run.step):
                return
            size = min(max(run.step, wanted - run.end if needed else 0), BLOCK)
            size = min(size, self._size - run.end)
            counted = 0 if needed else size
            if counted and not _allowance.take(counted):
                return
            data = mmap.mmap(-1, size)
            run.blocks.append(
                _Block(run.end, data, self._fetch(run.end, memoryview(data)), counted)
            )
            run.end += size
            run.step = min(2 * run.step, AHEAD)
