"""The CSV reader: dialects, headers, types, ranges, bad records, projection and splits."""

from __future__ import annotations

import csv
import io
import json
import pickle
import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from arrowsmith.errors import (
    BudgetExceeded,
    DataError,
    OptionError,
    SchemaConflict,
    SourceEmpty,
)
from arrowsmith.formats.csv import arrowsmith_readers
from arrowsmith.formats.csv.probe import probe
from arrowsmith.formats.csv.read_options import CsvReadOptions
from arrowsmith.plugin import Head, Match, ScanRequest, TaskReader, WideningReader
from csv_doubles import Run, opened, table


def types(reader: object) -> list[str]:
    return [str(kind) for kind in reader.schema.types]  # type: ignore[attr-defined]


# --- dialect and header --------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_dialect_is_guessed(delimiter: str, end: str, last: bool) -> None:
    rows = [["id", "text"], ["1", "a b"], ["2", "c"], ["3", "d"]]
    text = end.join(delimiter.join(row) for row in rows) + (end if last else "")
    reader = opened(text)
    assert table(reader).to_pydict() == {"id": [1, 2, 3], "text": ["a b", "c", "d"]}
    told = json.loads(reader.schema.metadata[b"arrowsmith"])
    assert told["delimiter"] == delimiter
    assert told["line_end"] == end
    assert told["header"] is True


def test_the_consistent_delimiter_wins() -> None:
    text = "name;note\nann;a, b, c\nbob;d, e\n"
    assert table(opened(text)).to_pydict() == {"name": ["ann", "bob"], "note": ["a, b, c", "d, e"]}


def test_byte_order_mark_is_dropped() -> None:
    assert opened(b"\xef\xbb\xbfa,b\n1,2\n").schema.names == ["a", "b"]


def test_no_header_is_guessed_from_typed_first_row() -> None:
    reader = opened("1,x\n2,y\n")
    assert reader.schema.names == ["column_1", "column_2"]
    assert table(reader).num_rows == 2


def test_header_option_and_names() -> None:
    assert opened("a,b\nc,d\n").schema.names == ["a", "b"]
    assert table(opened("a,b\nc,d\n", header=False)).num_rows == 2
    named = opened("a,b\nc,d\n", header=True, names=("x", "y"))
    assert table(named).to_pydict() == {"x": ["c"], "y": ["d"]}
    with pytest.raises(OptionError, match="1 names for 2 columns"):
        opened("a,b\n", names=("x",))


def test_names_are_made_unique() -> None:
    assert opened("a,,a,a_1\nx,x,x,x\n").schema.names == ["a", "column_2", "a_2", "a_1"]


def test_only_a_header() -> None:
    for text in ("a,b", "a,b\n"):
        reader = opened(text)
        assert reader.schema.names == ["a", "b"]
        assert types(reader) == ["string", "string"]
        assert table(reader).num_rows == 0


@pytest.mark.parametrize("text", [b"", b"\xef\xbb\xbf"])
def test_empty(text: bytes) -> None:
    with pytest.raises(SourceEmpty):
        opened(text)


def test_one_column_has_null_rows_for_empty_lines() -> None:
    for text in ("a\n1\n\n3\n", "a\n1\n\n3"):
        for size in (16, 1 << 20):
            assert table(opened(text, range_bytes=size))["a"].to_pylist() == [1, None, 3]
    assert table(opened('a\nx\n""\ny\n'))["a"].to_pylist() == ["x", "", "y"]


def test_blank_lines_between_records_are_skipped() -> None:
    text = "\na,b\n\n1,2\n\n\n3,4\n\n"
    for size in (16, 1 << 20):
        assert table(opened(text, range_bytes=size)).to_pydict() == {"a": [1, 3], "b": [2, 4]}


def test_no_quoting() -> None:
    assert table(opened('a,b\n"x,y"\n', quote=""))["a"].to_pylist() == ['"x']


