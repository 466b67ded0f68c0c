"""Who waits for what in a run, so that only those are woken who can go on."""

from __future__ import annotations

import threading

from arrowsmith.pipeline.board import Board


class Signals:
    """Conditions over one lock. Waking everybody would cost several switches for each batch.

    Attributes:
        lock: the engine's.
        ready: waited on by the consumer.
        work: by workers who are awake.
        woken: by those who are not.
        idle: how many workers wait for work.
    """

    def __init__(self, board: Board) -> None:
        self.lock = threading.RLock()
        self.ready = threading.Condition(self.lock)
        self.work = threading.Condition(self.lock)
        self.woken = threading.Condition(self.lock)
        self.idle = 0
        self._board = board

    def changed(self) -> None:
        """Wake who can go on now; called under the lock behind every change of the board."""
        board = self._board
        if board.broken:
            self.wake_all()
            return
        if board.next_ready or board.finished:
            self.ready.notify_all()
        if self.idle and (board.flushed or board.has_work):
            self.work.notify_all()

    def wake_all(self) -> None:
        """Have everybody who is awake look at the board."""
        self.ready.notify_all()
        self.work.notify_all()
