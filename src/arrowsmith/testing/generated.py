"""Tables of every Arrow type, to write where nobody has told what a format can hold."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa

ROWS = 300
_PLAIN = ("int64", "double", "string", "bool", "date32[day]", "timestamp[us]")


def generated_columns() -> dict[str, pa.Array]:
    """An array of ``ROWS`` rows for each type, by its name; every seventh value is null.

    Example:
        >>> generated_columns()["int64"].type
        DataType(int64)
    """
    found: dict[str, pa.Array] = {}
    for kind, values in _values():
        rows = [None if n % 7 == 3 else values[n % len(values)] for n in range(ROWS)]
        found[str(kind)] = pa.array(rows, kind)
    words = found["string"]
    found["dictionary<values=string, indices=int32>"] = words.dictionary_encode()
    found["null"] = pa.nulls(ROWS)
    return found


def _values() -> list[tuple[pa.DataType, list[Any]]]:
    texts = ["plain", "", " spaces ", "é €", 'with "quotes", and commas', "007", "x" * 60]
    blobs = [b"ab", b"", b"\x00\xff"]
    whole = [0, 1, 2, 100]
    signed: list[tuple[pa.DataType, list[Any]]] = [
        (kind, [*whole, -1, -(1 << (kind.bit_width - 1)), (1 << (kind.bit_width - 1)) - 1])
        for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64())
    ]
    unsigned: list[tuple[pa.DataType, list[Any]]] = [
        (kind, [*whole, (1 << kind.bit_width) - 1])
        for kind in (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())
    ]
    moments = [0, 1_700_000_000, -86_400, 86_400]
    times: list[tuple[pa.DataType, list[Any]]] = [
        (kind, moments)
        for unit in ("s", "ms", "us", "ns")
        for kind in (pa.timestamp(unit), pa.timestamp(unit, "UTC"), pa.duration(unit))
    ]
    clocks: list[tuple[pa.DataType, list[Any]]] = [
        (kind, [0, 1, 86_399])
        for kind in (pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns"))
    ]
    return [
        (pa.bool_(), [True, False]),
        *signed,
        *unsigned,
        (pa.float32(), [0.5, -2.25, 0.0, 1e30]),
        (pa.float64(), [0.5, -2.25, 0.1, 1e300, 0.0]),
        (pa.decimal128(12, 2), [Decimal("1.25"), Decimal("-999.99"), Decimal(0)]),
        (pa.decimal256(50, 4), [Decimal("1.2500"), Decimal("-9" * 1 + "0" * 40)]),
        (pa.string(), texts),
        (pa.large_string(), texts),
        (pa.string_view(), texts),
        (pa.binary(), blobs),
        (pa.large_binary(), blobs),
        (pa.binary(2), [b"ab", b"\x00\xff"]),
        (pa.date32(), [0, 20_000, -1]),
        (pa.date64(), [0, 86_400_000]),
        *times,
        *clocks,
        (pa.list_(pa.int64()), [[1, 2], [], [3]]),
        (pa.large_list(pa.string()), [["a"], [], ["b", "c"]]),
        (pa.list_(pa.int16(), 2), [[1, 2], [3, 4]]),
        (
            pa.struct([("a", pa.int64()), ("b", pa.string())]),
            [{"a": 1, "b": "x"}, {"a": 2, "b": ""}],
        ),
        (pa.map_(pa.string(), pa.int64()), [[("k", 1)], [], [("a", 2), ("b", 3)]]),
    ]


def table_with(array: pa.Array) -> pa.Table:
    """A numbered table with the array as its second column."""
    return pa.table({"id": pa.array(range(len(array)), pa.int64()), "value": array})


def plain_table() -> pa.Table:
    """Columns of six types that most formats have, without nulls."""
    columns = generated_columns()
    return pa.table({name.split("[")[0]: columns[name].drop_null() for name in _PLAIN})
