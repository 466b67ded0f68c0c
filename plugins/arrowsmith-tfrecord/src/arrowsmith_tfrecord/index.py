"""The record index beside a file: a line ``OFFSET LENGTH`` for each frame, in bytes.

Source of the format: ``tfrecord2idx`` of the tfrecord package, and NVIDIA DALI.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from arrowsmith.errors import DataError, SourceError
from arrowsmith.plugin import RunContext, Source
from arrowsmith_tfrecord.frames import AROUND
from arrowsmith_tfrecord.wire import Ints

SUFFIX = ".index"
_LINE = 42  # bytes of a line at most: two numbers of 20 digits


@dataclass(frozen=True, slots=True)
class RecordIndex:
    """Where the frames of a file stand.

    Attributes:
        bounds: where each begins, and where the last ends.
    """

    bounds: Ints

    @property
    def rows(self) -> int:
        return len(self.bounds) - 1

    def pieces(self, target: int) -> list[tuple[int, int, int]]:
        """First byte, end and number of the first record of pieces of about ``target`` bytes."""
        size = int(self.bounds[-1])
        wanted = np.arange(0, size, max(target, 1)) if size // max(target, 1) < self.rows else None
        places = np.arange(self.rows)
        if wanted is not None:
            places = np.unique(np.searchsorted(self.bounds[:-1], wanted))
            places = places[places < self.rows]
        ends = np.append(places[1:], self.rows)
        starts, stops = self.bounds[places], self.bounds[ends]
        return list(zip(starts.tolist(), stops.tolist(), places.tolist(), strict=True))


def load_index(source: Source, option: str, ctx: RunContext) -> RecordIndex | None:
    """The index of a file; None where there is none.

    Args:
        option: its path, ``"auto"`` or ``"none"``.

    Raises:
        SourceError: there is no file of the name that was given.
        DataError: that file is no index of this one.
    """
    if option == "none" or not source.seekable or source.size is None:
        return None
    auto = option == "auto"
    if auto and not source.mappable:  # beside a file of this machine
        return None
    path = Path(source.path + SUFFIX if auto else option)
    try:
        most = (source.size // AROUND + 1) * _LINE
        with path.open("rb") as file:
            text = file.read(most + 1)
    except OSError as error:
        if auto:
            return None
        raise SourceError(f"cannot be read: {error.strerror}", path=str(path)) from None
    bounds = _bounds(text, source.size) if len(text) <= most else None
    if bounds is not None:
        return RecordIndex(bounds)
    if auto:
        ctx.warn(f"{path}: is not the index of {source.name} as it is now, so is not used")
        return None
    raise DataError(f"is not the index of {source.path} as it is now", path=str(path))


def _bounds(text: bytes, size: int) -> Ints | None:
    """Where frames begin, and where the last ends, if they fill a file of so many bytes."""
    try:
        table = np.array(text.split(), np.int64).reshape(-1, 2)
    except (ValueError, OverflowError):
        return None
    starts, lengths = table[:, 0], table[:, 1]
    if not len(starts) or starts[0] or (lengths < AROUND).any() or (lengths > size).any():
        return None
    if (starts[1:] != (starts + lengths)[:-1]).any() or starts[-1] + lengths[-1] != size:
        return None
    return np.append(starts, size)


def index_lines(starts: Ints, lengths: Ints) -> bytes:
    """The lines of an index."""
    pairs = zip(starts.tolist(), lengths.tolist(), strict=True)
    return "".join(f"{start} {length}\n" for start, length in pairs).encode()