@pytest.mark.parametrize("text", ["a,b\n1,2\n".encode("utf-16"), b"a,b\n1,\0\n"])
def test_other_encodings_are_refused(text: bytes) -> None:
    with pytest.raises(DataError, match="convert the file to UTF-8"):
        opened(text)
    with pytest.raises(OptionError, match="encoding"):
        CsvReadOptions(encoding="latin-1")


# --- types ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "-2"], "int64"),
        (["1", "2.5"], "double"),
        (["1", "9007199254740993", "2.5"], "string"),
        (["true", "FALSE"], "bool"),
        (["true", "1"], "string"),
        (["2024-02-29"], "date32[day]"),
        (["2024-02-30"], "string"),
        (["2024-01-01 10:20:30", "2024-01-01T10:20:30.5"], "timestamp[us]"),
        (["2024-01-01", "2024-01-01 10:20:30"], "timestamp[us]"),
        (["2024-01-01 10:20:30.1234567"], "timestamp[ns]"),
        (["2024-01-01T10:20:30Z", "2024-01-01T10:20:30+02:00"], "timestamp[us, tz=UTC]"),
        (["2024-01-01T10:20:30Z", "2024-01-01T10:20:30"], "string"),
        (["10:20", "10:20:30"], "time64[us]"),
        (["007", "1"], "string"),
        (["NA", "1"], "int64"),
        (["NA", "x"], "string"),
        (["NA", "null"], "string"),
        (['""', "1"], "int64"),
        (["nan", "1.5"], "double"),
        (["", ""], "string"),
    ],
)
@pytest.mark.parametrize("infer", ["sample", "full"])
def test_inferred_types(values: list[str], kind: str, infer: str) -> None:
    text = "v,w\n" + "".join(f"{value},x\n" for value in values)
    reader = opened(text, infer=infer, header=True)
    assert types(reader)[0] == kind
    found = table(reader)["v"]
    assert len(found) == len(values)
    if kind == "string":
        assert found.to_pylist() == [value or None for value in values]
    else:
        assert found.null_count == sum(value in ("NA", '""') for value in values)


def test_null_texts() -> None:
    text = 'a,b\n,""\n-,x\n"-",y\n'
    assert table(opened(text)).to_pydict() == {"a": [None, "-", "-"], "b": ["", "x", "y"]}
    found = table(opened(text, nulls=("", "-")))
    assert found.to_pydict() == {"a": [None, None, "-"], "b": ["", "x", "y"]}


def test_explicit_types() -> None:
    text = "a,b,c,d,e\n007,1.50,1,10:20,2024-01-01T00:00:00Z\n"
    asked = {
        "a": "int32", "b": "decimal128(6, 2)", "c": "bool", "d": "time64[us]",
        "e": "timestamp[ms, UTC]",
    }  # fmt: skip
    reader = opened(text, types=asked)
    assert types(reader) == [
        "int32", "decimal128(6, 2)", "bool", "time64[us]", "timestamp[ms, tz=UTC]",
    ]  # fmt: skip
    row = table(reader).to_pylist()[0]
    assert (row["a"], str(row["b"]), row["c"]) == (7, "1.50", True)
    with pytest.raises(OptionError, match="no type 'int65'"):
        opened(text, types={"a": "int65"})
    with pytest.raises(OptionError, match="no column 'z'"):
        opened(text, types={"z": "int64"})


def test_infer_none() -> None:
    assert types(opened("a,b\n1,2\n", infer="none")) == ["string", "string"]


def test_middle_and_end_are_sampled() -> None:
    text = "a,b\n" + "1,x\n" * 5000 + "1.5,x\n" * 200 + "1,x\n" * 5000 + "007,x\n"
    assert types(opened(text, sample_bytes=4096)) == ["string", "string"]
    quoted = text.replace(",x", ',"x, y"')
    assert types(opened(quoted, sample_bytes=4096)) == ["string", "string"]


