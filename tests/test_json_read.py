"""Reading JSON: shapes, types, options, places, and what other readers make of the same files."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from decimal import Decimal
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import arrowsmith
from arrowsmith.errors import DataError, OptionError, SchemaConflict, SourceEmpty
from arrowsmith.plugin import ScanRequest
from json_doubles import Run, array, lines, read, table


def types_of(found: pa.Table) -> dict[str, str]:
    return {field.name: str(field.type) for field in found.schema}


def told(reader) -> dict:
    return json.loads(reader.schema.metadata[b"arrowsmith"])


# --- shapes --------------------------------------------------------------------------------------

TWO = [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ('[{"a":1},{"a":2}]', "array"),
        ('[\n  {\n    "a": 1\n  },\n  {\n    "a": 2\n  }\n]\n', "array"),
        ('\ufeff [ {"a":1} , {"a":2} ] \r\n', "array"),
        ('{"a":1}{"a":2}', "objects"),
        ('{\n"a":1}\r\n\r\n{"a"\n:2}\n', "objects"),
        ('{"a":1}\n{"a":2}\n', "objects"),
        ('{"rows":[{"a":1},{"a":2}]}', "array"),
        ('{"x":[1,2],"d":{"y":{},"rows":[{"a":1},{"a":2}],"z":"]"},"n":null}', "array"),
    ],
)
@pytest.mark.parametrize("range_bytes", [16, 1 << 20])
def test_shapes(text, shape, range_bytes):
    reader = array(text, range_bytes=range_bytes)
    assert table(reader).to_pylist() == TWO
    assert reader.details()["shape"] == told(reader)["shape"] == shape


def test_the_path_of_the_records_is_told():
    reader = array('{"d":{"rows":[{"a":1}]}}')
    assert told(reader)["records"] == reader.details()["records"] == "d.rows"


def test_records_are_chosen_by_path():
    text = '{"x":[{"a":1}],"y":{"z":[{"b":2}]}}'
    assert table(array(text, records="y.z")).to_pylist() == [{"b": 2}]
    assert table(array(text, records="")).to_pylist() == [json.loads(text)]
    with pytest.raises(OptionError, match=r"several arrays .* x, y\.z; choose"):
        array(text)
    with pytest.raises(OptionError, match=r"no array 'q'; there is x, y\.z"):
        array(text, records="q")


def test_an_object_without_records_is_a_row():
    assert table(array('{"a": 1, "b": [2, 3]}')).to_pylist() == [{"a": 1, "b": [2, 3]}]


def test_a_second_array_that_the_head_does_not_show_is_a_warning():
    rows = ",".join(f'{{"a":{n}}}' for n in range(2_000_000 // 8))
    text = '{"x":[' + ",".join([rows] * 5) + '],"y":[{"b":1}]}'
    run = Run()
    reader = array(text, run, sample_bytes=1 << 16)
    assert table(reader).num_rows == 1_250_000
    assert "'x'" in run.warnings[0]
    assert "y" in run.warnings[0]


@pytest.mark.parametrize(
    ("name", "content", "format"),
    [
        ("a.jsonl", '{"a":1}\n', "jsonl"),
        ("a.json", '{"a":1}\n', "json"),
        ("a.json", '{"a":1}\n{"a":2}\n', "jsonl"),
        ("a.ndjson", '[{"a":1}]', "json"),
        ("a.json", "[]", "json"),
        ("a", '{"a":1}\n{"a":2}', "jsonl"),
        ("a.txt", '[\n{"a":1}]', "json"),
        ("a", '{\n"a":1}', "json"),
        ("a.geojson", '{"type":"FeatureCollection","features":[{"id":1}]}', "json"),
        ("a.log", '{"a":1}\nplain\n{"a":2}\n', None),
        ("a.log", "[info] started\n[info] done\n", None),
        ("a.txt", "{ braces } and\nmore\n", None),
        ("a.csv", "[a],{b}\n1,2\n3,4\n", "csv"),
    ],
)
def test_probing(tmp_path, name, content, format):
    path = tmp_path / name
    path.write_text(content)
    try:
        found = arrowsmith.open(str(path)).format
    except SourceEmpty:
        found = format
    except arrowsmith.errors.FormatError:
        found = None
    assert found == format or (format is None and found not in ("json", "jsonl"))


def test_lines_asked_for_as_json(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"a":1}\n{"a":2}\n')
    assert arrowsmith.open(str(path), format="json").to_table().to_pylist() == TWO


# --- types ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "type", "read_as"),
    [
        ("1 -2 null", "int64", [1, -2, None]),
        ("-0 0", "int64", [0, 0]),
        ("1 2.5 1e3", "double", [1.0, 2.5, 1000.0]),
        ("0.30000000000000004 0.1", "double", [0.30000000000000004, 0.1]),
        ("18446744073709551615 1", "uint64", [2**64 - 1, 1]),
        ("18446744073709551615 -1", "decimal128(38, 0)", [Decimal(2**64 - 1), Decimal(-1)]),
        ("9007199254740993 0.5", "decimal128(38, 1)", [Decimal(2**53 + 1), Decimal("0.5")]),
        ("0.123456789012345678901 1", "decimal128(38, 21)",
         [Decimal("0.123456789012345678901"), Decimal(1)]),
        ("1e400 1", "string", ["1e400", "1"]),
        ("1e-400 0", "string", ["1e-400", "0"]),
        (f"{10**40} 1", "string", [str(10**40), "1"]),
        ('"a" null', "string", ["a", None]),
        ('1 "a" true', "string", ["1", "a", "true"]),
        ('{"b":1} "a" [1.50]', "string", ['{"b":1}', '"a"', "[1.5]"]),
        ("[] [1] null", "list<item: int64>", [[], [1], None]),
        ('{} {"b":1}', "struct<b: int64>", [{"b": None}, {"b": 1}]),
        ('{"b":1} {"c":"x","b":null}', "struct<b: int64, c: string>",
         [{"b": 1, "c": None}, {"b": None, "c": "x"}]),
        ("{} {}", "string", ["{}", "{}"]),
        ("[] []", "list<item: string>", [[], []]),
        ("null null", "string", [None, None]),
        ('"2024-02-29" null', "date32[day]", [dt.date(2024, 2, 29), None]),
        ('"2024-02-29" "2024-02-29T01:02:03.5"', "timestamp[us]",
         [dt.datetime(2024, 2, 29), dt.datetime(2024, 2, 29, 1, 2, 3, 500_000)]),
        ('"2024-02-29T12:00+02:00"', "timestamp[us, tz=UTC]",
         [dt.datetime(2024, 2, 29, 10, tzinfo=dt.UTC)]),
        ('"2024-02-29T12:00Z" "2024-02-29T12:00"', "string",
         ["2024-02-29T12:00Z", "2024-02-29T12:00"]),
        ('"2263-01-01" "2024-01-01T10:00:00.1234567"', "string",
         ["2263-01-01", "2024-01-01T10:00:00.1234567"]),
        ('"10:20" "10:20:30.5"', "time64[us]", [dt.time(10, 20), dt.time(10, 20, 30, 500_000)]),
        ('"10"', "string", ["10"]),
        ('"2023-02-29"', "string", ["2023-02-29"]),
        ('["2024-02-29"]', "list<item: date32[day]>", [[dt.date(2024, 2, 29)]]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("sample_bytes", [16, 1 << 20])
def test_types(values, type, read_as, sample_bytes):
    text = "".join(f'{{"a":{value}}}\n' for value in values.split(" "))
    found = read(lines(text, sample_bytes=sample_bytes, range_bytes=32))
    assert types_of(found) == {"a": type}
    assert found["a"].to_pylist() == read_as


def test_types_asked_for():
    text = '{"a":1,"t":"2024-01-01","p":{"zip":123,"x":[1]},"s":"1.10"}\n'
    types = {
        "a": "int8", "t": "timestamp[s]", "p.zip": "string", "p.x": "string",
        "s": "decimal128(8, 2)", "late": "float32",
    }  # fmt: skip
    found = table(lines(text, types=types))
    assert types_of(found) == {
        "a": "int8", "t": "timestamp[s]", "p": "struct<zip: string, x: string>",
        "s": "decimal128(8, 2)", "late": "float",
    }  # fmt: skip
    assert found.to_pylist() == [
        {"a": 1, "t": dt.datetime(2024, 1, 1), "p": {"zip": "123", "x": "[1]"},
         "s": Decimal("1.10"), "late": None}
    ]  # fmt: skip


def test_any_value_is_text_where_text_is_asked_for():
    text = '{"a":1.50}\n{"a":"x"}\n{"a":null}\n{"a":{"b": [1]}}\n{"a":true}\n'
    found = table(lines(text, types={"a": "string"}))
    assert found["a"].to_pylist() == ["1.5", "x", None, '{"b":[1]}', "true"]


def test_a_value_of_another_type_than_asked_for_is_a_bad_record():
    run = Run("quarantine")
    text = '{"a":1,"b":"x"}\n{"a":"y","b":"z"}\n{"a":300}\n{"a":3}\n'
    assert table(lines(text, run, types={"a": "uint8"}))["a"].to_pylist() == [1, 3]
    assert [(r.record, r.line, r.offset, r.column) for r in run.rejects] == [
        (1, 2, 16, "a"), (2, 3, 34, "a"),
    ]  # fmt: skip
    with pytest.raises(DataError, match=r"line 2, byte 16, column 'a': \"y\" is no uint8"):
        table(lines(text, types={"a": "uint8"}))


# --- what comes late -----------------------------------------------------------------------------

LATE = '{"a":1}\n' * 50 + '{"a":2.5,"new":"x"}\n' + '{"a":3}\n'


def test_a_conflict_names_column_and_line():
    with pytest.raises(SchemaConflict, match=r"line 51, byte 400: .*2\.5 .*'a'.*infer=full") as e:
        table(lines(LATE, sample_bytes=64))
    assert e.value.column == "a"
    text = '{"a":1}\n' * 50 + '{"a":2,"new":"x"}\n'
    with pytest.raises(SchemaConflict, match=r"line 51, byte 400: the field 'new' is not among"):
        table(lines(text, sample_bytes=16, seekable=False))


def test_late_fields_widen_the_schema():
    found = table(lines(LATE, sample_bytes=16, seekable=False).widened())
    assert types_of(found) == {"a": "double", "new": "string"}
    assert found["new"].null_count == 51
    assert found.equals(table(lines(LATE, sample_bytes=16, infer="full")))


def test_late_fields_are_left_out_on_request():
    text = '{"a":1,"p":{"q":1}}\n' * 50 + '{"a":2,"new":"x","p":{"q":2,"r":3}}\n'
    options = {"sample_bytes": 64, "seekable": False, "unknown_fields": "ignore"}
    found = table(lines(text, **options))
    assert found.to_pylist()[-1] == {"a": 2, "p": {"q": 2}}
    late = lines(text + '{"a":"y","newer":1}\n', **options)
    with pytest.raises(SchemaConflict, match="column 'a'"):
        table(late)
    assert types_of(table(late.widened())) == {"a": "string", "p": "struct<q: int64>"}


def test_columns_that_are_not_read_do_not_conflict():
    text = '{"a":1,"b":1}\n' * 50 + '{"a":2,"b":"x"}\n'
    read_a = table(lines(text, sample_bytes=64), ScanRequest(columns=("a",)))
    assert read_a["a"].to_pylist() == [1] * 50 + [2]


def test_a_conversion_starts_over(tmp_path):
    path = tmp_path / "late.jsonl"
    path.write_text(LATE)
    source = arrowsmith.open(str(path), sample_bytes=16, range_bytes=64)
    stats = source.write(str(tmp_path / "out.parquet"))
    assert stats.restarts == 1
    written = pq.read_table(tmp_path / "out.parquet")
    assert written["a"].to_pylist() == [1.0] * 50 + [2.5, 3.0]
    assert written["new"].to_pylist() == [None] * 50 + ["x", None]


# --- as others read it ---------------------------------------------------------------------------


def events(count: int) -> list[dict]:
    return [
        {
            "id": n,
            "user": {"name": f"user {n % 7}", "tags": ["a", "b"][: n % 3], "age": n % 90},
            "score": n / 3,
            "text": ['say "hi"', "tab\there", "back\\slash", "é 🙂", "line\nbreak"][n % 5],
            "ok": n % 2 == 0,
            "points": [{"x": k, "y": k / 2} for k in range(n % 3)],
        }
        for n in range(count)
    ]


@pytest.mark.parametrize("indent", [None, 2])
def test_as_polars_and_duckdb(tmp_path: Path, indent):
    rows = events(500)
    one_a_line, whole = tmp_path / "e.jsonl", tmp_path / "e.json"
    one_a_line.write_text("".join(json.dumps(row) + "\n" for row in rows))
    whole.write_text(json.dumps(rows, indent=indent))
    found = arrowsmith.open(str(one_a_line), range_bytes=4096).to_table()
    assert found.to_pylist() == rows
    assert arrowsmith.open(str(whole), range_bytes=4096).to_table().equals(found)
    assert pl.read_ndjson(one_a_line).to_dicts() == rows
    peer = duckdb.sql(f"select * from read_json('{whole}')").to_arrow_table()
    assert peer.to_pylist() == found.to_pylist()


@pytest.mark.parametrize("name", ["e.jsonl", "e.json"])
def test_compressed(tmp_path, name):
    rows = events(300)
    text = "\n".join(map(json.dumps, rows)) if name == "e.jsonl" else json.dumps(rows)
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
    found = arrowsmith.open(str(tmp_path / f"{name}.gz"), range_bytes=4096).to_table()
    assert found.to_pylist() == rows


def test_several_files_are_one_table(tmp_path):
    (tmp_path / "1.jsonl").write_text('{"a":1,"n":null}\n')
    (tmp_path / "2.jsonl").write_text('{"a":2,"b":"x","n":5}\n')
    found = arrowsmith.open(str(tmp_path / "*.jsonl")).to_table()
    assert found.to_pylist() == [{"a": 1, "n": None, "b": None}, {"a": 2, "n": 5, "b": "x"}]


def test_rejects_are_written_with_their_place(tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_bytes(b'{"a":1}\n{"a":\n\n{"a":3}\n{"a":NaN}\n')
    source = arrowsmith.open(
        str(path), on_error="quarantine", rejects=str(tmp_path / "bad.parquet")
    )
    stats = source.write(str(tmp_path / "out.parquet"))
    assert (stats.rows_out, stats.rejected) == (2, 2)
    rejects = pq.read_table(tmp_path / "bad.parquet").to_pylist()
    assert [(r["record"], r["line"], r["offset"], r["raw"]) for r in rejects] == [
        (1, 2, 8, b'{"a":'), (3, 5, 23, b'{"a":NaN}'),
    ]  # fmt: skip
