"""Footers: what is taken apart and put together again is what pyarrow reads."""

from __future__ import annotations

import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from arrowsmith.formats.parquet.footer import footer_bytes, join_prefix, parse_footer
from arrowsmith.formats.parquet.thrift import (
    BINARY,
    FALSE,
    I16,
    LIST,
    MAP,
    STRUCT,
    Cursor,
    ThriftError,
    list_header,
    varint,
    zigzag,
)


def small_file(start: int, rows: int, **options: object) -> bytes:
    table = pa.table(
        {
            "x": pa.array(range(start, start + rows)),
            "s": [f"{i % 3}" for i in range(rows)],
            "l": [[i] * (i % 4) for i in range(rows)],
        },
        metadata={"key": "value"},
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **options)
    return sink.getvalue().to_pybytes()


def joined(files: list[bytes]) -> bytes:
    body, groups, rows, first = b"PAR1", [], 0, None
    for file in files:
        start, footer = footer_bytes(memoryview(file))
        parsed = parse_footer(footer)
        first = first or parsed
        groups += [
            group.placed(len(body) - 4, len(groups) + i) for i, group in enumerate(parsed.groups)
        ]
        body += file[4:start]
        rows += parsed.num_rows
    footer = join_prefix(first, rows, len(groups)) + b"".join(groups) + first.rest
    return body + footer + len(footer).to_bytes(4, "little") + b"PAR1"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"write_page_index": True},
        {"use_dictionary": False, "compression": "zstd"},
        {"row_group_size": 7},
        {"sorting_columns": [pq.SortingColumn(0)], "write_page_checksum": True},
        {"bloom_filter_options": {"x": {"ndv": 100, "fpp": 0.01}}},
    ],
    ids=["plain", "page index", "no dictionary", "many groups", "sorted", "bloom"],
)
def test_files_joined_by_their_footers_read_as_one(options: dict) -> None:
    files = [small_file(1_000 * i, 10 + 10 * i, **options) for i in range(20)]
    whole = pa.BufferReader(joined(files))
    expected = pa.concat_tables(pq.read_table(pa.BufferReader(file)) for file in files)
    assert pq.read_table(whole, page_checksum_verification=True).equals(expected)
    metadata = pq.read_metadata(whole)
    assert metadata.num_rows == expected.num_rows
    assert metadata.metadata[b"key"] == b"value"
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [
        pq.read_metadata(pa.BufferReader(file)).row_group(i).num_rows
        for file in files
        for i in range(pq.read_metadata(pa.BufferReader(file)).num_row_groups)
    ]
    assert pq.read_table(whole, filters=[("x", "=", 19_005)]).num_rows == 1


def test_a_file_joined_alone_is_unchanged() -> None:
    file = small_file(0, 50)
    assert joined([file]) == file


def test_offsets_beyond_32_bits_are_placed() -> None:
    _, footer = footer_bytes(memoryview(small_file(0, 5)))
    parsed = parse_footer(footer)
    moved = join_prefix(parsed, 5, 1) + parsed.groups[0].placed(1 << 40, 0) + parsed.rest
    again = parse_footer(moved)
    for old, new in zip(parsed.groups[0].offsets, again.groups[0].offsets, strict=True):
        # None is the ordinal, 0 an offset that is not there.
        assert new == old if not old else new == old + (1 << 40)


def test_ordinals_count_up_and_those_that_do_not_fit_are_left_zero() -> None:
    _, footer = footer_bytes(memoryview(small_file(0, 5)))
    parsed = parse_footer(footer)
    plain = parsed.groups[0].placed(0, 0)
    # pyarrow writes no ordinal: put one behind the last field, whose number is 6.
    with_ordinal = plain[:-1] + bytes([1 << 4 | I16]) + zigzag(0) + b"\0"
    group = parse_footer(join_prefix(parsed, 5, 1) + with_ordinal + parsed.rest).groups[0]
    assert group.placed(0, 7) == plain[:-1] + bytes([1 << 4 | I16]) + zigzag(7) + b"\0"
    assert group.placed(0, 40_000) == with_ordinal


@pytest.mark.parametrize("value", [0, 1, -1, 63, -64, 64, 300, (1 << 63) - 1, -(1 << 63)])
def test_numbers_come_back(value: int) -> None:
    assert Cursor(zigzag(value)).zigzag() == value
    assert Cursor(varint(abs(value))).varint() == abs(value)


@pytest.mark.parametrize("size", [0, 1, 14, 15, 200])
def test_list_headers_come_back(size: int) -> None:
    cursor = Cursor(list_header(size, STRUCT) + bytes(size))
    assert cursor.list() == (size, STRUCT)


def test_all_kinds_are_walked_over() -> None:
    text = varint(3) + b"abc"
    a_map = varint(2) + bytes([BINARY << 4 | FALSE]) + (text + b"\x02") * 2
    struct = bytes([1 << 4 | MAP]) + a_map + bytes([1 << 4 | BINARY]) + text + b"\x00"
    a_list = list_header(2, STRUCT) + struct * 2
    cursor = Cursor(a_list)
    cursor.skip(LIST)
    assert cursor.at == len(a_list)


def test_damaged_footers_are_errors_and_nothing_else() -> None:
    chance = random.Random(3)
    _, footer = footer_bytes(memoryview(small_file(0, 50, row_group_size=10)))
    refused = 0
    for _ in range(2_000):
        data = bytearray(footer[: chance.randrange(1, len(footer) + 1)])
        for _ in range(chance.randrange(4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            parse_footer(bytes(data))
        except ThriftError:
            refused += 1
    assert refused > 1_000


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"PAR1", "does not end in PAR1"),
        (b"PAR1" + b"\0" * 8, "does not end in PAR1"),
        (b"PAR1" + b"\xff\xff\x00\x00PAR1", "longer than the file"),
    ],
)
def test_files_without_a_footer(data: bytes, says: str) -> None:
    with pytest.raises(ThriftError, match=says):
        footer_bytes(memoryview(data))


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(ThriftError, match="nested too deeply"):
        Cursor(bytes([1 << 4 | STRUCT]) * 1_000).skip(STRUCT)
    with pytest.raises(ThriftError, match="nested too deeply"):
        Cursor(list_header(1, LIST) * 1_000).skip(LIST)
