"""The page of the format tells of its options and no others; the sample files are as they say."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

import arrowsmith
from arrowsmith.catalog import get_catalog
from arrowsmith.errors import DataError

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "formats" / "tfrecord.md").read_text(encoding="utf-8")
FIXTURES = ROOT / "fixtures"


def told(part: str) -> set[str]:
    tables = re.findall(r"^\| option \|.*\n\|[-|]+\|\n((?:\|.*\n)*)", part, re.MULTILINE)
    return {name for rows in tables for name in re.findall(r"^\| `(\w+)` \|", rows, re.MULTILINE)}


def test_options_of_the_page_are_those_of_the_format() -> None:
    reading, writing = PAGE.split("\n## Writing\n")
    catalog = get_catalog()
    reader, sink = catalog.reader("tfrecord"), catalog.sink("tfrecord")
    assert told(reading) == {field.name for field in dataclasses.fields(reader.options)}
    assert told(writing) == {field.name for field in dataclasses.fields(sink.options)}


def test_flowers_are_as_the_readme_says() -> None:
    table = arrowsmith.open(FIXTURES / "flowers.tfrecord").to_table()
    rows = table.to_pylist()
    assert [row["id"] for row in rows] == [number - 5 for number in range(80)]
    assert [n for n, row in enumerate(rows) if row["weight"] is None] == list(range(0, 80, 9))
    assert {len(row["seen"]) for row in rows} == {1, 2, 3}
    assert str(table.schema.field("petals").type) == "list<item: float>"


def test_clips_are_as_the_readme_says() -> None:
    rows = arrowsmith.open(FIXTURES / "clips.tfrecord.gz").to_table().to_pylist()
    assert [row["clip"] for row in rows] == list(range(30))
    assert [len(row["frames"]) for row in rows] == [n % 5 for n in range(30)]
    assert {len(step) for row in rows for step in row["frames"]} == {3}
    assert [len(row["words"]) for row in rows] == [n % 3 for n in range(30)]


def test_damaged_records_are_as_the_readme_says() -> None:
    path = FIXTURES / "damaged.tfrecord"
    with pytest.raises(DataError, match=r"int64_list in record 0 .* float_list in record 14"):
        arrowsmith.open(path).to_table()
    ds = arrowsmith.open(path, features={"id": "int64", "name": "string"}, on_error="skip")
    ids = ds.to_table()["id"].to_pylist()
    assert ids == [n for n in range(18) if n not in (5, 9, 14)]
