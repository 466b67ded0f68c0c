"""The CSV sink: what pyarrow, Polars and DuckDB read back, and exact bytes where they matter."""

from __future__ import annotations

import csv
import datetime
import io
import json
import math
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrowsmith.errors import DataError, OptionError, SchemaMismatch
from arrowsmith.formats.csv.losses import LOSSES
from arrowsmith.formats.csv.sink import CsvSink
from arrowsmith.formats.csv.write_options import CsvWriteOptions
from arrowsmith.plugin import EncodingSink


class Memory(io.BytesIO):
    """A target in memory."""

    def __init__(self, name: str = "out.csv") -> None:
        super().__init__()
        self.path = self.name = name

    def open(self) -> Memory:
        return self


def written(data: pa.Table | pa.RecordBatch, name: str = "out.csv", **options: object) -> bytes:
    target = Memory(name)
    with CsvSink(target, data.schema, CsvWriteOptions(**options), None) as sink:
        for batch in data.to_batches() if isinstance(data, pa.Table) else [data]:
            sink.write(batch)
        sink.commit()
    return target.getvalue()


def column(values: pa.Array, **options: object) -> list[str]:
    """The column's fields as Python's csv module sees them."""
    text = written(pa.table({"a": values, "z": pa.nulls(len(values))}), **options).decode()
    return [row[0] for row in csv.reader(io.StringIO(text, newline=""))][1:]


def test_it_is_an_encoding_sink():
    schema = pa.schema([("a", pa.int64())])
    sink = CsvSink(Memory(), schema, CsvWriteOptions(), None)
    assert isinstance(sink, EncodingSink)
    assert sink.chunk.rows > 0
    assert LOSSES


def test_exact_bytes_of_a_small_table():
    table = pa.table(
        {
            "id": pa.array([1, None, -3]),
            "score": pa.array([0.5, 2.0, None]),
            "name": pa.array(["plain", "", None]),
            "flag": pa.array([True, False, None]),
        }
    )
    assert written(table) == b'id,score,name,flag\n1,0.5,plain,true\n,2.0,"",false\n-3,,,\n'


def test_only_fields_that_need_quotes_have_them():
    names = ["a,b", 'say "hi"', "two\nlines", "cr\rhere", " blank ", "ok", "", None, "é,ü"]
    table = pa.table({"n": names, "k": range(len(names))})
    assert written(table, header=False).decode() == (
        '"a,b",0\n"say ""hi""",1\n"two\nlines",2\n"cr\rhere",3\n'
        ' blank ,4\nok,5\n"",6\n,7\n"é,ü",8\n'
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"quoting": "all"}, b'"a","b"\n"1","x"\n,"y;z"\n'),
        ({"delimiter": ";"}, b'a;b\n1;x\n;"y;z"\n'),
        ({"delimiter": "semicolon", "quote": "'"}, b"a;b\n1;x\n;'y;z'\n"),
        ({"line_end": "crlf"}, b"a,b\r\n1,x\r\n,y;z\r\n"),
        ({"null": "NA"}, b"a,b\n1,x\nNA,y;z\n"),
        ({"null": "x"}, b'a,b\n1,"x"\nx,y;z\n'),
        ({"header": False, "delimiter": "tab"}, b"1\tx\n\ty;z\n"),
    ],
)
def test_options(options, expected):
    assert written(pa.table({"a": [1, None], "b": ["x", "y;z"]}), **options) == expected


@pytest.mark.parametrize("quote", ["'", "|", '"'])
def test_other_quotes_beside_double_ones(quote):
    """pyarrow's own writer refuses a double quote, whatever the quote is."""
    texts = ['it"s', "it's", "a|b", '"', "plain"]
    data = written(pa.table({"a": texts}), quote=quote).decode()
    rows = list(csv.reader(io.StringIO(data), quotechar=quote))
    assert rows == [["a"], *([text] for text in texts)]


@pytest.mark.parametrize(
    ("name", "separator"),
    [("a.csv", b","), ("a.tsv", b"\t"), ("A.TSV.gz", b"\t"), ("a.psv", b"|"), ("tsv", b",")],
)
def test_the_suffix_chooses_the_delimiter(name, separator):
    assert written(pa.table({"a": [1], "b": [2]}), name) == separator.join([b"a", b"b\n1", b"2\n"])


