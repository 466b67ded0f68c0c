"""CSV files as people really have them: wide, blank, of another encoding, without an end."""

from __future__ import annotations

import csv
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv as pacsv

import arrowsmith
from arrowsmith.errors import BudgetExceeded, DataError, SchemaConflict, SourceEmpty
from arrowsmith.formats.csv.probe import probe
from arrowsmith.plugin import Head, Match, ScanRequest
from csv_doubles import Run, opened, table

KINDS = ("7", "1.5", "true", "2024-02-29", "10:30", "2024-02-29 10:30:00", "2024-02-29T10:30:00Z",
         "text", "007", "", "NA", "99999999999999999999", "nan", "-0", "+5")  # fmt: skip


def column_types(reader: object) -> list[pa.DataType]:
    return list(reader.schema.types)  # type: ignore[attr-defined]


@pytest.mark.parametrize("second", KINDS)
def test_types_of_a_column_do_not_depend_on_its_neighbours(second: str) -> None:
    """Cells of all columns are looked at together; alone each has to get the same type."""
    header = ",".join(f"c{place}" for place in range(len(KINDS)))
    rows = [",".join(KINDS), ",".join([second] * len(KINDS))]
    together = opened("\n".join([header, *rows]) + "\n")
    for place, first in enumerate(KINDS):
        alone = opened(f"c,x\n{first},x\n{second},x\n", header=True)
        assert column_types(together)[place] == column_types(alone)[0], (first, second)


def test_header_is_told_from_data_in_each_kind_of_column() -> None:
    for value in ("7", "1.5", "true", "2024-02-29", "10:30"):
        assert opened(f"name,x\n{value},{value}\n").schema.names == ["name", "x"]
        assert opened(f"{value},{value}\n{value},{value}\n").schema.names[0] == "column_1"
        assert opened(f"NA,{value}\n{value},{value}\n").schema.names[0] == "column_1"


def test_ten_thousand_columns() -> None:
    width = 10_000
    cells = [("12", "0.5", "abc", "true")[place % 4] for place in range(width)]
    text = ",".join(f"c{place}" for place in range(width)) + "\n" + (",".join(cells) + "\n") * 3
    found = table(opened(text))
    expected = pacsv.read_csv(pa.BufferReader(text.encode()))
    assert found.schema.remove_metadata() == expected.schema
    assert found.equals(expected)


@pytest.mark.parametrize("text", [b"\n", b"\n\n\n", b"\r\n\r\n", b"\xef\xbb\xbf\n\n"])
def test_nothing_but_blank_lines_has_no_records(text: bytes) -> None:
    with pytest.raises(SourceEmpty, match="no records"):
        opened(text)


@pytest.mark.parametrize(("before", "line", "byte"), [(b"", 1, 1), (b"\n\n", 3, 3)])
def test_a_header_that_is_no_utf8_is_an_error(before: bytes, line: int, byte: int) -> None:
    text = before + "näme,x\n1,2\n".encode("latin-1")
    with pytest.raises(DataError, match=rf"line {line}, byte {byte}: byte 0xe4 in the header"):
        opened(text)
    assert opened(text, header=True, names=("a", "b")).schema.names == ["a", "b"]


def test_utf16_with_a_csv_name_reaches_the_reader_which_says_so() -> None:
    text = "a,b\n1,2\n".encode("utf-16")
    head = Head(name="export.csv", head=text, tail=text, size=len(text))
    assert probe(head) == Match.HINT
    assert probe(Head(name="export.bin", head=text, tail=text, size=len(text))) == Match.VETO
    with pytest.raises(DataError, match="UTF-16"):
        opened(text)


def test_lines_before_the_header_are_named_as_the_cause() -> None:
    text = "Account statement\nPeriod: 2024\n\nDate;Amount\n2024-01-01;5\n"
    with pytest.raises(DataError, match="remove what stands before the header, or say the delim"):
        table(opened(text, delimiter=";"))


def test_first_record_beyond_the_memory_budget() -> None:
    text, run = "x" * 3_000_000, Run()
    run.memory_limit = 4 << 20
    with pytest.raises(BudgetExceeded, match=r"of 3000000 bytes.*--memory \d+MB or") as caught:
        opened(text, run)
    assert caught.value.needed > 4 << 20
    run.memory_limit = caught.value.needed
    assert opened(text, run).schema.names


@pytest.mark.parametrize("seekable", [True, False])
@pytest.mark.parametrize("body", ["x" * 3_000_000, '"' + 'a ""\n' * 600_000 + '"'])
def test_the_budget_named_for_a_long_record_is_enough(body: str, seekable: bool) -> None:
    text, run = f"a,b\n1,y\n2,{body}\n3,z\n4,{body}\n", Run()
    run.memory_limit = 4 << 20
    length = len(f"2,{body}\n")
    with pytest.raises(BudgetExceeded, match=f"byte 8: there is a record of {length} b") as caught:
        table(opened(text, run, seekable=seekable, range_bytes=1 << 16))
    run.memory_limit = caught.value.needed
    found = table(opened(text, run, seekable=seekable, range_bytes=1 << 16))
    assert found["a"].to_pylist() == [1, 2, 3, 4]


