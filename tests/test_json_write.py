"""The JSON sinks: what json, orjson, Polars and DuckDB read back, and exact bytes."""

from __future__ import annotations

import base64
import datetime
import gzip
import io
import itertools
import json
import math
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import orjson
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arrowsmith
import every_type
from arrowsmith.errors import ArrowsmithError, DataError, SchemaMismatch
from arrowsmith.formats.json.losses import LOSSES
from arrowsmith.formats.json.sink import JsonArraySink, JsonLinesSink
from arrowsmith.formats.json.write_options import JsonWriteOptions
from arrowsmith.plugin import EncodingSink, describe_options
from arrowsmith.testing import SinkContract
from faults import inputs
from faults.measure import measure
from test_contract import rich_table

MB = 1 << 20
ROOT = Path(__file__).parent.parent


class Memory(io.BytesIO):
    """A target in memory."""

    def __init__(self, name: str = "out.jsonl") -> None:
        super().__init__()
        self.path = self.name = name

    def open(self) -> Memory:
        return self


class Listener:
    """A run that keeps the warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def written(
    data: pa.Table | pa.RecordBatch,
    *,
    sink_class: type = JsonLinesSink,
    context: Any = None,
    **options: Any,
) -> bytes:
    target = Memory()
    with sink_class(target, data.schema, JsonWriteOptions(**options), context) as sink:
        for batch in data.to_batches() if isinstance(data, pa.Table) else [data]:
            sink.write(batch)
        sink.commit()
    return target.getvalue()


def lines(data: pa.Table | pa.RecordBatch, **options: Any) -> list[Any]:
    """The rows as Python's json reads them, every number with all its digits."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    text = written(data, **options)
    assert text.endswith(b"\n") or not text
    return [
        json.loads(line, parse_float=Decimal, parse_constant=refuse)
        for line in text.decode().split("\n")[:-1]
    ]


def column(values: pa.Array, **options: Any) -> list[Any]:
    return [row["a"] for row in lines(pa.table({"a": values}), **options)]


def raw(values: pa.Array, **options: Any) -> list[str]:
    """The text of each value."""
    found = written(pa.table({"a": values}), **options).decode().splitlines()
    assert all(line.startswith('{"a":') and line.endswith("}") for line in found)
    return [line[5:-1] for line in found]


def test_they_are_encoding_sinks():
    schema = pa.schema([("a", pa.int64())])
    for sink_class in (JsonLinesSink, JsonArraySink):
        sink = sink_class(Memory(), schema, JsonWriteOptions(), None)
        assert isinstance(sink, EncodingSink)
        assert sink.chunk.rows > 1000
    assert LOSSES


# --- the layouts ---------------------------------------------------------------------------------

SMALL = pa.table(
    {
        "id": pa.array([1, None, -3]),
        "score": pa.array([0.5, 2.0, None]),
        "name": pa.array(["plain", "", None]),
        'say "hi"': pa.array([True, False, None]),
    }
)
OBJECTS = (
    '{"id":1,"score":0.5,"name":"plain","say \\"hi\\"":true}',
    '{"id":null,"score":2.0,"name":"","say \\"hi\\"":false}',
    '{"id":-3,"score":null,"name":null,"say \\"hi\\"":null}',
)


def test_exact_lines():
    assert written(SMALL).decode() == "".join(f"{one}\n" for one in OBJECTS)


def test_exact_array():
    assert written(SMALL, sink_class=JsonArraySink).decode() == (
        "[\n" + ",\n".join(OBJECTS) + "\n]\n"
    )


@pytest.mark.parametrize("rows", [0, 1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 9])
def test_an_array_of_any_number_of_rows_and_batches(rows, size):
    table = pa.Table.from_batches(SMALL.slice(0, rows).to_batches(size), SMALL.schema)
    assert json.loads(written(table, sink_class=JsonArraySink)) == SMALL.slice(0, rows).to_pylist()
    assert written(table) == "".join(f"{one}\n" for one in OBJECTS[:rows]).encode()