@pytest.mark.parametrize(
    "options",
    [
        {"delimiter": "ab"},
        {"delimiter": ""},
        {"delimiter": "é"},
        {"delimiter": "1"},
        {"delimiter": "\n"},
        {"quote": ""},
        {"quote": ";", "delimiter": ";"},
        {"null": 'a"b'},
    ],
)
def test_characters_that_cannot_do_are_refused(options):
    with pytest.raises(OptionError):
        CsvWriteOptions(**options)


def test_a_null_spelling_with_the_chosen_delimiter_is_refused():
    with pytest.raises(OptionError):
        written(pa.table({"a": [1]}), null="a,b")


def test_no_rows_still_has_a_header():
    assert written(pa.table({"a,b": pa.array([], pa.int64()), "": pa.array([], pa.string())})) == (
        b'"a,b",""\n'
    )


@pytest.mark.parametrize("options", [{}, {"null": "NA"}, {"quoting": "all"}])
def test_empty_batches_write_nothing(options):
    schema = pa.schema([("a", pa.string()), ("b", pa.binary()), ("c", pa.list_(pa.int8()))])
    batch = pa.RecordBatch.from_pylist([], schema)
    assert written(batch, header=False, **options) == b""


def test_a_chunk_of_huge_values_has_the_same_bytes(monkeypatch):
    table = pa.table({"a": ["x,y", None, "", "z"], "b": [1, 2, None, 4]})
    expected = written(table)
    monkeypatch.setattr("arrowsmith.formats.csv.sink._LARGE", 1)
    assert written(table) == expected


def test_columns_of_the_same_name():
    batch = pa.RecordBatch.from_arrays([pa.array([1]), pa.array(["x"])], names=["a", "a"])
    assert written(batch) == b"a,a\n1,x\n"


def test_one_column_of_nulls_and_empty_texts():
    assert written(pa.table({"a": ["x", None, ""]})) == b'a\nx\n\n""\n'


def test_floats_come_back_exactly_and_stay_floats():
    values = [0.1, 1.0, -0.0, 1e15, 999999999999999.0, 1e20, 1e-7, 5e-324, 1.7976931348623157e308]
    fields = column(pa.array(values))
    assert [float(field) for field in fields] == values
    assert all(set(field) & set(".e") for field in fields)
    assert math.copysign(1, float(fields[2])) == -1
    assert column(pa.array([math.nan, math.inf, -math.inf])) == ["nan", "inf", "-inf"]


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1))
@settings(max_examples=60, deadline=None)
def test_single_precision_comes_back(values):
    fields = column(pa.array(values, pa.float32()))
    assert np.array(fields, np.float32).tolist() == values
    assert not any(field.lstrip("-").isdigit() for field in fields)


def test_half_precision_comes_back():
    values = np.array([0.1, 65504, 6e-8, 1], np.float16)
    assert np.array(column(pa.array(values)), np.float16).tolist() == values.tolist()


@pytest.mark.parametrize(
    "kind",
    [pa.decimal128(20, 8), pa.decimal256(60, 20), pa.decimal128(5, 5), pa.decimal64(12, 2)],
)
def test_decimals_are_exact_and_plain(kind):
    step = Decimal(1).scaleb(-kind.scale)
    values = [n * step for n in (0, 1, -1, 12345, -99999, 50)]
    fields = column(pa.array([*values, None], kind).slice(1))
    assert [Decimal(field) for field in fields[:-1]] == values[1:]
    assert fields[-1] == ""
    assert all("E" not in field and len(field.split(".")[1]) == kind.scale for field in fields[:-1])


def test_decimals_of_negative_scale():
    assert column(pa.array([Decimal(1200), Decimal(0)], pa.decimal128(10, -2))) == ["1200", "0"]


