"""Writing text: one column, a line for each row."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arrowsmith
from arrowsmith.errors import ArrowsmithError, DataError, SchemaMismatch, TargetError

LINES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\ufeff\0"))


def written(folder: Path, columns: dict[str, object], **options: object) -> bytes:
    """The bytes of a text file of the columns."""
    source, target = folder / "rows.parquet", folder / "out.txt"
    pq.write_table(pa.table(columns), source)
    arrowsmith.open(source).write(target, overwrite=True, **options)
    return target.read_bytes()


@settings(max_examples=40, deadline=None)
@given(st.lists(LINES, min_size=1))
def test_lines_come_back(tmp_path_factory: pytest.TempPathFactory, values: list[str]) -> None:
    folder = tmp_path_factory.mktemp("lines")
    assert written(folder, {"text": values}) == "".join(f"{v}\n" for v in values).encode()
    read = arrowsmith.open(folder / "out.txt", format="text", encoding="utf-8").to_table()
    assert read["text"].to_pylist() == values


@pytest.mark.parametrize("value", ["a\nb", "a\r\nb", "a\r", "\n"])
def test_a_line_end_within_a_value_is_never_silent(tmp_path: Path, value: str) -> None:
    with pytest.raises(DataError, match="line end within a value"):
        written(tmp_path, {"text": ["fine", value]})
    assert not (tmp_path / "out.txt").exists()
    escaped = written(tmp_path, {"text": ["\\", value]}, line_breaks="escape")
    wanted = value.replace("\r", "\\r").replace("\n", "\\n")
    assert escaped.decode() == f"\\\\\n{wanted}\n"
    spaced = written(tmp_path, {"text": [value]}, line_breaks="space").decode()
    assert spaced == value.replace("\r\n", " ").replace("\n", " ").replace("\r", " ") + "\n"


def test_nulls(tmp_path: Path) -> None:
    columns = {"text": ["a", None, "b"]}
    with pytest.warns(match="nulls of column 'text' become empty lines"):
        assert written(tmp_path, columns) == b"a\n\nb\n"
    assert written(tmp_path, columns, nulls="skip") == b"a\nb\n"
    with pytest.raises(DataError, match="has a null"):
        written(tmp_path, columns, nulls="error")


def test_the_column(tmp_path: Path) -> None:
    """The one called text, the only one, or the one that is named."""
    assert written(tmp_path, {"other": ["a"]}) == b"a\n"
    two = {"one": ["a"], "two": ["b"], "n": [1]}
    with pytest.raises(SchemaMismatch, match=r"none is called 'text'; .*: one, two"):
        written(tmp_path, two)
    with pytest.raises(SchemaMismatch, match=r"none among 'n' \(int64\), 'x' \(double\)"):
        written(tmp_path, {"n": [1], "x": [0.5]})
    with pytest.warns(match="only column 'two' is written"):
        assert written(tmp_path, two, column="two") == b"b\n"
    with pytest.raises(ArrowsmithError, match="'n' is of type int64, not text"):
        written(tmp_path, two, column="n")
    with pytest.raises(ArrowsmithError, match="no column 'thre'"):
        written(tmp_path, two, column="thre")
    kinds = (pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string()))
    for kind in kinds:
        assert written(tmp_path, {"a": pa.array(["x", "y"]).cast(kind)}) == b"x\ny\n"


def test_lines_are_added(tmp_path: Path) -> None:
    """A last line without an end gets one; UTF-16 is left alone."""
    source, target = tmp_path / "rows.parquet", tmp_path / "out.txt"
    pq.write_table(pa.table({"text": ["new"]}), source)
    target.write_bytes(b"old")
    arrowsmith.open(source).write(target, append=True)
    assert target.read_bytes() == b"old\nnew\n"
    target.write_bytes("\ufeffold".encode("utf-16-le"))
    with pytest.raises(TargetError, match="UTF-16"):
        arrowsmith.open(source).write(target, append=True)
