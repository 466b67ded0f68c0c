"""Masked CRC32C, as TFRecord frames have it.

A checksum is linear: that of a text is the sum of what its parts add, each multiplied by x to the
power of the bits behind it, modulo the polynomial. So eight bytes of lengths go through tables, all
at once; and a whole run of frames is checked by one checksum over all of it, against the one that
it has if each payload's is as its frame says. Only a run that fails is looked at record by record.

Source: RFC 3720, appendix B.4; tensorflow/core/lib/hash/crc32c.h for the mask; Mark Adler's
``crc32_combine`` in zlib for the sums; BearSSL's ``ghash_ctmul64.c`` for products without carries.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from crc32c import crc32c
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Crcs = NDArray[np.uint32]
_Words = NDArray[np.uint64]

_MASK = 0xA282EAD8
_POLYNOMIAL = 0x82F63B78
_ONES = np.uint32(0xFFFFFFFF)
_BETWEEN = 16
"""Bytes between two payloads: a checksum, the next length, its checksum."""
_DIGIT = 12
_FEW = 500  # records, which are sooner looked at one by one


def masked(crcs: Crcs) -> Crcs:
    """The mask over checksums, uint32.

    Example:
        >>> hex(int(masked(np.array([crc32c(bytes(8))], np.uint32))[0]))
        '0x7980329'
    """
    turned: Crcs = (crcs >> np.uint32(15)) | (crcs << np.uint32(17))
    turned += np.uint32(_MASK)
    return turned


def unmasked(crcs: Crcs) -> Crcs:
    """The checksums behind the mask."""
    turned: Crcs = crcs - np.uint32(_MASK)
    return (turned << np.uint32(15)) | (turned >> np.uint32(17))


def masked_crc(data: bytes | memoryview) -> int:
    """The masked checksum of one piece of data."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF


def payload_crcs(view: memoryview, starts: Ints, stops: Ints) -> Crcs:
    """The masked checksums of ``view[start:stop]`` for each pair."""
    pieces = map(view.__getitem__, map(slice, starts.tolist(), stops.tolist()))
    return masked(np.fromiter(map(crc32c, pieces), np.uint32, len(starts)))


def length_crcs(lengths: Ints) -> Crcs:
    """The masked checksums of lengths as frames write them: eight bytes, the lowest first."""
    data = np.ascontiguousarray(lengths, "<i8").view(np.uint8).reshape(-1, 8)
    return masked(_sums(data) ^ np.uint32(crc32c(bytes(8))))


def wrong_payloads(view: memoryview, starts: Ints, stops: Ints) -> NDArray[np.bool_]:
    """Which payloads of frames have another checksum than the four bytes behind them.

    Args:
        view: a buffer in which the frames lie behind one another.
        starts, stops: of the payloads.
    """
    stored = _at(view, "<u4", stops)
    if len(starts) > _FEW and _is_sum(view, starts, stops, unmasked(stored)):
        return np.zeros(len(starts), np.bool_)
    wrong: NDArray[np.bool_] = stored != payload_crcs(view, starts, stops)
    return wrong


def _is_sum(view: memoryview, starts: Ints, stops: Ints, crcs: Crcs) -> bool:
    """Whether the bytes from the first payload to the last have the checksum that follows from
    those of the payloads.

    The checksum of a payload begins and ends with all bits turned. Turning them once more at the
    end, and at the beginning of the next, leaves plain sums; and what a payload adds goes through
    the bytes up to the next like the four bytes that come first of these.
    """
    first, end = int(starts[0]), int(stops[-1])
    between = np.empty((len(starts) - 1, 2), np.uint64)
    between[:, 0] = _at(view, "<u8", stops[:-1]) ^ (crcs[:-1] ^ _ONES)
    between[:, 1] = _at(view, "<u8", stops[:-1] + 8)
    parts = np.full(len(starts), _ONES, np.uint32)
    parts[1:] ^= _sums(between.view(np.uint8).reshape(-1, _BETWEEN))
    expected = _total(parts, end - starts) ^ int(crcs[-1])
    return expected == crc32c(view[first:end], int(_ONES))


def _at(view: memoryview, kind: str, places: Ints) -> NDArray[np.unsignedinteger]:
    width = np.dtype(kind).itemsize
    words = np.ndarray((len(view) - width + 1,), kind, view, strides=(1,))
    found: NDArray[np.unsignedinteger] = words[places]
    return found


def _total(parts: Crcs, behind: Ints) -> int:
    """The sum of parts, each with so many bytes behind it, digit by digit of these numbers.

    Args:
        behind: in falling order, so that those of the same higher digits stand together.
    """
    level = 0
    while True:
        powers = _powers(level)
        whole = _carryless(parts, powers.take(behind & (len(powers) - 1)))
        behind = behind >> _DIGIT
        groups = np.flatnonzero(np.diff(behind, prepend=-1))
        parts, behind = _reduced(np.bitwise_xor.reduceat(whole, groups)), behind[groups]
        if not behind[0]:
            return int(parts[0])
        level += 1


def _carryless(some: Crcs, others: Crcs) -> _Words:
    """Products of polynomials, the coefficient of x^0 in the highest bit.

    Numbers of which only every fourth bit may be set are multiplied as integers: what carries stays
    within the three bits between, and is masked out.
    """
    holes = np.uint64(0x1111111111111111)
    masks = [holes << np.uint64(place) for place in range(4)]
    ones = [some & mask for mask in masks]
    twos = [others & mask for mask in masks]
    whole = np.zeros(len(some), np.uint64)
    for place, mask in enumerate(masks):
        part = ones[0] * twos[place]
        for other in range(1, 4):
            part ^= ones[other] * twos[place - other]
        part &= mask
        whole |= part
    whole <<= np.uint64(1)
    return whole


def _reduced(whole: _Words) -> Crcs:
    """Products modulo the polynomial: their lower half is like four bytes of a text."""
    low = whole.astype("<u4").view(np.uint8).reshape(-1, 4)
    return (whole >> np.uint64(32)).astype(np.uint32) ^ _sums(low)


def _sums(data: NDArray[np.uint8]) -> Crcs:
    """The sums that texts of some bytes add, shape ``(texts, bytes)``."""
    tables = _tables()
    sums = np.zeros(len(data), np.uint32)
    for behind, column in enumerate(np.ascontiguousarray(data.T)[::-1]):
        if column.any():  # the higher bytes of a length are nearly always zero
            sums ^= tables[behind].take(column)
    return sums


@cache
def _tables() -> Crcs:
    """What a byte adds to the checksum that has so many bytes behind it."""
    tables = np.zeros((_BETWEEN, 256), np.uint32)
    tables[0] = np.arange(256)
    for _ in range(8):
        tables[0] = (tables[0] >> 1) ^ (tables[0] & 1) * np.uint32(_POLYNOMIAL)
    for place in range(1, _BETWEEN):
        before = tables[place - 1]
        tables[place] = (before >> 8) ^ tables[0][before & 0xFF]
    return tables


@cache
def _powers(level: int) -> Crcs:
    """x to the power of the bits of 0, 1, 2, ... bytes, times 4096 for each level."""
    powers = np.array([1 << 31], np.uint32)
    step = np.array([1 << 23], np.uint32)
    for _ in range(level * _DIGIT):
        step = _reduced(_carryless(step, step))
    for _ in range(_DIGIT):
        higher = _reduced(_carryless(powers, np.repeat(step, len(powers))))
        powers = np.concatenate([powers, higher])
        step = _reduced(_carryless(step, step))
    return powers
