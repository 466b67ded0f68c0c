"""Reading a source front to end into buffers that are used again: for formats cut into ranges.

Standard library only.
"""

from __future__ import annotations

from arrowsmith.plugin.protocols import Source


class Buffers:
    """Reuses buffers of one size, so that the allocator is left alone. Thread-safe."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._free: list[bytearray] = []

    def take(self) -> bytearray:
        try:
            return self._free.pop()
        except IndexError:
            return bytearray(self.size)

    def give(self, buffer: bytearray) -> None:
        if len(buffer) == self.size:
            self._free.append(buffer)


class Feed:
    """Reads a source from ``start`` to ``stop`` (None: its end), front to end.

    Attributes:
        at: where it is.
    """

    def __init__(self, source: Source, start: int, stop: int | None) -> None:
        self._source = source
        self.at = 0
        self._stop = stop
        self._stream = None if source.seekable else source.open()
        if self._stream is None:
            self.at = start
        else:
            scrap = bytearray(min(start, 1 << 20))
            while self.at < start and self.fill(memoryview(scrap)[: start - self.at]):
                pass

    def fill(self, view: memoryview) -> int:
        """Fill ``view``; the number of bytes, short only at the end."""
        if self._stop is not None:
            view = view[: max(self._stop - self.at, 0)]
        done = 0
        while done < len(view):
            if self._stream is None:
                count = self._source.read_into(self.at, view[done:])
            else:
                count = self._stream.readinto(view[done:])  # type: ignore[attr-defined]
            if not count:
                break
            done += count
            self.at += count
        return done

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
