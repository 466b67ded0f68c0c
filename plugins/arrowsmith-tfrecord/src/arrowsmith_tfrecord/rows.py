"""Records of a run as they are decoded: some left out, some written anew."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from arrowsmith_tfrecord.careful import NoRecordError, rewritten
from arrowsmith_tfrecord.frames import Run
from arrowsmith_tfrecord.wire import PAD, Ints, Octets, offsets_of


@dataclass(slots=True)
class Rows:
    """Payloads in a buffer, not all of which are of one run.

    Attributes:
        octets: what they stand in.
        starts, stops: of the payloads.
        source: the place of each in the run that it comes from.
    """

    octets: Octets
    starts: Ints
    stops: Ints
    source: Ints

    @classmethod
    def of(cls, run: Run) -> Rows:
        return cls(Octets(run.buffer), run.starts, run.stops, np.arange(run.rows))

    def where(self, chosen: Any) -> Rows:
        return replace(
            self,
            starts=self.starts[chosen],
            stops=self.stops[chosen],
            source=self.source[chosen],
        )

    def rewritten(self, places: list[int], *, sequence: bool) -> tuple[Rows, list[tuple[int, str]]]:
        """These rows with some of them written anew, and why others of them are no records."""
        payloads, bad = {}, []
        for place in places:
            start, stop = int(self.starts[place]), int(self.stops[place])
            try:
                payloads[place] = rewritten(
                    bytes(self.octets.buffer[start:stop]), sequence=sequence
                )
            except NoRecordError as error:
                bad.append((int(self.source[place]), str(error)))
        old = memoryview(self.octets.buffer)
        size = int(self.stops.max(initial=0))
        ends = offsets_of(np.array([len(payload) for payload in payloads.values()], np.int64))
        buffer = bytearray().join([old[:size], *payloads.values(), bytes(PAD)])
        old.release()
        starts, stops = self.starts.copy(), self.stops.copy()
        new = list(payloads)
        starts[new], stops[new] = ends[:-1] + size, ends[1:] + size
        kept = np.ones(len(starts), np.bool_)
        kept[places] = False
        kept[new] = True
        return Rows(Octets(buffer), starts, stops, self.source).where(kept), bad
