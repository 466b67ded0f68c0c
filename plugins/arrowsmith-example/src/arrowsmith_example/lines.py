"""Blocks of whole lines from a source: by offset where it seeks, else from front to end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from arrowsmith.errors import DataError
from arrowsmith.plugin import Source

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class LineSplit:
    """The lines of the bytes ``start`` to ``stop``; the first begins at ``start``."""

    start: int
    stop: int

    @property
    def nbytes(self) -> int:
        return self.stop - self.start


class LineCount:
    """The number of lines before a place in a source, which only bad lines need.

    Attributes:
        seen: line ends since ``start``, counted by the owner.
    """

    def __init__(self, source: Source, start: int) -> None:
        self.seen = 0
        self._source = source
        self._start = start
        self._before: int | None = None

    def before(self) -> int:
        """Line ends in the file up to here; those before ``start`` are counted once."""
        if self._before is None:
            starts = range(0, self._start, _BLOCK)
            blocks = (self._source.read_at(at, min(_BLOCK, self._start - at)) for at in starts)
            self._before = sum(block.count(b"\n") for block in blocks)
        return self._before + self.seen


def line_splits(source: Source, target: int, max_line: int) -> Iterator[LineSplit]:
    """Cut a source that seeks into pieces of about ``target`` bytes, at line ends."""
    if not source.seekable or source.size is None:
        return
    start = 0
    while start < source.size:
        stop = start + max(target, 1)
        if stop < source.size:
            found = source.read_at(stop - 1, max_line + 1).find(b"\n")
            stop = stop + found if found >= 0 else source.size
        stop = min(stop, source.size)
        yield LineSplit(start, stop)
        start = stop


def line_blocks(
    source: Source, split: LineSplit | None, size: int, max_line: int
) -> Iterator[tuple[int, bytes]]:
    """Offset and bytes of blocks of about ``size`` bytes that end at line ends.

    Raises:
        DataError: a line is longer than ``max_line``; no more than that is held.
    """
    offset = split.start if split is not None else 0
    stop = split.stop if split is not None else source.size
    with ExitStack() as stack:
        read = _reading(source, offset, stop, stack)
        rest = b""
        while data := read(size):
            block = rest + data
            end = block.rfind(b"\n") + 1
            if len(block) - end > max_line:
                raise DataError(
                    f"a line is longer than {max_line} bytes",
                    path=source.path,
                    place=f"byte {offset + end}",
                    hint="this may be no access log; -r max_line=1MB allows longer lines",
                )
            if end:
                yield offset, block[:end]
            offset += end
            rest = block[end:]
        if rest:
            yield offset, rest


def _reading(
    source: Source, offset: int, stop: int | None, stack: ExitStack
) -> Callable[[int], bytes]:
    if not source.seekable or stop is None:
        return stack.enter_context(source.open()).read
    position = offset

    def read(size: int) -> bytes:
        nonlocal position
        data = source.read_at(position, min(size, stop - position))
        position += len(data)
        return data

    return read
