"""What is particular to fastparquet: types against pyarrow's and the core's, damage, budgets."""

from __future__ import annotations

import io
import random

import fastparquet
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import arrowsmith
import every_type
from arrowsmith.errors import ArrowsmithError, BudgetExceeded, DataError, SchemaMismatch
from arrowsmith.location.source import FileSource
from arrowsmith.plugin import NoOptions, ScanRequest
from arrowsmith.plugin.types import families
from arrowsmith_fastparquet import WriteOptions
from arrowsmith_fastparquet.reader import FastparquetReader
from arrowsmith_fastparquet.sink import FastparquetSink

COLUMNS = every_type.columns() | every_type.only_arrow() | every_type.nested()
COLUMNS |= every_type.awkward()
REFUSED = {"nested", "tensor", "union", "interval", "negative scale"}
FLAT = {name: one for name, one in COLUMNS.items() if REFUSED.isdisjoint(families(one.type))}
FLAT.pop("far seconds")  # seconds that milliseconds cannot hold
LAYOUTS = {
    "version 1": {},
    "version 2": {"data_page_version": "2.0"},
    "plain": {"use_dictionary": False, "compression": "none"},
    "small decimals": {"store_decimal_as_integer": True, "use_dictionary": False},
    "many pages": {"data_page_size": 64, "write_batch_size": 8, "compression": "gzip"},
}


def same(one: pa.ChunkedArray, other: pa.ChunkedArray) -> bool:
    """Equal, NaN equal to NaN."""
    return one.type == other.type and (one.equals(other) or one.to_string() == other.to_string())


def read(path) -> pa.ChunkedArray:
    return every_type.read(FastparquetReader, path, NoOptions())["c"]


@pytest.mark.parametrize("name", FLAT)
def test_what_it_writes_is_what_pyarrow_reads(name, tmp_path):
    path = tmp_path / "a.parquet"
    every_type.write(FastparquetSink, path, pa.table({"c": FLAT[name]}), WriteOptions())
    theirs = pq.read_table(path)["c"]
    mine = pa.chunked_array([FLAT[name]])
    assert same(theirs, mine) or theirs.to_pylist() == mine.to_pylist()
    assert same(read(path), theirs)


def test_polars_reads_what_has_a_fixed_length(tmp_path):
    """It knows no bytes behind the values of a page."""
    path = tmp_path / "a.parquet"
    values = {
        "d": pa.array([None, *range(-3, 4)], pa.int64()).cast(pa.decimal128(25, 2)),
        "b": pa.array([b"abcd", None] * 4, pa.binary(4)),
    }
    every_type.write(FastparquetSink, path, pa.table(values), WriteOptions())
    assert pl.read_parquet(path).to_dict(as_series=False) == pa.table(values).to_pydict()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_pyarrow_writes_is_read_as_pyarrow_does(layout, tmp_path):
    path = tmp_path / "a.parquet"
    seen = 0
    for name, values in FLAT.items():
        try:
            pq.write_table(pa.table({"c": values}), path, **LAYOUTS[layout])
        except (pa.ArrowException, OSError):
            continue  # pyarrow has no such encoding for the type
        assert same(read(path), pq.read_table(path)["c"]), name
        seen += 1
    assert seen > 20


def test_plain_fastparquet_reads_what_is_written(tmp_path):
    path = tmp_path / "a.parquet"
    rows = pa.table({"n": [1, None, 3], "t": ["a", "é", None], "x": [0.5, 1.5, 2.5]})
    every_type.write(FastparquetSink, path, rows, WriteOptions())
    with path.open("rb") as file:
        frame = fastparquet.ParquetFile(file).to_pandas()
    assert pa.Table.from_pandas(frame)["t"].to_pylist() == ["a", "é", None]
    assert frame["n"].tolist()[::2] == [1, 3]
    assert frame["x"].tolist() == [0.5, 1.5, 2.5]