def test_temporal_values():
    when = datetime.datetime(2024, 3, 31, 2, 30, 0, 1)
    utc = when.replace(tzinfo=datetime.UTC)
    assert column(pa.array([when])) == ["2024-03-31 02:30:00.000001"]
    assert column(pa.array([when]), timestamp_separator="T") == ["2024-03-31T02:30:00.000001"]
    zoned = pa.array([utc], pa.timestamp("us", "Europe/Berlin"))
    assert column(zoned) == ["2024-03-31 02:30:00.000001Z"]
    assert column(zoned, timestamp_separator="T") == ["2024-03-31T02:30:00.000001Z"]
    assert column(pa.array([datetime.date(1, 1, 1)])) == ["0001-01-01"]
    assert column(pa.array([datetime.date(9999, 12, 31)], pa.date64())) == ["9999-12-31"]
    assert column(pa.array([datetime.time(23, 59, 59)], pa.time32("s"))) == ["23:59:59"]
    assert column(pa.array([90], pa.duration("s"))) == ["90"]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([2**62], pa.int64()).cast(pa.timestamp("us")),
        pa.array([-(2**62)], pa.int64()).cast(pa.timestamp("s", "UTC")),
        pa.array([10_000_000], pa.int32()).cast(pa.date32()),
        pa.array([-1_000_000], pa.int32()).cast(pa.date32()),
    ],
)
def test_years_without_a_text_are_errors(values):
    with pytest.raises(DataError, match=r"out\.csv: column 'a' has a .* outside of the years"):
        column(values)


def test_binary_is_hexadecimal():
    values = [b"\xff\x00a", None, b"", b"z"]
    for kind in (pa.binary(), pa.large_binary(), pa.binary_view()):
        assert column(pa.array([b"skip", *values], kind).slice(1)) == ["ff0061", "", "", "7a"]
    assert column(pa.array([b"ab", None], pa.binary(2))) == ["6162", ""]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_all_string_types_and_slices(kind):
    values = pa.array(["skip", "a,b", None, "", "x"], kind).slice(1)
    assert written(pa.table({"a": values}), header=False) == b'"a,b"\n\n""\nx\n'


def test_encoded_columns_are_decoded():
    words = pa.array(["b", "a,c", None, "b"])
    assert column(words.dictionary_encode()) == ["b", "a,c", "", "b"]
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array([7, 8]))
    assert column(runs) == ["7", "7", "8"]


def test_extension_types_write_their_storage():
    array = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes(range(16))], pa.binary(16)))
    assert column(array) == [bytes(range(16)).hex()]


NESTED = [
    (pa.list_(pa.int64()), [[1, 2], [], None, [None, 3]]),
    (pa.large_list(pa.string()), [['a"b', "c\\d", "\x01\n\té"], None, [None, ""]]),
    (pa.list_(pa.float64(), 2), [[1.5, None], None, [2.0, 3.0]]),
    (pa.list_view(pa.bool_()), [[True], [], None, [None, False]]),
    (pa.struct([("a", pa.int8()), ("b c", pa.list_(pa.string()))]),
     [{"a": 1, "b c": ["x"]}, None, {"a": None, "b c": None}]),
    (pa.list_(pa.struct([("n", pa.float32())])), [[{"n": 0.25}, None], None, []]),
    (pa.struct([]), [{}, None]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "values"), NESTED, ids=[str(kind) for kind, _ in NESTED])
def test_nested_values_are_json(kind, values):
    for array in (pa.array(values, kind), pa.array([values[0], *values], kind).slice(1)):
        fields = column(array)
        assert [json.loads(field) if field else None for field in fields] == values


def test_maps_are_json():
    array = pa.array([[("a", 1), ("b", None)], None, []], pa.map_(pa.string(), pa.int64()))
    assert column(array) == ['{"a":1,"b":null}', "", "{}"]
    array = pa.array([[(1, "x")], [(2, None)]], pa.map_(pa.int8(), pa.string())).slice(1)
    assert column(array) == ['[{"key":2,"value":null}]']


@pytest.mark.parametrize(
    "kind", [pa.dense_union([pa.field("a", pa.int8())]), pa.month_day_nano_interval()]
)
def test_types_without_a_text_are_refused_at_once(kind):
    with pytest.raises(SchemaMismatch, match=r"out\.csv: column 'u' is of type .*; leave it out"):
        CsvSink(Memory(), pa.schema([("u", kind)]), CsvWriteOptions(), None)


def test_a_schema_without_columns_is_refused():
    with pytest.raises(SchemaMismatch, match="at least one column"):
        CsvSink(Memory(), pa.schema([]), CsvWriteOptions(), None)


