"""The record index beside a file: a line ``OFFSET LENGTH`` for each frame, in bytes.

Source of the format: ``tfrecord2idx`` of the tfrecord package, and NVIDIA DALI.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from arrowsmith.errors import DataError, SourceError
from arrowsmith.plugin import RunContext, Source
from arrowsmith_tfrecord.frames import AROUND, HEADER
from arrowsmith_tfrecord.wire import Ints

SUFFIX = ".index"
_LINE = 42  # bytes of a line at most: two numbers of 20 digits
_BLOCK = 1 << 20
_COST = 32  # bytes of memory for each record
_LOOKED_AT = 64


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
        with path.open("rb") as file:
            bounds = _bounds(file, source.size, ctx.memory_limit // _COST)
    except OSError as error:
        if auto:
            return None
        raise SourceError(f"cannot be read: {error.strerror}", path=str(path)) from None
    if bounds is not None and _is_of(source, bounds):
        return RecordIndex(bounds)
    if auto:
        ctx.warn(f"{path}: is not the index of {source.name} as it is now, so is not used")
        return None
    raise DataError(f"is not the index of {source.path} as it is now", path=str(path))


def _bounds(file: BinaryIO, size: int, most: int) -> Ints | None:
    """Where frames begin, and where the last ends, if they fill a file of so many bytes.

    Args:
        most: records; of more the index is not used, for want of memory.
    """
    parts: list[Ints] = []
    end = rows = 0
    left = b""
    while block := file.read(_BLOCK):
        text = left + block
        cut = text.rfind(b"\n") + 1 if len(block) == _BLOCK else len(text)
        text, left = text[:cut], text[cut:]
        if text.translate(None, b"0123456789 \t\r\n") or len(left) > _LINE:
            return None
        numbers = np.fromstring(text, np.int64, sep=" ")
        starts, lengths = numbers[0::2], numbers[1::2]
        rows += len(starts)
        if not len(starts) or len(starts) > len(lengths) or rows > most:
            return None
        if (lengths < AROUND).any() or (lengths > size).any():
            return None
        ends = starts + lengths
        if starts[0] != end or (starts[1:] != ends[:-1]).any():
            return None
        end = int(ends[-1])
        parts.append(starts.copy())
    if left or not parts or end != size:
        return None
    return np.concatenate([*parts, [size]])


def _is_of(source: Source, bounds: Ints) -> bool:
    """Whether some records are where the index has them: it may be of another file as long."""
    rows = len(bounds) - 1
    for row in np.unique(np.linspace(0, rows - 1, _LOOKED_AT).astype(np.int64)).tolist():
        header = source.read_at(int(bounds[row]), HEADER)
        if int.from_bytes(header[:8], "little") != int(bounds[row + 1] - bounds[row]) - AROUND:
            return False
    return True


def index_lines(starts: Ints, lengths: Ints) -> bytes:
    """The lines of an index."""
    pairs = zip(starts.tolist(), lengths.tolist(), strict=True)
    return "".join(f"{start} {length}\n" for start, length in pairs).encode()
