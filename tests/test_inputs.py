"""Several files as one dataset, compressed sources, and what cannot be opened."""

from __future__ import annotations

import bz2
import gzip
import lzma
import resource
import warnings
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

import arrowsmith
from arrowsmith import RunStats
from arrowsmith.errors import (
    CorruptCompression,
    DataError,
    FormatError,
    OptionError,
    SchemaConflict,
    SchemaMismatch,
    SourceChanged,
    SourceEmpty,
    SourceError,
    SourceNotFound,
    UnknownFormat,
)


def files(folder: Path, *tables: pa.Table) -> list[Path]:
    paths = [folder / f"{number}.parquet" for number in range(len(tables))]
    for path, table in zip(paths, tables, strict=True):
        pq.write_table(table, path)
    return paths


def texts(folder: Path, *contents: str) -> list[Path]:
    paths = [folder / f"{number}.csv" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_text(content)
    return paths


def column(kind: pa.DataType, *values: object) -> pa.Table:
    return pa.table({"x": pa.array(values, kind)})


# --- one schema ----------------------------------------------------------------------------------

PROMOTIONS = [
    (pa.null(), pa.string()),
    (pa.null(), pa.list_(pa.int8())),
    (pa.int32(), pa.int64()),
    (pa.int8(), pa.int16()),
    (pa.uint8(), pa.int16()),
    (pa.float32(), pa.float64()),
    (pa.int32(), pa.float64()),
    (pa.string(), pa.large_string()),
]


@pytest.mark.parametrize(("narrow", "wide"), PROMOTIONS, ids=str)
@pytest.mark.parametrize("turned", [False, True])
def test_types_are_promoted(narrow, wide, turned, tmp_path, no_leaks):
    samples = {pa.null(): None, pa.string(): "a", pa.large_string(): "b", pa.list_(pa.int8()): [1]}
    one, two = (column(kind, samples.get(kind, 1), None) for kind in (narrow, wide))
    pair = (two, one) if turned else (one, two)
    ds = arrowsmith.open(files(tmp_path, *pair))
    assert ds.schema.field("x").type == wide
    expected = pa.concat_tables(pair, promote_options="permissive")
    assert ds.to_table().equals(expected.cast(ds.schema))
    assert ds.count() == 4


def test_signs_that_have_no_common_width_widen_both(tmp_path):
    ds = arrowsmith.open(files(tmp_path, column(pa.uint32(), 2**32 - 1), column(pa.int32(), -1)))
    assert ds.schema.field("x").type == pa.int64()
    assert ds.to_table()["x"].to_pylist() == [2**32 - 1, -1]


def test_an_integer_that_no_float_holds_is_an_error(tmp_path, no_leaks):
    paths = files(tmp_path, column(pa.float64(), 0.5), column(pa.int64(), 2**53, 2**53 + 1))
    with pytest.raises(DataError, match="column 'x' has a value that double cannot hold") as caught:
        arrowsmith.open(paths).to_table()
    assert str(caught.value).startswith(str(paths[1]))
    paths = files(tmp_path, column(pa.float64(), 0.5), column(pa.int64(), 2**53, -(2**53)))
    assert arrowsmith.open(paths).to_table()["x"].to_pylist() == [0.5, 2.0**53, -(2.0**53)]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (pa.int64(), pa.string()),
        (pa.bool_(), pa.int8()),
        (pa.timestamp("us"), pa.timestamp("ns")),
        (pa.timestamp("us"), pa.timestamp("us", "UTC")),
        (pa.uint64(), pa.int64()),
        (pa.string(), pa.binary()),
    ],
)
def test_types_that_do_not_unify_name_both_files_and_the_column(one, two, tmp_path, no_leaks):
    paths = files(tmp_path, column(one), column(two))
    with pytest.raises(SchemaMismatch) as caught:
        arrowsmith.open(paths)
    text = str(caught.value)
    assert f"column 'x' is {two} where {paths[0]} has {one}" in text
    assert text.startswith(str(paths[1]))


