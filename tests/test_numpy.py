"""``.npy`` and ``.npz``: the values that NumPy reads, mapped where possible; written for NumPy."""

from __future__ import annotations

import gzip
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import every_type
from arrowsmith.errors import (
    BudgetExceeded,
    DataError,
    OptionError,
    RatioExceeded,
    SchemaMismatch,
    UsageError,
)
from arrowsmith.formats.numpy import NumpyOptions, NumpySinkOptions, probe
from arrowsmith.formats.numpy.reader import NumpyReader
from arrowsmith.formats.numpy.sink import NumpySink
from arrowsmith.location.source import FileSource
from arrowsmith.location.target import FileTarget
from arrowsmith.plugin import Head, Match, ScanRequest


class Context(every_type.Context):
    """Keeps what it is told."""

    def __init__(self, **limits: int) -> None:
        super().__init__(**limits)
        self.warnings: list[str] = []

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def saved(path: Path, array: np.ndarray) -> Path:
    np.save(path, array, allow_pickle=False)
    return path


def table_of(path: Path, request: ScanRequest | None = None, **options: object) -> pa.Table:
    table = every_type.read(NumpyReader, path, NumpyOptions(**options), request)
    table.validate(full=True)
    return table


def column_of(path: Path, **options: object) -> pa.Array:
    return table_of(path, **options).column(0).combine_chunks()


def written(path: Path, table: pa.Table, *, chunk: int = 0, **options: object) -> Path:
    every_type.write(NumpySink, path, table, NumpySinkOptions(**options), chunk)
    return path


def told(path: Path, table: pa.Table, **options: object) -> list[str]:
    """The warnings of writing a table."""
    context = Context()
    with FileTarget(path, overwrite=True) as target:
        with NumpySink(target, table.schema, NumpySinkOptions(**options), context) as sink:
            for batch in table.to_batches():
                sink.write(batch)
            sink.commit()
        target.publish()
    return context.warnings


def loaded_from(path: Path, **options: int) -> Any:
    """What NumPy reads: an array, or arrays by name."""
    found = np.load(path, allow_pickle=False, **options)
    if isinstance(found, np.ndarray):
        return found
    with found:
        return dict(found)


def plain_values(array: pa.Array) -> np.ndarray:
    """An Arrow array as NumPy's, by pyarrow's own conversion."""
    if isinstance(array.type, pa.FixedShapeTensorType):
        flat = array.storage.flatten().to_numpy(zero_copy_only=False)
        return flat.reshape(len(array), *array.type.shape)
    return array.to_numpy(zero_copy_only=False)


# --- reading, against NumPy ----------------------------------------------------------------------

scalars = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), fortran=st.booleans())
def test_numbers_of_any_type_shape_and_order(tmp_path, data, fortran):
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
    array = data.draw(hnp.arrays(data.draw(scalars), shape))
    array = np.asfortranarray(array) if fortran else array
    path = saved(tmp_path / "a.npy", array)
    found = plain_values(column_of(path))
    known = loaded_from(path)
    np.testing.assert_array_equal(found, known.reshape(known.shape or (1,)))
    rows = ScanRequest(batch_rows=2)
    again = table_of(path, rows).column(0)
    assert again.equals(pa.chunked_array([column_of(path)], again.type)) or np.isnan(known).any()


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6).map(
    lambda text: text.rstrip("\0")
)


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(values=st.lists(texts, max_size=8), order=st.sampled_from("<>"))
def test_texts(tmp_path, values, order):
    width = max(map(len, values), default=1) + 1
    array = np.array(values, f"{order}U{width}")
    path = saved(tmp_path / "a.npy", array)
    assert column_of(path).equals(pa.array(values, pa.string()))
    raw = np.array([text.encode() for text in values], f"S{4 * width}")
    path = saved(tmp_path / "b.npy", raw)
    assert column_of(path).equals(pa.array([text.encode() for text in values], pa.binary()))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("unit", ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "25s"])
def test_moments_and_nat(tmp_path, unit, order):
    array = np.array([0, 1, -1, "NaT", 40], f"{order}M8[{unit}]")
    found = column_of(saved(tmp_path / "a.npy", array))
    assert found.null_count == 1
    kind = "M8[D]" if unit in "YMWD" else "M8[s]" if unit in ("h", "m", "25s") else f"M8[{unit}]"
    np.testing.assert_array_equal(found.to_numpy(zero_copy_only=False).astype(kind), array)


