"""Damaged copies of a file: cut short, bits flipped, parts removed, doubled, blanked, exchanged."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence

_SEED = 5
_EDGE = 16  # every length so near to the beginning or end is tried


def mutations(
    data: bytes, others: Sequence[bytes], most: int, places: Iterable[int] = ()
) -> Iterator[tuple[str, bytes]]:
    """What was done, and the bytes; about ``most`` of them, the same in every run.

    Args:
        data: a valid file.
        others: files of the same format, parts of which are put into this one.
        most: how many.
        places: offsets at which the file is cut in any case.

    Example:
        >>> [what for what, _ in mutations(b"ab", [], 4)][0]
        'cut to 1 of 2 bytes'
    """
    if not data:
        return
    lengths = set(range(1, min(_EDGE, len(data))))
    lengths |= set(range(max(1, len(data) - _EDGE), len(data)))
    step = max(1, len(data) // max(most // 8, 1))
    lengths |= set(range(1, len(data), step))
    lengths |= {place for place in places if 0 < place < len(data)}
    for length in sorted(lengths):
        yield f"cut to {length} of {len(data)} bytes", data[:length]
    chance = random.Random(_SEED)
    left = max(most - len(lengths), most // 2)
    for number in range(left):
        if number % 2:
            yield _flipped(data, chance)
        else:
            yield _SPLICES[number // 2 % len(_SPLICES)](data, others, chance)


def _flipped(data: bytes, chance: random.Random) -> tuple[str, bytes]:
    # half of the flips near the ends, where headers and footers are
    near = min(len(data), 256)
    at = chance.choice((chance.randrange(len(data)), chance.randrange(near), -1))
    at = len(data) - 1 - chance.randrange(near) if at < 0 else at
    bit = chance.randrange(8)
    flipped = bytearray(data)
    flipped[at] ^= 1 << bit
    return f"with bit {bit} of byte {at} flipped", bytes(flipped)


def _span(data: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(data))
    return start, min(len(data), start + chance.choice((1, 4, 8, 64, len(data) // 4 + 1)))


def _removed(data: bytes, _: Sequence[bytes], chance: random.Random) -> tuple[str, bytes]:
    start, stop = _span(data, chance)
    return f"without bytes {start} to {stop}", data[:start] + data[stop:]


def _doubled(data: bytes, _: Sequence[bytes], chance: random.Random) -> tuple[str, bytes]:
    start, stop = _span(data, chance)
    return f"with bytes {start} to {stop} twice", data[:stop] + data[start:]


def _blanked(data: bytes, _: Sequence[bytes], chance: random.Random) -> tuple[str, bytes]:
    start, stop = _span(data, chance)
    fill = chance.choice((b"\x00", b"\xff", b"\x7f"))
    return (
        f"with bytes {start} to {stop} set to {fill!r}",
        data[:start] + fill * (stop - start) + data[stop:],
    )


def _grafted(data: bytes, others: Sequence[bytes], chance: random.Random) -> tuple[str, bytes]:
    start, stop = _span(data, chance)
    other = chance.choice(others) if others else data
    place = chance.randrange(max(len(other), 1))
    part = other[place : place + stop - start]
    return f"with other bytes in place of {start} to {stop}", data[:start] + part + data[stop:]


_SPLICES: tuple[Callable[[bytes, Sequence[bytes], random.Random], tuple[str, bytes]], ...] = (
    _removed,
    _doubled,
    _blanked,
    _grafted,
)
