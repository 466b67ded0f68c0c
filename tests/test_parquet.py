"""Parquet: what is written and read is the same table, by other readers too; damage is an error."""

from __future__ import annotations

import gzip
import pickle
import random
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import every_type
from arrowsmith.errors import (
    BudgetExceeded,
    DataError,
    OptionError,
    SchemaMismatch,
    UsageError,
)
from arrowsmith.formats.parquet import ParquetReaderOptions, ParquetSinkOptions
from arrowsmith.formats.parquet.reader import ParquetReader
from arrowsmith.formats.parquet.sink import ParquetSink
from arrowsmith.location.source import FileSource
from arrowsmith.location.target import FileTarget
from arrowsmith.plugin import ColumnStats, EncodingSink, ScanRequest, Split, TaskReader

# What Parquet stores in another type; the losses in the sink's capabilities.
STORED_AS = {
    "date64": pa.date32(),
    "time32 s": pa.time32("ms"),
    "timestamp s": pa.timestamp("ms"),
    "zoned s": pa.timestamp("ms", "Europe/Warsaw"),
}


def write(path: Path, table: pa.Table, *, chunk: int = 0, **options: object) -> Path:
    every_type.write(ParquetSink, path, table, ParquetSinkOptions(**options), chunk)
    return path


def read(path: Path, request: ScanRequest | None = None) -> pa.Table:
    return every_type.read(ParquetReader, path, ParquetReaderOptions(), request)


def open_reader(path: Path, **context: int) -> ParquetReader:
    return ParquetReader(FileSource(path), ParquetReaderOptions(), every_type.Context(**context))


def sample(rows: int = 5_000) -> pa.Table:
    random_numbers = np.random.default_rng(11)
    words = np.array(["amber", "birch", "cedar", "delta"])
    return pa.table(
        {
            "id": pa.array(np.arange(rows)),
            "score": pa.array(random_numbers.normal(size=rows), mask=np.arange(rows) % 7 == 0),
            "kind": pa.array(words[random_numbers.integers(0, 4, rows)]),
            "text": pa.array([f"row {i} of {i * 7919 % 10_007}" for i in range(rows)], pa.string()),
            "at": pa.array(np.arange(rows) * 1_000_003, pa.timestamp("us", "UTC")),
            "flag": pa.array(random_numbers.integers(0, 2, rows).astype(bool)),
        }
    )


# --- writing ---