@pytest.mark.parametrize("unit", ["W", "D", "h", "m", "s", "ms", "us", "ns"])
def test_durations(tmp_path, unit):
    array = np.array([0, 1, -1, "NaT", 40], f"m8[{unit}]")
    found = column_of(saved(tmp_path / "a.npy", array)).to_numpy(zero_copy_only=False)
    np.testing.assert_array_equal(found, array.astype(found.dtype))


def test_times_too_far_away_are_an_error(tmp_path):
    for array in (np.array([1 << 62], "M8[h]"), np.array([1 << 40], "M8[Y]")):
        with pytest.raises(DataError, match=r"column 'value', rows 0 to 1.*too far"):
            table_of(saved(tmp_path / "a.npy", array))


def nested() -> np.ndarray:
    kind = [
        ("id", "<i4"),
        ("where", [("lat", "<f8"), ("city", "<U4")]),
        ("pixels", "|u1", (2, 2)),
        ("z", "<c8"),
        ("raw", "|V3"),
    ]
    rows = [(n, (n / 2, "żó"), [[n, 1], [2, 3]], n + 2j, b"abc") for n in range(5)]
    return np.array(rows, kind)


def test_structures(tmp_path):
    table = table_of(saved(tmp_path / "a.npy", nested()))
    assert table.schema.equals(
        pa.schema(
            [
                ("id", pa.int32()),
                ("where", pa.struct([("lat", pa.float64()), ("city", pa.string())])),
                ("pixels", pa.fixed_shape_tensor(pa.uint8(), (2, 2))),
                ("z", pa.struct([("real", pa.float32()), ("imag", pa.float32())])),
                ("raw", pa.binary(3)),
            ]
        )
    )
    assert table.slice(3, 1).to_pylist() == [
        {
            "id": 3,
            "where": {"lat": 1.5, "city": "żó"},
            "pixels": [3, 1, 2, 3],
            "z": {"real": 3.0, "imag": 2.0},
            "raw": b"abc",
        }
    ]


def test_structures_with_gaps(tmp_path):
    kind = np.dtype([("a", "i1"), ("b", "f8")], align=True)
    array = np.array([(1, 2.5), (3, 4.5)], kind)
    assert table_of(saved(tmp_path / "a.npy", array)).to_pylist() == [
        {"a": 1, "b": 2.5},
        {"a": 3, "b": 4.5},
    ]


def test_a_matrix_as_tensor_list_or_columns(tmp_path):
    array = np.arange(6).reshape(3, 2)
    path = saved(tmp_path / "a.npy", array)
    assert column_of(path).type == pa.fixed_shape_tensor(pa.int64(), (2,))
    listed = column_of(path, layout="list")
    assert listed.equals(pa.array(array.tolist(), pa.list_(pa.int64(), 2)))
    apart = table_of(path, columns=("x", "y"))
    assert apart.to_pydict() == {"x": [0, 2, 4], "y": [1, 3, 5]}
    assert table_of(path, layout="columns", column="c").column_names == ["c_0", "c_1"]
    with pytest.raises(UsageError, match="has 2 columns, and columns= names 3"):
        table_of(path, columns=("x", "y", "z"))
    with pytest.raises(OptionError, match="twice"):
        table_of(path, columns=("x", "x"))
    with pytest.raises(UsageError, match="only 2-d"):
        table_of(saved(tmp_path / "b.npy", np.arange(3)), columns=("x",))


def test_the_column_has_the_name_asked_for(tmp_path):
    assert table_of(saved(tmp_path / "a.npy", np.arange(3)), column="x").column_names == ["x"]


# --- archives ------------------------------------------------------------------------------------


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_members_are_columns(tmp_path, save):
    save(tmp_path / "a.npz", x=np.arange(4), y=np.array(["a", "b", "c", "d"]), z=np.zeros((4, 2)))
    table = table_of(tmp_path / "a.npz")
    assert table.column_names == ["x", "y", "z"]
    assert table.column("x").to_pylist() == [0, 1, 2, 3]
    only = table_of(tmp_path / "a.npz", ScanRequest(columns=("y",), limit=2))
    assert only.to_pydict() == {"y": ["a", "b"]}


