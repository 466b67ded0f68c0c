"""The short way to the features of records that are alike, and the sum of a run's checksums.

Where the short way gives columns, the long way gives the same; and whether a run's payloads are
sound is the same whether asked of all together or of each.
"""

from __future__ import annotations

import random
import struct
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_tfrecord_damage import damaged
from tfrecord_examples import (
    as_read,
    by_hand,
    entry,
    example,
    floats,
    frame,
    ints,
    masked,
    texts,
)

from arrowsmith_tfrecord.crc import length_crcs, payload_crcs, wrong_payloads
from arrowsmith_tfrecord.decode import Layout, decode
from arrowsmith_tfrecord.kinds import given_columns
from arrowsmith_tfrecord.regular import in_order
from arrowsmith_tfrecord.wire import PAD, Octets

TYPES = {
    "id": "int64",
    "vector": "float32[]",
    "a name that is longer than two words": "binary",
    "tags": "int64[]",
    "words": "binary[]",
    "score": "float32",
}
NAMES = list(TYPES)


def layout(wanted: list[str] = NAMES) -> Layout:
    columns = given_columns({name: TYPES[name] for name in wanted}, sequence=False)
    schema = pa.schema([pa.field(column.name, column.type) for column in columns])
    keys = [(False, name) for name in NAMES]
    return Layout.of(columns, keys, schema, usual=keys, sequence=False, strict=True)


def laid(payloads: list[bytes]) -> tuple[Octets, np.ndarray, np.ndarray]:
    stops = np.cumsum([len(one) for one in payloads])
    starts = stops - [len(one) for one in payloads]
    return Octets(bytearray(b"".join(payloads) + bytes(PAD))), starts, stops


def written(row: dict[str, list], *, packed: bool = True) -> bytes:
    """An Example with its features in the usual order."""
    write = {
        "i": lambda values: ints(*values, packed=packed),
        "f": lambda values: floats(*values, packed=packed),
        "b": lambda values: texts(*values),
    }
    return by_hand(
        *(entry(name, write[TYPES[name][0]](row[name])) for name in NAMES if name in row)
    )


def rows(count: int, chance: random.Random) -> list[bytes]:
    some = []
    for number in range(count):
        row = {
            "id": [chance.choice((number, -1, 1 << 40, 127, 128, 2**63 - 1))],
            "vector": [number / 4] * chance.choice((0, 3, 40)),
            NAMES[2]: [b"x" * chance.choice((0, 5, 130, 20_000))],
            "tags": [chance.randrange(1 << 20) for _ in range(chance.randrange(60))],
            "words": [b"w" * chance.randrange(200) for _ in range(chance.randrange(3))],
            "score": [0.5],
        }
        for name in NAMES:
            if chance.random() < 0.1:
                del row[name]
        some.append(written(row, packed=chance.random() < 0.5))
    return some


def test_records_in_order_are_read_the_short_way_as_the_reference_reads_them() -> None:
    payloads = [one for one in rows(300, random.Random(1)) if one]
    octets, starts, stops = laid(payloads)
    plan = layout()
    assert in_order(octets, starts, stops, plan.due) is not None
    batch = decode(octets, starts, stops, plan).batch
    assert batch is not None
    for got, payload in zip(batch.to_pylist(), payloads, strict=True):
        wanted = as_read(payload)
        single = {name for name, kind in TYPES.items() if "[" not in kind}
        assert got == {
            name: wanted[name][0] if name in single and name in wanted else wanted.get(name)
            for name in NAMES
        }


def test_few_columns_are_read_the_short_way() -> None:
    payloads = [one for one in rows(100, random.Random(2)) if one]
    octets, starts, stops = laid(payloads)
    whole = decode(octets, starts, stops, layout()).batch
    part = decode(octets, starts, stops, layout(["score", "tags"])).batch
    assert whole is not None
    assert part is not None
    assert part.equals(whole.select(["score", "tags"]))


