"""Arrow files and streams: the same table both ways, not copied if possible; damage is an error."""

from __future__ import annotations

import gzip
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.feather
import pytest

import arrowsmith
import every_type
from arrowsmith.errors import BudgetExceeded, DataError, OptionError, UsageError
from arrowsmith.formats.arrow import ArrowSinkOptions, probe
from arrowsmith.formats.arrow.reader import ArrowReader
from arrowsmith.formats.arrow.sink import ArrowSink
from arrowsmith.location.source import FileSource
from arrowsmith.location.target import FileTarget
from arrowsmith.plugin import Head, Match, NoOptions, ScanRequest, Split
from test_parquet import run_damage, sample


def write(path: Path, table: pa.Table, *, chunk: int = 0, **options: object) -> Path:
    every_type.write(ArrowSink, path, table, ArrowSinkOptions(**options), chunk)
    return path


def read(path: Path, request: ScanRequest | None = None) -> pa.Table:
    return every_type.read(ArrowReader, path, NoOptions(), request)


def open_reader(path: Path, **context: int) -> ArrowReader:
    return ArrowReader(FileSource(path), NoOptions(), every_type.Context(**context))


def all_types() -> pa.Table:
    table = every_type.table()
    for name, array in every_type.only_arrow().items():
        table = table.append_column(name, array)
    return table


def independently(path: Path) -> pa.Table:
    data = path.read_bytes()
    is_file = data.startswith(b"ARROW1")
    return (pa.ipc.open_file if is_file else pa.ipc.open_stream)(data).read_all()


# --- writing ---


@pytest.mark.parametrize("name", ["a.arrow", "a.feather", "a.ipc", "a.arrows"])
@pytest.mark.parametrize("compression", ["none", "lz4", "zstd"])
def test_every_type_comes_back_through_both(tmp_path: Path, name: str, compression: str) -> None:
    table = all_types()
    path = write(tmp_path / name, table, chunk=2, compression=compression)
    assert path.read_bytes().startswith(b"ARROW1") == (name != "a.arrows")
    for found in (independently(path), read(path)):
        assert found.schema.equals(table.schema, check_metadata=True)
        for column in table.column_names:
            # A slice of a column is compared by its values: buffers may start elsewhere.
            assert found.column(column).to_pylist() == table.column(column).to_pylist(), column


def test_other_readers_see_the_same_values(tmp_path: Path) -> None:
    table = sample()
    path = write(tmp_path / "a.arrow", table, chunk=900)
    assert pl.read_ipc(path).to_arrow().cast(table.schema).equals(table)
    stream = write(tmp_path / "a.arrows", table, chunk=900)
    assert pl.read_ipc_stream(stream).to_arrow().cast(table.schema).equals(table)
    assert pyarrow.feather.read_table(path).equals(table)


def test_the_option_overrules_the_suffix(tmp_path: Path) -> None:
    table = sample(10)
    assert not write(tmp_path / "a.arrow", table, stream=True).read_bytes().startswith(b"ARROW1")
    assert write(tmp_path / "b.arrows", table, stream=False).read_bytes().startswith(b"ARROW1")


def test_the_same_chunks_give_the_same_bytes(tmp_path: Path) -> None:
    one = write(tmp_path / "a.arrow", sample(), chunk=999, compression="zstd")
    two = write(tmp_path / "b.arrow", sample(), chunk=999, compression="zstd")
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("name", ["a.arrow", "a.arrows"])
def test_no_rows_make_a_valid_file_with_a_schema(tmp_path: Path, name: str) -> None:
    table = all_types().slice(0, 0)
    path = write(tmp_path / name, table)
    assert independently(path).schema.equals(table.schema, check_metadata=True)
    assert read(path).schema.equals(table.schema, check_metadata=True)
    with open_reader(path) as reader:
        assert reader.count() == 0


def test_batches_have_the_rows_of_the_option(tmp_path: Path) -> None:
    with FileTarget(tmp_path / "a.arrow") as target:
        options = ArrowSinkOptions(batch_rows=40)
        with ArrowSink(target, sample(1).schema, options, every_type.Context()) as sink:
            assert sink.chunk.rows == 40
            for batch in sample(100).to_batches():
                sink.write(batch)
            sink.commit()
        target.publish()
    file = pa.ipc.open_file((tmp_path / "a.arrow").read_bytes())
    rows = [file.get_batch(i).num_rows for i in range(file.num_record_batches)]
    assert rows == [40, 40, 20]


