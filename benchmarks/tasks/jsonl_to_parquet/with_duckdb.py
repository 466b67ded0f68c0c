"""JSON Lines to Parquet with zstd: DuckDB's COPY, row order kept as it does by default."""

from __future__ import annotations

import sys

import duckdb

source, target = sys.argv[1:]
duckdb.execute(
    f"COPY (FROM read_ndjson('{source}')) TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
)
