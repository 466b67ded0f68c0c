"""Masked CRC32C, as TFRecord frames have it.

Payloads go through the crc32c package, one by one; the eight bytes of lengths through tables, all
at once. Source: RFC 3720, appendix B.4, and tensorflow/core/lib/hash/crc32c.h for the mask.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from crc32c import crc32c
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Crcs = NDArray[np.uint32]

_MASK = 0xA282EAD8
_BYTES = 8


def masked(crcs: Crcs) -> Crcs:
    """The mask over checksums, uint32.

    Example:
        >>> hex(int(masked(np.array([crc32c(bytes(8))], np.uint32))[0]))
        '0x7980329'
    """
    turned: Crcs = (crcs >> np.uint32(15)) | (crcs << np.uint32(17))
    turned += np.uint32(_MASK)
    return turned


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
    tables = _tables()
    data = np.ascontiguousarray(lengths, "<i8").view(np.uint8).reshape(-1, _BYTES)
    crcs = np.full(len(lengths), tables[_BYTES, 0], np.uint32)
    for place in range(_BYTES):
        column = data[:, place]
        if place < 4 or column.any():  # the higher bytes of a length are nearly always zero
            crcs ^= tables[place][column]
    return masked(crcs)


@cache
def _tables() -> Crcs:
    """What a byte at each of eight places adds to the checksum; the last row's first is that of
    eight zeros. A checksum is linear in its bits but for that constant."""
    zero = crc32c(bytes(_BYTES))
    tables = np.zeros((_BYTES + 1, 256), np.uint32)
    for place in range(_BYTES):
        for byte in range(256):
            data = bytearray(_BYTES)
            data[place] = byte
            tables[place, byte] = crc32c(data) ^ zero
    tables[_BYTES, 0] = zero
    return tables