def test_widened() -> None:
    text = "a,b\n" + "1,2024-01-01\n" * 50 + "x,2024-01-01 10:00:00\n" + "3,2024-01-01\n" * 50
    reader = opened(text, sample_bytes=64, range_bytes=64)
    assert isinstance(reader, WideningReader)
    with pytest.raises(SchemaConflict) as caught:
        table(reader)
    assert caught.value.column == "a"
    line = text.split("\n").index("x,2024-01-01 10:00:00") + 1
    offset = text.index("x,2024")
    assert caught.value.place == f"line {line}, byte {offset}"
    assert "'x' in column 'a' is no int64" in str(caught.value)
    assert 'infer="full"' in str(caught.value)
    wide = reader.widened()
    assert types(wide) == ["string", "timestamp[us]"]
    assert table(wide).num_rows == 101
    assert types(opened(text, sample_bytes=64, infer="full")) == types(wide)


# --- ranges --------------------------------------------------------------------------------------


def awkward_rows() -> list[list[str]]:
    parts = [
        "",
        "a",
        'say "hi"',
        "x\ny",
        "\r\n",
        ",",
        '""',
        '"',
        "ü" * 7,
        "end\n",
        '5" pipe',
        "\n\n",
    ]
    return [
        [str(n), parts[n % len(parts)], parts[(n * 7) % len(parts)] * (n % 9)] for n in range(300)
    ]


@pytest.mark.parametrize("range_bytes", [16, 17, 31, 64, 257, 4096, 1 << 20])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("seekable", [True, False])
def test_quoted_newlines_across_ranges(range_bytes: int, end: str, seekable: bool) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator=end).writerows(
        [["id", "text", "more"], *awkward_rows()]
    )
    reader = opened(out.getvalue(), range_bytes=range_bytes, seekable=seekable)
    assert isinstance(reader, TaskReader)
    found = table(reader)
    assert [[str(v) for v in row.values()] for row in found.to_pylist()] == awkward_rows()


@pytest.mark.parametrize("range_bytes", [16, 64, 1 << 20])
def test_stray_quotes_are_plain_text(range_bytes: int) -> None:
    text = 'id,text\n1,5" pipe\n2,"a\nb"\n3,it"s, "x\n' + '4,plain\n5,"q ""z"""\n6,3"\n' * 20
    run = Run("skip")
    found = table(opened(text, run, range_bytes=range_bytes))
    values = dict(zip(found["id"].to_pylist(), found["text"].to_pylist(), strict=True))
    assert values == {1: '5" pipe', 2: "a\nb", 4: "plain", 5: 'q "z"', 6: '3"'}
    assert [reject.line for reject in run.rejects] == [5]


