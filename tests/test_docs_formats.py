"""Each format has a page in docs/formats, which names its options and no others."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from arrowsmith.catalog import get_catalog

ROOT = Path(__file__).parent.parent
OURS = (
    *("arrowsmith.formats.", "arrowsmith_image.", "arrowsmith_tfrecord."),
    "arrowsmith_fastparquet.",
)
SHARED = {"jsonl": "json", "imagefolder": "image"}  # a page that is not called as the format


def pages() -> dict[str, list[str]]:
    """The page that each format of the core has to have, with its formats."""
    catalog = get_catalog()
    found: dict[str, list[str]] = {}
    for name, spec in {**catalog.sinks(), **catalog.readers()}.items():
        if spec.impl.startswith(OURS):
            found.setdefault(SHARED.get(name, name), []).append(name)
    return found


FORMATS = pages()


def text(page: str) -> str:
    return (ROOT / "docs" / "formats" / f"{page}.md").read_text(encoding="utf-8")


def fields(page: str, *sides: str) -> set[str]:
    """The options of a page's readers, or sinks, or both."""
    catalog = get_catalog()
    known = {"reader": catalog.readers(), "sink": catalog.sinks()}
    specs = [known[side][name] for name in FORMATS[page] for side in sides if name in known[side]]
    return {field.name for spec in specs for field in dataclasses.fields(spec.options_class)}


def told(part: str) -> set[str]:
    """The first cells of the tables of options."""
    tables = re.findall(r"^\| option \|.*\n\|[-|]+\|\n((?:\|.*\n)*)", part, re.MULTILINE)
    return {name for rows in tables for name in re.findall(r"^\| `(\w+)` \|", rows, re.MULTILINE)}


def test_every_format_of_the_core_has_a_page():
    plugins = {path.name.split("-", 1)[1] for path in (ROOT / "plugins").glob("arrowsmith-*")}
    there = {path.stem for path in (ROOT / "docs" / "formats").glob("*.md")}
    assert there - plugins == set(FORMATS) - plugins
    assert {"arrow", "csv", "json", "numpy", "parquet"} <= set(FORMATS)


@pytest.mark.parametrize("page", FORMATS)
def test_options_of_the_page_are_those_of_the_format(page):
    reading, writing = text(page).split("\n## Writing\n")
    assert told(reading) == fields(page, "reader")
    assert told(writing) == fields(page, "sink")


@pytest.mark.parametrize("page", FORMATS)
def test_pages_are_linked_and_show_an_example(page):
    assert f"docs/formats/{page}.md" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(r"^```console$", text(page), re.MULTILINE)