def test_a_delimiter_that_stands_in_numbers():
    table = pa.table({"a": [1.5, -2.0], "b": [datetime.date(2024, 1, 2), None]})
    assert written(table, delimiter="-", header=False) == b'1.5-"2024-01-02"\n"-2.0"-\n'
    assert written(table, delimiter=".", header=False) == b'"1.5".2024-01-02\n"-2.0".\n'


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@given(
    st.lists(st.tuples(st.one_of(st.none(), TEXT), st.one_of(st.none(), st.integers(-9, 9)))),
    st.sampled_from(",;\t|:-"),
    st.sampled_from(["lf", "crlf"]),
    st.sampled_from(["minimal", "all"]),
)
@settings(max_examples=60, deadline=None)
def test_any_text_comes_back_through_pyarrow(rows, delimiter, line_end, quoting):
    kinds = {"a": pa.string(), "b": pa.int64()}
    table = pa.table(
        {
            "a": pa.array([r[0] for r in rows], kinds["a"]),
            "b": pa.array([r[1] for r in rows], kinds["b"]),
        }
    )
    text = written(table, delimiter=delimiter, line_end=line_end, quoting=quoting)
    back = pacsv.read_csv(
        pa.BufferReader(text),
        parse_options=pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(
            column_types=kinds,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    assert back.equals(table)


@given(st.lists(TEXT, min_size=1), st.integers(1, 5))
@settings(max_examples=50, deadline=None)
def test_bytes_do_not_depend_on_the_batches_or_the_route(values, size):
    """A chunk with a comma takes the other route than its neighbours."""
    table = pa.table({"a": values, "n": [float(i) / 2 for i in range(len(values))]})
    parts = pa.Table.from_batches(table.to_batches(max_chunksize=size))
    assert written(parts) == written(table)


def test_duckdb_and_polars_read_the_same(tmp_path: Path):
    table = pa.table(
        {
            "id": pa.array([1, 2, 3]),
            "score": pa.array([1.0, None, 2.5]),
            "text": pa.array(["a,b", 'q"q', "two\nlines"]),
            "day": pa.array([datetime.date(2024, 1, 2), None, datetime.date(1999, 12, 31)]),
            "at": pa.array(
                [datetime.datetime(2024, 1, 2, 3, 4, 5), None, None], pa.timestamp("us")
            ),
            "flag": pa.array([True, False, None]),
        }
    )
    for separator in ("space", "T"):
        path = tmp_path / f"{separator}.csv"
        path.write_bytes(written(table, timestamp_separator=separator))
        rows = table.to_pylist()
        got = duckdb.sql(
            f'select id, score, "text", day, "at", flag from read_csv(\'{path}\')'
        ).fetchall()
        assert got == [tuple(row.values()) for row in rows]
        assert pl.read_csv(path, try_parse_dates=True).to_dicts() == rows


def test_writing_does_not_import_pandas():
    code = """
import sys, io
import pyarrow as pa
from arrowsmith.formats.csv.sink import CsvSink
from arrowsmith.formats.csv.write_options import CsvWriteOptions
class Memory(io.BytesIO):
    path = name = "a.csv"
    def open(self): return self
ends = pa.py_buffer(bytes([0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]))
words = pa.StringArray.from_buffers(2, ends, pa.py_buffer(b",b"))
ints = pa.Array.from_buffers(pa.int64(), 2, [None, pa.py_buffer(bytes(16))])
lists = pa.ListArray.from_arrays(ints.cast(pa.int32()), words.slice(0, 1).cast(pa.string()))
columns = [words, ints, ints.cast(pa.float64()), ints.cast(pa.timestamp("us", "UTC")),
           words.cast(pa.binary()), ints.cast(pa.decimal128(30, 9)), words.dictionary_encode()]
columns = [c.slice(0, 1) for c in columns] + [lists]
batch = pa.RecordBatch.from_arrays(columns, names=list("abcdefgh"))
out = Memory()
for options in (CsvWriteOptions(), CsvWriteOptions(quoting="all", timestamp_separator="T")):
    sink = CsvSink(out, batch.schema, options, None)
    sink.write(batch)
    sink.commit()
sink = CsvSink(out, batch.select(["b"]).schema, CsvWriteOptions(), None)
sink.write(batch.select(["b"]))
assert b'",",' in out.getvalue()
print("pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("False\n", "")