def test_same_rows_as_polars(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    pl.DataFrame(
        {
            "i": range(1000),
            "f": [n / 7 for n in range(1000)],
            "s": [f"a,{n}\n" for n in range(1000)],
        }
    ).write_csv(path)
    found = table(opened(path.read_bytes(), range_bytes=512))
    assert pl.from_arrow(found).equals(pl.read_csv(path))


def test_batches_keep_to_their_ceilings() -> None:
    text = "a,b\n" + "".join(f"{n},{'x' * 50}\n" for n in range(1000))
    batches = list(opened(text).scan(ScanRequest(batch_rows=70)))
    assert max(batch.num_rows for batch in batches) == 70
    assert sum(batch.num_rows for batch in batches) == 1000
    small = list(opened(text).scan(ScanRequest(batch_bytes=1000)))
    assert max(batch.nbytes for batch in small) <= 1000
    assert all(batch.num_rows for batch in small)


def test_limit() -> None:
    text = "a,b\n" + "1,2\n" * 1000
    assert sum(b.num_rows for b in opened(text).scan(ScanRequest(limit=7))) == 7


def test_projection() -> None:
    text = "a,b,c\n1,x,2.5\n2,y,3.5\n"
    found = table(opened(text), ScanRequest(columns=("c", "a")))
    assert found.schema.names == ["c", "a"]
    assert found.to_pydict() == {"c": [2.5, 3.5], "a": [1, 2]}
    batches = list(opened(text).scan(ScanRequest(columns=())))
    assert [(batch.num_columns, batch.num_rows) for batch in batches] == [(0, 2)]
    with pytest.raises(OptionError, match="no column 'z'"):
        list(opened(text).scan(ScanRequest(columns=("z",))))


@pytest.mark.parametrize("target", [1, 100, 1000, 1 << 30])
def test_splits(target: int) -> None:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([["id", "text", "more"], *awkward_rows()])
    reader = opened(out.getvalue(), range_bytes=64)
    splits = pickle.loads(pickle.dumps(list(reader.splits(target))))
    assert sum(split.nbytes for split in splits) == len(out.getvalue().encode()) - 14
    parts = [table(reader, ScanRequest(split=split)) for split in splits]
    assert pa.concat_tables(parts).equals(table(reader))
    assert list(opened("a,b\n1,2\n", seekable=False).splits(10)) == []


# --- bad records ---------------------------------------------------------------------------------

BAD = (
    b"id,text\n"
    b"1,good\n"
    b"2,too,many\n"
    b'3,"two\nlines"\n'
    b'4,"text"after\n'
    b"5\n"
    b"\n"
    b"6,\xff\xfe\n"
    b"7,good\n"
    b'8,"never closed\n9,x\n'
)


@pytest.mark.parametrize("range_bytes", [16, 30, 1 << 20])
@pytest.mark.parametrize("seekable", [True, False])
def test_bad_records_are_handed_over(range_bytes: int, seekable: bool) -> None:
    run = Run("quarantine")
    reader = opened(BAD, run, range_bytes=range_bytes, seekable=seekable, header=True)
    found = table(reader)
    assert found["id"].to_pylist() == [1, 3, 7]
    got = [(r.record, r.line, r.offset, r.column, r.raw) for r in run.rejects]
    assert got == [
        (1, 3, BAD.index(b"2,"), None, b"2,too,many"),
        (3, 6, BAD.index(b"4,"), None, b'4,"text"after'),
        (4, 7, BAD.index(b"5\n"), None, b"5"),
        (5, 9, BAD.index(b"6,"), "text", b"6,\xff\xfe"),
        (7, 11, BAD.index(b"8,"), None, b'8,"never closed\n9,x'),
    ]
    reasons = [r.reason for r in run.rejects]
    assert reasons == [
        "found 3 fields where there should be 2",
        "text follows a closing quote",
        "found 1 field where there should be 2",
        "byte 0xff is not UTF-8",
        "the quote that opens here is never closed: all up to the end of the file, 20 bytes in "
        "2 lines, is one bad record",
    ]
    assert run.warnings == [f"t.csv: line 11: {reasons[-1]}"]
    assert all(r.source == "t.csv" for r in run.rejects)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3\n", r"t\.csv: line 3, byte 8: found 1 field where there should be 2"),
        ("a,b\n1,2\n3,4,5\n", r"line 3, byte 8: found 3 fields"),
        ('a,b\n1,"2\n\n"\n3,"4"5\n', r"line 5, byte 12: text follows a closing quote"),
        ('a,b\n1,"x\n"\n2,"y\n3,z\n', r"line 4, byte 11: the quote that opens here is never cl"),
        (b"a,b\n1,x\n2,\xff\n", r"line 3, byte 8, column 'b': byte 0xff is not UTF-8"),
    ],
)
def test_the_first_bad_record_is_named(text: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        table(opened(text))
    assert "--on-error skip" in str(caught.value)


def test_values_that_do_not_fit_an_explicit_type() -> None:
    text = "a,b\n1,x\nzwei,y\n3,z\n300,w\n"
    asked = {"a": "int8"}
    with pytest.raises(DataError, match=r"line 3, byte 8, column 'a': 'zwei' is no int8"):
        table(opened(text, types=asked))
    run = Run("skip")
    assert table(opened(text, run, types=asked))["a"].to_pylist() == [1, 3]
    assert [(r.record, r.line, r.column, r.raw) for r in run.rejects] == [
        (1, 3, "a", b"zwei,y"),
        (3, 5, "a", b"300,w"),
    ]


def test_conflicts_with_an_inferred_type_are_raised_even_when_skipping() -> None:
    text = "a,b\n" + "1,x\n" * 100 + "y,x\n" + "1,x\n" * 100
    with pytest.raises(SchemaConflict):
        table(opened(text, Run("skip"), sample_bytes=64))


def test_long_records() -> None:
    text = 'a,b\n1,"' + "x\n" * 5000 + '"\n2,y\n'
    assert table(opened(text, range_bytes=64))["a"].to_pylist() == [1, 2]
    with pytest.raises(DataError, match="max_record_bytes"):
        table(opened(text, range_bytes=64, sample_bytes=64, max_record_bytes=1000))
    rows = "a,b\n" + "1,x\n" * 100 + '2,"' + "x\n" * 5000
    with pytest.raises(DataError, match=r"byte 404: the record is longer than max_record_bytes"):
        table(opened(rows, range_bytes=64, sample_bytes=128, max_record_bytes=1000))
    run = Run()
    run.memory_limit = 20_000
    with pytest.raises(BudgetExceeded) as caught:
        table(opened(rows, run, range_bytes=64, sample_bytes=128))
    assert caught.value.needed > 20_000


# --- the spec ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "head", "match"),
    [
        ("a.csv", b"a,b\n1,2\n", Match.LIKELY),
        ("a.txt", b"a;b\n1;2\n3;4\n", Match.LIKELY),
        ("a.txt", b"hello\nworld\n", Match.NO),
        ("a.csv", b"hello\nworld\n", Match.HINT),
        ("a.csv", b"", Match.HINT),
        ("a.csv", b"PAR1abc", Match.VETO),
        ("a.csv", b"a,\0\n", Match.VETO),
        ("a.json", b'{"a": 1, "b": 2}\n{"a": 1, "b": 3}\n', Match.NO),
        ("a.bin", bytes(range(1, 256)) * 9, Match.NO),
        ("-", b'a,b\n1,"x, y\nz ""2"""\n3,"open and, cut', Match.LIKELY),
        ("-", b"a,b\n" + b"1,2\n" * 18 + b"1,2,3\n", Match.LIKELY),  # one is damaged
        ("-", b"a,b\n1,2\n1,2,3\n", Match.NO),
        ("-", b'5" pipe\n6" pipe, long\n7" pipe\n', Match.NO),
    ],
)
def test_probe(name: str, head: bytes, match: Match) -> None:
    assert probe(Head(name, head, size=len(head))) == match