def test_members_that_differ_are_read_one_by_one(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.arange(4), y=np.zeros((2, 3)), s=nested())
    with pytest.raises(DataError, match=r"x \(4,\), y \(2, 3\), s \(5,\); read one .* member=NAME"):
        table_of(path)
    assert column_of(path, member="x").to_pylist() == [0, 1, 2, 3]
    assert table_of(path, member="s.npy").column_names[:2] == ["id", "where"]
    with pytest.raises(UsageError, match="there is no member 'nope'; there are x, y, s"):
        table_of(path, member="nope")
    with pytest.raises(UsageError, match="leave out member="):
        table_of(saved(tmp_path / "a.npy", np.arange(3)), member="x")


def test_what_is_no_array_is_left_out_and_told(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name in ("x", "../../etc/passwd"):
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, np.arange(2))
        archive.writestr("README", "read me")
    context = Context()
    reader = NumpyReader(FileSource(tmp_path / "a.npz"), NumpyOptions(), context)
    assert reader.schema.names == ["x", "../../etc/passwd"]
    assert "'README'" in context.warnings[0]


def test_a_member_is_read_beside_one_of_objects(tmp_path):
    np.savez(tmp_path / "a.npz", o=np.array([None], object), x=np.arange(2))
    with pytest.raises(DataError, match=r"member 'o\.npy': it holds Python objects"):
        table_of(tmp_path / "a.npz")
    assert column_of(tmp_path / "a.npz", member="x").to_pylist() == [0, 1]