def test_a_quote_never_closed_is_named_as_the_cause_of_a_long_record() -> None:
    text, run = 'a,b\n1,y\n2,"z\n' + "3,z\n" * 1_000_000, Run("skip")
    run.memory_limit = 4 << 20
    with pytest.raises(
        BudgetExceeded, match="a quote that is never closed makes a record of 40000"
    ):
        table(opened(text, run, range_bytes=1 << 16))


@pytest.mark.parametrize("rows", [1, 3, 1000])
def test_batches_keep_to_the_sizes_asked_for(rows: int) -> None:
    text = "a,b,c\n" + "".join(f"{n},{'x' * (n % 50)},\n" for n in range(500))
    expected = list(csv.reader(io.StringIO(text)))[1:]
    request = ScanRequest(batch_rows=rows, batch_bytes=2_000)
    batches = list(opened(text).scan(request))
    assert all(0 < batch.num_rows <= rows for batch in batches)
    assert all(batch.num_rows == 1 or batch.nbytes <= 2_000 for batch in batches)
    found = [
        [str(a), b or "", c or ""]
        for batch in batches
        for a, b, c in zip(*batch.to_pydict().values(), strict=True)
    ]
    assert found == expected


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('"id","sco', "line 1, byte 5"),
        ('id,"two\nlines', "line 1, byte 3"),
        ('"i"d,x\n1,2\n', "byte 0"),
    ],
)
def test_quotes_out_of_place_in_the_header_are_an_error(text, place, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"a\.csv: {place}: .*header.*quote="):
        arrowsmith.open(path).to_table()


# --- a byte order mark in the middle -------------------------------------------------------------


@pytest.mark.parametrize("range_bytes", [16, 27, 1 << 20])
@pytest.mark.parametrize("first", ["", "\ufeff"])
def test_a_byte_order_mark_is_taken_off_the_file_alone(tmp_path, range_bytes, first):
    """Ranges begin anywhere; as `cat` of two files has it, one stands in the middle."""
    path = tmp_path / "a.csv"
    rows = [["aaaaaa", "1"], ["\ufeffx", "2"], ["\ufeffy", "3"], ["z", "4"]] * 3
    path.write_text(first + "h,i\n" + "".join(f"{a},{b}\n" for a, b in rows), encoding="utf-8")
    with path.open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file))[1:] == rows
    table = arrowsmith.open(path, delimiter=",", range_bytes=range_bytes).to_table()
    assert table.to_pydict() == {"h": [a for a, _ in rows], "i": [int(b) for _, b in rows]}


def test_a_name_that_begins_with_a_byte_order_mark_comes_back(tmp_path):
    pq.write_table(pa.table({"\ufeffa": ["x"], "b": [1]}), tmp_path / "a.parquet")
    arrowsmith.open(tmp_path / "a.parquet").write(tmp_path / "a.csv")
    assert arrowsmith.open(tmp_path / "a.csv").to_table().to_pydict() == {
        "\ufeffa": ["x"],
        "b": [1],
    }


# --- NULs ----------------------------------------------------------------------------------------


def test_a_nul_behind_the_sample_is_a_bad_record(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"a,b\n" + b"1,x\n" * 5000 + b"2,n\0l\0\n\0,n\n" + b"1,x\n" * 20_000)
    options = {"sample_bytes": 4096, "format": "csv"}
    with pytest.raises(DataError, match=r"line 5002, .*column 'b': a NUL is no text"):
        arrowsmith.open(path, **options).to_table()
    stats = arrowsmith.RunStats()
    kept = arrowsmith.open(path, on_error="skip", **options).batches(stats=stats)
    assert sum(batch.num_rows for batch in kept) == 25_000
    assert stats.rejected == 2
    other = arrowsmith.open(path, on_error="skip", **options).select("a").batches(stats=stats)
    assert sum(batch.num_rows for batch in other) == 25_001  # the first is sound there


# --- line ends of several kinds ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b'h\naa\r""y\n\nb\n', ["aa", None, "b"]),
        (b"h\naa\r\xff\n\nb\n", ["aa", None, "b"]),
        (b"h\naa\r\n\xff\n\nb\n", ["aa", None, "b"]),
        (b"h\naa\r\xff\r\xff\n\n\nb\n", ["aa", None, None, "b"]),
    ],
)
def test_no_line_ends_meet_where_a_bad_record_is_left_out(tmp_path, data, wanted):
    (tmp_path / "a.csv").write_bytes(data)
    table = arrowsmith.open(tmp_path / "a.csv", format="csv", on_error="skip").to_table()
    assert table["h"].to_pylist() == wanted


def test_a_year_that_no_calendar_has_is_text(tmp_path):
    (tmp_path / "a.csv").write_text("d,t\n0000-01-01,0000-01-01 00:00:00\n2024-01-01,2024-01-01\n")
    table = arrowsmith.open(tmp_path / "a.csv").to_table()
    assert table.schema.types == [pa.string(), pa.string()]


def test_a_condition_meant_for_the_type_of_the_sample(tmp_path):
    """What is wrong is the late value, not the condition."""
    path = tmp_path / "a.csv"
    path.write_text("a\n" + "1\n" * 5000 + "x\n" + "1\n" * 5000)
    ds = arrowsmith.open(path, sample_bytes=1024)
    with pytest.raises(SchemaConflict, match=r"line 5002.*infer=full.*cannot be compared with 5"):
        ds.filter("a > 5").write(tmp_path / "b.csv")
    assert not (tmp_path / "b.csv").exists()
