"""The contract kit over the plugin's reader and sink."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
from tfrecord_examples import by_hand, entry, example, frame, frames, ints, sequence_example

from arrowsmith.testing import Damaged, ReaderContract, RoundTripContract, SinkContract


def row(n: int) -> dict[str, list[object]]:
    features: dict[str, list[object]] = {
        "id": [n - 3],
        "score": [n / 4],
        "vector": [float(n + k) for k in range(4)],
        "name": [f"item é {n}".encode()],
        "tags": [n * 1000 + k for k in range(n % 4)],
    }
    if n % 5 == 0:
        del features["score"]
    return features


ROWS = 400
EXAMPLES = frames(example(row(n)) for n in range(ROWS))
SEQUENCES = frames(
    sequence_example(
        {"id": [n]},
        {"words": [[b"a" * k, b"b"] for k in range(n % 4)], "marks": [[k] for k in range(n % 3)]},
    )
    for n in range(60)
)
RAW = frames(f"record {n}".encode() for n in range(300))
BAD = bytearray(frames(example(row(n)) for n in range(6)))
BAD[20] ^= 1  # within the first payload


def bounds(data: bytes) -> Iterable[int]:
    at = 0
    while at + 16 <= len(data):
        yield from (at, at + 8, at + 12)
        at += 16 + int.from_bytes(data[at : at + 8], "little")
        yield at - 4


def known_table() -> pa.Table:
    rows = [row(n) for n in range(ROWS)]
    return pa.table(
        {
            "id": pa.array([r["id"][0] for r in rows], pa.int64()),
            "name": pa.array([r["name"][0] for r in rows], pa.binary()),
            "score": pa.array([r.get("score", [None])[0] for r in rows], pa.float32()),
            "tags": pa.array([r["tags"] for r in rows], pa.list_(pa.int64())),
            "vector": pa.array([r["vector"] for r in rows], pa.list_(pa.float32())),
        }
    )


class TestReader(ReaderContract):
    name = "tfrecord"
    samples = {
        "many.tfrecord": EXAMPLES,
        "sequences.tfrecord": SEQUENCES,
        "raw.tfrecords": RAW,
        "train-00000-of-00010": frames([example({"x": [1]})] * 3),
        "zlib.tfrecord": zlib.compress(EXAMPLES),
    }
    damaged = {
        "payload.tfrecord": Damaged(bytes(BAD), bad=1, rows=5),
        "message.tfrecord": Damaged(
            frames([example({"x": [1]}), b"\x0a\x05junk", example({"x": [2]})]), bad=1, rows=2
        ),
        "twice.tfrecord": Damaged(
            frames([by_hand(entry("x", ints(1))), by_hand(entry(b"\xff", ints(2)))]), bad=1, rows=1
        ),
        "cut.tfrecord": Damaged(EXAMPLES[:-3], bad=1, rows=ROWS - 1),
        "length.tfrecord": Damaged(
            frame(example({"x": [1]})) + b"\xff" * 20 + frame(example({"x": [2]})), bad=1, rows=1
        ),
    }

    expected = {"many.tfrecord": known_table(), "train-00000-of-00010": pa.table({"x": [1, 1, 1]})}

    def test_residency_is_as_declared(self, tmp_path: Path) -> None:
        """A zlib stream, which no host peels, is read front to end; all others as declared."""
        self.samples = {n: data for n, data in self.samples.items() if not n.startswith("zlib")}
        super().test_residency_is_as_declared(tmp_path)

    def structural_places(self, data: bytes) -> Iterable[int]:
        return list(bounds(data))[:64] if data[:1] != b"\x78" else []


def table() -> pa.Table:
    rows = 300
    return pa.table(
        {
            "id": pa.array([n - 150 for n in range(rows)], pa.int64()),
            "label": pa.array([None if n % 7 == 0 else n << 40 for n in range(rows)], pa.int64()),
            "score": pa.array(np.arange(rows, dtype=np.float32) / 8),
            "image": pa.array([bytes([n % 256]) * (n % 40) for n in range(rows)], pa.binary()),
            "tags": pa.array([[k << 9 for k in range(n % 4)] for n in range(rows)]),
            "words": pa.array(
                [None if n % 5 == 1 else [b"w" * k for k in range(n % 3)] for n in range(rows)],
                pa.list_(pa.binary()),
            ),
            "vector": pa.array(
                [[n + k / 2 for k in range(3)] for n in range(rows)], pa.list_(pa.float32(), 3)
            ),
        }
    )


TYPES = {
    "id": "int64",
    "label": "int64",
    "score": "float32",
    "image": "binary",
    "tags": "int64[]",
    "words": "binary[]",
    "vector": "float32[3]",
}


class TestSink(SinkContract):
    name = "tfrecord"
    table = table()


class TestRoundTrip(RoundTripContract):
    name = "tfrecord"
    table = table()
    read_options = {"features": TYPES}


class TestRawRoundTrip(RoundTripContract):
    name = "tfrecord"
    table = pa.table(
        [pa.array([b"x" * n for n in range(300)])],
        schema=pa.schema([pa.field("record", pa.binary(), nullable=False)]),
    )
    write_options = {"payload": "raw"}
    read_options = {"payload": "raw"}