@pytest.mark.parametrize(
    "odd",
    [
        b"",
        by_hand(entry("score", floats(1.0)), entry("id", ints(1))),  # another order
        by_hand(entry("id", ints(1)), entry("id", ints(2))),  # twice
        by_hand(entry("id", ints(1))) + by_hand(entry("score", floats(1.0))),  # two maps
        by_hand(entry("id", b"")),  # without a kind
        by_hand(entry("other", ints(1))),
        by_hand(entry("tags", texts(b"a"))),  # another kind
        by_hand(entry("id", ints(1)) + b"\x18\x01"),  # an unknown field
        example({"words": [b"x" * (1 << 21)]}),  # a length of four bytes
    ],
)
def test_what_is_not_in_order_is_left_to_the_long_way(odd: bytes) -> None:
    alike = rows(100, random.Random(3))
    for payloads in ([odd], [*alike, odd], [odd, *alike]):
        octets, starts, stops = laid([*payloads])
        assert in_order(octets, starts, stops, layout().due) is None


@pytest.mark.parametrize("seed", range(4))
def test_both_ways_agree_on_damaged_records(seed: int) -> None:
    chance = random.Random(seed)
    short, long = layout(), replace(layout(), due=())
    taken = 0
    for _ in range(600):
        sound = [one for one in rows(2, chance) if one]
        octets, starts, stops = laid([*sound, damaged(chance.choice(sound or [b""]), chance)])
        one = decode(octets, starts, stops, short)
        other = decode(octets, starts, stops, long)
        assert (one.batch is None) == (other.batch is None)
        taken += in_order(octets, starts, stops, short.due) is not None
        if one.batch is not None:
            assert other.batch is not None
            assert repr(one.batch.to_pylist()) == repr(other.batch.to_pylist())
    assert taken > 20  # flips within values


# --- checksums -----------------------------------------------------------------------------------


def framed(payloads: list[bytes]) -> tuple[bytearray, np.ndarray, np.ndarray]:
    lengths = np.array([len(one) for one in payloads])
    stops = np.cumsum(lengths + 16) - 4
    return bytearray(b"".join(map(frame, payloads)) + bytes(PAD)), stops - lengths, stops


@settings(deadline=None, max_examples=20)
@given(st.integers(501, 900), st.sampled_from([0, 3, 200, 9000]), st.integers(0, 1 << 32))
def test_wrong_checksums_are_found_among_many(count: int, most: int, seed: int) -> None:
    chance = random.Random(seed)
    payloads = [chance.randbytes(chance.randrange(most + 1)) for _ in range(count)]
    data, starts, stops = framed(payloads)
    with memoryview(data) as view:
        assert not wrong_payloads(view, starts, stops).any()
        broken = {chance.randrange(count) for _ in range(chance.randrange(1, 4))}
        for record in broken:
            view[chance.randrange(int(starts[record]), int(stops[record]) + 4)] ^= 1 << (
                chance.randrange(8)
            )
        wrong = wrong_payloads(view, starts, stops)
    assert set(np.flatnonzero(wrong).tolist()) == broken


def test_sums_reach_over_megabytes_between_records() -> None:
    payloads = [b"a" * 7, b"b" * (17 << 20), *[b"c"] * 600]
    data, starts, stops = framed(payloads)
    with memoryview(data) as view:
        assert not wrong_payloads(view, starts, stops).any()
        view[int(starts[0])] ^= 1
        assert np.flatnonzero(wrong_payloads(view, starts, stops)).tolist() == [0]


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1), st.lists(st.binary(), min_size=1))
def test_checksums_are_those_of_the_crc32c_package(
    lengths: list[int], payloads: list[bytes]
) -> None:
    found = length_crcs(np.array(lengths, np.int64)).tolist()
    assert [struct.pack("<I", one) for one in found] == [
        masked(struct.pack("<Q", one)) for one in lengths
    ]
    data, starts, stops = framed(payloads)
    with memoryview(data) as view:
        crcs = payload_crcs(view, starts, stops).tolist()
    assert [struct.pack("<I", one) for one in crcs] == [masked(one) for one in payloads]
