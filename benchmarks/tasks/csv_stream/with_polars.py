"""Sum and count each column of a CSV file: Polars, lazily, with its streaming engine."""

from __future__ import annotations

import json
import sys
from typing import Any

import polars as pl

NUMBERS, TEXTS = ("id", "score", "flag"), ("lang", "text")
names = ("id", "score", "lang", "text", "ts", "flag")
wanted = [pl.len().alias("rows")]
wanted += [pl.col(name).count().alias(f"{name}:count") for name in names]
wanted += [pl.col(name).sum().alias(f"{name}:sum") for name in NUMBERS]
wanted += [
    pl.col(name).str.len_bytes().cast(pl.Int64).sum().alias(f"{name}:bytes") for name in TEXTS
]
wanted += [pl.col("ts").min().alias("ts:min"), pl.col("ts").max().alias("ts:max")]

found = pl.scan_csv(sys.argv[1], try_parse_dates=True).select(wanted).collect(engine="streaming")
columns: dict[str, dict[str, Any]] = {name: {} for name in names}
for key, value in found.row(0, named=True).items():
    if key != "rows":
        name, fact = key.split(":")
        columns[name][fact] = value
print(json.dumps({"rows": found["rows"][0], "columns": columns}, default=str))
