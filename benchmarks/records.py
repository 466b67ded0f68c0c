"""TFRecord inputs, put together byte by byte, so that they owe nothing to any reader or writer."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from crc32c import crc32c

EXAMPLES = 500_000
IMAGES = 20_000
LONG = "/with_a_rather_long_name_of_a_feature"


class Tally:
    """What was written: the facts that a contestant has to find."""

    def __init__(self) -> None:
        self.rows = self.integers = self.total = self.floats = self.texts = self.size = 0

    def facts(self) -> dict[str, Any]:
        """In the form of `checks.Facts`: the values of all features by their kind."""
        return {
            "rows": self.rows,
            "columns": {
                "int64": {"count": self.integers, "sum": self.total},
                "float": {"count": self.floats},
                "bytes": {"count": self.texts, "bytes": self.size},
            },
        }


def _masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _framed(payload: bytes) -> bytes:
    length = struct.pack("<Q", len(payload))
    return length + _masked(length) + payload + _masked(payload)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _field(tag: int, data: bytes) -> bytes:
    return bytes([tag]) + _varint(len(data)) + data


class Maker:
    """Makes features and counts them. `awkward`: lists not packed, long names, features missing
    and in any order."""

    def __init__(self, tally: Tally, *, awkward: bool) -> None:
        self._tally = tally
        self._rng = random.Random(2 if awkward else 1)
        self._awkward = awkward
        self._reals = [
            [struct.pack("<f", self._rng.random()) for _ in range(16)] for _ in range(256)
        ]

    def _list(self, tag: int, values: Iterable[bytes], bare: bytes) -> bytes:
        """Numbers packed, or with a tag of their own before each."""
        if self._awkward:
            return _field(tag, b"".join(bare + value for value in values))
        return _field(tag, _field(0x0A, b"".join(values)))

    def integers(self, values: list[int]) -> bytes:
        self._tally.integers += len(values)
        self._tally.total += sum(values)
        if not values:
            return _field(0x1A, b"")
        return self._list(0x1A, map(_varint, values), b"\x08")

    def floats(self, number: int, length: int) -> bytes:
        self._tally.floats += length
        return self._list(0x12, self._reals[number % 256][:length], b"\x0d")

    def text(self, value: bytes) -> bytes:
        self._tally.texts += 1
        self._tally.size += len(value)
        return _field(0x0A, _field(0x0A, value))

    def example(self, number: int) -> bytes:
        """A message of five features: an int64, 16 floats, a text, up to 5 int64, a float."""
        rng = self._rng
        makers = {
            "id": lambda: self.integers([number]),
            "embedding": lambda: self.floats(number, 16),
            "name": lambda: self.text(b"item-%d" % number),
            "tags": lambda: self.integers([rng.randrange(1000) for _ in range(rng.randrange(6))]),
            "score": lambda: self.floats(number + 7, 1),
        }
        names = list(makers)
        if self._awkward:
            names = [name for name in names if rng.random() > 0.1]
            rng.shuffle(names)
        entries = (_entry(name + LONG * self._awkward, makers[name]()) for name in names)
        self._tally.rows += 1
        return _field(0x0A, b"".join(entries))


def _entry(name: str, feature: bytes) -> bytes:
    return _field(0x0A, _field(0x0A, name.encode()) + _field(0x12, feature))


def _examples(tally: Tally, *, awkward: bool) -> Iterator[bytes]:
    maker = Maker(tally, awkward=awkward)
    return (maker.example(number) for number in range(EXAMPLES))


def _images(tally: Tally) -> Iterator[bytes]:
    """About 30 KB of noise and a label each."""
    maker, rng = Maker(tally, awkward=False), random.Random(3)
    noise = rng.randbytes(1 << 20)
    for number in range(IMAGES):
        start, size = rng.randrange(1 << 19), rng.randrange(25_000, 35_000)
        image = _entry("image", maker.text(noise[start : start + size]))
        label = _entry("label", maker.integers([number % 10]))
        tally.rows += 1
        yield _field(0x0A, image + label)


def write(name: str, path: Path) -> dict[str, Any]:
    """Write `examples`, `awkward` or `images`; the facts of what was written."""
    tally = Tally()
    payloads = _images(tally) if name == "images" else _examples(tally, awkward=name == "awkward")
    with path.open("wb") as out:
        for payload in payloads:
            out.write(_framed(payload))
    return tally.facts()