def changing_dictionaries() -> list[pa.RecordBatch]:
    words = (["a", "b", "a"], ["c", "b", None], ["d", "a", "c"], ["a", "a", "a"])
    return [
        pa.record_batch({"w": pa.array(each).dictionary_encode(), "n": range(3)}) for each in words
    ]


@pytest.mark.parametrize("name", ["a.arrow", "a.arrows"])
def test_dictionaries_may_change_from_batch_to_batch(tmp_path: Path, name: str) -> None:
    batches = changing_dictionaries()
    with FileTarget(tmp_path / name) as target:
        with ArrowSink(target, batches[0].schema, ArrowSinkOptions(), every_type.Context()) as sink:
            for batch in batches:
                sink.append(sink.encode(batch))
            sink.commit()
        target.publish()
    expected = [value for batch in batches for value in batch.column("w").to_pylist()]
    for found in (independently(tmp_path / name), read(tmp_path / name)):
        assert found.column("w").to_pylist() == expected


def test_a_dictionary_that_outgrows_memory_is_told(tmp_path: Path) -> None:
    source = tmp_path / "in.arrows"
    with pa.ipc.new_stream(source, pa.schema({"w": pa.dictionary(pa.int32(), pa.string())})) as out:
        for start in range(0, 400_000, 10_000):
            words = pa.array(
                [f"a rather long word, number {n}" for n in range(start, start + 10_000)]
            )
            out.write_batch(pa.record_batch({"w": words.dictionary_encode()}))
    dataset = arrowsmith.open(source, budget="32MB")
    with pytest.raises(BudgetExceeded, match=r"dictionary of column 'w'.*write a stream"):
        dataset.write(tmp_path / "out.arrow")
    assert dataset.write(tmp_path / "out.arrows").rows_out == 400_000
    assert not (tmp_path / "out.arrow").exists()


def test_nested_dictionaries_that_change_need_a_stream(tmp_path: Path) -> None:
    batches = [
        pa.record_batch({"s": pa.StructArray.from_arrays([batch.column("w")], ["w"])})
        for batch in changing_dictionaries()
    ]
    with FileTarget(tmp_path / "a.arrow") as target:
        sink = ArrowSink(target, batches[0].schema, ArrowSinkOptions(), every_type.Context())
        with sink:
            sink.append(batches[0])
            with pytest.raises(DataError, match="need the stream format"):
                sink.append(batches[1])
    assert not (tmp_path / "a.arrow").exists()