def test_large_archives_have_wide_entries(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.comment = b"PK\x05\x06 not the end"
        with archive.open("x.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array(member, np.arange(5))
    assert column_of(tmp_path / "a.npz").to_pylist() == list(range(5))


def test_archives_that_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.arange(4))
    good = path.read_bytes()
    directory = good.rindex(b"PK\x01\x02")
    encrypted = bytearray(good)
    encrypted[directory + 8] |= 1
    path.write_bytes(encrypted)
    with pytest.raises(DataError, match="is encrypted"):
        table_of(path)
    member = saved(tmp_path / "x.npy", np.arange(3)).read_bytes()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", member)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("x.npy", member)
    with pytest.raises(DataError, match=r"two members 'x\.npy'"):
        table_of(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("x.npy", b"")
    with pytest.raises(DataError, match="packed by method 12"):
        table_of(path)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=np.zeros(100 << 20, np.uint8))
    with pytest.raises(RatioExceeded, match="more than 1000 times"):
        table_of(path)


# --- without a copy ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.npy", "b.npy", "f.npy", "a.npz"])
def test_batches_lie_over_the_mapped_file(tmp_path, name):
    path = tmp_path / name
    if name == "a.npz":
        table = pa.table({"x": range(5000), "y": pa.array(range(5000), pa.float32())})
        written(path, table)
    elif name == "f.npy":
        saved(path, np.asfortranarray(np.arange(9000.0).reshape(3000, 3)))
    else:
        saved(path, np.arange(6000.0) if name == "a.npy" else np.arange(6000).reshape(1000, 2, 3))
    options = NumpyOptions(layout="columns") if name == "f.npy" else NumpyOptions()
    mappings = []

    class Mapped(FileSource):
        def map(self) -> pa.Buffer:
            mappings.append(super().map())
            return mappings[-1]

    with NumpyReader(Mapped(path), options, every_type.Context()) as reader:
        assert [task.cost for task in reader.tasks(ScanRequest())] == [0]
        batches = list(reader.scan(ScanRequest(batch_rows=300)))
    (mapping,) = mappings
    inside = range(mapping.address, mapping.address + mapping.size)
    buffers = [b for batch in batches for column in batch.columns for b in column.buffers() if b]
    assert len(buffers) >= 4
    assert all(buffer.address in inside for buffer in buffers)
    # They stay valid when reader and source are gone.
    kept = pa.Table.from_batches(batches)
    del reader, mapping
    mappings.clear()
    assert kept.equals(table_of(path, layout=options.layout))


def test_splits_tasks_and_details(tmp_path):
    path = saved(tmp_path / "a.npy", np.arange(4_000_000, dtype=np.int32).reshape(-1, 4))
    with NumpyReader(FileSource(path), NumpyOptions(), every_type.Context()) as reader:
        assert reader.count() == 1_000_000
        assert reader.details() == {"dtype": "int32", "shape": "(1000000, 4)", "order": "C"}
        splits = pickle.loads(pickle.dumps(list(reader.splits(4 << 20))))
        assert len(splits) == 4
        parts = [b for split in splits for b in reader.scan(ScanRequest(split=split))]
        assert pa.Table.from_batches(parts).equals(table_of(path))
        assert len(list(reader.tasks(ScanRequest()))) == 2
        assert all(b.nbytes <= 70_000 for b in reader.scan(ScanRequest(batch_bytes=64 << 10)))


def test_compressed_as_a_whole(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(9), y=np.array(list("abcdefghi")))
    packed = tmp_path / "b.npz.gz"
    packed.write_bytes(gzip.compress((tmp_path / "a.npz").read_bytes()))
    assert table_of(packed).equals(table_of(tmp_path / "a.npz"))


def test_content_beats_name():
    entry = b"PK\x03\x04" + bytes(22) + b"\x05\0\0\0"
    assert probe(Head("a.zip", entry + b"x.npy")) is Match.CERTAIN
    assert probe(Head("a.npz", entry + b"x.txt")) is Match.NO
    assert probe(Head("a.npz", b"PK\x03\x04")) is Match.NO


# --- what is refused -----------------------------------------------------------------------------


def header(text: str, body: bytes = b"", version: int = 1) -> bytes:
    raw = text.encode("latin-1")
    size = len(raw).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + size + raw + body


def described(descr: str = "'<i8'", shape: str = "(1,)", order: str = "False") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"
    return header(text, bytes(8))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (described("'|O'"), "Python objects"),
        (described("[('a', '<i4'), ('b', [('c', '|O')])]"), "Python objects"),
        (described(shape="(2,)"), "needs 16 bytes, and 8 follow"),
        (described(shape="(-1,)"), "-1 is no size"),
        (described(shape="(True,)"), "True is no size"),
        (described(shape="(9223372036854775808,)"), "no size of a dimension"),
        (described(shape="(4611686018427387904, 4611686018427387904)"), "too large"),
        (described(shape="(4294967296, 4294967296, 0)"), "8 bytes follow|without a byte"),
        (header("{'descr': '<i8', 'fortran_order': False, 'shape': (99999999999, 0)}"), "without"),
        (described(shape="(99999999999999999999999999,)"), "a number is too large"),
        (described(shape=f"({'1,' * 40})"), "40 dimensions"),
        (described(shape="3"), "shape is no tuple"),
        (described("'<i4'"), "4 bytes follow the array"),
        (described("'<U999999999'"), "too large"),
        (described("[('a', '<f8', (1000000, 1000000))]"), "too large"),
        (described("'<q7'"), "no type"),
        (described("__import__('os').system('true')"), "makes no sense"),
        (described("('<i8', 5, 6)"), "descr is no type"),
        (described("[('a', '<i4'), ('a', '<i4')]"), "the same name"),
        (described(order="1"), "fortran_order"),
        (header("{" + "(" * 5000 + ")" * 5000 + "}"), "nested too deeply"),
        (header("{'descr': '<i8'}"), "does not have just"),
        (b"\x93NUMPY\x02\0\xff\xff\xff\x7f", "claims 2147483647 bytes"),
        (b"\x93NUMPY\x09\0", "cut short"),
        (b"\x93NUMPY\x09\0\x01\0\0\0", "version 9.0"),
        (b"\x93NUMPY\x01\0\x40\0{", "cut short"),
    ],
)
def test_hostile_headers(tmp_path, data, message):
    path = tmp_path / "a.npy"
    path.write_bytes(data)
    with pytest.raises(DataError, match=message) as caught:
        table_of(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "kind", ["f16", "M8[ps]", "m8[M]", "m8", "M8", "c32"], ids=lambda kind: kind
)
def test_types_without_a_counterpart_say_so(tmp_path, kind):
    with pytest.raises(DataError, match=r"column 'value': .*; save it"):
        table_of(saved(tmp_path / "a.npy", np.zeros(2, kind)))


def test_code_points_that_are_no_character(tmp_path):
    array = np.array([ord("a"), 0xD800], "<u4").view("<U1")
    header_bytes = saved(tmp_path / "a.npy", np.array(["a", "b"])).read_bytes()[:-8]
    (tmp_path / "a.npy").write_bytes(header_bytes + array.tobytes())
    with pytest.raises(DataError, match=r"rows 0 to 2: .*element 1 .*0xD800"):
        table_of(tmp_path / "a.npy")


def test_a_row_larger_than_the_budget(tmp_path):
    path = saved(tmp_path / "a.npy", np.zeros((1, 10 << 20), bool))
    with (
        pytest.raises(BudgetExceeded, match="allow at least"),
        NumpyReader(FileSource(path), NumpyOptions(), Context(memory_limit=4 << 20)) as reader,
    ):
        list(reader.scan(ScanRequest()))