def test_no_rows():
    for table in (SMALL.slice(0, 0), pa.table({"a": pa.array([], pa.list_(pa.string()))})):
        for batches in (table, pa.RecordBatch.from_pylist([], table.schema)):
            assert written(batches) == b""
            assert written(batches, sink_class=JsonArraySink) == b"[]\n"


def test_no_columns():
    batch = pa.RecordBatch.from_struct_array(pa.array([{}, {}, {}], pa.struct([])))
    assert written(batch) == b"{}\n{}\n{}\n"
    assert json.loads(written(batch, sink_class=JsonArraySink)) == [{}, {}, {}]


@pytest.mark.parametrize(
    "schema",
    [
        pa.schema([("a", pa.int8()), ("a", pa.string())]),
        pa.schema([("s", pa.struct([("a", pa.int8()), ("a", pa.int8())]))]),
        pa.schema([("s", pa.list_(pa.struct([("a", pa.int8()), ("a", pa.int8())])))]),
    ],
)
def test_a_name_that_is_twice_in_an_object_is_refused(schema):
    with pytest.raises(SchemaMismatch, match=r"out\.jsonl: .* has the name 'a' twice"):
        JsonLinesSink(Memory(), schema, JsonWriteOptions(), None)


# --- every type ----------------------------------------------------------------------------------

TEXTUAL = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
BYTES = (
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
    pa.types.is_fixed_size_binary,
)


def expected(array: pa.Array) -> list[Any]:
    """What json.loads should give, from pyarrow's Python values alone."""
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return expected(array.storage)
    if pa.types.is_duration(kind):
        return array.cast(pa.int64()).to_pylist()
    if pa.types.is_time(kind) or pa.types.is_timestamp(kind):
        stored = array.cast(pa.int32() if pa.types.is_time32(kind) else pa.int64()).to_pylist()
        return [None if value is None else moment(kind, value) for value in stored]
    return [plain(value) for value in array.to_pylist()]


def moment(kind: pa.DataType, value: int) -> str:
    digits = {"s": 0, "ms": 3, "us": 6, "ns": 9}[kind.unit]
    seconds, rest = divmod(value, 10**digits)
    when = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    text = (when.time() if pa.types.is_time(kind) else when).isoformat()
    text += f".{rest:0{digits}}" if digits else ""
    return text + "Z" * bool(pa.types.is_timestamp(kind) and kind.tz)


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        if value and all(isinstance(pair, tuple) for pair in value):
            return {key: plain(inner) for key, inner in value}
        return [plain(inner) for inner in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float):
        return Decimal(repr(value)) if math.isfinite(value) else None
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return value


@pytest.mark.parametrize("name", list(every_type.columns()))
def test_every_type(name):
    array = every_type.columns()[name]
    shown = expected(array)
    if name == "map":
        shown[2] = {}
    assert column(array, context=Listener()) == shown
    for start in range(1, 5):
        for count in range(6 - start):
            part = column(array.slice(start, count), context=Listener())
            assert part == shown[start : start + count]


def test_all_types_side_by_side():
    table = every_type.table()
    rows = lines(table, context=Listener())
    assert [list(row) for row in rows] == [table.schema.names] * 5
    assert json.loads(written(table, sink_class=JsonArraySink, context=Listener())) == [
        orjson.loads(line) for line in written(table, context=Listener()).splitlines()
    ]


@pytest.mark.parametrize("name", ["run-end encoded", "dictionary of integers", "negative scale"])
def test_rarer_types(name):
    array = every_type.only_arrow()[name]
    assert column(array) == array.to_pylist()
    assert column(array.slice(2, 2)) == array.slice(2, 2).to_pylist()


@pytest.mark.parametrize("name", ["interval", "dense union", "sparse union"])
@pytest.mark.parametrize("inside", [lambda t: t, pa.list_, lambda t: pa.struct([("x", t)])])
def test_types_without_a_json_are_refused_before_data_flows(name, inside):
    kind = inside(every_type.only_arrow()[name].type)
    with pytest.raises(SchemaMismatch, match=r"out\.jsonl: column 'u.*' is of type .* JSON cannot"):
        JsonLinesSink(Memory(), pa.schema([("u", kind)]), JsonWriteOptions(), None)


