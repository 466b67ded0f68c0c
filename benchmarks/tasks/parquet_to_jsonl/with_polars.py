"""Parquet to JSON Lines: Polars, lazily, into its streaming sink."""

from __future__ import annotations

import sys

import polars as pl

source, target = sys.argv[1:]
pl.scan_parquet(source).sink_ndjson(target)