# --- writing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
@pytest.mark.parametrize("column", sorted(every_type.columns()))
def test_a_column_of_each_type(tmp_path, name, column):
    """With masks it comes back as it was, or is refused in one line with a way out."""
    array = every_type.columns()[column]
    table = pa.table({"c": array})
    path = tmp_path / name
    try:
        told(path, table, nulls="mask")
    except (SchemaMismatch, DataError) as caught:
        message = str(caught)
        assert re.search("column 'c': .*; ", message)
        return
    loaded = loaded_from(path)
    values = loaded["c"]
    assert len(values) == len(array)
    found = table_of(path, masks=True).column("c")
    if column.startswith(("time32", "time64", "zoned")):
        return  # the documented losses: durations, and instants without a zone
    if column == "tensor":
        assert np.isnan(values[2, 1])
        return
    if isinstance(array.type, pa.BaseExtensionType):
        array = array.storage
    assert found.to_pylist() == array.to_pylist()


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_is_written_is_what_numpy_reads(tmp_path, data):
    count = data.draw(st.integers(0, 9))
    kinds = data.draw(st.lists(st.sampled_from(["i", "f", "t", "b", "v"]), min_size=1, max_size=4))
    elements = {
        "i": (st.integers(-(2**63), 2**63 - 1), pa.int64()),
        "f": (st.floats(width=32), pa.float32()),
        "t": (texts, pa.string()),
        "b": (st.booleans(), pa.bool_()),
        "v": (st.lists(st.integers(0, 255), min_size=3, max_size=3), pa.list_(pa.uint8(), 3)),
    }
    columns = {
        f"{kind}{at}": pa.array(
            data.draw(st.lists(elements[kind][0], min_size=count, max_size=count)),
            elements[kind][1],
        )
        for at, kind in enumerate(kinds)
    }
    chunk = data.draw(st.integers(1, 10))
    table = pa.table(columns)
    for name in ("a.npy", "a.npz"):
        loaded = loaded_from(written(tmp_path / name, table, chunk=chunk))
        for column, array in columns.items():
            values = loaded[column] if name == "a.npz" or len(columns) > 1 else loaded
            np.testing.assert_array_equal(values.tolist(), array.to_pylist())


def test_nulls_are_nan_or_refused_or_masked(tmp_path):
    floats = pa.table({"x": [1.0, None], "at": pa.array([1, None], pa.timestamp("s"))})
    assert "NaN" in told(tmp_path / "a.npz", floats)[0]
    loaded = loaded_from(tmp_path / "a.npz")
    assert np.isnan(loaded["x"][1])
    assert np.isnat(loaded["at"][1])
    assert told(tmp_path / "a.npz", floats.select(["at"])) == []
    numbers = pa.table({"n": [1, None]})
    with pytest.raises(DataError, match=r"column 'n': a value is null.*nulls=mask"):
        written(tmp_path / "b.npz", numbers)
    assert not (tmp_path / "b.npz").exists()
    with pytest.raises(DataError, match="column 'x': a value is null"):
        written(tmp_path / "b.npz", floats, nulls="error")
    for name in ("b.npz", "b.npy"):
        loaded = loaded_from(written(tmp_path / name, numbers, nulls="mask"))
        assert loaded["n"].tolist() == [1, 0]
        assert loaded["n__valid"].tolist() == [True, False]
        assert table_of(tmp_path / name).num_columns == 2
        assert table_of(tmp_path / name, masks=True).equals(numbers)
    clash = pa.table({"n": [1, None], "n__valid": [1, 2]})
    with pytest.raises(DataError, match="the name of another column"):
        written(tmp_path / "c.npz", clash, nulls="mask")


def test_nulls_within_lists_have_no_mask(tmp_path):
    table = pa.table({"v": pa.array([[1, None]], pa.list_(pa.int32(), 2))})
    with pytest.raises(DataError, match="masks are of whole rows"):
        written(tmp_path / "a.npz", table, nulls="mask")


