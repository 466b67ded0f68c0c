"""``Dataset.mapped()``: rows by number, equal to those of a table, without a copy."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import arrowsmith
from arrowsmith.dataset.mapped import Mapped
from arrowsmith.errors import OptionError, SourceChanged, SourceNotFound, UsageError

ROWS = 1000


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("ARROWSMITH_CACHE", str(folder))
    return folder


def arrow_file(table: pa.Table, path: Path, rows: int = 100, **options) -> Path:
    with pa.ipc.new_file(path, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=rows)
    return path


@pytest.fixture
def mapped(table, tmp_path):
    """The table in ten batches."""
    return arrowsmith.open(arrow_file(table, tmp_path / "t.arrow")).mapped()


def addresses(table: pa.Table | pa.RecordBatch) -> list[int]:
    batches = [table] if isinstance(table, pa.RecordBatch) else table.to_batches()
    return [
        buffer.address
        for batch in batches
        for column in batch.columns
        for buffer in column.buffers()
        if buffer is not None and buffer.size
    ]


def maps_of(path: str) -> list[range]:
    """Where this process has a file mapped."""
    found = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        if line.endswith(path):
            first, last = (int(part, 16) for part in line.split()[0].split("-"))
            found.append(range(first, last))
    return found


def is_over(data: pa.Table | pa.RecordBatch, path: str) -> bool:
    maps = maps_of(path)
    return all(any(one in part for part in maps) for one in addresses(data))


# --- the rows ------------------------------------------------------------------------------------


def test_rows_are_dictionaries_of_python_values(mapped, table):
    assert len(mapped) == ROWS
    expected = table.to_pylist()
    assert [mapped[0], mapped[17], mapped[-1], mapped[np.int64(99)], mapped[100]] == [
        expected[0], expected[17], expected[-1], expected[99], expected[100]
    ]  # fmt: skip
    assert list(mapped) == expected


@pytest.mark.parametrize("number", [ROWS, -ROWS - 1, 10**30, -(10**30)])
def test_a_row_that_is_not_there_is_an_index_error(mapped, number):
    with pytest.raises(IndexError, match=str(number)):
        mapped[number]


@pytest.mark.parametrize("rows", [[ROWS], [0, -ROWS - 1], [2**63], np.array([2**64 - 1], "u8")])
def test_rows_that_are_not_there_are_an_index_error(mapped, rows):
    with pytest.raises(IndexError, match=str(ROWS)):
        mapped.take(rows)
    with pytest.raises(IndexError, match=str(-(10**30))):
        mapped.take([1, -(10**30)])


@pytest.mark.parametrize(
    "rows", ["id", 1.5, None, [1.5], ["a"], [[1]], [True, False], np.zeros((2, 2), int), {"a": 1}]
)
def test_what_is_no_number_is_a_type_error(mapped, rows):
    with pytest.raises(TypeError, match="whole numbers"):
        mapped[rows]


numbers = st.lists(st.integers(-ROWS, ROWS - 1), max_size=50)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(numbers)
def test_take_gives_what_a_table_gives(mapped, table, rows):
    counted = pa.array([row % ROWS for row in rows], pa.int64())
    expected = table.take(counted)
    for given_ in (rows, np.array(rows, dtype=np.int64), pa.array(rows, pa.int64())):
        assert mapped.take(given_).equals(expected)
    assert mapped[rows].equals(expected)
    assert mapped.__getitems__(rows) == expected.to_pylist()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.slices(ROWS) | st.builds(slice, *[st.none() | st.integers(-2 * ROWS, 2 * ROWS)] * 2))
def test_a_slice_gives_what_it_does_of_a_list(mapped, table, which):
    wanted = list(range(ROWS))[which]
    assert mapped[which].equals(table.take(pa.array(wanted, pa.int64())))


@pytest.mark.parametrize("dtype", ["i1", "u1", "i4", "u4", "u8", ">i4"])
def test_numbers_of_any_width(mapped, table, dtype):
    rows = np.array([3, 1, 2, 3], dtype=dtype)
    assert mapped.take(rows).equals(table.take([3, 1, 2, 3]))


def test_numbers_in_chunks_and_nulls(mapped, table):
    assert mapped.take(pa.chunked_array([[3], [1, 2]])).equals(table.take([3, 1, 2]))
    with pytest.raises(IndexError, match="null"):
        mapped.take(pa.array([1, None]))


@pytest.mark.parametrize("batch_rows", [None, 1, 7, 100, 64_000])
def test_batches_give_all_rows_in_order(mapped, table, batch_rows):
    found = list(mapped.batches(batch_rows))
    assert pa.Table.from_batches(found).equals(table)
    assert max(batch.num_rows for batch in found) <= (batch_rows or ROWS)
    with pytest.raises(UsageError, match="batch_rows"):
        list(mapped.batches(0))


def test_other_libraries_take_it_as_it_is(mapped, table):
    assert pl.DataFrame(mapped)["id"].to_list() == table["id"].to_pylist()
    assert duckdb.sql("select count(*), sum(id) from mapped").fetchall() == [(ROWS, 499_500)]
    assert pa.table(mapped).equals(table)


def test_a_file_that_is_larger_than_memory(table, tmp_path, monkeypatch):
    """What is said to be: the kernel is told of another use, and the rows are the same."""
    monkeypatch.setattr("arrowsmith.dataset.mapped.machine_memory", lambda: 1000)
    rows = arrowsmith.open(arrow_file(table, tmp_path / "t.arrow")).mapped()
    assert rows.take([ROWS - 1, 0]).to_pylist() == table.take([ROWS - 1, 0]).to_pylist()
    assert rows.to_table() == table
    assert is_over(rows.to_table(), rows.path)


def test_nothing_is_copied(mapped, table):
    assert is_over(mapped.to_table(), mapped.path)
    assert is_over(mapped[5:910], mapped.path)
    assert all(is_over(batch, mapped.path) for batch in mapped.batches(7))
    assert not is_over(mapped.take([1, 2]), mapped.path)


# --- columns of every kind -----------------------------------------------------------------------

TENSOR = pa.fixed_shape_tensor(pa.int32(), [2, 3])
TENSORS = np.arange(60 * 6, dtype=np.int32).reshape(60, 2, 3)
WORDS = pa.array([None if n % 7 == 0 else f"k{n % 5}" for n in range(60)])
KINDS = {
    "dictionary": WORDS.dictionary_encode(),
    "list": pa.array([None if n % 9 == 0 else list(range(n % 4)) for n in range(60)]),
    "struct": pa.array([{"a": n, "b": [str(n)]} for n in range(60)]),
    "map": pa.array([[("k", n)] for n in range(60)], pa.map_(pa.string(), pa.int64())),
    "tensor": pa.FixedShapeTensorArray.from_numpy_ndarray(TENSORS),
    "bool": pa.array([n % 3 == 0 for n in range(60)]),
    "null": pa.nulls(60),
    "large": pa.array([str(n) for n in range(60)], pa.large_string()),
    "view": pa.array([f"a text longer than inline {n}" for n in range(60)], pa.string_view()),
    "runs": pa.RunEndEncodedArray.from_arrays([20, 50, 60], ["a", None, "c"]),
    "union": pa.UnionArray.from_dense(
        pa.array([n % 2 for n in range(60)], pa.int8()),
        pa.array([n // 2 for n in range(60)], pa.int32()),
        [pa.array(range(30)), pa.array([str(n) for n in range(30)])],
    ),
    "nested dictionary": pa.StructArray.from_arrays([WORDS.dictionary_encode()], ["a"]),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_columns_of_every_kind(name, tmp_path):
    column = KINDS[name]
    table = pa.table({"x": column})
    path = arrow_file(table, tmp_path / "t.arrow", rows=60 if name == "runs" else 25)
    with arrowsmith.open(path).mapped() as rows:
        picked = [59, 0, 0, 30, -1, 24, 25]
        expected = [column.slice(row % 60, 1).to_pylist()[0] for row in picked]
        assert rows.take(picked)["x"].to_pylist() == expected
        assert rows.take(picked).schema == table.schema
        assert rows[10:40]["x"].to_pylist() == column.slice(10, 30).to_pylist()
        if name != "tensor":
            assert rows[30] == {"x": column[30].as_py()}


def test_a_tensor_is_a_numpy_array_of_its_own(tmp_path):
    path = arrow_file(pa.table({"x": KINDS["tensor"]}), tmp_path / "t.arrow", rows=25)
    row = arrowsmith.open(path).mapped()[41]["x"]
    np.testing.assert_array_equal(row, TENSORS[41])
    assert row.flags.writeable


@pytest.mark.parametrize("rows", [0, 1])
def test_hardly_any_rows(tmp_path, rows):
    pq.write_table(pa.table({"a": pa.array([7] * rows, pa.int64())}), tmp_path / "a.parquet")
    mapped = arrowsmith.open(tmp_path / "a.parquet").mapped()
    assert len(mapped) == rows
    assert list(mapped) == [{"a": 7}] * rows
    assert mapped.take([]).num_rows == mapped[3:].num_rows == 0
    assert mapped.take([]).schema.equals(mapped.schema)
    assert list(mapped.batches()) == mapped.to_table().to_batches()
    with pytest.raises(IndexError):
        mapped[1]


# --- decoded through the chain -------------------------------------------------------------------

CHAINS = {
    "none": lambda ds: ds,
    "select": lambda ds: ds.select("lang", "id"),
    "rename": lambda ds: ds.rename({"id": "number"}),
    "cast": lambda ds: ds.cast({"id": "float64"}),
    "filter": lambda ds: ds.filter("score > 20 and lang = 'en'"),
    "expression": lambda ds: ds.filter(pc.field("id") >= pc.scalar(300)),
    "limit": lambda ds: ds.limit(333),
    "all": lambda ds: ds.filter("id > 10").select("id", "score").limit(50).cast({"id": "int32"}),
    "none left": lambda ds: ds.filter("id < 0"),
}


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".arrow", ".csv.gz"])
def test_mapped_rows_are_those_of_the_table(table, tmp_path, chain, suffix):
    path = tmp_path / f"t{suffix}"
    pq.write_table(table, tmp_path / "from.parquet")
    arrowsmith.open(tmp_path / "from.parquet").write(path)
    dataset = CHAINS[chain](arrowsmith.open(path))
    expected = dataset.to_table()
    mapped = dataset.mapped()
    assert mapped.to_table().equals(expected)
    assert mapped.to_table().equals(CHAINS[chain](arrowsmith.open(path)).mapped().to_table())
    assert is_over(mapped.to_table(), mapped.path)


def test_a_function_needs_a_name(table, tmp_path, cache):
    pq.write_table(table, tmp_path / "a.parquet")
    dataset = arrowsmith.open(tmp_path / "a.parquet").select("id")

    def double(batch: pa.RecordBatch) -> pa.RecordBatch:
        return pa.record_batch([pc.multiply(batch["id"], 2)], names=["id"])

    with pytest.raises(OptionError, match=r"map double.*mapped\(key="):
        dataset.map(double).mapped()
    one = dataset.map(double).mapped(key="double")
    assert one[21] == {"id": 42}
    other = dataset.map(lambda batch: batch).mapped(key="same")
    assert other[21] == {"id": 21}
    assert one.path != other.path


def test_late_types_are_found(tmp_path):
    path = tmp_path / "late.csv"
    path.write_text("a\n" + "1\n" * 30_000 + "x\n" + "1\n" * 30_000)
    mapped = arrowsmith.open(path, sample_bytes=1024).mapped()
    assert mapped.schema.field("a").type == pa.string()
    assert mapped[30_000] == {"a": "x"}


def test_bad_records_are_left_out_or_told(tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text("a,b\n1,2\n3\n4,5\n")
    assert list(arrowsmith.open(path, on_error="skip").mapped()) == [
        {"a": 1, "b": 2},
        {"a": 4, "b": 5},
    ]
    with pytest.raises(arrowsmith.errors.DataError, match="line 3"):
        arrowsmith.open(path).mapped()
    with pytest.raises(OptionError, match="rejects"):
        arrowsmith.open(path, rejects=str(tmp_path / "r.jsonl")).mapped()


# --- an Arrow file as it is ----------------------------------------------------------------------


def test_an_arrow_file_is_mapped_as_it_is(mapped, tmp_path, cache):
    assert mapped.path == str(tmp_path / "t.arrow")
    assert not list(cache.glob("*.arrow"))


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_a_compressed_one_is_decoded(table, tmp_path, cache, codec):
    path = arrow_file(table, tmp_path / "t.arrow", compression=codec)
    mapped = arrowsmith.open(path).mapped()
    assert mapped.to_table().equals(table)
    assert Path(mapped.path).parent == cache


def test_a_stream_is_decoded(table, tmp_path, cache):
    with pa.ipc.new_stream(tmp_path / "t.arrows", table.schema) as writer:
        writer.write_table(table, max_chunksize=100)
    mapped = arrowsmith.open(tmp_path / "t.arrows").mapped()
    assert mapped.to_table().equals(table)
    assert Path(mapped.path).parent == cache


def test_several_are_decoded(table, tmp_path, cache):
    for name in ("a.arrow", "b.arrow"):
        arrow_file(table, tmp_path / name)
    mapped = arrowsmith.open(str(tmp_path / "[ab].arrow")).mapped()
    assert mapped.to_table().equals(pa.concat_tables([table, table]))
    with_paths = arrowsmith.open(tmp_path / "a.arrow", file_path_column="file").mapped()
    assert with_paths[3]["file"] == str(tmp_path / "a.arrow")


def test_values_that_are_no_text_are_told_not_handed_out(tmp_path):
    """A file from elsewhere may hold anything, and no kernel checks."""
    bad = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(np.array([0, 1, 2], "i4")), pa.py_buffer(b"a\xff")]
    )
    path = arrow_file(pa.table({"x": bad}), tmp_path / "bad.arrow")
    with pytest.raises(arrowsmith.errors.DataError, match=r"bad\.arrow"):
        arrowsmith.open(path).mapped()


# --- its life ------------------------------------------------------------------------------------


def test_a_pickle_opens_the_file_again(table, tmp_path):
    pq.write_table(table, tmp_path / "a.parquet")
    for mapped in (
        arrowsmith.open(tmp_path / "a.parquet").mapped(),
        arrowsmith.open(arrow_file(table, tmp_path / "a.arrow")).mapped(),
    ):
        again: Mapped = pickle.loads(pickle.dumps(mapped))
        assert again.to_table().equals(table)
        assert again.schema.equals(mapped.schema, check_metadata=True)
        assert len(pickle.dumps(mapped)) < 1000


def test_a_pickle_is_good_in_another_process(table, tmp_path):
    pq.write_table(table, tmp_path / "a.parquet")
    data = pickle.dumps(arrowsmith.open(tmp_path / "a.parquet").mapped())
    code = "import pickle, sys; m = pickle.load(sys.stdin.buffer); print(len(m), m[17]['id'])"
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True)
    assert done.stdout.split() == [b"1000", b"17"]


def test_a_pickle_of_what_is_gone_or_another_is_told(table, tmp_path, cache):
    pq.write_table(table, tmp_path / "a.parquet")
    data = pickle.dumps(arrowsmith.open(tmp_path / "a.parquet").mapped())
    for path in cache.glob("*.arrow"):
        path.unlink()
    with pytest.raises(SourceNotFound, match=r"mapped\(\) again"):
        pickle.loads(data)
    data = pickle.dumps(arrowsmith.open(arrow_file(table, tmp_path / "t.arrow")).mapped())
    arrow_file(table.slice(1), tmp_path / "t.arrow")
    with pytest.raises(SourceChanged):
        pickle.loads(data)


def test_closed(mapped, table):
    with mapped:
        kept = mapped[5:10]
    mapped.close()
    for use in (lambda: mapped[0], lambda: mapped.take([1]), mapped.to_table, lambda: mapped[1:2],
                lambda: list(mapped), lambda: pickle.dumps(mapped)):  # fmt: skip
        with pytest.raises(UsageError, match="closed"):
            use()
    assert kept.equals(table[5:10])


@pytest.mark.usefixtures("no_leaks")
def test_nothing_stays_open(table, tmp_path):
    pq.write_table(table, tmp_path / "a.parquet")
    mapped = arrowsmith.open(tmp_path / "a.parquet").mapped()
    assert mapped[3]["id"] == 3
    mapped.close()


def test_threads_may_share_it(mapped, table):
    rng = np.random.default_rng(1)
    begin = threading.Barrier(4)

    def work(rows: np.ndarray) -> bool:
        begin.wait()
        return all(
            mapped.take(some).equals(table.take(pa.array(some))) for some in np.split(rows, 20)
        )

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, [rng.integers(0, ROWS, 2000) for _ in range(4)]))
