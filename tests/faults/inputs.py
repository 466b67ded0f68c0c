"""Inputs of given sizes, made in a second or so: a block of rows over and over."""

from __future__ import annotations

import gzip
from json import dumps
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq


def rows(count: int, seed: int = 1) -> pa.Table:
    """Six columns: int64, float64, two of strings, timestamp, bool."""
    random = np.random.default_rng(seed)
    words = pa.array([f"kind-{i}" for i in range(16)])
    return pa.table(
        {
            "id": pa.array(np.arange(count)),
            "score": pa.array(random.standard_normal(count).round(6)),
            "kind": words.take(pa.array(random.integers(0, 16, count))),
            "name": pa.array(random.integers(0, 1 << 50, count))
            .cast(pa.string())
            .cast(pa.binary())
            .cast(pa.string()),
            "at": pa.array(1_700_000_000 + random.integers(0, 10**8, count)).cast(
                pa.timestamp("s")
            ),
            "ok": pa.array(random.integers(0, 2, count) == 1),
        }
    )


def _text(table: pa.Table) -> tuple[bytes, bytes]:
    """A table as CSV: its header, and its rows."""
    out = pa.BufferOutputStream()
    pacsv.write_csv(table, out, pacsv.WriteOptions(quoting_style="needed"))
    text = out.getvalue().to_pybytes()
    end = text.index(b"\n") + 1
    return text[:end], text[end:]


def csv(path: Path, nbytes: int, table: pa.Table | None = None) -> Path:
    """At least so many bytes of CSV, gzipped in many members where the name ends so."""
    head, block = _text(rows(200_000) if table is None else table)
    if path.suffix == ".gz":
        count = -(-nbytes // len(block))
        head, block = gzip.compress(head), gzip.compress(block, 1)
    else:
        count = -(-nbytes // len(block))
    with path.open("wb") as file:
        file.write(head)
        for _ in range(count):
            file.write(block)
    return path


def json(path: Path, nbytes: int) -> Path:
    """At least so many bytes of objects one a line, or, by the suffix, of one array of them."""
    found = rows(20_000).to_pylist()
    for number, row in enumerate(found):
        row["tags"] = [row["kind"]] * (number % 3)
    text = ",\n".join(dumps(row, default=str) for row in found).encode()
    lines = path.suffix == ".jsonl"
    block = text.replace(b"},\n", b"}\n") + b"\n" if lines else text
    with path.open("wb") as file:
        for number in range(-(-nbytes // len(block))):
            file.write(b"" if lines else b",\n" if number else b"[")
            file.write(block)
        file.write(b"" if lines else b"]")
    return path


def wide_csv(path: Path, nbytes: int, columns: int = 50) -> Path:
    random = np.random.default_rng(2)
    table = pa.table({f"c{i}": random.integers(0, 10**9, 20_000) for i in range(columns)})
    return csv(path, nbytes, table)


def long_fields_csv(path: Path, nbytes: int, field: int) -> Path:
    """Two columns, the second of texts of ``field`` bytes each."""
    text = np.random.default_rng(3).integers(97, 123, field, np.uint8).tobytes()
    with path.open("wb") as file:
        file.write(b"id,body\n")
        for number in range(nbytes // field):
            file.write(b"%d,%s\n" % (number, text))
    return path


def parquet(path: Path, count: int, group: int = 1 << 20) -> Path:
    """Row groups of a fixed number of rows, all alike."""
    block = rows(min(count, group))
    with pq.ParquetWriter(path, block.schema, compression="zstd") as out:
        for _ in range(-(-count // group)):
            out.write_table(block, row_group_size=group)
    return path


def arrow(path: Path, count: int, batch: int = 1 << 16) -> Path:
    """An uncompressed IPC file."""
    block = rows(batch)
    with pa.ipc.new_file(str(path), block.schema) as out:
        for _ in range(-(-count // batch)):
            out.write_table(block)
    return path
