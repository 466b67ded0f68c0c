"""The contract kit over the formats of the core."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from arrowsmith.testing import Damaged, ReaderContract, RoundTripContract, SinkContract

ROWS = 700


def plain_table() -> pa.Table:
    """Columns of types that a text file can tell apart, with nulls, awkward texts and UTF-8."""
    words = ["plain", "", 'with "quotes"', "comma, and\nline", "é €", None, " spaces ", "x" * 50]
    return pa.table(
        {
            "id": pa.array(range(ROWS), pa.int64()),
            "score": pa.array([None if n % 7 == 0 else n / 8 for n in range(ROWS)], pa.float64()),
            "word": pa.array([words[n % len(words)] for n in range(ROWS)], pa.string()),
            "flag": pa.array([n % 3 == 0 for n in range(ROWS)], pa.bool_()),
            "day": pa.array([n * 5 for n in range(ROWS)], pa.date32()),
            "at": pa.array([n * 1_000_003 for n in range(ROWS)], pa.timestamp("us")),
        }
    )


def rich_table() -> pa.Table:
    """Nested, dictionary, decimal, zoned and binary columns beside the plain ones."""
    numbers = pa.array([n % 11 for n in range(ROWS)], pa.int32())
    lists = [None if n % 5 == 0 else list(range(n % 4)) for n in range(ROWS)]
    table = plain_table()
    for name, column in {
        "small": numbers,
        "lists": pa.array(lists, pa.list_(pa.int16())),
        "pairs": pa.StructArray.from_arrays([numbers, numbers.cast(pa.string())], ["n", "s"]),
        "kind": numbers.cast(pa.string()).dictionary_encode(),
        "price": pa.array([None, *range(1, ROWS)], pa.decimal128(12, 2)),
        "zoned": pa.array(range(ROWS), pa.timestamp("ms", "Europe/Paris")),
        "raw": pa.array([bytes([n % 256, 0]) for n in range(ROWS)], pa.binary()),
    }.items():
        table = table.append_column(name, column)
    return table


def csv_bytes() -> bytes:
    stream = io.BytesIO()
    pacsv.write_csv(plain_table(), stream)
    return stream.getvalue()


def parquet_bytes(table: pa.Table, **options: object) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream, **options)
    return stream.getvalue()


def ipc_bytes(table: pa.Table, *, stream: bool = False, codec: str | None = None) -> bytes:
    out = io.BytesIO()
    make = pa.ipc.new_stream if stream else pa.ipc.new_file
    with make(out, table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_table(table, max_chunksize=300)
    return out.getvalue()


class TestCsvReader(ReaderContract):
    name = "csv"
    samples = {
        "rows.csv": csv_bytes(),
        "few.tsv": b"a\tb\n1\tx\n2\ty\n",
        "windows.csv": b'\xef\xbb\xbfa;b\r\n1;"x\r\ny"\r\n2;z\r\n',
    }
    expected = {
        "rows.csv": plain_table(),
        "few.tsv": pa.table({"a": [1, 2], "b": ["x", "y"]}),
        "windows.csv": pa.table({"a": [1, 2], "b": ["x\r\ny", "z"]}),
    }
    damaged = {"ragged.csv": Damaged(b"a,b\n1,2\n3,4,5\n6,7\n8\n9,10\n", bad=2, rows=3)}


class TestCsvSink(SinkContract):
    name = "csv"
    table = plain_table()


class TestCsvRoundTrip(RoundTripContract):
    name = "csv"
    table = plain_table()
    read_options = {
        "types": "id:int64,score:float64,word:string,flag:bool,day:date32,at:timestamp[us]"
    }


class TestParquetReader(ReaderContract):
    name = "parquet"
    also_reads = ("fastparquet",)  # where that plugin is installed
    samples = {
        "groups.parquet": parquet_bytes(rich_table(), row_group_size=300),
        "one.parquet": parquet_bytes(plain_table(), compression="zstd", data_page_size=1000),
        "none.parquet": parquet_bytes(plain_table().slice(0, 0)),
    }
    expected = {"groups.parquet": rich_table(), "one.parquet": plain_table()}


class TestParquetSink(SinkContract):
    name = "parquet"
    table = rich_table()


class TestParquetRoundTrip(RoundTripContract):
    name = "parquet"
    table = rich_table()


class TestArrowReader(ReaderContract):
    name = "arrow"
    samples = {
        "file.arrow": ipc_bytes(rich_table()),
        "stream.arrows": ipc_bytes(rich_table(), stream=True),
        "packed.arrow": ipc_bytes(rich_table(), codec="zstd"),
        "none.arrow": ipc_bytes(plain_table().slice(0, 0)),
    }
    expected = {
        "file.arrow": rich_table(),
        "stream.arrows": rich_table(),
        "packed.arrow": rich_table(),
    }


class TestArrowSink(SinkContract):
    name = "arrow"
    table = rich_table()


class TestArrowRoundTrip(RoundTripContract):
    name = "arrow"
    table = rich_table()
