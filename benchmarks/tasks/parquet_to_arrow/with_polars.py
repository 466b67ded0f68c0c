"""Parquet to an Arrow file: Polars, lazily, into its streaming sink.

Its oldest layout has plain strings, as the others write; the newest (views) is a larger file.
"""

from __future__ import annotations

import sys

import polars as pl

source, target = sys.argv[1:]
pl.scan_parquet(source).sink_ipc(target, compat_level=pl.CompatLevel.oldest())
