"""Count the lines of a text and their bytes: Polars, with its streaming engine."""

from __future__ import annotations

import json
import sys

import polars as pl

frame = (
    pl.scan_lines(sys.argv[1])
    .select(rows=pl.len(), size=pl.nth(0).str.len_bytes().cast(pl.UInt64).sum())
    .collect(engine="streaming")
)
rows, size = frame.row(0)
print(json.dumps({"rows": rows, "columns": {"text": {"count": rows, "bytes": size}}}))
