"""Damaged files, judged record by record: what the reference refuses is bad, all else is equal.

Every case is a payload that was cut, flipped or spliced, in a frame whose checksum is right, so
that the decoder sees it; or a file that was, whose frames are then followed by hand.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
from tfrecord_examples import (
    as_read,
    by_hand,
    entry,
    example,
    floats,
    frames,
    ints,
    masked,
    sequence_example,
    sized,
    texts,
)

import arrowsmith
from arrowsmith.errors import ArrowsmithError, DataError
from arrowsmith.testing.peak import peak_since

LISTS = {"n": "int64[]", "f": "float32[]", "b": "binary[]"}
NESTED = {"n": "int64[]", "s": "int64[][]", "t": "binary[][]"}
SOUND = [
    example({"n": [1, -5, 1 << 40], "f": [1.5, 2.5], "b": [b"abc", b"", b"x" * 200]}),
    by_hand(entry("n", ints(7, -7, packed=False)), entry("f", floats(3.0, 4.0, packed=False))),
    by_hand(entry("b", texts(b"one", b"two")), entry("other", ints(1)), entry("n", ints(300))),
    example({"n": [3] * 40, "f": [0.5] * 40}),
]
LISTED = [
    sequence_example({"n": [1]}, {"s": [[1, 2], [], [300]], "t": [[b"a", b"bc"], [b""]]}),
    sequence_example({}, {"s": [], "t": [[b"x" * 150]]}),
]


def damaged(payload: bytes, chance: random.Random) -> bytes:
    data = bytearray(payload)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(data)) if data else 0
        how = chance.randrange(6)
        if how == 0 and data:
            data[at] ^= 1 << chance.randrange(8)
        elif how == 1 and data:
            data[at] = chance.choice((0, 1, 0x0A, 0x0D, 0x12, 0x1A, 0x7F, 0x80, 0xFF))
        elif how == 2:
            del data[at:]
        elif how == 3:
            del data[at : at + chance.randrange(1, 6)]
        elif how == 4:
            data[at:at] = chance.randbytes(chance.randrange(1, 6))
        else:
            data[at:at] = data[chance.randrange(len(data) + 1) :][: chance.randrange(1, 30)]
    return bytes(data)


def judged(payload: bytes, types: dict[str, str], *, sequence: bool) -> dict[str, Any] | None:
    """What the reference reads in columns of these types; None of a bad record."""
    try:
        found = as_read(payload, sequence=sequence)
    except Exception:  # DecodeError, of whichever implementation
        return None
    row: dict[str, Any] = {}
    for name, kind in types.items():
        nested = kind.endswith("[][]")
        values = found.get(name)
        if isinstance(values, list) and values and nested != isinstance(values[0], list):
            values = None
        item = {"int64": int, "float32": float, "binary": bytes}[kind.split("[")[0]]
        flat = [v for one in values or [] for v in (one if nested else [one])]
        if any(not isinstance(value, item) for value in flat):
            return None
        row[name] = values
    return row


def fields(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Tag, value and all bytes of each field with a length; others with an empty value."""
    at = 0
    while at < len(data):
        begin = at
        tag, at = number(data, at)
        size = {0: 0, 1: 8, 5: 4}.get(tag & 7)
        if tag & 7 == 0:
            _, at = number(data, at)
        elif tag & 7 == 2:
            size, at = number(data, at)
        if size is None or at + size > len(data):
            raise ValueError
        yield tag, data[at : at + size] if tag & 7 == 2 else b"", data[begin : at + size]
        at += size


