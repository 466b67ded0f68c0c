"""Sum and count each column of a CSV file: pandas, in chunks."""

from __future__ import annotations

import json
import sys
from typing import Any

import pandas as pd


def add(facts: dict[str, Any], column: pd.Series) -> None:
    """Fold one chunk's column into its facts (the texts are ASCII, so length is bytes)."""
    facts["count"] = facts.get("count", 0) + int(column.count())
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        facts["min"] = min(facts.get("min", column.min()), column.min())
        facts["max"] = max(facts.get("max", column.max()), column.max())
    elif pd.api.types.is_string_dtype(column.dtype):
        facts["bytes"] = facts.get("bytes", 0) + int(column.str.len().sum())
    else:
        facts["sum"] = facts.get("sum", 0) + column.sum().item()


rows = 0
columns: dict[str, dict[str, Any]] = {}
chunks = pd.read_csv(
    sys.argv[1], chunksize=250_000, parse_dates=["ts"], date_format="%Y-%m-%d %H:%M:%S"
)
for chunk in chunks:
    rows += len(chunk)
    for name in chunk.columns:
        add(columns.setdefault(name, {}), chunk[name])
print(json.dumps({"rows": rows, "columns": columns}, default=str))
