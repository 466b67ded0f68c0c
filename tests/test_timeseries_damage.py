"""Damaged lines and files against a plain parser: what is sound is read, all else is refused."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pyarrow as pa
import pytest

from arrowsmith.catalog import get_catalog
from arrowsmith.errors import ArrowsmithError
from arrowsmith.plugin.protocols import ScanRequest
from arrowsmith.testing.checks import KitContext, opened
from arrowsmith.testing.mutations import mutations
from timeseries_plain import Layout, parse, rows

CASES = 2000

TS = (
    b"@problemName x\n@timeStamps false\n@univariate false\n@dimensions 2\n"
    b"@classLabel true a b\n@data\n"
)
TIMED = TS.replace(b"Stamps false", b"Stamps true")
TSF = (
    b"@relation x\n@attribute series_name string\n@attribute start_timestamp date\n"
    b"@attribute size numeric\n@frequency hourly\n@data\n"
)
ARFF = (
    b"@relation x\n@attribute 'a b' numeric\n@attribute note string\n@attribute c real\n"
    b"@attribute class {yes,'no, not','it\\'s'}\n@data\n"
)
RELATIONAL = (
    b"@relation x\n@attribute r relational\n@attribute a numeric\n@end r\n"
    b"@attribute class {yes,'no, not'}\n@data\n"
)
LABEL = (("label", "text"),)
KINDS: dict[str, tuple[bytes, Layout, list[bytes]]] = {
    "ts": (
        TS,
        Layout("ts", 2, LABEL, ("a", "b")),
        [b"1,2.5,?:3,-4e3,5:a", b"NaN, 7 :.5,6.:b", b":1:a", b"0.1:2,?,3:?", b"inf,-1:2:b"],
    ),
    "timed.ts": (
        TIMED,
        Layout("ts", 2, LABEL, ("a", "b"), timed=True),
        [
            b"(2020-01-01 00:00:00,1),(2020-01-02,2.5):(2020-01-01 00:00:00,?),(2020-01-02,3):a",
            b"(2021-05-01T10:00:00,1) , (2021-05-01T10:00:01,2):(2021-05-01 10:00:01,-4):b",
            b":(2020-02-29 00:00:00,7):a",
        ],
    ),
    "tsf": (
        TSF,
        Layout("tsf", 1, (("series_id", "text"), ("timestamp", "date"), ("size", "number"))),
        [
            b"T1:2019-01-01 00-30-00:3.5:1,2,?,4.25",
            b"\xc3\xa9t\xc3\xa9:2020-02-28:?:-1e-3",
            b"a b:1999-12-31 23-59-59:7:NaN,5,6",
        ],
    ),
    "arff": (
        ARFF,
        Layout(
            "arff",
            1,
            (("note", "text"), ("label", "text")),
            ("yes", "no, not", "it's"),
            False,
            (0, 2),
        ),
        [
            b"1,plain,2.5,yes",
            b"?,'a, b',-3, 'no, not'",
            b'4e2,"it\'s",5,yes',
            b"6,'it\\'s', 7,'it\\'s'",
            b"8,?,NaN,?",
        ],
    ),
    "relational.arff": (
        RELATIONAL,
        Layout("arff", 2, LABEL, ("yes", "no, not")),
        [rb"'1,2,?\n3,4,5',yes", rb'"1.5,-2e1\n3,4" , ' + b"'no, not'", rb"'1\n2',?"],
    ),
    "ucr.tsv": (
        b"",
        Layout("ucr", 1, LABEL),
        [b"1\t0.5\t-2\t?", b"-1\tNaN\t1e-3\t7", b"some class\t4"],
    ),
}
SPLICED = (
    b":",
    b",",
    b"\t",
    b"?",
    b"'",
    b'"',
    b"\\",
    b"(",
    b")",
    b" ",
    b"#",
    b"%",
    b"1e999",
    b"\r",
)


def damaged_lines(lines: list[bytes], count: int) -> list[bytes]:
    """Lines with a byte flipped, bytes cut out, or a mark put in; each within its line."""
    chance = random.Random(11)
    made = []
    for _ in range(count):
        text = bytearray(chance.choice(lines))
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            at = chance.randrange(len(text) + 1)
            way = chance.randrange(4)
            if way == 0 and at < len(text):
                text[at] ^= 1 << chance.randrange(8)
            elif way == 1:
                del text[at : at + chance.choice((1, 1, 2, 5))]
            elif way == 2:
                text[at:at] = chance.choice(SPLICED)
            else:
                other = chance.choice(lines)
                text[at:] = other[chance.randrange(len(other)) :]
            text = bytearray(text.replace(b"\n", b"."))
        made.append(bytes(text))
    return made


def read(path: Path, options: dict[str, object]) -> tuple[pa.Table, int]:
    """The rows, and how many lines were refused."""
    spec = get_catalog().readers()["timeseries"]
    context = KitContext(on_error="skip", memory_limit=256 << 20)
    refused: list = []
    with context.collecting(refused), opened(spec, path, options, context) as reader:
        batches = list(reader.scan(ScanRequest()))
        table = pa.Table.from_batches(batches, schema=reader.schema)
    table.validate(full=True)
    return table, len(refused)


def plain_rows(table: pa.Table, layout: Layout) -> list[tuple]:
    names = [name for name in table.column_names if name == "value" or name.startswith("dim_")]
    said = [name for name, _ in layout.attributes if name != "timestamp"]
    return [
        (tuple(row[name] for name in names), tuple(row[name] for name in said))
        for row in table.to_pylist()
    ]


def comparable(one: object) -> object:
    if isinstance(one, tuple):
        return tuple(map(comparable, one))
    return "nan" if isinstance(one, float) and math.isnan(one) else one


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("range_bytes", [1 << 20, 16])
def test_damaged_lines_are_read_or_refused(tmp_path, name, range_bytes):
    """In two ways: lines together, and each piece by piece since it is longer than a range."""
    head, layout, lines = KINDS[name]
    count = CASES if range_bytes > 16 else CASES // 4
    body = b"\n".join([*lines, *damaged_lines(lines, count)]) + b"\n"
    path = tmp_path / name
    path.write_bytes(head + body)
    wanted = parse(body, layout)
    if layout.kind == "tsf":  # a series without a beginning has no times
        wanted = [
            one if one is None or one.attributes["timestamp"] is not None else None
            for one in wanted
        ]
    kind = {"kind": layout.kind, "range_bytes": range_bytes}
    table, refused = read(path, kind)
    expected = [
        (
            values,
            tuple(s for s, (n, _) in zip(said, layout.attributes, strict=True) if n != "timestamp"),
        )
        for _, _, values, said in rows(wanted, layout)
    ]
    got = plain_rows(table, layout)
    if layout.timed:
        times = [when for _, when, _, _ in rows(wanted, layout)]
        assert table["timestamp"].to_pylist() == times
    assert list(map(comparable, got)) == list(map(comparable, expected))
    assert refused == sum(one is None for one in wanted)
    assert sum(one is not None for one in wanted) > len(lines)
    if layout.kind != "tsf":
        numbers = [number for number, *_ in rows(wanted, layout)]
        assert table["series_id"].to_pylist() == numbers


@pytest.mark.parametrize("name", KINDS)
def test_damaged_files_are_read_or_refused(tmp_path, name):
    """Header and all: bytes flipped, cut out, doubled, and files put together."""
    head, layout, lines = KINDS[name]
    data = head + b"\n".join(lines) + b"\n"
    others = [other + b"\n".join(more) for other, _, more in KINDS.values() if other != head]
    path = tmp_path / name
    for what, damaged in mutations(data, others, 150):
        path.write_bytes(damaged)
        message = ""
        try:
            read(path, {"kind": layout.kind})
        except ArrowsmithError as error:
            message = str(error)
        assert not message or str(path) in message, what