def test_columns_that_a_file_lacks_are_null_there(tmp_path, no_leaks):
    one = pa.table({"a": [1, 2], "b": ["x", "y"]})
    two = pa.table({"c": [True], "a": [3]})
    ds = arrowsmith.open(files(tmp_path, one, two))
    expected = pa.concat_tables([one, two], promote_options="default")
    assert ds.to_table().equals(expected)
    assert ds.select("c").to_table()["c"].to_pylist() == [None, None, True]
    assert ds.filter("b is null").to_table()["a"].to_pylist() == [3]
    assert ds.filter("c").to_table()["a"].to_pylist() == [3]
    assert ds.count() == 3


def test_a_column_that_may_not_be_null_may_be_where_a_file_lacks_it(tmp_path):
    strict = pa.schema([pa.field("a", pa.int64(), nullable=False), pa.field("b", pa.int64())])
    one = pa.table({"a": [1], "b": [2]}, schema=strict)
    for number, pair in enumerate([(one, one.select(["b"])), (one.select(["b"]), one)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        ds = arrowsmith.open(files(folder, *pair))
        assert ds.schema.field("a").nullable
        assert sorted(ds.to_table()["a"].to_pylist(), key=str) == [1, None]


def test_two_columns_of_one_name_are_refused(tmp_path):
    path = tmp_path / "in.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"]), path)
    with pytest.raises(SchemaMismatch, match="has 2 columns named 'x'"):
        arrowsmith.open(path)


def test_statistics_of_a_promoted_column_do_not_mislead(tmp_path):
    ds = arrowsmith.open(files(tmp_path, column(pa.int32(), 1, 2, 3), column(pa.float64(), 2.5)))
    assert ds.filter("x > 2.4").to_table()["x"].to_pylist() == [3.0, 2.5]


# --- text columns without a value ----------------------------------------------------------------


def test_a_column_without_a_value_takes_the_type_of_other_files(tmp_path, no_leaks):
    paths = texts(tmp_path, "a,b\n,x\n,y\n", "a,b\n5,\n6,\n", "a,b\n0.5,z\n")
    ds = arrowsmith.open(paths)
    assert ds.schema.types == [pa.float64(), pa.string()]
    expected = duckdb.sql(
        f"select a::double a, b::varchar b from read_csv({[str(p) for p in paths]}, "
        "union_by_name=true, types={'a': 'double', 'b': 'varchar'})"
    ).to_arrow_table()
    assert ds.to_table().to_pydict() == expected.to_pydict()
    assert ds.filter("a > 0.7").to_table()["a"].to_pylist() == [5.0, 6.0]
    turned = arrowsmith.open(paths[::-1])
    assert turned.schema.types == ds.schema.types
    assert turned.to_table()["a"].to_pylist() == [0.5, 5.0, 6.0, None, None]


def test_a_column_without_a_value_in_any_file_is_text(tmp_path):
    ds = arrowsmith.open(texts(tmp_path, "a,b\n,1\n", "a,b\n,2\n"))
    assert ds.schema.types == [pa.string(), pa.int64()]
    assert ds.to_table()["a"].to_pylist() == [None, None]
    assert arrowsmith.open(tmp_path / "0.csv").schema.field("a").type == pa.string()


def late(folder: Path, value: str) -> list[Path]:
    """Two files: ``a`` is an integer in one; in the other it has one value, outside the sample."""
    rows = [f",{n}" for n in range(20_000)]
    rows[7000] = f"{value},7000"
    return texts(folder, "a,n\n5,1\n", "a,n\n" + "\n".join(rows) + "\n")


@pytest.mark.parametrize("value", ["12", "007", "twelve"])
def test_a_value_behind_the_sample_is_neither_lost_nor_garbled(value, tmp_path, no_leaks):
    paths = late(tmp_path, value)
    ds = arrowsmith.open(paths, sample_bytes=4096, range_bytes=16384)
    assert ds.schema.field("a").type == pa.int64()
    with pytest.raises(SchemaConflict, match="column 'a' has values") as caught:
        ds.to_table()
    assert str(caught.value).startswith(str(paths[1]))
    assert 'infer="full"' in str(caught.value)
    assert ds.select("n").to_table().num_rows == 20_001