def test_spec() -> None:
    (spec,) = arrowsmith_readers()
    assert spec.name == "csv"
    assert spec.options_class is CsvReadOptions
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, arrowsmith.formats.csv; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert not {"pyarrow", "numpy", "pandas"} & set(loaded)


def test_reading_never_imports_pandas(tmp_path: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from csv_doubles import Run, opened, table\n"
        "rows = 'a,b,c,d,e\\n' + '1,x,NA,2024-01-01,true\\n' * 50 + '3,05,5,2024-01-02,false\\n'\n"
        "list(opened(rows, range_bytes=64).tasks.__self__.scan(__import__("
        "'arrowsmith.plugin').plugin.ScanRequest()))\n"
        "run = Run('skip')\n"
        "reader = opened(rows + 'bad\\n1,\"x\"y,1,,\\nx,1,1,,\\n', run, types={'a': 'int8'})\n"
        "list(reader.widened().scan(__import__('arrowsmith.plugin').plugin.ScanRequest()))\n"
        "assert len(run.rejects) == 3, run.rejects\n"
        "assert 'pandas' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script, str(Path(__file__).parent)], check=True)


@pytest.mark.parametrize(
    "options", [{"delimiter": "ab"}, {"delimiter": "\n"}, {"quote": "''"}, {"delimiter": '"'}]
)
def test_wrong_options(options: dict[str, str]) -> None:
    with pytest.raises(OptionError):
        CsvReadOptions(**options)
