"""What is read, against the reference implementation of protocol buffers."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tfrecord_examples import (
    as_read,
    by_hand,
    entry,
    example,
    floats,
    frame,
    frames,
    ints,
    sequence_example,
    sized,
    texts,
    varint,
)

import arrowsmith
from arrowsmith.errors import (
    CorruptCompression,
    DataError,
    OptionError,
    SchemaConflict,
)

LISTS = {"n": "int64[]", "f": "float32[]", "b": "binary[]"}


def written(folder: Path, payloads: Sequence[bytes], name: str = "a.tfrecord") -> str:
    path = folder / name
    path.write_bytes(frames(payloads))
    return str(path)


def rows(path: str, **options: Any) -> list[dict[str, Any]]:
    return arrowsmith.open(path, format="tfrecord", **options).to_table().to_pylist()


def wanted(payload: bytes, names: Mapping[str, str] = LISTS) -> dict[str, Any]:
    found = as_read(payload)
    return {name: found.get(name) for name in names}


# --- several maps --------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 4, 5, 40])
def test_the_maps_of_one_record_are_merged(tmp_path: Path, count: int) -> None:
    """As for every message that comes twice: what comes later counts, however many records."""
    payload = by_hand(entry("m", ints(1)), entry("n", ints(1))) + by_hand(entry("n", ints(2)))
    plain = by_hand(entry("n", ints(3)), entry("m", ints(4)))
    assert as_read(payload) == {"m": [1], "n": [2]}
    found = rows(written(tmp_path, [payload, plain] * count))
    assert found == [{"m": 1, "n": 2}, {"m": 4, "n": 3}] * count


def test_features_that_are_given_are_of_examples(tmp_path: Path) -> None:
    path = written(tmp_path, [b"plain bytes", b"are no message"])
    assert rows(path) == [{"record": b"plain bytes"}, {"record": b"are no message"}]
    with pytest.raises(DataError, match="is no Example"):
        rows(path, features="n:int64")


# --- one way of writing after another ------------------------------------------------------------

LONG = -(1 << 63)
WAYS = {
    "packed": by_hand(entry("n", ints(1, -1, LONG, 300)), entry("f", floats(1.5, 2.5))),
    "not packed": by_hand(
        entry("n", ints(1, -1, 300, packed=False)), entry("f", floats(1.5, -2.5, packed=False))
    ),
    "empty lists": by_hand(entry("n", ints()), entry("f", sized(0x12, b"")), entry("b", texts())),
    "empty texts": by_hand(entry("b", texts(b"", b"a", b""))),
    "no kind": by_hand(entry("n", b""), entry("f", floats(1.0))),
    "a name twice": by_hand(entry("n", ints(1)), entry("f", floats(1)), entry("n", ints(2, 3))),
    "no features": b"",
    "an empty map": sized(0x0A, b""),
    "two maps": by_hand(entry("n", ints(1))) + by_hand(entry("b", texts(b"x"))),
    "unknown fields": varint(5 << 3)
    + b"\x01"
    + sized(0x0A, sized(0x1A, b"xyz") + entry("n", ints(7)) + varint(9 << 3 | 5) + b"1234")
    + sized(99 << 3 | 2, b"more"),
    "unknown beside a kind": by_hand(entry("n", ints(7) + b"\x20\x05")),
    "a field of 8 bytes": b"\x59" + bytes(8) + by_hand(entry("n", ints(7))),
    "a group": b"\x5b\x08\x01\x5c" + by_hand(entry("n", ints(7))),
    "the value first": by_hand(sized(0x0A, sized(0x12, ints(4)) + sized(0x0A, b"n"))),
    "no value": by_hand(sized(0x0A, sized(0x0A, b"n"))),
    "the name twice in an entry": by_hand(
        sized(0x0A, sized(0x0A, b"q") + sized(0x0A, b"n") + sized(0x12, ints(4)))
    ),
    "two kinds, the last counts": by_hand(entry("n", floats(1.5) + ints(4))),
    "one kind twice": by_hand(entry("n", ints(4) + ints(5))),
    "two packed parts": by_hand(
        entry("n", sized(0x1A, sized(0x0A, b"\x01\x02") + sized(0x0A, b"\x03")))
    ),
    "packed and not": by_hand(entry("n", sized(0x1A, sized(0x0A, b"\x01") + b"\x08\x02"))),
    "floats packed and not": by_hand(
        entry("f", sized(0x12, b"\x0d" + struct.pack("<f", 1) + sized(0x0A, struct.pack("<f", 2))))
    ),
    "a long way to write 1": by_hand(entry("n", sized(0x1A, b"\x0a\x04\x81\x80\x80\x00"))),
    "a long length": b"\x0a\x8c\x80\x80\x00" + entry("n", b"\x1a\x03\x0a\x01\x05"),
    "ten bytes with more than 64 bits": by_hand(
        entry("n", sized(0x1A, sized(0x0A, b"\xff" * 9 + b"\x02")))
    ),
    "unknown within a list": by_hand(entry("b", sized(0x0A, sized(0x0A, b"x") + b"\x10\x05"))),
    "a name beyond ASCII": by_hand(entry("ü", ints(1)), entry("n", ints(2))),
    "long names": by_hand(entry("n" * 300, ints(1)), entry("n", ints(2)), entry("", ints(3))),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_of_writing_is_read_as_the_reference_reads_it(tmp_path: Path, way: str) -> None:
    usual = by_hand(entry("n", ints(5)), entry("f", floats(0.5)), entry("b", texts(b"t")))
    payloads = [usual, WAYS[way], usual]
    got = rows(written(tmp_path, payloads), features=LISTS, payload="example")
    assert got == [wanted(payload) for payload in payloads]


def test_all_ways_in_one_file_and_more_of_them_than_a_cursor_is_worth(tmp_path: Path) -> None:
    payloads = list(WAYS.values()) * 7
    got = rows(written(tmp_path, payloads), features=LISTS, payload="example")
    assert got == [wanted(payload) for payload in payloads]


BAD = {
    "a varint of eleven bytes": by_hand(entry("n", sized(0x1A, sized(0x0A, b"\x80" * 10 + b"\0")))),
    "a varint that is cut off": by_hand(entry("n", sized(0x1A, sized(0x0A, b"\x01\x80")))),
    "half a float": by_hand(entry("f", sized(0x12, sized(0x0A, b"123456")))),
    "a length beyond its message": b"\x0a\x7f" + entry("n", ints(1)),
    "a huge length": b"\x0a\xff\xff\xff\xff\x07",
    "field 0": b"\x00\x00",
    "a tag alone": b"\x0a",
    "an open group": b"\x5b\x08\x01",
    "the end of no group": b"\x5c",
    "a name that is no UTF-8": by_hand(entry(b"\xff\xfe", ints(1))),
}


@pytest.mark.parametrize("way", BAD)
def test_what_the_reference_refuses_is_a_bad_record(tmp_path: Path, way: str) -> None:
    good = example({"n": [1]})
    path = written(tmp_path, [good, BAD[way], good])
    with pytest.raises(Exception):  # noqa: B017 - DecodeError, of whichever implementation
        as_read(BAD[way])
    with pytest.raises(DataError, match=f"record 1, byte {len(frame(good))}: is no Example"):
        rows(path, features=LISTS, payload="example")
    assert len(rows(path, features=LISTS, payload="example", on_error="skip")) == 2


# --- any Example ---------------------------------------------------------------------------------

NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 300)
SINGLES = st.floats(width=32, allow_nan=False)
MANY = st.lists(NUMBERS, max_size=9)
MANY_SINGLES = st.lists(SINGLES, max_size=9)
OTHERS = st.text(max_size=40).filter(lambda name: name not in LISTS)
FEATURES = st.one_of(
    st.builds(lambda v, p: ("n", ints(*v, packed=p)), st.lists(NUMBERS, max_size=9), st.booleans()),
    st.builds(
        lambda v, p: ("f", floats(*v, packed=p)), st.lists(SINGLES, max_size=9), st.booleans()
    ),
    st.builds(lambda v: ("b", texts(*v)), st.lists(st.binary(max_size=200), max_size=9)),
    st.builds(
        lambda n, v: (n, ints(v)), st.text(max_size=40).filter(LISTS.keys().isdisjoint), NUMBERS
    ),
).filter(lambda pair: pair[0] in LISTS or pair[0] not in "nfb")
UNKNOWN = st.builds(lambda n, d: sized(n << 3 | 2, d), st.integers(3, 2**20), st.binary(max_size=9))
EXAMPLES = st.builds(
    lambda pairs, before, behind: before + by_hand(*(entry(*pair) for pair in pairs)) + behind,
    st.lists(FEATURES, max_size=6),
    UNKNOWN | st.just(b""),
    UNKNOWN | st.just(b""),
)


@settings(deadline=None, max_examples=60)
@given(payloads=st.lists(EXAMPLES, min_size=1, max_size=30))
def test_any_example_is_read_as_the_reference_reads_it(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes]
) -> None:
    path = written(tmp_path_factory.mktemp("any"), payloads)
    got = rows(path, features=LISTS, payload="example")
    assert got == [wanted(payload) for payload in payloads]


STEPS = st.lists(st.lists(NUMBERS, max_size=4), max_size=5)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(NUMBERS, STEPS, STEPS), min_size=1, max_size=20))
def test_any_sequence_example_is_read_as_the_reference_reads_it(
    tmp_path_factory: pytest.TempPathFactory, given_rows: list[Any]
) -> None:
    payloads = [sequence_example({"n": [n]}, {"s": s, "t": t}) for n, s, t in given_rows]
    path = written(tmp_path_factory.mktemp("any"), payloads)
    features = {"n": "int64[]", "s": "int64[][]", "t": "int64[][]"}
    got = rows(path, features=features, payload="sequence")
    read = [as_read(payload, sequence=True) for payload in payloads]
    assert got == [{name: one.get(name) for name in features} for one in read]


# --- the schema ----------------------------------------------------------------------------------


def test_schema_comes_from_the_records(tmp_path: Path) -> None:
    first = {"id": [1], "pair": [1.5, 2.5], "name": [b"a"], "some": [1, 2]}
    path = written(tmp_path, [example(first), example({"some": [1], "late": [2.0]})])
    schema = arrowsmith.open(path).schema
    types = {field.name: str(field.type) for field in schema}
    assert types == {
        "id": "int64",
        "name": "binary",
        "pair": "list<item: float>",
        "some": "list<item: int64>",
        "late": "float",
    }
    fixed = arrowsmith.open(path, fixed_lists=True).schema
    assert fixed.field("pair").type == pa.list_(pa.float32(), 2)
    assert fixed.field("some").type == pa.list_(pa.int64())


def test_a_feature_of_two_kinds_shows_both_records(tmp_path: Path) -> None:
    payloads = [example({"x": [1]}), example({"x": [2]}), example({"x": [1.5]})]
    path = written(tmp_path, payloads)
    second = len(frames(payloads[:2]))
    told = rf"int64_list in record 0 \(byte 0\), float_list in record 2 \(byte {second}\)"
    with pytest.raises(DataError, match=told):
        rows(path)
    with pytest.raises(DataError, match=told):  # behind the sample
        rows(path, sample_bytes=16)
    assert rows(path, features={"x": "int64"}, on_error="skip") == [{"x": 1}, {"x": 2}]


LATE = {
    "a list": ({"x": [1, 2]}, "x", "list<item: int64>", "has 2 values, not 1"),
    "no value": ({"x": []}, "x", "list<item: int64>", "has 0 values, not 1"),
    "a new feature": ({"x": [1], "y": [b"z"]}, "y", "binary", "is not among the features"),
}


@pytest.mark.parametrize("what", LATE)
def test_what_contradicts_the_sample_is_a_conflict_and_widens_a_conversion(
    tmp_path: Path, what: str
) -> None:
    features, name, kind, reason = LATE[what]
    payloads = [example({"x": [n]}) for n in range(2000)]
    payloads[1500] = example(features)
    path = written(tmp_path, payloads)
    place = len(frames(payloads[:1500]))
    with pytest.raises(SchemaConflict, match=f"record 1500, byte {place}: .*{reason}") as caught:
        rows(path, sample_bytes="1KB")
    assert caught.value.column == name
    out = tmp_path / "out.parquet"
    stats = arrowsmith.open(path, sample_bytes="1KB").write(out)
    assert stats.rows_out == 2000
    assert str(arrowsmith.open(out).schema.field(name).type).replace("element", "item") == kind
    full = arrowsmith.open(path, sample_bytes="1KB", infer="full")
    assert str(full.schema.field(name).type) == kind
    assert full.to_table().num_rows == 2000


def test_other_features_are_passed_over_on_request(tmp_path: Path) -> None:
    path = written(tmp_path, [example({"x": [1]})] * 200 + [example({"x": [2], "y": [3]})])
    got = rows(path, sample_bytes="1KB", unknown_features="ignore")
    assert got == [{"x": 1}] * 200 + [{"x": 2}]


def test_features_are_given_and_records_that_do_not_fit_are_bad(tmp_path: Path) -> None:
    good = {"n": [1], "t": [b"caf\xc3\xa9"], "v": [1.0, 2.0], "other": [5]}
    bad = [
        {**good, "n": [1.0]},
        {**good, "t": [b"caf\xe9"]},
        {**good, "v": [1.0]},
        {**good, "n": []},
    ]
    path = written(tmp_path, [example(one) for one in (good, *bad, good)])
    rejects = tmp_path / "bad.jsonl"
    features = {"v": "float32[2]", "t": "string", "n": "int64", "missing": "binary"}
    ds = arrowsmith.open(path, features=features, on_error="quarantine", rejects=str(rejects))
    table = ds.to_table()
    row = {"v": [1.0, 2.0], "t": "café", "n": 1, "missing": None}
    assert table.to_pylist() == [row, row]
    assert table.schema.field("v").type == pa.list_(pa.float32(), 2)
    told = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [(one["record"], one["column"]) for one in told] == [
        (1, "n"), (2, "t"), (3, "v"), (4, "n")
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["int32", "int64[", "float32[0]", "binary[x]", "int64[][]"])
def test_types_that_there_are_not_are_told(tmp_path: Path, kind: str) -> None:
    path = written(tmp_path, [example({"x": [1]})])
    with pytest.raises(OptionError, match="x"):
        rows(path, features={"x": kind})


def test_raw_records_are_read_and_chosen_by_themselves(tmp_path: Path) -> None:
    path = written(tmp_path, [b"one", b"", b"\xff\xfe"])
    assert rows(path) == [{"record": b"one"}, {"record": b""}, {"record": b"\xff\xfe"}]
    path = written(tmp_path, [example({"x": [1]})])
    assert rows(path, payload="raw") == [{"record": example({"x": [1]})}]


def test_feature_lists_are_nested_and_named_apart_from_features(tmp_path: Path) -> None:
    payload = sequence_example({"x": [1], "id": [7]}, {"x": [[1, 2], []], "words": [[b"a"]]})
    path = written(tmp_path, [payload, sequence_example({"id": [8]}, {})])
    table = arrowsmith.open(path).to_table()
    assert table.to_pylist() == [
        {"id": 7, "x": 1, "feature_lists/x": [[1, 2], []], "words": [[b"a"]]},
        {"id": 8, "x": None, "feature_lists/x": None, "words": None},
    ]
    assert table.schema.field("words").type == pa.list_(pa.list_(pa.binary()))


# --- files ---------------------------------------------------------------------------------------


def test_compressed_files_and_shards(tmp_path: Path) -> None:
    payloads = [example({"x": [n]}) for n in range(500)]
    data = frames(payloads)
    (tmp_path / "train-00000-of-00003").write_bytes(data)
    (tmp_path / "train-00001-of-00003").write_bytes(gzip.compress(data))
    (tmp_path / "train-00002-of-00003").write_bytes(zlib.compress(data))
    ds = arrowsmith.open(str(tmp_path / "train-*"))
    assert ds.to_table()["x"].to_pylist() == list(range(500)) * 3


def test_zlib_stream_that_is_cut_or_damaged_is_an_error(tmp_path: Path) -> None:
    packed = zlib.compress(frames(example({"x": [n]}) for n in range(5000)))
    path = tmp_path / "a.tfrecord"
    for data in (packed[:-1], packed[: len(packed) // 2], packed[:-4] + b"\0\0\0\0"):
        path.write_bytes(data)
        with pytest.raises(CorruptCompression):
            rows(str(path))


def test_checksums_may_be_left_unchecked(tmp_path: Path) -> None:
    data = bytearray(frames([example({"x": [1]})] * 3))
    size = len(data) // 3
    data[size - 1] ^= 1
    data[size + 8] ^= 1
    path = tmp_path / "a.tfrecord"
    path.write_bytes(data)
    with pytest.raises(DataError, match="record 0, byte 0: the checksum of the record"):
        rows(str(path))
    data[size - 1] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=f"record 1, byte {size}: the checksum of the record's len"):
        rows(str(path))
    assert rows(str(path), verify=False) == [{"x": 1}] * 3