def test_a_value_behind_the_sample_begins_a_file_again(tmp_path, no_leaks):
    ds = arrowsmith.open(late(tmp_path, "12"), sample_bytes=4096, range_bytes=16384)
    stats = ds.write(tmp_path / "out.parquet")
    assert (stats.restarts, stats.rows_out) == (1, 20_001)
    assert ds.count() == 20_001
    column = pq.read_table(tmp_path / "out.parquet")["a"]
    assert column.type == pa.int64()
    assert column.drop_null().to_pylist() == [5, 12]


def test_text_behind_the_sample_is_a_mismatch_once_all_is_seen(tmp_path, no_leaks):
    ds = arrowsmith.open(late(tmp_path, "twelve"), sample_bytes=4096, range_bytes=16384)
    with pytest.raises(SchemaMismatch, match=r"column 'a' is string where .*0\.csv has int64"):
        ds.write(tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize("notes", [b"", b"[", b"[]", b'{"empty": 3}', b'{"empty": [[]]}', b"\xff"])
def test_notes_of_a_stranger_do_no_harm(notes, tmp_path):
    table = column(pa.string(), "a").replace_schema_metadata({b"arrowsmith": notes})
    ds = arrowsmith.open(files(tmp_path, table, column(pa.string(), "b")))
    assert ds.to_table()["x"].to_pylist() == ["a", "b"]


# --- where a row is from -------------------------------------------------------------------------


def test_file_path_column(tmp_path, no_leaks):
    paths = files(tmp_path, column(pa.int64(), 1, 2), column(pa.int64(), 3))
    ds = arrowsmith.open(paths, file_path_column="from")
    assert ds.schema.field("from") == pa.field("from", pa.string(), nullable=False)
    assert ds.to_table()["from"].to_pylist() == [str(paths[0]), str(paths[0]), str(paths[1])]
    assert ds.select("from").to_table().num_rows == 3
    assert ds.filter(f"from = '{paths[1]}'").to_table()["x"].to_pylist() == [3]
    assert ds.count() == 3
    counted = duckdb.sql('select count(distinct "from") n from ds').to_arrow_table()
    assert counted["n"].to_pylist() == [2]
    with pytest.raises(OptionError, match="the data has a column 'x' of its own"):
        arrowsmith.open(paths, file_path_column="x")


# --- many, mixed, empty --------------------------------------------------------------------------


def test_files_come_in_the_order_of_their_names_or_of_the_list(tmp_path):
    paths = files(tmp_path, *(column(pa.int64(), n) for n in range(3)))
    assert arrowsmith.open(tmp_path).to_table()["x"].to_pylist() == [0, 1, 2]
    assert arrowsmith.open(f"{tmp_path}/*.parquet").to_table()["x"].to_pylist() == [0, 1, 2]
    assert arrowsmith.open(paths[::-1]).to_table()["x"].to_pylist() == [2, 1, 0]
    assert arrowsmith.open([paths[0].as_uri(), paths[2]]).files == [str(paths[0]), str(paths[2])]


def test_files_of_several_formats_are_one_dataset(tmp_path, no_leaks):
    one = pa.table({"x": pa.array([1, 2], pa.int32()), "y": ["a", "b"]})
    (first,) = files(tmp_path, one)
    (second,) = texts(tmp_path, "y,x,z\nc,3,0.5\n")
    third = tmp_path / "2.arrow"
    third.write_bytes(encoded("arrow", pa.table({"x": [4], "z": [1]})))
    ds = arrowsmith.open([first, second, third])
    assert ds.format == "parquet, csv, arrow"
    assert ds.schema.types == [pa.int64(), pa.string(), pa.float64()]
    judges = [one, pyarrow.csv.read_csv(second), pyarrow.feather.read_table(third)]
    expected = pa.concat_tables(judges, promote_options="permissive")
    assert ds.to_table().equals(expected)
    assert ds.filter("x > 1 and z is null").to_table()["y"].to_pylist() == ["b"]
    assert ds.select("y").limit(3).to_table()["y"].to_pylist() == ["a", "b", "c"]
    assert ds.count() == 4
    again = arrowsmith.open(tmp_path)
    assert again.format == "csv, parquet, arrow"
    assert again.write(tmp_path / "out.parquet").rows_out == 4


def test_options_go_to_the_formats_that_have_them(tmp_path):
    (one,) = files(tmp_path, column(pa.string(), "1"))
    (two,) = texts(tmp_path, "x\n2\n")
    ds = arrowsmith.open([one, two], types={"x": "string"}, verify_checksums=True)
    assert ds.to_table()["x"].to_pylist() == ["1", "2"]
    with pytest.raises(SchemaMismatch, match="column 'x' is int64 where"):
        arrowsmith.open([one, two])
    with pytest.raises(OptionError, match="none of the formats parquet, csv has") as caught:
        arrowsmith.open([one, two], delimeter=";")
    assert "did you mean 'delimiter'?" in str(caught.value)
    with pytest.raises(OptionError):
        arrowsmith.open([one, two], delimiter=5)


def test_a_named_format_is_taken_for_all(tmp_path):
    paths = [*files(tmp_path, column(pa.int64(), 1)), *texts(tmp_path, "x\n1\n")]
    with pytest.raises(DataError) as caught:
        arrowsmith.open(paths, format="csv")
    assert str(caught.value).startswith(str(paths[0]))


def test_a_stranger_under_a_known_suffix_is_named(tmp_path):
    paths = files(tmp_path, column(pa.int64(), 1), column(pa.int64(), 1))
    paths[1].write_text("x,y\n1,2\n3,4\n")
    with pytest.raises(FormatError, match="is csv, though by its suffix it is parquet") as caught:
        arrowsmith.open(paths)
    assert str(caught.value).startswith(str(paths[1]))


@pytest.mark.parametrize("suffix", ["", ".dat"])
def test_a_suffix_that_says_nothing_is_not_relied_on(suffix, tmp_path):
    paths = [tmp_path / f"{name}{suffix}" for name in "ab"]
    pq.write_table(column(pa.int64(), 1), paths[0])
    paths[1].write_text("x,y\n2,3\n")
    ds = arrowsmith.open(paths)
    assert ds.format == "parquet, csv"
    assert ds.to_table()["x"].to_pylist() == [1, 2]


def test_empty_files_among_others_are_told(tmp_path):
    paths = texts(tmp_path, "x\n1\n", "", "x\n2\n")
    with pytest.warns(UserWarning, match=r"1\.csv: an empty file, left out"):
        ds = arrowsmith.open(paths)
    assert ds.to_table()["x"].to_pylist() == [1, 2]
    assert ds.files == [str(paths[0]), str(paths[2])]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_what_is_compressed_and_empty_is_left_out_too(pack, tmp_path):
    path, *rest = texts(tmp_path, "x\n1\n", "", "x\n2\n")
    rest[0].write_bytes(pack(b""))
    with pytest.warns(UserWarning, match=r"1\.csv: an empty file, left out"):
        assert arrowsmith.open([path, *rest]).to_table()["x"].to_pylist() == [1, 2]
    with pytest.raises(SourceEmpty, match="the file is empty"):
        arrowsmith.open(rest[0])


@pytest.mark.parametrize("count", [1, 3])
def test_only_empty_files_have_no_schema(count, tmp_path):
    with pytest.raises(SourceEmpty):
        arrowsmith.open(texts(tmp_path, *[""] * count))


def test_a_file_with_a_header_alone_has_no_rows(tmp_path):
    ds = arrowsmith.open(texts(tmp_path, "x,y\n", "x,y\n1,2\n"))
    assert ds.to_table().to_pydict() == {"x": [1], "y": [2]}


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_thousand_files_take_few_descriptors(suffix, tmp_path, no_leaks):
    for number in range(1000):
        path = tmp_path / f"{number:04}.{suffix}"
        if suffix == "csv":
            path.write_text(f"x\n{number}\n")
        else:
            pq.write_table(column(pa.int64(), number), path)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(used + 64, soft), hard))
    try:
        ds = arrowsmith.open(tmp_path)
        rows = ds.to_table()["x"].to_pylist()
        if suffix == "parquet":
            assert ds.count() == 1000
            assert ds.details["row_groups"] == 1000
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert rows == list(range(1000))


