"""Parquet to CSV: Polars, lazily, into its streaming sink; timestamps written as the others do."""

from __future__ import annotations

import sys

import polars as pl

source, target = sys.argv[1:]
pl.scan_parquet(source).sink_csv(target, datetime_format="%Y-%m-%d %H:%M:%S")