def test_the_classes_have_the_shapes_that_the_runner_looks_for(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", sample(10))
    with open_reader(path) as reader:
        assert isinstance(reader, TaskReader)
    target = FileTarget(tmp_path / "b.parquet")
    sink = ParquetSink(target, sample(1).schema, ParquetSinkOptions(), every_type.Context())
    assert isinstance(sink, EncodingSink)


def test_every_type_comes_back_through_both(tmp_path: Path) -> None:
    table = every_type.table()
    path = write(tmp_path / "all.parquet", table, chunk=2)
    for found in (read(path), pq.read_table(path)):
        assert found.column_names == table.column_names
        for name in table.column_names:
            kind = STORED_AS.get(name, table.schema.field(name).type)
            assert found.schema.field(name).type == kind
            expected = table.column(name).combine_chunks()
            if name in STORED_AS:
                expected = expected.cast(kind)
            assert found.column(name).combine_chunks().equals(expected), name


def test_metadata_of_schema_and_fields_is_kept(tmp_path: Path) -> None:
    table = every_type.table()
    found = read(write(tmp_path / "all.parquet", table))
    assert found.schema.metadata[b"made by"] == b"a test"
    for original in table.schema:
        assert found.schema.field(original.name).metadata[b"about"] == original.name.encode()


@pytest.mark.parametrize("codec", ["zstd", "snappy", "gzip", "lz4", "brotli", "none"])
def test_other_readers_see_the_same_values(tmp_path: Path, codec: str) -> None:
    table = sample()
    path = write(tmp_path / "a.parquet", table, chunk=1_100, compression=codec)
    assert pq.read_table(path).equals(table)
    assert pl.read_parquet(path).to_arrow().cast(table.schema).equals(table)
    rows = duckdb.sql(
        f"select id, score, kind, text, epoch_us(\"at\"), flag from '{path}' order by id"
    ).fetchall()
    micros = table.column("at").cast(pa.int64())
    expected = table.set_column(4, "at", micros).to_pylist()
    assert rows == [tuple(row.values()) for row in expected]
    assert pq.ParquetFile(path).metadata.num_row_groups == 5


@pytest.mark.parametrize("dictionary", ["auto", "on", "off"])
@pytest.mark.parametrize("encodings", ["auto", "plain"])
def test_encodings_follow_the_options(tmp_path: Path, dictionary: str, encodings: str) -> None:
    table = sample()
    path = write(tmp_path / "a.parquet", table, dictionary=dictionary, encodings=encodings)
    assert read(path).equals(table)
    group = pq.ParquetFile(path).metadata.row_group(0)
    used = {group.column(i).path_in_schema: set(group.column(i).encodings) for i in range(6)}
    assert ("RLE_DICTIONARY" in used["kind"]) == (dictionary != "off")
    modern = encodings == "auto" and dictionary != "on"
    assert ("DELTA_BINARY_PACKED" in used["id"]) == modern
    assert ("BYTE_STREAM_SPLIT" in used["score"]) == modern


def test_chosen_encodings_are_smaller_than_plain_ones(tmp_path: Path) -> None:
    table = sample(20_000)
    small = write(tmp_path / "a.parquet", table).stat().st_size
    plain = write(tmp_path / "b.parquet", table, encodings="plain").stat().st_size
    assert small < plain


def test_the_same_chunks_give_the_same_bytes(tmp_path: Path) -> None:
    one = write(tmp_path / "a.parquet", sample(), chunk=999)
    two = write(tmp_path / "b.parquet", sample(), chunk=999)
    assert one.read_bytes() == two.read_bytes()


def test_no_rows_make_a_valid_file_with_a_schema(tmp_path: Path) -> None:
    table = every_type.table().slice(0, 0)
    path = write(tmp_path / "none.parquet", table)
    assert pq.read_table(path).num_rows == 0
    assert read(path).num_rows == 0
    assert read(path).schema.names == table.schema.names
    assert duckdb.sql(f"select count(*) from '{write(path, sample(0))}'").fetchall() == [(0,)]


def test_batches_written_one_by_one_are_row_groups(tmp_path: Path) -> None:
    table = sample(100)
    with FileTarget(tmp_path / "a.parquet") as target:
        options = ParquetSinkOptions(row_group_rows=40)
        with ParquetSink(target, table.schema, options, every_type.Context()) as sink:
            for batch in table.to_batches():
                sink.write(batch)
            sink.commit()
        target.publish()
    file = pq.ParquetFile(tmp_path / "a.parquet")
    groups = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert groups == [40, 40, 20]
    assert file.read().equals(table)


def test_footers_of_many_row_groups_wait_on_disk(tmp_path: Path) -> None:
    table = pa.table({f"column {i}": pa.array(range(i, i + 60)) for i in range(300)})
    path = write(tmp_path / "a.parquet", table, chunk=1, statistics=True)
    file = pq.ParquetFile(path)
    assert file.metadata.serialized_size > 3 << 19
    assert file.num_row_groups == 60
    assert file.read().equals(table)


def test_run_ends_are_decoded(tmp_path: Path) -> None:
    array = every_type.only_arrow()["run-end encoded"]
    path = write(tmp_path / "a.parquet", pa.table({"x": array}))
    assert pq.read_table(path).column("x").to_pylist() == [1, 1, 2, 2, 2]


def test_dictionaries_of_other_values_come_back_as_values(tmp_path: Path) -> None:
    array = every_type.only_arrow()["dictionary of integers"]
    path = write(tmp_path / "a.parquet", pa.table({"x": array}))
    assert read(path).column("x").to_pylist() == [1, 1, 2, 2, 2]


@pytest.mark.parametrize("name", ["interval", "dense union", "sparse union", "negative scale"])
def test_types_that_parquet_lacks_are_named_at_once(tmp_path: Path, name: str) -> None:
    table = pa.table({"fine": range(5), "odd one": every_type.only_arrow()[name]})
    with pytest.raises(SchemaMismatch, match="column 'odd one' has the type"):
        write(tmp_path / "a.parquet", table)
    assert not (tmp_path / "a.parquet").exists()


def test_a_table_without_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaMismatch, match="no columns"):
        write(tmp_path / "a.parquet", pa.table({}))


