"""JSON Lines to Parquet with zstd: Polars, lazily, into its streaming sink; times stay text."""

from __future__ import annotations

import sys

import polars as pl

source, target = sys.argv[1:]
pl.scan_ndjson(source).sink_parquet(target, compression="zstd")