def test_a_limit_opens_only_the_first_files_for_rows(tmp_path):
    stats = RunStats()
    ds = arrowsmith.open(files(tmp_path, *(column(pa.int64(), *range(100)) for _ in range(50))))
    rows = [batch.num_rows for batch in ds.limit(120).batches(stats=stats)]
    assert sum(rows) == 120
    assert stats.rows_in < 5000


# --- compressed ----------------------------------------------------------------------------------


def arrow_codec(name: str):
    def compress(data: bytes) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, name) as stream:
            stream.write(data)
        return sink.getvalue().to_pybytes()

    return compress


CODECS = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": arrow_codec("zstd"),
    "lz4": arrow_codec("lz4"),
}


def encoded(suffix: str, table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    if suffix == "csv":
        pyarrow.csv.write_csv(table, sink)
    elif suffix == "parquet":
        pq.write_table(table, sink)
    else:
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("suffix", ["csv", "parquet", "arrow"])
def test_compression_is_peeled(suffix, codec, table, tmp_path, no_leaks):
    """Formats that are read at offsets are spooled to scratch space."""
    path = tmp_path / f"in.{suffix}.{codec}"
    path.write_bytes(CODECS[codec](encoded(suffix, table)))
    ds = arrowsmith.open(path)
    assert ds.format == suffix
    assert ds.to_table().equals(table)
    few = ds.filter("id >= 990").select("lang")
    assert few.to_table().equals(table.slice(990).select(["lang"]))
    assert ds.count() == table.num_rows


@pytest.mark.parametrize("codec", CODECS)
def test_compression_is_known_by_content(codec, tmp_path):
    path = tmp_path / "in.csv"
    path.write_bytes(CODECS[codec](b"x\n1\n"))
    assert arrowsmith.open(path).to_table()["x"].to_pylist() == [1]


@pytest.mark.parametrize("codec", CODECS)
def test_a_compressed_file_that_is_cut_short_is_an_error(codec, table, tmp_path, no_leaks):
    path = tmp_path / f"in.csv.{codec}"
    path.write_bytes(CODECS[codec](encoded("csv", table))[:-20])
    with pytest.raises(CorruptCompression) as caught:
        arrowsmith.open(path).to_table()
    assert str(path) in str(caught.value)


# --- what cannot be read -------------------------------------------------------------------------


def test_a_file_that_changes_while_it_is_read(tmp_path, no_leaks):
    (path,) = texts(tmp_path, "x\n" + "1\n" * 200_000)
    batches = arrowsmith.open(path, range_bytes=4096, budget="8MB").batches(10)
    next(batches)
    with path.open("a") as file:
        file.write("2\n")
    with pytest.raises(SourceChanged, match="changed while it was read") as caught:
        list(batches)
    assert caught.value.stage == "read"


def test_a_file_that_changes_before_it_is_read(tmp_path):
    (path,) = texts(tmp_path, "x\n1\n")
    ds = arrowsmith.open(path)
    path.write_text("x\n1\n2\n")
    with pytest.raises(SourceChanged):
        ds.to_table()


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("missing.csv", SourceNotFound, "no such file"),
        ("*.nothing", SourceNotFound, "nothing"),
        ("folder", SourceError, "folder"),
        ("noise.bin", UnknownFormat, "noise.bin"),
    ],
)
def test_what_cannot_be_opened(name, kind, message, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "noise.bin").write_bytes(bytes(range(256)) * 10)
    with pytest.raises(kind, match=message) as caught:
        arrowsmith.open(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_nothing_warns_of_an_open_file(tmp_path):
    """A dataset that is never read gives its files back when it is forgotten."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        arrowsmith.open(files(tmp_path, column(pa.int64(), 1)))
        arrowsmith.open(texts(tmp_path, "x\n1\n"))
    assert caught == []