def test_encoded_values_of_any_type():
    words = pa.array(["b", 'a"c', None])
    views = words.cast(pa.string_view())
    wide = pa.array([[1, 2], None, []], pa.list_(pa.int8()))
    for values in (words, views, wide):
        ends = pa.array([2, 3, 7], pa.int16())
        runs = pa.RunEndEncodedArray.from_arrays(ends, values)
        a, b, c = values.to_pylist()
        assert column(runs) == [a, a, b, c, c, c, c]
        assert column(runs.slice(1, 4)) == [a, b, c, c]
        indices = pa.array([2, 0, None, 1], pa.int8())
        coded = pa.DictionaryArray.from_arrays(indices, values)
        assert column(coded) == [c, a, None, b]
        assert column(coded.slice(1)) == [a, None, b]


# --- numbers -------------------------------------------------------------------------------------


def test_integers_keep_all_digits():
    assert raw(pa.array([2**63 - 1, -(2**63), 2**53 + 1])) == [
        "9223372036854775807",
        "-9223372036854775808",
        "9007199254740993",
    ]
    assert raw(pa.array([2**64 - 1], pa.uint64())) == ["18446744073709551615"]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
@settings(max_examples=60, deadline=None)
def test_doubles_come_back_and_stay_doubles(values):
    text = raw(pa.array(values))
    back = [json.loads(one) for one in text]
    assert all(isinstance(value, float) for value in back)
    assert np.array(back).tobytes() == np.array(values).tobytes()
    assert [orjson.loads(one) for one in text] == values
    assert [Decimal(one) for one in text] == [Decimal(repr(value)) for value in values]


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
@settings(max_examples=40, deadline=None)
def test_single_precision_comes_back(values):
    back = [json.loads(one) for one in raw(pa.array(values, pa.float32()))]
    assert np.array(back, np.float32).tolist() == values
    assert raw(pa.array([0.1], pa.float32())) == ["0.1"]


@pytest.mark.parametrize(
    "kind",
    [pa.decimal128(38, 8), pa.decimal256(60, 20), pa.decimal128(5, 5), pa.decimal64(12, 2)],
)
def test_decimals_are_numbers_with_all_digits(kind):
    step = Decimal(1).scaleb(-kind.scale)
    values = [n * step for n in (0, 1, -1, 12345, -99999, 50)]
    text = raw(pa.array([*values, None], kind).slice(1))
    assert [Decimal(one) for one in text[:-1]] == values[1:]
    assert text[-1] == "null"
    assert all("E" not in one and len(one.split(".")[1]) == kind.scale for one in text[:-1])


NOT_FINITE = [math.nan, 1.5, math.inf, None, -math.inf]


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64()])
def test_what_is_not_finite_becomes_null_with_a_warning(kind):
    listener = Listener()
    assert column(pa.array(NOT_FINITE, kind), context=listener) == [None, 1.5, None, None, None]
    (warning,) = listener.warnings
    assert warning.startswith("out.jsonl: column 'a' has NaN or an infinity, written as null")
    assert "non_finite=string" in warning


def test_what_is_not_finite_as_a_string():
    shown = ["NaN", 1.5, "Infinity", None, "-Infinity"]
    assert column(pa.array(NOT_FINITE), non_finite="string") == shown
    nested = pa.array([NOT_FINITE, None], pa.list_(pa.float32()))
    assert column(nested, non_finite="string") == [shown, None]


def test_what_is_not_finite_as_an_error():
    for array, name in (
        (pa.array(NOT_FINITE), "a"),
        (pa.array([{"x": [math.inf]}]), r"a\.x\[\]"),
    ):
        with pytest.raises(DataError, match=rf"out\.jsonl: column '{name}' has NaN or an inf"):
            column(array, non_finite="error")
    assert column(pa.array([1.0, None]), non_finite="error") == [1.0, None]


def test_hidden_values_are_no_reason_to_complain():
    """NaN below a null is not there."""
    values = pa.array([math.nan, 1.0])
    hidden = pa.StructArray.from_arrays([values], ["x"], mask=pa.array([True, False]))
    assert column(hidden, non_finite="error") == [None, {"x": 1.0}]
    lists = pa.ListArray.from_arrays(
        pa.array([0, 1, 2], pa.int32()), values, mask=pa.array([True, False])
    )
    assert column(lists, non_finite="error") == [None, [1.0]]
    assert column(values.slice(1), non_finite="error") == [1.0]


