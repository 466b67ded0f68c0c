"""A column of every Arrow type, and what a format's tests need to run its classes by themselves."""

from __future__ import annotations

import contextlib
import decimal
import tempfile
from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.location.source import FileSource
from arrowsmith.location.target import FileTarget
from arrowsmith.plugin import Reject, ScanRequest


class Context:
    """A run without a pipeline."""

    def __init__(self, memory_limit: int = 256 << 20, threads: int = 2) -> None:
        self.memory_limit = memory_limit
        self.threads = threads
        self.on_error = "raise"

    def check_cancelled(self) -> None:
        return

    def reject(self, reject: Reject) -> None:
        raise AssertionError(f"not expected: {reject}")

    def warn(self, message: str) -> None:
        raise AssertionError(f"not expected: {message}")

    @contextlib.contextmanager
    def scratch(self) -> Iterator[BinaryIO]:
        with tempfile.TemporaryFile() as file:
            yield file


def write(sink_class: type, path: Any, table: pa.Table, options: Any, chunk: int = 0) -> None:
    """Write a table through an encoding sink, cut into chunks as the runner would."""
    context = Context()
    with FileTarget(path, overwrite=True) as target:
        with sink_class(target, table.schema, options, context) as sink:
            rows = chunk or sink.chunk.rows
            batches = table.combine_chunks().to_batches()
            chunks = [b.slice(i, rows) for b in batches for i in range(0, b.num_rows, rows)]
            if chunks:
                sink.prepare(chunks[0])
            for piece in chunks:
                sink.append(sink.encode(piece))
            sink.commit()
        target.publish()


def read(
    reader_class: type, path: Any, options: Any, request: ScanRequest | None = None
) -> pa.Table:
    """Read a table through a reader, batch by batch."""
    with FileSource(path) as source, reader_class(source, options, Context()) as reader:
        request = request or ScanRequest()
        batches = list(reader.scan(request))
        for batch in batches:
            assert batch.num_rows <= request.batch_rows
        schema = batches[0].schema if request.columns is not None and batches else reader.schema
        return pa.Table.from_batches(batches, schema)


class Celsius(pa.ExtensionType):
    """An extension type that no one has registered."""

    def __init__(self) -> None:
        super().__init__(pa.float64(), "test.celsius")

    def __arrow_ext_serialize__(self) -> bytes:
        return b"C"

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: pa.DataType, serialized: bytes) -> Celsius:
        return cls()


def _integers(kind: pa.DataType, width: int, values: list[int | None]) -> pa.Array:
    return pa.array(values, pa.int64() if width == 64 else pa.int32()).view(kind)