def test_a_matrix_of_columns(tmp_path):
    table = pa.table({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    loaded = loaded_from(written(tmp_path / "a.npy", table, layout="matrix", chunk=1))
    assert loaded.tolist() == [[1.0, 3.0], [2.0, 4.0]]
    assert table_of(tmp_path / "a.npy", columns=("a", "b")).equals(table)
    mixed = table.append_column("c", pa.array(["x", "y"]))
    with pytest.raises(SchemaMismatch, match="one plain type"):
        written(tmp_path / "b.npy", mixed, layout="matrix")


def test_layouts_of_npy(tmp_path):
    one = pa.table({"a": [1, 2]})
    assert loaded_from(written(tmp_path / "a.npy", one)).dtype == np.int64
    assert loaded_from(written(tmp_path / "b.npy", one, layout="structured")).dtype.names == ("a",)
    assert loaded_from(written(tmp_path / "c.npy", one, container="npz"))["a"].tolist() == [1, 2]
    with pytest.raises(OptionError, match=r"is for \.npy"):
        written(tmp_path / "d.npz", one, layout="matrix")
    with pytest.raises(OptionError, match=r"is for \.npz"):
        written(tmp_path / "d.npy", one, compression="deflate")
    with pytest.raises(OptionError, match="no place for masks"):
        written(tmp_path / "d.npy", one, layout="matrix", nulls="mask")


def test_tensors_and_complex_numbers_come_back(tmp_path):
    tensor = pa.FixedShapeTensorArray.from_numpy_ndarray(np.arange(24.0).reshape(4, 2, 3))
    array = np.array([1 + 2j, 3, 0, -1j])
    table = table_of(saved(tmp_path / "c.npy", array)).append_column("t", tensor)
    loaded = loaded_from(written(tmp_path / "a.npz", table, chunk=3))
    np.testing.assert_array_equal(loaded["value"], array)
    np.testing.assert_array_equal(loaded["t"], np.arange(24.0).reshape(4, 2, 3))
    assert table_of(tmp_path / "a.npz").equals(table)


def test_tensors_are_written_in_the_order_that_users_see(tmp_path):
    turned = np.arange(24).reshape(4, 2, 3).transpose(0, 2, 1)
    tensor = pa.FixedShapeTensorArray.from_numpy_ndarray(turned)
    assert tensor.type.permutation == [1, 0]
    loaded = loaded_from(written(tmp_path / "a.npy", pa.table({"t": tensor})))
    np.testing.assert_array_equal(loaded, tensor.to_numpy_ndarray())


def test_wide_structures_are_read_when_numpy_is_asked_to(tmp_path):
    table = pa.table({f"column number {n}": [n] for n in range(600)})
    assert "max_header_size" in told(tmp_path / "a.npy", table)[0]
    loaded = loaded_from(tmp_path / "a.npy", max_header_size=1_000_000)
    assert loaded["column number 599"].tolist() == [599]
    assert table_of(tmp_path / "a.npy").equals(table)


def test_names_beyond_ascii(tmp_path):
    table = pa.table({"żó": [1], "\U0001f600 'x\"": [2]})
    for name in ("a.npy", "a.npz"):
        loaded = loaded_from(written(tmp_path / name, table))
        assert loaded["\U0001f600 'x\""].tolist() == [2]
        assert table_of(tmp_path / name).equals(table)


def test_what_cannot_be_written_says_what_to_do(tmp_path):
    decimals = pa.table({"d": pa.array([None], pa.decimal128(20, 2))})
    with pytest.raises(SchemaMismatch, match=r"column 'd': decimal.*cast it to double"):
        written(tmp_path / "a.npz", decimals)
    with pytest.raises(SchemaMismatch, match=r"column 'l': list.*fixed size"):
        written(tmp_path / "a.npz", pa.table({"l": [[1], [2, 3]]}))
    with pytest.raises(DataError, match=r"column 's': a value ends in NUL"):
        written(tmp_path / "a.npz", pa.table({"s": ["a\0"]}))
    with pytest.raises(SchemaMismatch, match="no column"):
        written(tmp_path / "a.npz", pa.table({}))


def test_padding_beyond_measure_is_refused(tmp_path):
    rows = ["x"] * 3_000 + ["x" * 200_000]
    with pytest.raises(DataError, match=r"padded to the longest, of 200000 .*write parquet"):
        written(tmp_path / "a.npz", pa.table({"s": rows}))


def test_npz_and_parquet_agree(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(300), y=np.linspace(0, 1, 300))
    table = table_of(tmp_path / "a.npz")
    pq.write_table(table, tmp_path / "a.parquet")
    again = loaded_from(written(tmp_path / "b.npz", pq.read_table(tmp_path / "a.parquet")))
    np.testing.assert_array_equal(again["y"], np.linspace(0, 1, 300))
    with zipfile.ZipFile(tmp_path / "b.npz") as archive:
        assert archive.testzip() is None
