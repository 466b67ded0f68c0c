"""The inputs of this task, seeded, written once: `python made.py DIR`.

| file              | what                                                                        |
|-------------------|-----------------------------------------------------------------------------|
| examples.tfrecord | 500,000 Examples: an int64, 16 floats, a short text, up to 5 int64, a float |
| awkward.tfrecord  | the same with features missing, names long and shuffled, lists not packed   |
| images.tfrecord   | 20,000 Examples of about 30 KB of bytes and a label                         |

Each contestant (`with_*.py FILE`) decodes all features of all records with both checksums checked,
where it can check them, and prints the rows, the sum of the int64 values and the bytes of texts.
`timed.py DIR` runs them all, each as a whole process.
"""

from __future__ import annotations

import random
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

from crc32c import crc32c

LONG = "/with_a_rather_long_name_of_a_feature"


def masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def framed(payload: bytes) -> bytes:
    length = struct.pack("<Q", len(payload))
    return length + masked(length) + payload + masked(payload)


def varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def field(tag: int, data: bytes) -> bytes:
    return bytes([tag]) + varint(len(data)) + data


def numbers(tag: int, values: Iterable[bytes], bare: bytes) -> bytes:
    """A list of numbers, packed, or with the tag `bare` before each."""
    return field(tag, bare + bare.join(values) if bare else field(0x0A, b"".join(values)))


def examples(*, awkward: bool) -> Iterable[bytes]:
    rng = random.Random(2 if awkward else 1)
    floats = [[struct.pack("<f", rng.random()) for _ in range(16)] for _ in range(256)]
    long = LONG if awkward else ""
    real, whole = (b"\x0d", b"\x08") if awkward else (b"", b"")
    for number in range(500_000):
        some = [varint(rng.randrange(1000)) for _ in range(rng.randrange(6))]
        features = {
            "id": numbers(0x1A, [varint(number)], whole),
            "embedding": numbers(0x12, floats[number % 256], real),
            "name": field(0x0A, field(0x0A, b"item-%d" % number)),
            "tags": numbers(0x1A, some, whole) if some else field(0x1A, b""),
            "score": numbers(0x12, floats[number % 255][:1], real),
        }
        entries = [
            field(0x0A, field(0x0A, (name + long).encode()) + field(0x12, feature))
            for name, feature in features.items()
            if not awkward or rng.random() > 0.1
        ]
        if awkward:
            rng.shuffle(entries)
        yield field(0x0A, b"".join(entries))


def images() -> Iterable[bytes]:
    rng = random.Random(3)
    noise = rng.randbytes(1 << 20)
    for number in range(20_000):
        start, size = rng.randrange(1 << 19), rng.randrange(25_000, 35_000)
        image = field(0x0A, field(0x0A, noise[start : start + size]))
        label = numbers(0x1A, [varint(number % 10)], b"")
        yield field(
            0x0A,
            field(0x0A, field(0x0A, b"image") + field(0x12, image))
            + field(0x0A, field(0x0A, b"label") + field(0x12, label)),
        )


def write_all(folder: Path) -> list[Path]:
    """Write what is not there yet; the files."""
    folder.mkdir(parents=True, exist_ok=True)
    inputs = {
        "examples": examples(awkward=False),
        "awkward": examples(awkward=True),
        "images": images(),
    }
    for name, payloads in inputs.items():
        path = folder / f"{name}.tfrecord"
        if not path.exists():
            hidden = path.with_suffix(".new")
            with hidden.open("wb") as out:
                for payload in payloads:
                    out.write(framed(payload))
            hidden.rename(path)
    return [folder / f"{name}.tfrecord" for name in inputs]


if __name__ == "__main__":
    write_all(Path(sys.argv[1]))