def columns() -> dict[str, pa.Array]:
    """Arrays of five rows by the name of what they show."""
    arrays: dict[str, pa.Array] = {"null": pa.nulls(5)}
    arrays["bool"] = pa.array([True, None, False, True, False])
    for bits in (8, 16, 32, 64):
        top = (1 << (bits - 1)) - 1
        arrays[f"int{bits}"] = pa.array([-top - 1, top, None, 0, 1], getattr(pa, f"int{bits}")())
        arrays[f"uint{bits}"] = pa.array(
            [0, 2 * top + 1, None, top, 1], getattr(pa, f"uint{bits}")()
        )
    for name in ("float16", "float32", "float64"):
        kind = getattr(pa, name)()
        arrays[name] = pa.array([0.5, -0.0, None, float("inf"), -2.25], pa.float64()).cast(kind)
    texts = ["", "plain", None, "żółć", "long enough to stand outside of a view"]
    for name in ("string", "large_string", "string_view"):
        arrays[name] = pa.array(texts, getattr(pa, name)())
    blobs = [None if text is None else text.encode() + b"\xff" for text in texts]
    for name in ("binary", "large_binary", "binary_view"):
        arrays[name] = pa.array(blobs, getattr(pa, name)())
    arrays["fixed binary"] = pa.array([b"abc", None, b"\0\0\0", b"xyz", b"abc"], pa.binary(3))
    arrays["date32"] = _integers(pa.date32(), 32, [0, 20_000, None, -1, 7])
    arrays["date64"] = _integers(pa.date64(), 64, [0, 86_400_000, None, -86_400_000, 0])
    for unit in ("s", "ms"):
        arrays[f"time32 {unit}"] = _integers(pa.time32(unit), 32, [0, 86_399, None, 1, 2])
    for unit in ("us", "ns"):
        arrays[f"time64 {unit}"] = _integers(pa.time64(unit), 64, [0, 86_399, None, 1, 2])
    for unit in ("s", "ms", "us", "ns"):
        moments = [0, 1_700_000_000, None, -1, 2]
        arrays[f"timestamp {unit}"] = _integers(pa.timestamp(unit), 64, moments)
        zoned = pa.timestamp(unit, "Europe/Warsaw")
        arrays[f"zoned {unit}"] = _integers(zoned, 64, moments)
        arrays[f"duration {unit}"] = _integers(pa.duration(unit), 64, moments)
    amounts = [decimal.Decimal("1.25"), decimal.Decimal("-999.99"), None, decimal.Decimal(0)]
    amounts.append(decimal.Decimal("0.01"))
    for name, digits in (
        ("decimal32", 7),
        ("decimal64", 16),
        ("decimal128", 30),
        ("decimal256", 60),
    ):
        arrays[name] = pa.array(amounts, getattr(pa, name)(digits, 2))
    lists = [[1, 2], None, [], [None, 3], [4]]
    for name in ("list_", "large_list", "list_view", "large_list_view"):
        arrays[name] = pa.array(lists, getattr(pa, name)(pa.int32()))
    pairs = [[1, 2], None, [3, None], [5, 6], [7, 8]]
    arrays["fixed list"] = pa.array(pairs, pa.list_(pa.int16(), 2))
    people = [{"name": "a", "marks": [1]}, None, {"name": None, "marks": None}]
    arrays["struct"] = pa.array([*people, {"name": "b", "marks": []}, {"name": "c", "marks": [2]}])
    arrays["map"] = pa.array(
        [[("k", 1)], None, [], [("a", 2), ("b", None)], [("z", 3)]],
        pa.map_(pa.string(), pa.int64()),
    )
    arrays["list of structs"] = pa.array(
        [[{"x": 1.5}], None, [], [{"x": None}, None], [{"x": 2.0}]]
    )
    words = pa.array(["u", "v", None, "u", "w"])
    arrays["dictionary"] = words.dictionary_encode()
    arrays["small dictionary"] = words.dictionary_encode().cast(
        pa.dictionary(pa.int8(), pa.string())
    )
    arrays["ordered dictionary"] = pa.DictionaryArray.from_arrays(
        pa.array([0, 1, None, 1, 0], pa.int16()), pa.array(["low", "high"]), ordered=True
    )
    arrays["dictionary of bytes"] = words.cast(pa.binary()).dictionary_encode()
    arrays["struct of dictionary"] = pa.StructArray.from_arrays([arrays["dictionary"]], ["d"])
    arrays["tensor"] = pa.ExtensionArray.from_storage(
        pa.fixed_shape_tensor(pa.float32(), [2]), pa.array(pairs, pa.list_(pa.float32(), 2))
    )
    arrays["uuid"] = pa.ExtensionArray.from_storage(
        pa.uuid(), pa.array([bytes(16), None, b"0" * 16, b"1" * 16, b"2" * 16], pa.binary(16))
    )
    arrays["json"] = pa.ExtensionArray.from_storage(
        pa.json_(), pa.array(["{}", None, "1", "[]", "2"])
    )
    return arrays