def number(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(10):
        if at + place >= len(data):
            break
        value |= (data[at + place] & 0x7F) << 7 * place
        if data[at + place] < 0x80:
            return value, at + place + 1
    raise ValueError


def asked(payload: bytes, names: Collection[str]) -> bytes:
    """The message without the features that are not asked for, which are not decoded."""
    try:
        kept: list[bytes] = []
        for tag, value, whole in fields(payload):
            if tag not in (0x0A, 0x12):
                kept.append(whole)
                continue
            entries = b"".join(
                one for inner, data, one in fields(value) if inner != 0x0A or is_asked(data, names)
            )
            kept.append(sized(tag, entries))
        return b"".join(kept)
    except ValueError:
        return payload


def is_asked(entry: bytes, names: Collection[str]) -> bool:
    """Whether an entry of the map is of one of these names, or one that must not be read over."""
    parts = sorted((tag, value) for tag, value, _ in fields(entry) if tag in (0x0A, 0x12))
    if [tag for tag, _ in parts] != [0x0A, 0x12]:
        return True
    try:
        return parts[0][1].decode() in names
    except UnicodeDecodeError:
        return True


def same(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)  # NaN is NaN, and -0.0 is not 0.0


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("sequence", [False, True], ids=["example", "sequence"])
def test_damaged_messages_are_read_as_the_reference_reads_them(
    tmp_path: Path, seed: int, sequence: bool
) -> None:
    chance = random.Random(seed)
    sound, types = (LISTED, NESTED) if sequence else (SOUND, LISTS)
    payloads = [damaged(chance.choice(sound), chance) for _ in range(400)]
    # an empty list of another kind says nothing in the reference's values: leave such out
    payloads = [p for p in payloads if not odd_kind(p, types, sequence=sequence)]
    path, rejects = tmp_path / "a.tfrecord", tmp_path / "bad.jsonl"
    path.write_bytes(frames(payloads))
    table = arrowsmith.open(
        str(path),
        format="tfrecord",
        features=types,
        payload="sequence" if sequence else "example",
        on_error="quarantine",
        rejects=str(rejects),
        max_errors=None,
    ).to_table()
    wanted = [judged(asked(one, types), types, sequence=sequence) for one in payloads]
    bad = [json.loads(line)["record"] for line in rejects.read_text().splitlines()]
    assert bad == [n for n, row in enumerate(wanted) if row is None]
    good = [(n, row) for n, row in enumerate(wanted) if row is not None]
    for (number, row), got in zip(good, table.to_pylist(), strict=True):
        assert same(got, row), payloads[number]


def odd_kind(payload: bytes, types: dict[str, str], *, sequence: bool) -> bool:
    """Whether a feature asked for has an empty list of another kind than its type."""
    from tfrecord import example_pb2

    message = (example_pb2.SequenceExample if sequence else example_pb2.Example)()
    try:
        message.ParseFromString(payload)
    except Exception:
        return False
    context = message.context if sequence else message.features
    features = [(name, one) for name, one in context.feature.items()]
    lists = message.feature_lists.feature_list.items() if sequence else []
    features += [(name, one) for name, steps in lists for one in steps.feature]
    kinds = {"int64": "int64_list", "float32": "float_list", "binary": "bytes_list"}
    return any(
        name in types
        and one.WhichOneof("kind") not in (None, kinds[types[name].split("[")[0]])
        and not getattr(one, one.WhichOneof("kind")).value
        for name, one in features
    )


def followed(data: bytes) -> tuple[list[bytes], list[tuple[int, int]]]:
    """The sound payloads of a file, and number and offset of what is wrong."""
    good: list[bytes] = []
    bad: list[tuple[int, int]] = []
    at = number = 0
    while at < len(data):
        header = data[at : at + 12]
        length = int.from_bytes(header[:8], "little")
        whole = len(header) == 12 and masked(header[:8]) == header[8:]
        if not whole or at + 16 + length > len(data):
            return good, [*bad, (number, at)]
        payload = data[at + 12 : at + 12 + length]
        if masked(payload) == data[at + 12 + length : at + 16 + length]:
            good.append(payload)
        else:
            bad.append((number, at))
        at += 16 + length
        number += 1
    return good, bad


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_are_followed_frame_by_frame(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    whole = frames([example({"n": [k]}) for k in range(12)])
    size = len(whole) // 12
    path, rejects = tmp_path / "a.tfrecord", tmp_path / "bad.jsonl"
    for _ in range(100):
        data = damaged(whole, chance)
        if not data:
            continue
        path.write_bytes(data)
        rejects.unlink(missing_ok=True)
        ds = arrowsmith.open(
            str(path), format="tfrecord", features={"n": "int64"}, payload="example",
            range_bytes=chance.choice((16, size, 3 * size, 1 << 20)),
            on_error="quarantine", rejects=str(rejects),
        )  # fmt: skip
        good, bad = followed(data)
        assert ds.to_table()["n"].to_pylist() == [as_read(one)["n"][0] for one in good]
        told = [json.loads(line) for line in rejects.read_text().splitlines()]
        assert [(one["record"], one["offset"]) for one in told] == bad


@pytest.mark.parametrize("length", [1 << 60, (1 << 64) - 1, 1 << 31, 200, 1 << 20])
@pytest.mark.parametrize("verify", [True, False])
def test_lengths_beyond_the_file_are_told_before_memory_is_taken(
    tmp_path: Path, length: int, verify: bool
) -> None:
    good = frames([example({"n": [1]})])
    header = struct.pack("<Q", length)
    path = tmp_path / "a.tfrecord"
    path.write_bytes(good + header + masked(header) + b"payload")
    with pytest.raises(DataError, match=f"record 1, byte {len(good)}: the record is cut off"):
        arrowsmith.open(str(path), verify=verify).to_table()
    kept = arrowsmith.open(str(path), verify=verify, on_error="skip").to_table()
    assert kept.to_pylist() == [{"n": 1}]


def test_record_beyond_the_limit_is_told_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecord"
    path.write_bytes(frames([example({"b": [b"x"]}), example({"b": [b"x" * 5000]})]))
    with pytest.raises(DataError, match=r"record 1, byte \d+: .*max_record_bytes=1000"):
        arrowsmith.open(str(path), max_record_bytes=1000, range_bytes=100).to_table()


@pytest.mark.parametrize("nested", [1000, 100_000])
def test_deep_groups_and_many_features_do_no_harm(tmp_path: Path, nested: int) -> None:
    path = tmp_path / "a.tfrecord"
    path.write_bytes(frames([b"\x5b" * nested, example({"n": [1]})]))
    ds = arrowsmith.open(str(path), payload="example", on_error="skip")
    assert ds.to_table().to_pylist() == [{"n": 1}]
    many = by_hand(*(entry(f"f{n}", ints(n)) for n in range(21_000)))
    path.write_bytes(frames([many]))
    with pytest.raises(ArrowsmithError, match="more than 20000 features"):
        arrowsmith.open(str(path)).to_table()


def test_first_record_that_is_damaged_does_not_make_the_file_raw(tmp_path: Path) -> None:
    data = bytearray(frames([example({"n": [k]}) for k in range(3)]))
    data[14] ^= 1
    path = tmp_path / "a.tfrecord"
    path.write_bytes(data)
    got = arrowsmith.open(str(path), on_error="skip").to_table().to_pylist()
    assert got == [{"n": 1}, {"n": 2}]


def test_one_long_name_among_many_short_ones_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecord"
    long = "n" * 400_000
    many = [by_hand(entry("n", ints(n))) for n in range(30_000)]
    path.write_bytes(frames([by_hand(entry("n", ints(-1)), entry(long, ints(7))), *many]))
    with peak_since() as peak:
        table = arrowsmith.open(str(path)).to_table()
    assert table.schema.names == ["n", long]
    assert table["n"].to_pylist() == list(range(-1, 30_000))
    assert table[long].null_count == 30_000
    assert peak.growth() < 200 << 20