# --- text and bytes ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_every_character_below_256_and_some_above(kind):
    texts = [chr(code) for code in range(256)]
    texts += ["\u2028\u2029", "\U0001f600", "\ufeff", "a\\nb", "\\u0041", '"' * 5, "".join(texts)]
    for values in (texts, [texts[-1]], [None, *texts, None], ["", None, "\n"]):
        array = pa.array(values, kind)
        assert column(array) == values
        assert column(array.slice(1)) == values[1:]
        found = written(pa.table({"a": array})).splitlines()
        assert [orjson.loads(line)["a"] for line in found] == values


def test_every_character_is_written_as_json_writes_it():
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    texts = [None, "", "".join(characters), *characters[:300]]
    found = written(pa.table({"a": pa.array(texts)})).splitlines()
    assert found == [b'{"a":%b}' % as_json(text) for text in texts]


@given(
    st.lists(st.sampled_from(["", "x" * 70_000, 'say "x"\n', "\\", "\x01\x1f", "é\t"]), max_size=9),
    st.integers(131_050, 131_090),
)
@settings(max_examples=80, deadline=None)
def test_long_texts_are_written_as_json_writes_them(texts, before):
    """Wherever the places are at which the text is cut to be escaped."""
    texts = ["y" * before, *texts, None, "".join(texts) * 2]
    found = written(pa.table({"a": pa.array(texts)})).splitlines()
    assert found == [b'{"a":%b}' % as_json(text) for text in texts]


def as_json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def test_non_ascii_is_utf8_and_nothing_else_is_escaped():
    assert written(pa.table({"é": ["ü\u2028/"]})) == '{"é":"ü\u2028/"}\n'.encode()


@given(st.lists(st.one_of(st.none(), st.binary(max_size=9)), max_size=12), st.integers(0, 3))
@settings(max_examples=80, deadline=None)
def test_bytes_are_base64(values, start):
    shown = [None if v is None else base64.b64encode(v).decode() for v in values]
    for kind in (pa.binary(), pa.large_binary(), pa.binary_view()):
        assert column(pa.array(values, kind).slice(start)) == shown[start:]


@pytest.mark.parametrize("width", [1, 2, 3, 16])
def test_bytes_of_one_length_are_base64(width):
    values = [bytes(range(width)), None, b"\xff" * width]
    shown = [None if v is None else base64.b64encode(v).decode() for v in values]
    assert column(pa.array(values, pa.binary(width))) == shown


def test_huge_values():
    texts = ["x" * (10 * MB), 'say "hi"\n' * MB, "", "\x01" * MB]
    table = pa.table({"a": texts, "b": pa.array([text.encode() for text in texts])})
    rows = [orjson.loads(line) for line in written(table).splitlines()]
    assert [row["a"] for row in rows] == texts
    assert [base64.b64decode(row["b"]) for row in rows] == [text.encode() for text in texts]


# --- moments -------------------------------------------------------------------------------------


def test_moments():
    when = datetime.datetime(2024, 3, 31, 2, 30, 0, 1)
    utc = when.replace(tzinfo=datetime.UTC)
    assert column(pa.array([when, None])) == ["2024-03-31T02:30:00.000001", None]
    assert column(pa.array([when, None]), timestamp_separator="space") == [
        "2024-03-31 02:30:00.000001",
        None,
    ]
    seconds = pa.array([when.replace(microsecond=0)], pa.timestamp("s"))
    assert column(seconds) == ["2024-03-31T02:30:00"]
    zoned = pa.array([None, utc], pa.timestamp("us", "Europe/Berlin"))
    assert column(zoned) == [None, "2024-03-31T02:30:00.000001Z"]
    assert datetime.datetime.fromisoformat(column(zoned)[1]) == utc
    assert column(pa.array([datetime.date(1, 1, 1)])) == ["0001-01-01"]
    assert column(pa.array([datetime.date(9999, 12, 31)], pa.date64())) == ["9999-12-31"]
    assert column(pa.array([datetime.time(23, 59, 59)], pa.time32("s"))) == ["23:59:59"]
    assert column(pa.array([90, -1], pa.duration("s"))) == [90, -1]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([2**62], pa.int64()).cast(pa.timestamp("us")),
        pa.array([-1_000_000], pa.int32()).cast(pa.date32()),
    ],
)
def test_years_without_a_text_are_errors(values):
    with pytest.raises(DataError, match=r"out\.jsonl: column 'a' has a .* outside of the years"):
        column(values)