def test_levels_are_checked(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no levels"):
        write(tmp_path / "a.arrow", sample(1), compression_level=1)
    with pytest.raises(OptionError, match="is not between"):
        write(tmp_path / "a.arrow", sample(1), compression="zstd", compression_level=1_000)


# --- reading ---


@pytest.mark.parametrize("name", ["a.arrow", "a.arrows"])
def test_batches_lie_over_the_mapped_file(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, sample(), chunk=1_000)
    mappings = []

    class Mapped(FileSource):
        def map(self) -> pa.Buffer:
            mappings.append(super().map())
            return mappings[-1]

    with ArrowReader(Mapped(path), NoOptions(), every_type.Context()) as reader:
        batches = list(reader.scan(ScanRequest(batch_rows=300)))
    (mapping,) = mappings
    inside = range(mapping.address, mapping.address + mapping.size)
    addresses = [
        buffer.address
        for batch in batches
        for column in batch.columns
        for buffer in column.buffers()
        if buffer is not None and buffer.size
    ]
    assert len(addresses) > 100
    assert all(address in inside for address in addresses)
    # They stay valid when reader and source are gone.
    del reader, mapping
    mappings.clear()
    assert pa.Table.from_batches(batches).equals(sample())


@pytest.mark.parametrize("name", ["a.arrow", "a.arrows"])
@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_batches_stay_under_both_ceilings(tmp_path: Path, name: str, compression: str) -> None:
    path = write(tmp_path / name, sample(), chunk=2_000, compression=compression)
    request = ScanRequest(batch_rows=77, batch_bytes=3_000)
    with open_reader(path) as reader:
        batches = list(reader.scan(request))
    assert pa.Table.from_batches(batches).equals(sample())
    assert all(batch.num_rows <= 77 and batch.nbytes <= 6_000 for batch in batches)


@pytest.mark.parametrize("name", ["a.arrow", "a.arrows", "a.arrow.gz", "a.arrows.gz"])
def test_projection_limit_and_count(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, sample(), chunk=700)
    found = read(path, ScanRequest(columns=("text", "id")))
    assert found.equals(sample().select(["text", "id"]))
    assert read(path, ScanRequest(limit=701)).equals(sample().slice(0, 701))
    assert read(path, ScanRequest(columns=())).num_rows == 5_000
    with pytest.raises(UsageError, match="there is no column 'nope'"):
        read(path, ScanRequest(columns=("nope",)))
    with open_reader(path) as reader:
        assert reader.count() == (None if name == "a.arrows.gz" else 5_000)


def test_a_file_is_split_by_its_batches(tmp_path: Path) -> None:
    path = write(tmp_path / "a.arrow", sample(), chunk=500)
    with open_reader(path) as reader:
        splits = list(reader.splits(100_000))
        assert len(splits) > 2
        assert all(isinstance(split, Split) for split in splits)
        parts = [
            batch
            for split in pickle.loads(pickle.dumps(splits))
            for batch in reader.scan(ScanRequest(split=split))
        ]
        assert pa.Table.from_batches(parts).equals(sample())
        assert len(list(reader.tasks(ScanRequest()))) == 10
    with open_reader(write(tmp_path / "a.arrows", sample())) as reader:
        assert list(reader.splits(1)) == []


def feather_v1(path: Path, table: pa.Table) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pyarrow.feather.write_feather(table, path, version=1)
    assert path.read_bytes().startswith(b"FEA1")
    return path


def test_feather_v1_is_read(tmp_path: Path) -> None:
    names = ["bool", "int8", "uint64", "float32", "string", "binary", "date32", "dictionary"]
    types = every_type.table().select(
        [*names, "large_string", "time32 ms", "timestamp us", "zoned ns"]
    )
    for table in (sample(), types, sample(0)):
        path = feather_v1(tmp_path / "a.feather", table)
        table = table.replace_schema_metadata()
        assert read(path).equals(table)
        assert read(path, ScanRequest(limit=3)).equals(table.slice(0, 3))
        with open_reader(path) as reader:
            assert reader.count() == table.num_rows


def test_deltas_of_other_writers_are_read(tmp_path: Path) -> None:
    dictionaries = [pa.array(["a", "b"]), pa.array(["a", "b", "c"])]
    batches = [
        pa.record_batch({"w": pa.DictionaryArray.from_arrays(pa.array([0, i + 1]), words)})
        for i, words in enumerate(dictionaries)
    ]
    options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
    for new, name in ((pa.ipc.new_file, "a.arrow"), (pa.ipc.new_stream, "a.arrows")):
        path = tmp_path / name
        with new(str(path), batches[0].schema, options=options) as out:
            for batch in batches:
                out.write_batch(batch)
        assert read(path).column("w").to_pylist() == ["a", "b", "a", "c"]


# --- probing ---


def test_the_probe_knows_a_stream(tmp_path: Path) -> None:
    data = write(tmp_path / "a.arrows", sample()).read_bytes()
    assert probe(Head("x", data)) is Match.CERTAIN
    assert probe(Head("x", data[:100])) is Match.LIKELY
    for other in (b"", b"\xff", b"\xff" * 8, b"\xff" * 4 + b"\x10\0\0\0" + bytes(64), b"id,x\n1,2"):
        assert probe(Head("x", other)) is Match.NO
    file = write(tmp_path / "a.arrow", sample()).read_bytes()
    assert probe(Head("x", file)) is Match.NO  # the magic tells it


# --- damage ---


def test_what_is_wrong_is_said_in_one_line(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.arrow", sample()).read_bytes()
    path = tmp_path / "b.arrow"
    for data, says in (
        (whole[:10], "does not end in ARROW1"),
        (whole[:-1], "does not end in ARROW1"),
        (whole[:-10] + b"\xff\xff\xff\x7fARROW1", "claims 2147483647 bytes"),
        (whole[:-60] + whole[-40:], "it cannot be read"),
        (whole.replace(b"score", b"sc\xffre"), "the schema: .* can't decode byte 0xff"),
    ):
        path.write_bytes(data)
        with pytest.raises(DataError, match=says) as caught:
            read(path)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.arrows", "a.arrows.gz"])
def test_a_stream_that_is_cut_short_is_an_error(tmp_path: Path, name: str) -> None:
    whole = write(tmp_path / "a", sample(), chunk=1_000, stream=True).read_bytes()
    cut = whole[: len(whole) // 2]
    (tmp_path / name).write_bytes(gzip.compress(cut) if name.endswith("gz") else cut)
    with pytest.raises(DataError, match="batch"):
        read(tmp_path / name)


def test_strings_that_are_no_text_name_their_batch(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.arrow", sample(), chunk=1_000).read_bytes()
    path = tmp_path / "b.arrow"
    path.write_bytes(whole.replace(b"row 3500", b"row \xff500"))
    with pytest.raises(DataError, match=r"batch 3: .*UTF8"):
        read(path)


@pytest.mark.parametrize("name", ["a.arrow", "a.arrows", "a.arrows.gz"])
def test_what_grows_beyond_the_budget_is_refused_before(tmp_path: Path, name: str) -> None:
    table = pa.table({"x": pa.array([0] * 1_000_000)})
    path = write(tmp_path / name, table, chunk=1_000_000, compression="zstd")
    assert path.stat().st_size < 100_000

    def scan(limit: int) -> int:
        with open_reader(path, memory_limit=limit) as reader:
            return sum(batch.num_rows for batch in reader.scan(ScanRequest()))

    with pytest.raises(BudgetExceeded, match="8000000 bytes") as caught:
        scan(4 << 20)
    assert scan(caught.value.needed) == 1_000_000


def test_damage_of_a_compressed_stream_never_crashes(tmp_path: Path) -> None:
    """Files and streams that are not compressed as a whole are in ``test_damage.py``."""
    path = write(tmp_path / "a.arrows.gz", all_types(), chunk=2)
    footer = path.stat().st_size // 4
    assert run_damage("test_arrow", path, footer=footer, turns=200, seed=9) > 60


def test_pandas_is_not_imported(tmp_path: Path) -> None:
    script = f"""
import sys
import pyarrow as pa
from arrowsmith.formats.arrow import ArrowSinkOptions
from arrowsmith.formats.arrow.reader import ArrowReader
from arrowsmith.formats.arrow.sink import ArrowSink
from arrowsmith.location.source import FileSource
from arrowsmith.location.target import FileTarget
from arrowsmith.plugin import NoOptions, ScanRequest
class Context:
    memory_limit, threads = 1 << 28, 2
    def check_cancelled(self): pass
indices = pa.Array.from_buffers(pa.int32(), 1, [None, pa.py_buffer(bytes(4))])
def batch(letter):
    ends = pa.py_buffer(bytes(4) + b"\\1\\0\\0\\0")
    text = pa.Array.from_buffers(pa.string(), 1, [None, ends, pa.py_buffer(letter)])
    words = pa.DictionaryArray.from_arrays(indices, text)
    return pa.RecordBatch.from_arrays([words, indices], names=["w", "x"])
for name in ("a.arrow", "a.arrows"):
    with FileTarget({str(tmp_path)!r} + "/" + name) as target:
        with ArrowSink(target, batch(b"a").schema, ArrowSinkOptions(), Context()) as sink:
            sink.write(batch(b"a"))
            sink.write(batch(b"b"))
            sink.commit()
        target.publish()
    with ArrowReader(FileSource(target.path), NoOptions(), Context()) as reader:
        assert [b.num_rows for b in reader.scan(ScanRequest())] == [1, 1]
assert "pandas" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
