"""Parquet to an Arrow file: DuckDB's record batches, written with pyarrow."""

from __future__ import annotations

import sys

import duckdb
import pyarrow as pa

source, target = sys.argv[1:]
reader = duckdb.read_parquet(source).to_arrow_reader(65_536)
with pa.OSFile(target, "wb") as file, pa.ipc.new_file(file, reader.schema) as writer:
    for batch in reader:
        writer.write_batch(batch)
