"""Parquet to JSON Lines: DuckDB's COPY."""

from __future__ import annotations

import sys

import duckdb

source, target = sys.argv[1:]
duckdb.execute(f"COPY (FROM read_parquet('{source}')) TO '{target}' (FORMAT json)")
