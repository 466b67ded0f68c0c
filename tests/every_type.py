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


def table() -> pa.Table:
    """Every type of :func:`columns`, with metadata on the schema and on a field."""
    arrays = columns()
    fields = [
        pa.field(name, array.type, metadata={"about": name}) for name, array in arrays.items()
    ]
    return pa.Table.from_arrays(
        list(arrays.values()), schema=pa.schema(fields, {"made by": "a test", "n": "5"})
    )