def test_levels_are_checked(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no levels"):
        write(tmp_path / "a.parquet", sample(1), compression="snappy", compression_level=1)
    with pytest.raises(OptionError, match="is not between"):
        write(tmp_path / "a.parquet", sample(1), compression_level=1_000)


# --- reading ---


@pytest.mark.parametrize("rows", [1, 77, 65_536])
def test_batches_stay_under_both_ceilings(tmp_path: Path, rows: int) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(sample(), path, row_group_size=1_000)
    request = ScanRequest(batch_rows=rows, batch_bytes=4_000)
    with open_reader(path) as reader:
        batches = list(reader.scan(request))
    assert pa.Table.from_batches(batches).equals(sample())
    assert all(batch.num_rows <= rows and batch.nbytes <= 8_000 for batch in batches)


def test_long_strings_in_a_dictionary_do_not_make_huge_batches(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"x": ["a" * 50_000, "b" * 50_000] * 4_000})
    pq.write_table(table, path, compression="zstd")
    with open_reader(path) as reader:
        sizes = [batch.nbytes for batch in reader.scan(ScanRequest(batch_bytes=1 << 20))]
    assert max(sizes) <= 2 << 20
    assert sum(sizes) > 400_000_000


def test_projection_reads_columns_in_the_order_asked_for(tmp_path: Path) -> None:
    table = every_type.table()
    path = tmp_path / "a.parquet"
    pq.write_table(table, path)
    found = read(path, ScanRequest(columns=("struct", "int8", "map")))
    assert found.column_names == ["struct", "int8", "map"]
    assert found.column("struct").equals(table.column("struct"))
    none = read(path, ScanRequest(columns=()))
    assert (none.num_rows, none.num_columns) == (5, 0)
    with pytest.raises(UsageError, match="there is no column 'nope'"):
        read(path, ScanRequest(columns=("nope",)))


