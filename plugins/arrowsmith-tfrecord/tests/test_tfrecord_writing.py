"""What is written, read back by the tfrecord package and by protocol buffers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tfrecord.reader import tfrecord_iterator, tfrecord_loader
from tfrecord.tools.tfrecord2idx import create_index
from tfrecord_examples import (
    as_read,
    by_hand,
    entry,
    example,
    floats,
    frames,
    ints,
    sequence_example,
    texts,
)

import arrowsmith
from arrowsmith.catalog import get_catalog
from arrowsmith.errors import DataError, OptionError, SchemaMismatch, SourceError
from arrowsmith.plugin import ScanRequest
from arrowsmith.testing import KitContext
from arrowsmith.testing.checks import opened


def write(table: pa.Table, path: Path, **options: Any) -> Path:
    source = path.with_suffix(".arrow")
    with pa.OSFile(str(source), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    arrowsmith.open(source).write(path, overwrite=True, **options)
    return path


def messages(path: Path) -> list[dict[str, Any]]:
    kind = "gzip" if path.suffix == ".gz" else None
    return [as_read(bytes(one)) for one in tfrecord_iterator(str(path), compression_type=kind)]


INTS = st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 200)
SINGLES = st.floats(width=32, allow_nan=False)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "i": st.none() | INTS,
                "f": st.none() | SINGLES,
                "b": st.none() | st.binary(max_size=300),
                "is": st.none() | st.lists(INTS, max_size=9),
                "fs": st.none() | st.lists(SINGLES, max_size=9),
                "bs": st.none() | st.lists(st.binary(max_size=100), max_size=5),
                "pair": st.none() | st.lists(SINGLES, min_size=2, max_size=2),
                "ok": st.none() | st.booleans(),
                "text": st.none() | st.text(max_size=20),
            }
        ),
        min_size=1,
        max_size=30,
    )
)
def test_any_rows_are_read_back_by_the_reference(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    schema = pa.schema(
        {
            "i": pa.int64(),
            "f": pa.float32(),
            "b": pa.binary(),
            "is": pa.list_(pa.int64()),
            "fs": pa.large_list(pa.float32()),
            "bs": pa.list_(pa.binary()),
            "pair": pa.list_(pa.float32(), 2),
            "ok": pa.bool_(),
            "text": pa.string(),
        }
    )
    table = pa.Table.from_pylist(rows, schema=schema)
    path = write(table, tmp_path_factory.mktemp("any") / "a.tfrecord")
    wanted = []
    for row in rows:
        there: dict[str, Any] = {}
        for name, value in row.items():
            if value is not None:
                values = value if isinstance(value, list) else [value]
                there[name] = [v.encode() if isinstance(v, str) else v for v in values]
        wanted.append(there)
    assert messages(path) == wanted


def test_tfrecord_package_loads_what_is_written_and_its_index(tmp_path: Path) -> None:
    table = pa.table({"x": list(range(1000)), "v": [[n / 2, 1.0] for n in range(1000)]})
    path = write(table, tmp_path / "a.tfrecord", index=True)
    loaded = list(tfrecord_loader(str(path), None, {"x": "int", "v": "float"}))
    assert [int(row["x"][0]) for row in loaded] == list(range(1000))
    assert [row["v"].tolist() for row in loaded[:2]] == [[0.0, 1.0], [0.5, 1.0]]
    create_index(str(path), str(tmp_path / "theirs"))
    index = Path(f"{path}.index")
    assert index.read_bytes() == (tmp_path / "theirs").read_bytes()
    second = list(tfrecord_loader(str(path), str(index), {"x": "int"}, shard=(1, 2)))
    assert [int(row["x"][0]) for row in second] == list(range(500, 1000))


@pytest.mark.parametrize(
    ("kind", "values", "wanted"),
    [
        (pa.int8(), [-1, 2], [[-1], [2]]),
        (pa.uint64(), [1, 1 << 62], [[1], [1 << 62]]),
        (pa.float16(), [0.5, -2.0], [[0.5], [-2.0]]),
        (pa.string_view(), ["a", "b"], [[b"a"], [b"b"]]),
        (pa.binary(2), [b"ab", b"cd"], [[b"ab"], [b"cd"]]),
        (pa.large_string(), ["a", None], [[b"a"], None]),
        (pa.dictionary(pa.int8(), pa.string()), ["a", "b"], [[b"a"], [b"b"]]),
        (pa.binary_view(), [b"a", None], [[b"a"], None]),
        (pa.list_(pa.string_view()), [["a", "b"], None, []], [[b"a", b"b"], None, []]),
        (pa.list_(pa.int8(), 2), [[1, 2], None, [-1, 0]], [[1, 2], None, [-1, 0]]),
        (pa.list_(pa.dictionary(pa.int8(), pa.string())), [["a"], []], [[b"a"], []]),
        (pa.list_(pa.bool_()), [[True, False], None], [[1, 0], None]),
        (pa.list_(pa.int16(), 0), [[], []], [[], []]),
        (pa.null(), [None, None], [None, None]),
    ],
    ids=str,
)
def test_types_become_one_of_three_kinds(
    tmp_path: Path, kind: pa.DataType, values: list[Any], wanted: list[Any]
) -> None:
    path = write(pa.table({"x": pa.array(values, kind)}), tmp_path / "a.tfrecord")
    assert [row.get("x") for row in messages(path)] == wanted


def test_tensors_are_written_flat(tmp_path: Path) -> None:
    kind = pa.fixed_shape_tensor(pa.float32(), (2, 2))
    storage = pa.array([[1, 2, 3, 4], [5, 6, 7, 8]], pa.list_(pa.float32(), 4))
    table = pa.table({"t": pa.ExtensionArray.from_storage(kind, storage)})
    path = write(table, tmp_path / "a.tfrecord")
    assert messages(path) == [{"t": [1, 2, 3, 4]}, {"t": [5, 6, 7, 8]}]


@pytest.mark.parametrize(
    "kind",
    [
        pa.struct([("a", pa.int64())]),
        pa.list_(pa.list_(pa.int64())),
        pa.decimal128(5, 2),
        pa.map_(pa.string(), pa.int64()),
        pa.timestamp("us"),
        pa.date32(),
    ],
    ids=str,
)
def test_types_that_no_example_has_are_refused(tmp_path: Path, kind: pa.DataType) -> None:
    with pytest.raises(SchemaMismatch, match=r"a\.tfrecord: .*'x'"):
        write(pa.table({"x": pa.nulls(2, kind)}), tmp_path / "a.tfrecord")
    assert not (tmp_path / "a.tfrecord").exists()


def test_times_are_written_as_numbers_on_request(tmp_path: Path) -> None:
    table = pa.table(
        {
            "t": pa.array([1, None], pa.timestamp("ms", "UTC")),
            "d": pa.array([2, 3], pa.date32()),
            "l": pa.array([[4], [5]], pa.list_(pa.duration("s"))),
        }
    )
    path = write(table, tmp_path / "a.tfrecord", times="int64")
    assert messages(path) == [{"t": [1], "d": [2], "l": [4]}, {"d": [3], "l": [5]}]


@pytest.mark.parametrize(
    ("column", "told"),
    [
        (pa.array([1 << 63], pa.uint64()), "beyond int64"),
        (pa.array([[1, None]]), "a null within a list"),
        (pa.array([[None]], pa.list_(pa.null())), "lists of nulls"),
    ],
)
def test_values_that_no_example_has_are_errors(tmp_path: Path, column: pa.Array, told: str) -> None:
    with pytest.raises(DataError, match=told):
        write(pa.table({"x": column}), tmp_path / "a.tfrecord")


def test_rounded_floats_are_told(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="rounded to float32"):
        write(pa.table({"x": [0.1]}), tmp_path / "a.tfrecord")


def test_rows_come_back_by_way_of_parquet(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": pa.array([1, None, 3]),
            "tags": pa.array([[1], [], None], pa.list_(pa.int64())),
            "image": pa.array([b"x", b"", None], pa.binary()),
            "score": pa.array([0.5, None, 1.5], pa.float32()),
        }
    )
    write(table, tmp_path / "a.parquet")
    arrowsmith.open(tmp_path / "a.parquet").write(tmp_path / "a.tfrecord")
    arrowsmith.open(tmp_path / "a.tfrecord").write(tmp_path / "b.parquet")
    assert arrowsmith.open(tmp_path / "b.parquet").to_table().equals(table)


KINDS = {"i": ints, "f": floats, "b": texts}
FEATURES = st.fixed_dictionaries(
    {},
    optional={
        "i one": INTS.map(lambda value: [value]),
        "i": st.lists(INTS, max_size=9),
        "i pair": st.lists(INTS, min_size=2, max_size=2),
        "f one": SINGLES.map(lambda value: [value]),
        "f": st.lists(SINGLES, max_size=9),
        "f pair": st.lists(SINGLES, min_size=2, max_size=2),
        "b one": st.binary(max_size=200).map(lambda value: [value]),
        "b": st.lists(st.binary(max_size=99), max_size=5),
        "b pair": st.lists(st.binary(max_size=9), min_size=2, max_size=2),
    },
)


@settings(deadline=None, max_examples=40)
@given(st.lists(FEATURES, min_size=1, max_size=20), st.booleans(), st.booleans())
def test_any_examples_are_the_same_by_way_of_parquet(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], packed: bool, fixed: bool
) -> None:
    """From the reference by TFRecord, Parquet and TFRecord back to the reference."""

    def feature(name: str, values: list[Any]) -> bytes:
        write = KINDS[name[0]]
        return write(*values) if name[0] == "b" else write(*values, packed=packed)

    folder = tmp_path_factory.mktemp("by")
    payloads = [by_hand(*(entry(n, feature(n, v)) for n, v in row.items())) for row in rows]
    (folder / "a.tfrecord").write_bytes(frames(payloads))
    source = arrowsmith.open(folder / "a.tfrecord", payload="example", fixed_lists=fixed)
    if not source.schema.names:
        return
    source.write(folder / "a.parquet")
    table = pq.read_table(folder / "a.parquet")
    for row, got in zip(rows, table.to_pylist(), strict=True):
        assert {
            n: v if isinstance(v, list) else [v] for n, v in got.items() if v is not None
        } == row
    arrowsmith.open(folder / "a.parquet").write(folder / "b.tfrecord")
    assert messages(folder / "b.tfrecord") == [as_read(one) for one in payloads] == rows


def test_sequence_examples_become_lists_of_lists_in_parquet(tmp_path: Path) -> None:
    payloads = [
        sequence_example(
            {"id": [n]}, {"w": [[b"a"] * (k + 1) for k in range(n)], "t": [[0.5], [n / 4]]}
        )
        for n in range(5)
    ]
    (tmp_path / "a.tfrecord").write_bytes(frames(payloads))
    arrowsmith.open(tmp_path / "a.tfrecord").write(tmp_path / "a.parquet")
    wanted = [as_read(one, sequence=True) for one in payloads]
    rows = pq.read_table(tmp_path / "a.parquet").to_pylist()
    assert [row["id"] for row in rows] == [row["id"][0] for row in wanted]
    for name in ("w", "t"):
        assert [row[name] for row in rows] == [row[name] for row in wanted]


def test_shards_have_no_index(tmp_path: Path) -> None:
    ds = arrowsmith.open(write(pa.table({"x": [1, 2]}), tmp_path / "a.tfrecord"))
    with pytest.raises(OptionError, match="beside a single file"):
        ds.write(tmp_path / "shards", format="tfrecord", rows_per_file=1, index=True)
    assert not (tmp_path / "shards").exists()


def test_standard_output_has_no_index(tmp_path: Path) -> None:
    path = write(pa.table({"x": [1, 2]}), tmp_path / "a.tfrecord")
    command = [sys.executable, "-m", "arrowsmith", "convert", str(path), "-", "--to", "tfrecord"]
    run = subprocess.run(
        [*command, "-w", "index=true"], cwd=tmp_path, capture_output=True, check=False
    )
    assert (run.returncode, run.stdout) == (2, b"")
    assert b"an index is written beside a single file" in run.stderr
    assert not (tmp_path / "-.index").exists()


def test_gzip_by_suffix(tmp_path: Path) -> None:
    path = write(pa.table({"x": [1, 2]}), tmp_path / "a.tfrecord.gz")
    assert messages(path) == [{"x": [1]}, {"x": [2]}]


def test_rows_are_added_with_their_index(tmp_path: Path) -> None:
    path = write(pa.table({"x": [1, 2]}), tmp_path / "a.tfrecord", index=True)
    more = tmp_path / "more.arrow"
    with pa.OSFile(str(more), "wb") as file:
        table = pa.table({"x": [3]})
        with pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    arrowsmith.open(more).write(path, append=True, index=True)
    assert messages(path) == [{"x": [1]}, {"x": [2]}, {"x": [3]}]
    create_index(str(path), str(tmp_path / "theirs"))
    assert Path(f"{path}.index").read_bytes() == (tmp_path / "theirs").read_bytes()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="record 2, byte"):
        arrowsmith.open(more).write(path, append=True)


def test_index_gives_splits_and_count_and_a_stale_one_is_not_used(tmp_path: Path) -> None:
    table = pa.table({"x": list(range(5000))})
    path = write(table, tmp_path / "a.tfrecord", index=True)
    spec = get_catalog().reader("tfrecord")
    with opened(spec, path, {}, KitContext()) as reader:
        assert reader.count() == 5000
        splits = list(reader.splits(10_000))
        batches = [b for one in splits for b in reader.scan(ScanRequest(split=one))]
    assert len(splits) > 5
    assert pa.Table.from_batches(batches)["x"].to_pylist() == list(range(5000))
    path.write_bytes(path.read_bytes() + frames([example({"x": [1]})]))
    context = KitContext()
    with opened(spec, path, {}, context) as reader:
        assert sum(1 for _ in reader.splits(10_000)) > 5
        assert reader.count() is None
    assert "is not the index of a.tfrecord as it is now" in context.warnings[0]
    stale = {"index": f"{path}.index"}
    with opened(spec, path, stale, KitContext()) as reader, pytest.raises(DataError):
        list(reader.splits(10_000))
    missing = {"index": str(tmp_path / "none.index")}
    with opened(spec, path, missing, KitContext()) as reader, pytest.raises(SourceError):
        list(reader.splits(10_000))


def test_index_of_another_file_as_long_is_not_used(tmp_path: Path) -> None:
    path = write(pa.table({"x": ["ab", "c", "d"]}), tmp_path / "a.tfrecord", index=True)
    other = write(pa.table({"x": ["a", "bc", "d"]}), tmp_path / "b.tfrecord")
    assert other.stat().st_size == path.stat().st_size
    path.write_bytes(other.read_bytes())
    with pytest.warns(UserWarning, match="is not the index of a"):
        assert arrowsmith.open(path).count() == 3


@pytest.mark.parametrize(
    "text", [b"", b"0", b"0 x\n", b"0 99\n", b"-0 1\n", b"9" * 100, b"0 18\n\xff", b"0 9" * 400_000]
)
def test_damaged_index_is_not_used(tmp_path: Path, text: bytes) -> None:
    path = write(pa.table({"x": [1, 2, 3]}), tmp_path / "a.tfrecord")
    Path(f"{path}.index").write_bytes(text)
    with pytest.warns(UserWarning, match="is not the index of a"):
        assert arrowsmith.open(path).count() == 3


def test_index_of_many_records_is_read_in_blocks(tmp_path: Path) -> None:
    rows = 120_000  # 1.4 MB of lines
    path = write(pa.table({"x": [0] * rows}), tmp_path / "a.tfrecord", index=True)
    assert Path(f"{path}.index").stat().st_size > 1 << 20
    spec = get_catalog().reader("tfrecord")
    with opened(spec, path, {}, KitContext()) as reader:
        assert reader.count() == rows


def test_folder_of_shards_with_their_indexes_is_opened(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    folder.mkdir()
    for n in range(3):
        write(pa.table({"x": [n]}), tmp_path / "one.tfrecord", index=True)
        for suffix in ("", ".index"):
            (tmp_path / f"one.tfrecord{suffix}").rename(folder / f"{n}.tfrecord{suffix}")
    assert arrowsmith.open(folder).to_table()["x"].to_pylist() == [0, 1, 2]
