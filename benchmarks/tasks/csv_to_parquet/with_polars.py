"""CSV to Parquet with zstd: Polars, lazily, into its streaming sink."""

from __future__ import annotations

import sys

import polars as pl

source, target = sys.argv[1:]
pl.scan_csv(source, try_parse_dates=True).sink_parquet(target, compression="zstd")