# --- nulls and maps ------------------------------------------------------------------------------


def test_nulls_may_be_omitted():
    kind = pa.struct([("x", pa.int8()), ("y", pa.string()), ("z", pa.null())])
    table = pa.table(
        {
            "a": pa.array([1, None, None, 4]),
            "s": pa.array(
                [{"x": 1, "y": None}, {"x": None, "y": None}, None, {"x": 2, "y": "q"}], kind
            ),
            "l": pa.array([[1, None], None, None, []], pa.list_(pa.int8())),
            "m": pa.array(
                [[("k", None), ("j", 1)], [("k", None)], None, []], pa.map_(pa.string(), pa.int8())
            ),
            "t": pa.array([None, "", None, "z"]),
        }
    )
    assert lines(table, nulls="omit") == [
        {"a": 1, "s": {"x": 1}, "l": [1, None], "m": {"j": 1}},
        {"s": {}, "m": {}, "t": ""},
        {},
        {"a": 4, "s": {"x": 2, "y": "q"}, "l": [], "m": {}, "t": "z"},
    ]
    assert written(table.select(["a"]), nulls="omit", sink_class=JsonArraySink) == (
        b'[\n{"a":1},\n{},\n{},\n{"a":4}\n]\n'
    )


PAIRS = [[("a", 1), ("b", None)], None, [], [('c"d', 3)]]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_maps_of_text_keys_are_objects(kind):
    array = pa.array(PAIRS, pa.map_(kind, pa.int64()))
    shown = [{"a": 1, "b": None}, None, {}, {'c"d': 3}]
    assert column(array) == shown
    assert column(array.slice(2)) == shown[2:]


def test_maps_of_dictionary_keys_are_objects():
    keys = pa.array(["a", "b", "a"]).dictionary_encode()
    array = pa.MapArray.from_arrays(pa.array([0, 2, 3], pa.int32()), keys, pa.array([1, 2, 3]))
    assert column(array) == [{"a": 1, "b": 2}, {"a": 3}]


def test_maps_of_other_keys_are_pairs():
    array = pa.array([[(1, "x"), (2, None)], None, []], pa.map_(pa.int8(), pa.string()))
    pairs = [{"key": 1, "value": "x"}, {"key": 2, "value": None}]
    assert column(array) == [pairs, None, []]
    named = pa.array(PAIRS, pa.map_(pa.string(), pa.int64()))
    assert column(named, maps="pairs") == [
        None if row is None else [{"key": key, "value": value} for key, value in row]
        for row in PAIRS
    ]


def test_a_key_that_is_twice_in_a_map_is_an_error():
    kind = pa.map_(pa.string(), pa.int8())
    array = pa.array([[("a", 1)], [("b", 1), ("a", 2), ("b", 3)]], kind)
    with pytest.raises(DataError, match=r"out\.jsonl: column 'a' has a map with the key 'b' twice"):
        column(array)
    assert column(array.slice(0, 1)) == [{"a": 1}]
    assert len(column(array, maps="pairs")[1]) == 3


# --- anything ------------------------------------------------------------------------------------

TEXT = st.text(st.characters(codec="utf-8"), max_size=6)
LEAVES = [
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.float64(), st.floats(allow_nan=False, allow_infinity=False)),
    (pa.string(), TEXT),
    (pa.bool_(), st.booleans()),
    (pa.null(), st.none()),
]


