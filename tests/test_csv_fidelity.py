"""What CSV text becomes gives the text back, or its documented normal form."""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
import re
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arrowsmith.errors import SchemaConflict
from csv_doubles import Run, opened, table

NULL_TOKENS = {"", "NA", "N/A", "null", "NULL", "None", "\\N"}

integers = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.integers(-99, 99).map(str),
    st.sampled_from(["0", "-0", "+5", "007", "-007", "0x1F", " 5", "5 ", " 007", "1_000", "٣"]),
    st.sampled_from([str(2**53), str(2**53 + 1), str(-(2**53) - 1), str(2**63 - 1), str(-(2**63))]),
)
floats = st.one_of(
    st.floats().map(repr),
    st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str),
    st.sampled_from(
        [
            "1.50",
            ".5",
            "5.",
            "-.5",
            "+1.5",
            "007.5",
            "00.5",
            "1e5",
            "1E-5",
            "1e400",
            "-1e400",
            "1e-400",
            "0e0",
            "0.0",
            "-0.0",
            "-0",
            "+.5",
            "inf",
            "-inf",
            "Infinity",
            "nan",
            "NaN",
            "0x1p3",
            "1.5.",
            "e5",
            ".",
            "1e",
            "12345678901234567890.5",
            "-00.1",
        ]
    ),
)
moments = st.one_of(
    st.dates().map(str),
    st.datetimes().map(str),
    st.datetimes().map(lambda at: at.isoformat()),
    st.datetimes().map(lambda at: at.isoformat() + "Z"),
    st.times().map(str),
    st.sampled_from(
        ["2024-02-30", "24:00", "2024-01-01 10:20", "2024-01-01 10:20:30.1234567",
         "2024-01-01T00:00:00+02:00", "1500-01-01 00:00:00.000000001", "20240101", "10:20:30"]
    ),
)  # fmt: skip
words = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=8),
    st.text(",;|\t\"' \r\n-+0a", max_size=6),
    st.sampled_from(["NA", "null", "", "true", "True", "FALSE", "1", "0", '5" pipe', "\\N"]),
)
kinds = [integers, floats, moments, words, st.one_of(integers, floats), st.sampled_from(
    ["true", "false", "True"]
)]  # fmt: skip


@dataclass
class Cell:
    """A text and whether it is quoted; an unquoted empty one is null."""

    text: str
    quoted: bool


@dataclass
class Written:
    """A generated file."""

    text: str
    delimiter: str
    quote: str
    rows: list[list[Cell]]


@st.composite
def files(draw: st.DrawFn) -> Written:
    delimiter = draw(st.sampled_from(",;|\t:"))
    quote = draw(st.sampled_from("\"'~"))
    line_end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    width = draw(st.integers(2, 4))
    columns = [draw(st.sampled_from(kinds)) for _ in range(width)]
    rows = []
    for _ in range(draw(st.integers(1, 12))):
        row = []
        for values in columns:
            text = draw(st.one_of(values, values, values, st.just("")))
            need = any(c in text for c in (delimiter, quote, "\r", "\n"))
            row.append(Cell(text, need or draw(st.booleans())))
        rows.append(row)
    lines = [delimiter.join(f"c{i}" for i in range(width))]
    for row in rows:
        lines.append(delimiter.join(_field(cell, quote) for cell in row))
    text = line_end.join(lines) + draw(st.sampled_from(["", line_end]))
    return Written(text, delimiter, quote, rows)


def _field(cell: Cell, quote: str) -> str:
    return f"{quote}{cell.text.replace(quote, quote * 2)}{quote}" if cell.quoted else cell.text


def _nanoseconds(text: str) -> int:
    """Since 1970, of an ISO date and time with up to nine digits of a second."""
    fraction = re.search(r"\.(\d+)", text)
    at = dt.datetime.fromisoformat(re.sub(r"\.\d+", "", text))
    origin = dt.datetime(1970, 1, 1, tzinfo=dt.UTC if at.tzinfo else None)
    seconds = (at - origin) // dt.timedelta(seconds=1)
    return seconds * 10**9 + int((fraction[1] if fraction else "0").ljust(9, "0"))


def gives_back(value: pa.Scalar, text: str) -> bool:
    """Whether the typed value is the text or a normal form of it."""
    kind = value.type
    if pa.types.is_string(kind):
        return value.as_py() == text
    if not value.is_valid:
        return text in NULL_TOKENS
    if pa.types.is_int64(kind):
        return str(value.as_py()) == text.strip(" \t")
    if pa.types.is_float64(kind):
        return _float_gives_back(value.as_py(), text.strip(" \t"))
    if pa.types.is_boolean(kind):
        return text in ({"true", "True", "TRUE"} if value.as_py() else {"false", "False", "FALSE"})
    if pa.types.is_date(kind):
        return value.as_py().isoformat() == text.strip(" \t")
    if pa.types.is_time(kind):
        return value.as_py() == dt.time.fromisoformat(text.strip(" \t"))
    factor = 1 if kind.unit == "ns" else 1000
    zoned = text.endswith("Z") or re.search(r"[ T].*[+-]", text) is not None
    return zoned == (kind.tz is not None) and value.value * factor == _nanoseconds(text)


