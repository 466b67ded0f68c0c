"""Damaged copies of a file: cut short, bits flipped, bytes set, parts removed, doubled, blanked,
grafted, exchanged; anywhere, near the ends, and at the places that the format's structure gives."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence

_SEED = 5
_EDGE = 16  # every length so near to the beginning or end is tried
_NEAR = 256  # bytes at either end where headers and footers are
_AROUND = range(-2, 8)  # what a place concerns: what ends there, and what begins
_TELLING = (0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF)  # ends of ranges, continued varints, negatives


def mutations(
    data: bytes, others: Sequence[bytes], most: int, places: Iterable[int] = ()
) -> Iterator[tuple[str, bytes]]:
    """What was done, and the bytes; about ``most`` of them, the same in every run.

    Args:
        data: a valid file.
        others: files of the same format, parts of which are put into this one.
        most: how many.
        places: offsets of what the format is made of. The file is cut at each, and half of all
            other damage is done around them.

    Example:
        >>> [what for what, _ in mutations(b"ab", [], 4)][0]
        'cut to 1 of 2 bytes'
    """
    if not data:
        return
    known = [place for place in places if 0 < place < len(data)]
    lengths = set(range(1, min(_EDGE, len(data))))
    lengths |= set(range(max(1, len(data) - _EDGE), len(data)))
    step = max(1, len(data) // max(most // 8, 1))
    lengths |= set(range(1, len(data), step))
    lengths |= set(known)
    for length in sorted(lengths):
        yield f"cut to {length} of {len(data)} bytes", data[:length]
    surgeon = _Surgeon(random.Random(_SEED), others, known)
    for number in range(max(most - len(lengths), most // 2)):
        what, damaged = surgeon.once(data, number)
        if number % 5 == 4:  # damage seldom comes alone
            more, damaged = surgeon.once(damaged or data, number // 5)
            what = f"{what}, {more}"
        yield what, damaged


class _Surgeon:
    """Damages a file in one place at a time."""

    def __init__(
        self, chance: random.Random, others: Sequence[bytes], places: Sequence[int]
    ) -> None:
        self._chance = chance
        self._others = others
        self._places = places
        self._ways: tuple[Callable[[bytes], tuple[str, bytes]], ...] = (
            *(self._flipped, self._set, self._flipped, self._removed, self._set, self._doubled),
            *(self._flipped, self._blanked, self._set, self._grafted, self._flipped),
            self._exchanged,
        )

    def once(self, data: bytes, number: int) -> tuple[str, bytes]:
        """What was done, and the bytes; each way has its turn."""
        return self._ways[number % len(self._ways)](data)

    def _place(self, data: bytes) -> int:
        """Half of the time around a known place, else anywhere, or near either end."""
        last = len(data) - 1
        if self._places and self._chance.random() < 0.5:
            place = self._chance.choice(self._places) + self._chance.choice(_AROUND)
            return min(max(place, 0), last)
        where = self._chance.randrange(3)
        if not where:
            return self._chance.randrange(len(data))
        near = self._chance.randrange(min(len(data), _NEAR))
        return near if where == 1 else last - near

    def _span(self, data: bytes) -> tuple[int, int]:
        start = self._place(data)
        size = self._chance.choice((1, 2, 4, 8, 64, len(data) // 4 + 1))
        return start, min(len(data), start + size)

    def _flipped(self, data: bytes) -> tuple[str, bytes]:
        at, bit = self._place(data), self._chance.randrange(8)
        flipped = bytearray(data)
        flipped[at] ^= 1 << bit
        return f"with bit {bit} of byte {at} flipped", bytes(flipped)

    def _set(self, data: bytes) -> tuple[str, bytes]:
        at, value = self._place(data), self._chance.choice(_TELLING)
        return f"with byte {at} set to {value}", data[:at] + bytes([value]) + data[at + 1 :]

    def _removed(self, data: bytes) -> tuple[str, bytes]:
        start, stop = self._span(data)
        return f"without bytes {start} to {stop}", data[:start] + data[stop:]

    def _doubled(self, data: bytes) -> tuple[str, bytes]:
        start, stop = self._span(data)
        return f"with bytes {start} to {stop} twice", data[:stop] + data[start:]

    def _blanked(self, data: bytes) -> tuple[str, bytes]:
        start, stop = self._span(data)
        fill = self._chance.choice((b"\x00", b"\xff", b"\x7f"))
        blank = fill * (stop - start)
        what = f"with bytes {start} to {stop} set to {fill!r}"
        return what, data[:start] + blank + data[stop:]

    def _grafted(self, data: bytes) -> tuple[str, bytes]:
        start, stop = self._span(data)
        other = self._chance.choice(self._others) if self._others else data
        place = self._chance.randrange(max(len(other), 1))
        part = other[place : place + stop - start]
        return f"with other bytes in place of {start} to {stop}", data[:start] + part + data[stop:]

    def _exchanged(self, data: bytes) -> tuple[str, bytes]:
        first, middle = self._span(data)
        size = min(middle - first, len(data) - middle)
        last = self._chance.randrange(middle, len(data) - size + 1)
        moved = data[last : last + size] + data[first + size : last] + data[first : first + size]
        what = f"with bytes {first} to {first + size} and those from {last} exchanged"
        return what, data[:first] + moved + data[last + size :]