def _kinds(depth: int) -> st.SearchStrategy[tuple[pa.DataType, st.SearchStrategy[Any]]]:
    leaves = st.sampled_from(LEAVES)
    if not depth:
        return leaves
    inner = _kinds(depth - 1)
    lists = inner.map(
        lambda pair: (pa.list_(pair[0]), st.lists(st.one_of(st.none(), pair[1]), max_size=3))
    )
    return st.one_of(leaves, lists, st.dictionaries(TEXT, inner, max_size=3).map(_struct))


def _struct(
    fields: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]],
) -> tuple[pa.DataType, st.SearchStrategy[Any]]:
    values = {name: st.one_of(st.none(), strategy) for name, (_, strategy) in fields.items()}
    kind = pa.struct([(name, kind) for name, (kind, _) in fields.items()])
    return kind, st.fixed_dictionaries(values)


@st.composite
def tables(draw: Callable[..., Any]) -> pa.Table:
    kind, rows = _struct(draw(st.dictionaries(TEXT, _kinds(3), min_size=1, max_size=4)))
    values = draw(st.lists(rows, max_size=6))
    return pa.Table.from_struct_array(pa.array(values, kind))


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value


@given(tables(), st.integers(0, 3), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_any_nested_table_comes_back(table, start, size):
    rows = table.to_pylist()
    whole = written(table)
    assert [json.loads(line) for line in whole.decode().split("\n")[:-1]] == rows
    assert json.loads(written(table, sink_class=JsonArraySink)) == rows
    omitted = written(table, nulls="omit").decode().split("\n")[:-1]
    assert [json.loads(line) for line in omitted] == without_nulls(rows)
    cut = pa.Table.from_batches(table.to_batches(max_chunksize=size), table.schema)
    assert written(cut) == whole
    assert json.loads(written(table.slice(start), sink_class=JsonArraySink)) == rows[start:]


def test_duckdb_and_polars_read_the_same(tmp_path: Path):
    table = pa.table(
        {
            "id": pa.array([1, 2, 3]),
            "score": pa.array([1.0, None, 2.5]),
            "text": pa.array(["a,b", 'q"q\\', "two\nlines"]),
            "day": pa.array([datetime.date(2024, 1, 2), None, datetime.date(1999, 12, 31)]),
            "at": pa.array(
                [datetime.datetime(2024, 1, 2, 3, 4, 5, 6), None, None], pa.timestamp("us")
            ),
            "flag": pa.array([True, False, None]),
            "list": pa.array([[1, None], [], None], pa.list_(pa.int64())),
            "pair": pa.array([{"x": 1, "y": "z"}, None, {"x": None, "y": ""}]),
        }
    )
    rows = table.to_pylist()
    path = tmp_path / "rows.jsonl"
    path.write_bytes(written(table))
    frame = pl.read_ndjson(path, schema_overrides={"day": pl.Date, "at": pl.Datetime("us")})
    assert pl.from_arrow(table).equals(frame)
    array = tmp_path / "rows.json"
    array.write_bytes(written(table, sink_class=JsonArraySink))
    spaced = tmp_path / "spaced.json"
    spaced.write_bytes(written(table, timestamp_separator="space"))
    seconds = tmp_path / "seconds.json"
    whole = table.set_column(
        4, "at", pc.floor_temporal(table["at"], unit="second").cast("timestamp[s]")
    )
    seconds.write_bytes(written(whole))
    for name, shown in ((spaced, rows), (seconds, whole.to_pylist())):
        got = duckdb.sql(
            f'select id, score, "text", day, "at", flag, list, pair from read_json(\'{name}\')'
        ).fetchall()
        assert got == [tuple(row.values()) for row in shown]
    assert pl.read_json(array)["pair"].to_list() == table["pair"].to_pylist()


# --- runs ----------------------------------------------------------------------------------------


class TestJsonLinesContract(SinkContract):
    name = "jsonl"
    table = rich_table()
    budget = 32 << 20


class TestJsonContract(SinkContract):
    name = "json"
    table = rich_table()
    budget = 32 << 20


@pytest.mark.parametrize("suffix", [".jsonl", ".ndjson", ".json", ".jsonl.gz", ".json.zst"])
def test_threads_batches_and_budget_change_nothing(tmp_path, suffix):
    source = inputs.parquet(tmp_path / "in.parquet", count=200_000)
    found = set()
    settings = itertools.product((1, 3), ("64MB", "1GB"), (1000, 300_000))
    for number, (threads, budget, rows) in enumerate(settings):
        out = tmp_path / f"{number}{suffix}"
        config = arrowsmith.PipelineConfig(worker_threads=threads, batch_rows=rows)
        arrowsmith.open(
            source, budget=arrowsmith.MemoryBudget(budget), config=config
        ).write(out)  # fmt: skip
        found.add(out.read_bytes())
    (text,) = found
    if suffix.endswith(".gz"):
        text = gzip.decompress(text)
    if not suffix.endswith(".zst"):
        assert text.count(b"\n{") + text.startswith(b"{") == 200_000


def test_a_run_warns_once_of_what_is_not_finite(tmp_path):
    source = tmp_path / "in.arrow"
    table = pa.table({"x": [math.nan, 1.0] * 100_000})
    with pa.OSFile(str(source), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    with pytest.warns(UserWarning, match="column 'x' has NaN") as caught:
        arrowsmith.open(source).write(tmp_path / "out.jsonl")
    assert len(caught) == 1
    with pytest.raises(ArrowsmithError, match="column 'x' has NaN"):
        arrowsmith.open(source).write(tmp_path / "bad.jsonl", non_finite="error")
    assert not (tmp_path / "bad.jsonl").exists()


def test_long_names_make_small_chunks():
    """The text of a chunk is bounded by keys too, which may be far longer than the values."""
    for kind in (pa.null(), pa.int8(), pa.list_(pa.struct([("y" * 200, pa.int8())]))):
        schema = pa.schema([(f"{n}{'x' * 200}", kind) for n in range(2000)])
        sink = JsonLinesSink(Memory(), schema, JsonWriteOptions(), None)
        assert 1 <= sink.chunk.rows < 100
        assert sink.chunk.nbytes < MB
    assert len(lines(pa.table({"x" * 300: pa.nulls(100_000)}))) == 100_000


@pytest.mark.parametrize("old", ["", '{"a":1}\n', '{"a":1}\r\n', ' {"a":1}'])
def test_lines_are_appended_to_lines(tmp_path, old):
    target, source = tmp_path / "out.jsonl", tmp_path / "in.csv"
    target.write_bytes(old.encode())
    source.write_text("a\n2\n3\n")
    arrowsmith.open(source).write(target, append=True)
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    assert rows == [{"a": 1}] * bool(old) + [{"a": 2}, {"a": 3}]


def test_nothing_is_appended_to_an_array(tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("a\n2\n")
    for name in ("out.json", "out.jsonl"):
        target = tmp_path / name
        target.write_bytes(b'[{"a":1}]')
        with pytest.raises(ArrowsmithError, match=r"out\.json"):
            arrowsmith.open(source).write(target, append=True)
        assert target.read_bytes() == b'[{"a":1}]'


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured by smaps_rollup")
@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
@pytest.mark.parametrize("threads", [1, 4])
def test_a_run_stays_within_its_budget(tmp_path, suffix, threads):
    source = inputs.parquet(tmp_path / "in.parquet", count=2 << 20)
    given = {"source": str(source), "target": str(tmp_path / f"out{suffix}")}
    run = measure("write", {**given, "budget": 64 * MB, "threads": threads})
    assert run.code == 0, run.stderr
    assert Path(given["target"]).stat().st_size > 2 * 64 * MB
    assert run.growth <= 64 * MB


def strings(kind: str, text: str, rows: int) -> pa.Array:
    """A column whose rows have the text, one in a hundred being null where the kind says so."""
    if kind == "maps":
        return pa.array([[("k", text)]] * rows, pa.map_(pa.string(), pa.string()))
    if kind == "lists":
        return pa.array([[text[:50], text[50:]]] * rows, pa.list_(pa.string()))
    return pa.array(([None] + [text] * 99) * (rows // 100))


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured by smaps_rollup")
@pytest.mark.parametrize("text", ['"\n' * 100, "\x01" * 200])
@pytest.mark.parametrize(
    ("kind", "more"), [("texts", {}), ("texts", {"nulls": "omit"}), ("lists", {}), ("maps", {})]
)
def test_text_to_escape_stays_within_the_budget(tmp_path, kind, more, text):
    """It becomes up to six times as long, and several times over where it stands in lists."""
    source = tmp_path / "in.parquet"
    table = pa.table({"t": strings(kind, text, 100_000)})
    pq.write_table(table, source, row_group_size=10_000)
    given = {"source": str(source), "target": str(tmp_path / "out.jsonl"), **more}
    run = measure("write", {**given, "budget": 48 * MB, "threads": 2})
    assert run.code == 0, run.stderr
    assert run.growth <= 48 * MB


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured by smaps_rollup")
@pytest.mark.parametrize("text", ["\x01", "\n", "x"])
def test_a_text_larger_than_the_budget(tmp_path, text):
    """What is refused names a budget that does."""
    source = tmp_path / "in.parquet"
    pq.write_table(pa.table({"t": [text * (10 * MB), "short"]}), source)
    given = {"source": str(source), "target": str(tmp_path / "out.jsonl"), "threads": 2}
    refused = measure("write", {**given, "budget": 48 * MB})
    assert refused.growth <= 48 * MB
    needed = refused.report["needed"]
    run = measure("write", {**given, "budget": needed})
    assert "error" not in run.report, run.report
    assert max(run.growth, run.report["peak"]) <= needed


def test_writing_does_not_import_pandas():
    code = """
import sys, io
import pyarrow as pa
from arrowsmith.formats.json.sink import JsonArraySink
from arrowsmith.formats.json.write_options import JsonWriteOptions
class Memory(io.BytesIO):
    path = name = "a.json"
    def open(self): return self
class Listener:
    def warn(self, message): pass
ends = pa.py_buffer(bytes([0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]))
words = pa.StringArray.from_buffers(2, ends, pa.py_buffer(b",\\n"))
ints = pa.Array.from_buffers(pa.int64(), 2, [None, pa.py_buffer(bytes(16))])
infinite = pa.py_buffer(bytes([0, 0, 0, 0, 0, 0, 240, 127]) * 2)
infinite = pa.Array.from_buffers(pa.float64(), 2, [None, infinite])
lists = pa.ListArray.from_arrays(ints.cast(pa.int32()), words.slice(0, 1).cast(pa.string()))
maps = pa.MapArray.from_arrays(ints.cast(pa.int32()), words.slice(0, 1), ints.slice(0, 1))
columns = [words, ints, infinite, ints.cast(pa.timestamp("us", "UTC")), words.cast(pa.binary()),
           ints.cast(pa.decimal128(30, 9)), words.dictionary_encode()]
columns = [c.slice(0, 1) for c in columns] + [lists, maps]
batch = pa.RecordBatch.from_arrays(columns, names=list("abcdefghi"))
for options in (JsonWriteOptions(), JsonWriteOptions(nulls="omit", non_finite="string")):
    out = Memory()
    sink = JsonArraySink(out, batch.schema, options, Listener())
    sink.write(batch)
    sink.commit()
    assert out.getvalue().startswith(b'[\\n{"a":",","b":0,')
print("pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_the_documented_examples(tmp_path, monkeypatch):
    document = (ROOT / "docs" / "formats" / "json.md").read_text(encoding="utf-8")
    section = document.split("\n## Writing\n")[1].split("\n## ")[0]
    (block,) = re.findall(r"^```console\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    (tmp_path / "fixtures").symlink_to(ROOT / "fixtures")
    monkeypatch.chdir(tmp_path)
    for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
        program, *arguments = shlex.split(command)
        if program == "arrowsmith":
            done = subprocess.run(
                [sys.executable, "-m", "arrowsmith", *arguments], capture_output=True, check=False
            )
            assert done.returncode == 0, done.stderr
        else:
            assert Path(arguments[0]).read_text(encoding="utf-8") == shown


def test_every_option_is_documented():
    section = (ROOT / "docs" / "formats" / "json.md").read_text(encoding="utf-8")
    for option in describe_options(JsonWriteOptions):
        assert f"| `{option.name}` | `{option.default}` |" in section
