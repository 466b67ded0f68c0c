"""Line and record numbers of places in a file, counted only when somebody asks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np

from arrowsmith.formats.json.ranges import Range
from arrowsmith.plugin.feed import Buffers


class Locator:
    """Counts from the front of the file, by reading it again up to the place. Thread-safe.

    What was counted once is remembered at the boundaries of ranges, so that many questions cost
    one more pass at most.

    Args:
        ranges: begins a new pass over the data.
        line: the number of the line in which the data begins, from 1.
    """

    def __init__(self, ranges: Callable[[], Iterator[Range]], buffers: Buffers, line: int) -> None:
        self._begin = ranges
        self._buffers = buffers
        self._line = line
        self._lock = threading.Lock()
        self._known: dict[int, tuple[int, int]] = {}
        self._pass: Iterator[Range] | None = None
        self._front = 0
        self._count = (0, line)

    def at(self, offset: int) -> tuple[int, int]:
        """How many records stand before ``offset``, which is in none, and its line, from 1."""
        with self._lock:
            if offset in self._known:
                return self._known[offset]
            if self._pass is None or offset < self._front:
                self._pass, self._count = self._begin(), (0, self._line)
            for piece in self._pass:
                self._known[piece.offset] = self._count
                here = None
                if offset < piece.offset + piece.size:
                    here = self._after(piece, offset - piece.offset)
                self._count = self._after(piece, piece.size)
                self._front = piece.offset + piece.size
                self._buffers.give(piece.buffer)
                if here is not None:
                    return here
            return self._count

    def _after(self, piece: Range, size: int) -> tuple[int, int]:
        records, line = self._count
        if not size:
            return self._count
        here = int(np.count_nonzero(piece.records()[0] < size))
        here += sum(flaw.start < size for flaw in piece.flaws)
        return records + here, line + piece.buffer.count(b"\n", 0, size)