@pytest.mark.parametrize("name", sorted(set(COLUMNS) - set(FLAT) - {"far seconds"}))
def test_nested_columns_are_refused_before_any_data_flows(name, tmp_path):
    with pytest.raises(SchemaMismatch, match="does not write"):
        every_type.write(
            FastparquetSink, tmp_path / "a.parquet", pa.table({"c": COLUMNS[name]}), WriteOptions()
        )
    assert not (tmp_path / "a.parquet").exists()


def test_other_columns_of_a_nested_file_can_be_read(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"n": [1, 2], "tags": [["a"], []], "x.y": ["u", "v"]}), path)
    rows = arrowsmith.open(path, format="fastparquet")
    assert rows.select("x.y", "n").to_table().to_pydict() == {"x.y": ["u", "v"], "n": [1, 2]}
    with pytest.raises(SchemaMismatch, match=r"column 'tags' is nested .*--from parquet"):
        rows.to_table()


@pytest.mark.parametrize(
    ("encoding", "values"),
    [
        ("BYTE_STREAM_SPLIT", [0.5]),
        ("DELTA_BINARY_PACKED", [1]),
        ("DELTA_LENGTH_BYTE_ARRAY", ["a"]),
        ("DELTA_BYTE_ARRAY", ["a"]),
    ],
)
def test_encodings_without_a_safe_decoder_are_told(encoding, values, tmp_path):
    path = tmp_path / "a.parquet"
    rows = pa.table({"x": values})
    pq.write_table(rows, path, use_dictionary=False, column_encoding=encoding)
    with pytest.raises(DataError, match=rf"row group 0.*no safe decoder for {encoding}"):
        arrowsmith.open(path, format="fastparquet").to_table()


def test_row_group_larger_than_the_budget_is_told(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"t": ["x" * 1000] * 20_000}), path)  # a dictionary of one word
    context = every_type.Context(memory_limit=16 << 20)
    with (
        pytest.raises(BudgetExceeded, match="row group 0"),
        FileSource(path) as source,
        FastparquetReader(source, NoOptions(), context) as reader,
    ):
        list(reader.scan(ScanRequest()))


def test_compressed_file_and_row_groups_as_splits(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"n": range(1000)}), path, row_group_size=100)
    with FileSource(path) as source:
        reader = FastparquetReader(source, NoOptions(), every_type.Context())
        assert len(list(reader.splits(1))) == 10


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Bits flipped, bytes set, pieces exchanged or cut, most of them within the pages."""
    out = bytearray(data)
    pages = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(4, pages if rng.random() < 0.6 else len(data) - 8)
        way = rng.random()
        if way < 0.5:
            out[at] ^= 1 << rng.randrange(8)
        elif way < 0.8:
            out[at] = rng.choice((0, 1, 127, 128, 255))
        elif way < 0.97:
            other = rng.randrange(4, pages)
            out[at : at + 8] = data[other : other + 8]
        else:
            return bytes(out[:at])
    return bytes(out)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_damage_is_an_error_or_a_sound_table(layout, tmp_path):
    """Five layouts, 500 damaged files each."""
    rng = random.Random(f"fastparquet {layout}")
    names = (
        *("int32", "float64", "string", "bool", "fixed binary", "decimal128", "dictionary"),
        *("timestamp us", "binary"),
    )
    rows = pa.table({name: pa.concat_arrays([FLAT[name]] * 8) for name in names})
    stored = io.BytesIO()
    pq.write_table(rows, stored, row_group_size=20, **LAYOUTS[layout])
    path = tmp_path / "a.parquet"
    errors: list[str] = []
    for _ in range(500):
        path.write_bytes(damaged(stored.getvalue(), rng))
        try:
            with (
                FileSource(path) as source,
                FastparquetReader(source, NoOptions(), every_type.Context()) as reader,
            ):
                assert reader.details()["row_groups"] >= 0
                for batch in reader.scan(ScanRequest(columns=(rng.choice(names),))):
                    batch.validate(full=True)
        except ArrowsmithError as error:
            errors.append(str(error))
    assert len(errors) > 50
    assert all("a.parquet" in error for error in errors)