def _float_gives_back(value: float, text: str) -> bool:
    if math.isnan(value):
        return text.lower().lstrip("+-") == "nan"
    if math.isinf(value):
        return text.lower().lstrip("+-") in ("inf", "infinity") and value == float(text)
    if re.match(r"[+-]?0\d", text) or (value == 0 and Decimal(text) != 0):
        return False
    if re.fullmatch(r"[+-]?\d+", text):
        return text == "-0" or str(int(value)) == text
    return value == float(text)


def read_all(written: Written, **options: object) -> pa.Table:
    reader = opened(
        written.text, delimiter=written.delimiter, quote=written.quote, header=True, **options
    )
    try:
        return table(reader)
    except SchemaConflict:
        return table(reader.widened())


@given(files(), st.sampled_from([16, 40, 1 << 20]), st.sampled_from([16, 64, 1 << 20]))
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_value_changes(written: Written, range_bytes: int, sample_bytes: int) -> None:
    found = read_all(written, range_bytes=range_bytes, sample_bytes=sample_bytes)
    check(found, written)


@given(files(), st.sampled_from([16, 40, 1 << 20]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_full_inference_never_conflicts(written: Written, range_bytes: int) -> None:
    reader = opened(
        written.text, delimiter=written.delimiter, quote=written.quote, header=True,
        infer="full", range_bytes=range_bytes, sample_bytes=32,
    )  # fmt: skip
    check(table(reader), written)


@given(files(), st.sampled_from([16, 40, 1 << 20]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_text_is_what_the_csv_module_reads(written: Written, range_bytes: int) -> None:
    found = read_all(written, infer="none", range_bytes=range_bytes)
    rows = [["" if v is None else v for v in row.values()] for row in found.to_pylist()]
    judge = csv.reader(
        io.StringIO(written.text, newline=""),
        delimiter=written.delimiter,
        quotechar=written.quote,
        strict=True,
    )
    assert rows == [row for row in judge if row][1:]
    check(found, written)


def check(found: pa.Table, written: Written) -> None:
    assert found.num_rows == len(written.rows)
    for place, column in enumerate(found.columns):
        for row, value in zip(written.rows, column, strict=True):
            cell = row[place]
            if not cell.text and not cell.quoted:
                assert not value.is_valid
            else:
                assert gives_back(value, cell.text), (found.schema.types[place], value, cell)


@pytest.mark.parametrize(
    ("late", "kind"),
    [
        ("007", "string"),
        ("0x1F", "string"),
        ("-0", "double"),
        ("+5", "string"),
        ("99999999999999999999", "string"),
        ("9007199254740993", "int64"),
        ("1.5", "double"),
        ("1e400", "string"),
        ("1e-400", "string"),
        (" 5", "int64"),
        ('"05"', "string"),
        ('" 05"', "string"),
        ('"a, 05"', "string"),
    ],
)
def test_late_text_among_integers(late: str, kind: str) -> None:
    rows = [f"{n},x" for n in range(400)]
    rows[350] = f"{late},x"
    text = "a,b\n" + "\n".join(rows) + "\n"
    full = opened(text, infer="full", sample_bytes=64)
    assert str(full.schema.field("a").type) == kind
    assert full.schema.field("b").type == pa.string()
    reader = opened(text, sample_bytes=64, header=True)
    if kind == "int64":
        assert table(reader).num_rows == 400
    else:
        with pytest.raises(SchemaConflict, match=r"line 352, byte \d+"):
            table(reader)


def test_exactness_is_checked_again_when_integers_become_floats() -> None:
    rows = [f"{n},x" for n in range(400)]
    rows[100] = "9007199254740993,x"
    rows[300] = "1.5,x"
    reader = opened("a,b\n" + "\n".join(rows), infer="full", sample_bytes=64, range_bytes=256)
    assert reader.schema.field("a").type == pa.string()


def test_leading_zeros_in_a_text_column_leave_the_numbers_alone() -> None:
    rows = [f'{n},0{n},"q, 0{n}",{n}.5' for n in range(1000)]
    reader = opened("id,zip,text,x\n" + "\n".join(rows), range_bytes=1024)
    assert [str(kind) for kind in reader.schema.types] == ["int64", "string", "string", "double"]
    found = table(reader)
    assert found["zip"].to_pylist() == [f"0{n}" for n in range(1000)]
    assert found["id"].to_pylist() == list(range(1000))


@given(
    st.lists(st.sampled_from([*'a1,,""\n\n\r', "\r\n", "ü", "\udcff"]), max_size=60),
    st.sampled_from([16, 17, 23, 64]),
    st.booleans(),
)
@settings(max_examples=160, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_messy_text_is_the_same_in_ranges_of_any_size(
    parts: list[str], range_bytes: int, seekable: bool
) -> None:
    data = b"h,k\n" + "".join(parts).encode("utf-8", "surrogateescape")
    runs = []
    for size, jumps in ((1 << 20, True), (range_bytes, seekable)):
        run = Run("quarantine")
        reader = opened(
            data, run, delimiter=",", header=True, infer="none", range_bytes=size, seekable=jumps
        )
        runs.append((table(reader).to_pylist(), run.rejects))
    assert runs[0] == runs[1]
    rows, rejects = runs[0]
    for reject in rejects:
        assert data[reject.offset : reject.offset + len(reject.raw)] == reject.raw
        before = data[: reject.offset]
        ends = before.replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n")
        assert reject.line == 1 + ends
    records = [reject.record for reject in rejects]
    assert records == sorted(set(records))
    assert all(record < len(rows) + len(rejects) for record in records)