def only_arrow() -> dict[str, pa.Array]:
    """Arrays of types that few formats but Arrow's own have."""
    integers = pa.array([1, 1, 2, 2, 2])
    return {
        "run-end encoded": pc.run_end_encode(integers),
        "interval": pa.array([pa.MonthDayNano([1, 2, 3]), None] + 3 * [pa.MonthDayNano([0, 0, 1])]),
        "dense union": pa.UnionArray.from_dense(
            pa.array([0, 1, 0, 0, 1], pa.int8()),
            pa.array([0, 0, 1, 2, 1], pa.int32()),
            [pa.array([1, 2, 3]), pa.array(["x", "y"])],
        ),
        "sparse union": pa.UnionArray.from_sparse(
            pa.array([0, 1, 0, 0, 1], pa.int8()), [integers, pa.array(list("abcde"))]
        ),
        "dictionary of integers": integers.dictionary_encode(),
        "negative scale": pa.array([decimal.Decimal(100)] * 5, pa.decimal128(5, -2)),
    }


def nested() -> dict[str, pa.Array]:
    """Types within types, and types that other packages bring."""
    arrays = columns() | only_arrow()
    pairs = pa.array([[1.5, 2.0]] * 5, pa.list_(pa.float32(), 2))
    found = {
        "empty struct": pa.array([{}, None, {}, {}, {}], pa.struct([])),
        "struct of numbers": pa.array(
            [{"a": 1, "b": 0.5}, {"a": 2, "b": -0.0}] * 2 + [{"a": 3, "b": 1.5}],
            pa.struct([("a", pa.int16()), ("b", pa.float64())]),
        ),
        "complex": pa.array(
            [{"real": 0.0, "imag": -1.5}] * 5,
            pa.struct([("real", pa.float64()), ("imag", pa.float64())]),
        ),
        "list of lists": pa.array([[["a"], []], None, [], [None, [""]], [["b", None]]]),
        "fixed list of numbers": pairs,
        "map of integers": pa.array(
            [[(1, "a")], None, [], [(2, "b"), (3, None)], [(4, "")]],
            pa.map_(pa.int32(), pa.string()),
        ),
        "large dictionary": pa.DictionaryArray.from_arrays(
            pa.array([0, 1, None, 1, 0]), pa.array(["a", "b"], pa.large_string())
        ),
        "dictionary of dates": arrays["date32"].dictionary_encode(),
        "dictionary of null": pa.DictionaryArray.from_arrays(
            pa.array([0, 1, None, 1, 0], pa.int32()), pa.array(["a", None])
        ),
        "bool8": pa.ExtensionArray.from_storage(
            pa.bool8(), pa.array([0, 1, None, 1, 0], pa.int8())
        ),
        "opaque": pa.ExtensionArray.from_storage(
            pa.opaque(pa.string(), "point", "geo"), arrays["string"]
        ),
        "unregistered": pa.ExtensionArray.from_storage(Celsius(), pa.array([1.5, None, 0.0, 2, 3])),
    }
    words, moments = pa.array(["a", "b"]), pa.array([1, 2]).cast(pa.duration("s"))
    for values in (
        *(words.cast(pa.large_binary()), words.cast(pa.string_view()), moments),
        *(words.cast(pa.binary()).cast(pa.binary(1)), pa.array([[1], []])),
    ):
        found[f"dictionary of {values.type}"] = pa.DictionaryArray.from_arrays(
            pa.array([0, 1, None, 1, 0], pa.int8()), values
        )
    for name in ("date32", "binary", "zoned us", "duration s", "decimal128", "dictionary"):
        ends = pa.array([0, 2, 2, 3, 4, 5], pa.int32())
        found[f"list of {name}"] = pa.ListArray.from_arrays(ends, arrays[name])
    for name in ("string_view", "date64", "timestamp s", "uuid", "run-end encoded", "interval"):
        found[f"struct of {name}"] = pa.StructArray.from_arrays([arrays[name]], ["x"])
    return found