def test_names_with_dots_are_not_taken_for_paths(tmp_path: Path) -> None:
    table = pa.table({"a": [{"b": 1}], "a.b": ["x"]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet", ScanRequest(columns=("a.b",))).to_pydict() == {"a.b": ["x"]}


@dataclass
class Recorder:
    """A predicate that notes what it is told, and keeps the groups whose ids may reach 2,500."""

    columns: frozenset[str]
    seen: list[dict[str, ColumnStats]] = field(default_factory=list)

    def may_match(self, stats: dict[str, ColumnStats]) -> bool:
        self.seen.append(dict(stats))
        return "id" not in stats or stats["id"].max.as_py() >= 2_500


def test_row_groups_are_pruned_by_statistics(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = sample()
    pq.write_table(table, path, row_group_size=1_000)
    predicate = Recorder(frozenset(table.column_names))
    found = read(path, ScanRequest(predicate=predicate))
    assert found.equals(table.slice(2_000))
    for number, stats in enumerate(predicate.seen):
        rows = table.slice(number * 1_000, 1_000)
        for name, known in stats.items():
            values = [value for value in rows.column(name).to_pylist() if value is not None]
            assert known.rows == 1_000
            assert known.null_count == rows.column(name).null_count
            assert (known.min.as_py(), known.max.as_py()) == (min(values), max(values))
            assert known.min.type == table.schema.field(name).type


def test_bounds_of_every_type_hold_its_values(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = every_type.table()
    pq.write_table(table, path)
    predicate = Recorder(frozenset(table.column_names))
    read(path, ScanRequest(predicate=predicate))
    (stats,) = predicate.seen
    assert {"int8", "uint64", "decimal256", "zoned ns", "duration s", "string"} <= set(stats)
    for name, known in stats.items():
        if known.min is None:
            continue
        column = pq.read_table(path, columns=[name]).column(name)
        assert known.min.type == column.type
        values = [value for value in column.to_pylist() if value is not None]
        assert known.min.as_py() <= min(values), name
        assert known.max.as_py() >= max(values), name


def test_bounds_that_are_no_numbers_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": [float("nan")] * 3, "n": pa.nulls(3, pa.int32())}), path)
    predicate = Recorder(frozenset({"n"}))
    read(path, ScanRequest(predicate=predicate))
    assert predicate.seen[0]["n"] == ColumnStats(None, None, 3, 3)


def test_splits_cover_the_file_and_travel(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(sample(), path, row_group_size=500)
    with open_reader(path) as reader:
        splits = list(reader.splits(30_000))
        assert len(splits) > 2
        assert all(isinstance(split, Split) for split in splits)
        parts = [
            batch
            for split in pickle.loads(pickle.dumps(splits))
            for batch in reader.scan(ScanRequest(split=split))
        ]
        assert pa.Table.from_batches(parts).equals(sample())
        assert [split.nbytes for split in reader.splits(1 << 40)] == [
            sum(split.nbytes for split in splits)
        ]


def test_count_and_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(sample(), path, row_group_size=700)
    with open_reader(path) as reader:
        assert reader.count() == 5_000
        assert len(list(reader.tasks(ScanRequest(limit=701)))) == 2
        assert all(task.cost > 0 for task in reader.tasks(ScanRequest()))
    assert read(path, ScanRequest(limit=701)).equals(sample().slice(0, 701))
    assert read(path, ScanRequest(limit=0)).num_rows == 0


def test_threads_do_not_change_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(sample(), path)
    for threads in (1, 2, 8):
        with open_reader(path, threads=threads) as reader:
            assert pa.Table.from_batches(reader.scan(ScanRequest())).equals(sample())


def test_a_compressed_file_is_unpacked_first(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet.gz"
    pq.write_table(sample(), tmp_path / "a.parquet")
    path.write_bytes(gzip.compress((tmp_path / "a.parquet").read_bytes()))
    assert read(path).equals(sample())


# --- damage ---


def test_what_is_wrong_is_said_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(sample(), path, row_group_size=1_000)
    whole = path.read_bytes()
    for data, says in (
        (whole[:7], "a file of 7 bytes"),
        (whole[:-1], "does not end in PAR1"),
        (whole[:-4] + b"PARE", "encrypted"),
        (whole[:-8] + b"\xff\xff\xff\x7fPAR1", "claims 2147483647 bytes"),
        (whole[:-500] + whole[-8:], "the footer"),
    ):
        path.write_bytes(data)
        with pytest.raises(DataError, match=says) as caught:
            read(path)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)


def test_a_damaged_row_group_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(sample(), path, row_group_size=1_000, compression="zstd")
    start = pq.ParquetFile(path).metadata.row_group(2).column(3).data_page_offset
    data = bytearray(path.read_bytes())
    data[start : start + 64] = bytes(64)
    path.write_bytes(data)
    with pytest.raises(DataError, match="row group 2"):
        read(path)


def test_rows_larger_than_the_budget_name_the_budget_needed(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"x": ["y" * 3_000_000]}), path, compression="none")
    refused = pytest.raises(BudgetExceeded, match="row group 0")
    with open_reader(path, memory_limit=4 << 20) as reader, refused as caught:
        list(reader.scan(ScanRequest()))
    with open_reader(path, memory_limit=caught.value.needed) as reader:
        assert sum(batch.num_rows for batch in reader.scan(ScanRequest())) == 1


DAMAGE = """
import random, resource, sys
sys.path.insert(0, {tests!r})
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
from {test} import read
from arrowsmith.errors import ArrowsmithError
from pathlib import Path
path, rng = Path({path!r}), random.Random({seed})
whole, refused = path.read_bytes(), 0
copy = path.with_name("copy" + path.suffix)
for turn in range({turns}):
    data = bytearray(whole)
    if turn % 3 == 0:
        del data[rng.randrange(len(data)):]
    else:
        tail = len(data) - {footer} if turn % 3 == 1 else 0
        for _ in range(rng.choice((1, 1, 2, 8))):
            data[rng.randrange(max(0, tail), len(data))] ^= 1 << rng.randrange(8)
    copy.write_bytes(data)
    try:
        read(copy)
    except ArrowsmithError as error:
        assert "\\n" not in str(error)
        refused += 1
print(refused)
"""


def run_damage(test: str, path: Path, *, footer: int, turns: int, seed: int) -> int:
    """Read damaged copies of a file in a process of its own; how many were refused."""
    script = textwrap.dedent(DAMAGE).format(
        tests=str(Path(__file__).parent),
        test=test,
        path=str(path),
        footer=footer,
        turns=turns,
        seed=seed,
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return int(done.stdout)


def test_a_page_that_claims_too_much_is_told_before_anything_is_allocated(tmp_path: Path) -> None:
    """pyarrow, reading page by page, clears as much memory as a header asks for, up to 2 GB."""
    path = tmp_path / "a.parquet"
    rows = pa.table({"x": np.random.default_rng(3).integers(0, 1 << 62, 1_000_000)})
    whole = {"data_page_size": 8 << 20, "max_rows_per_page": 1 << 20}
    pq.write_table(rows, path, use_dictionary=False, compression="none", **whole)
    assert read(path)["x"].equals(rows["x"])
    data = bytearray(path.read_bytes())
    header = [0x15, 0, 0x15]  # a page of data, and then its size as a varint, and once more
    assert [data[4], data[5], data[6]] == header
    size = next(at for at in range(7, 12) if data[at] < 0x80) - 6
    place = 7 + size + 1
    data[place : place + size] = b"\xfe" + b"\xff" * (size - 2) + b"\x7f"
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"row group 0: .*the page at byte 4 claims \d+ bytes"):
        read(path)


def test_pandas_is_not_imported(tmp_path: Path) -> None:
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import pyarrow as pa
from arrowsmith.formats.parquet import ParquetReaderOptions, ParquetSinkOptions
from arrowsmith.formats.parquet.reader import ParquetReader
from arrowsmith.formats.parquet.sink import ParquetSink
from arrowsmith.location.source import FileSource
from arrowsmith.location.target import FileTarget
from arrowsmith.plugin import ScanRequest
class Context:
    memory_limit, threads = 1 << 28, 2
    def check_cancelled(self): pass
class Predicate:
    columns = frozenset(["x", "s"])
    def may_match(self, stats): return str(stats["x"].max) == "2"
array = pa.Array.from_buffers(pa.int64(), 1, [None, pa.py_buffer((2).to_bytes(8, "little"))])
ends = pa.py_buffer(bytes(4) + b"\\1\\0\\0\\0")
text = pa.Array.from_buffers(pa.string(), 1, [None, ends, pa.py_buffer(b"a")])
batch = pa.RecordBatch.from_arrays([array, text], names=["x", "s"])
with FileTarget({str(tmp_path / "a.parquet")!r}) as target:
    with ParquetSink(target, batch.schema, ParquetSinkOptions(), Context()) as sink:
        sink.write(batch)
        sink.commit()
    target.publish()
with ParquetReader(FileSource(target.path), ParquetReaderOptions(), Context()) as reader:
    assert [b.num_rows for b in reader.scan(ScanRequest(predicate=Predicate()))] == [1]
assert "pandas" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_random_tables_of_random_sizes(tmp_path: Path) -> None:
    chance = random.Random(5)
    for _ in range(10):
        table = sample(chance.randrange(1, 3_000))
        path = write(tmp_path / "a.parquet", table, chunk=chance.randrange(1, 3_000))
        assert pq.read_table(path).equals(table)
        assert read(path, ScanRequest(batch_rows=chance.randrange(1, 500))).equals(table)


FOOTERS = """
import random, sys
from pathlib import Path
import arrowsmith
from arrowsmith.formats.parquet.thrift import zigzag
path, rng = Path({path!r}), random.Random({seed})
whole, refused = path.read_bytes(), 0
start = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
copy = path.with_name("copy.parquet")
every_byte = len(whole) - 8 - start
for turn in range({turns} or every_byte):
    footer = bytearray(whole[start:-8])
    at = rng.randrange(len(footer))
    if not {turns}:  # another length of a list, another number
        footer[turn] ^= 0x10 if {seed} else 0x20
    elif turn % 3 == 0:
        footer[at] ^= 1 << rng.randrange(8)
    elif turn % 3 == 1:
        other = rng.randrange(len(footer))
        footer[at : at + rng.randrange(12)] = footer[other : other + rng.randrange(1, 12)]
    else:
        number = zigzag(rng.choice((-1, 0, 1, 2, 7, 8, 127, 1 << 31, (1 << 63) - 1)))
        footer[at : at + rng.choice((1, len(number)))] = number
    size = len(footer).to_bytes(4, "little")
    copy.write_bytes(whole[:start] + footer + size + b"PAR1")
    print("turn", turn, file=sys.stderr, flush=True)
    try:
        data = arrowsmith.open(copy)
        data.details, data.count(), data.to_table()
        data.filter(data.schema.names[0] + " > 3").to_table()
    except arrowsmith.ArrowsmithError as error:
        assert "\\n" not in str(error)
        refused += 1
print(refused)
"""


@pytest.mark.parametrize(("seed", "turns"), [(0, 60), (0, 0), (1, 0)])
def test_a_damaged_footer_never_ends_the_process(tmp_path: Path, seed: int, turns: int) -> None:
    path = tmp_path / "a.parquet"
    if turns:
        pq.write_table(sample(200), path, row_group_size=70)
    else:
        pq.write_table(pa.table({"a": [1, None, 3]}), path, store_schema=False)
    script = FOOTERS.format(path=str(path), seed=seed, turns=turns)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    assert int(done.stdout) > 30
