"""The opened input that the datasets of one chain share."""

from __future__ import annotations

import threading

from arrowsmith.context import Context
from arrowsmith.inputs import Input
from arrowsmith.location import InputFile
from arrowsmith.pipeline.fit import Learned


class Opened:
    """An opened input, shared by the datasets that verbs make of it.

    The first run takes over the readers that were opened to know the schema; later runs, and runs
    at the same time, open their own.
    """

    def __init__(self, source: Input) -> None:
        self.input = source
        self.sources: list[InputFile] = source.sources
        self.learned = Learned()
        self._free = True
        self._lock = threading.Lock()

    def claim(self, context: Context) -> Input:
        with self._lock:
            free, self._free = self._free, False
        if not free:
            return self.input.reopened(context)
        self.input.context.take_over(context)
        return self.input