def awkward() -> dict[str, pa.Array]:
    """Values that a format may take for others."""
    nan, inf = float("nan"), float("inf")
    top = (1 << 63) - 1
    day = 86_400 * 10**6
    digits = decimal.Decimal("1234567890123456789012345678.0123456789")
    zoned = _integers(pa.timestamp("us", "UTC"), 64, [0, 1, None, -1, 2])
    texts = {
        "text, empty": ["", "", None, "", ""],
        "text, all empty": [""] * 5,
        "text, integers": ["1", "20", None, "-3", "0"],
        "text, decimals": ["1.50", "2.00", None, "3.25", "0.10"],
        "text, zeros in front": ["007", "01", None, "1", "00"],
        "text, booleans": ["true", "False", None, "true", "true"],
        "text, dates": ["2024-03-31", "1999-12-01", None, "2024-01-01", "0001-01-01"],
        "text, moments": ["2024-03-31T01:00:00Z", "2024-03-31T01:00:00.5+02:00"] + 3 * [None],
        "text, nulls in words": ["null", "NA", None, "NaN", "None"],
        "text, blanks": [" a", "b ", None, " ", "\t"],
        "text, CSV": ['a"b', "c,d;e|f\tg", None, "h\r\ni\nj", '"'],
        "text, JSON": ['{"a": 1}', "[1]", None, '"', "\\u0041\\"],
        "text, control characters": ["a\0b", "\x01", None, "\x7f\u2028", "\ufeff"],
        "text, NUL at the end": ["a\0", "b", None, "c", "d"],
    }
    found = {name: pa.array(values, pa.string()) for name, values in texts.items()}
    return found | {
        "float64 extremes": pa.array([nan, inf, None, -inf, -0.0]),
        "float64 digits": pa.array([0.1, 5e-324, None, 1.7976931348623157e308, 1 / 3]),
        "float32 digits": pa.array([0.1, 1e-45, None, 3.4028234e38, 1 / 3], pa.float32()),
        "int64 extremes": pa.array([top, -top - 1, None, top - 1, 2**53 + 1]),
        "uint64, small": pa.array([0, 1, None, 2, 3], pa.uint64()),
        "UTC us": zoned,
        "UTC ns": zoned.cast(pa.timestamp("ns", "UTC")),
        "offset us": zoned.cast(pa.timestamp("us", "+02:00")),
        "years 1 and 9999": _integers(
            pa.timestamp("us"), 64, [-719_162 * day, 2_932_897 * day - 1, None, 0, 1]
        ),
        "year 10000": _integers(pa.timestamp("us"), 64, [2_932_897 * day, 0, None, 0, 1]),
        "far seconds": _integers(pa.timestamp("s"), 64, [1 << 62, 0, None, -(1 << 62), 1]),
        "date beyond 9999": _integers(pa.date32(), 32, [(1 << 31) - 1, -(1 << 31), None, 0, 1]),
        "long decimal128": pa.array([digits, -digits] + 3 * [None], pa.decimal128(38, 10)),
        "long decimal256": pa.array([digits * 10**30] + 4 * [None], pa.decimal256(76, 17)),
        "tensor of numbers": pa.ExtensionArray.from_storage(
            pa.fixed_shape_tensor(pa.float32(), [2]),
            pa.array([[1, 2], None, [3, 0.5], [5, 6], [7, 8]], pa.list_(pa.float32(), 2)),
        ),
        "empty binary": pa.array([b"", b"\0", None, b"a\0", b"\xff"]),
        "binary without NUL": pa.array([b"", b"a", None, b"\xff\xfe", b"1"]),
        "only nulls": pa.nulls(5, pa.int64()),
    }


def table() -> pa.Table:
    """Every type of :func:`columns`, with metadata on the schema and on a field."""
    arrays = columns()
    fields = [
        pa.field(name, array.type, metadata={"about": name}) for name, array in arrays.items()
    ]
    return pa.Table.from_arrays(
        list(arrays.values()), schema=pa.schema(fields, {"made by": "a test", "n": "5"})
    )
