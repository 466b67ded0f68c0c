"""What fixtures/README.md says of the samples of text."""

from __future__ import annotations

from pathlib import Path

import pytest

import arrowsmith
from arrowsmith.errors import DataError

FOLDER = Path(__file__).parent.parent / "fixtures"


def test_notes_are_those_of_python() -> None:
    table = arrowsmith.open(FOLDER / "notes.txt").to_table()
    whole = (FOLDER / "notes.txt").read_bytes().decode()
    found = table["text"].to_pylist()
    assert found == [line.removesuffix("\r") for line in whole.split("\n")]
    assert len(found) == 120
    assert found[20] == "a NUL \0 and a CR \r within"
    assert len(found[40]) == 1_500
    assert found[-1] == "the end"
    assert "" in found


def test_wide_notes_are_the_same() -> None:
    wide = arrowsmith.open(FOLDER / "notes-wide.txt").select("text", "line").to_table()
    assert wide.equals(arrowsmith.open(FOLDER / "notes.txt").select("text", "line").to_table())


def test_damaged_notes() -> None:
    path = FOLDER / "notes-damaged.txt"
    with pytest.raises(DataError, match="line 7, "):
        arrowsmith.open(path).to_table()
    table = arrowsmith.open(path, on_error="skip").to_table()
    assert table["line"].to_pylist() == [n for n in range(1, 21) if n not in (7, 12, 17)]


def test_page() -> None:
    (page,) = arrowsmith.open(FOLDER / "page.markdown", unit="documents").to_table().to_pylist()
    assert (page["version"], page["harbour"], page["draft"]) == ("1.10", "007", False)
    assert page["published"].isoformat() == "2024-02-03"


def test_crawl() -> None:
    rows = arrowsmith.open(FOLDER / "crawl.warc.gz").to_table().to_pylist()
    html = "<p>Hochwasser, grüß dich</p>"
    texts = [html, html, html, "Hochwasser", None, "Hochwasser um sechs"]
    assert [row["text"] for row in rows] == texts
    assert [row["status"] for row in rows] == [200, 200, 404, 200, 200, None]
    assert [row["charset"] for row in rows[:2]] == ["utf-8", "cp1252"]
