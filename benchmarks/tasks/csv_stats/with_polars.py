"""What the columns of a CSV file hold: describe() of Polars, lazily."""

from __future__ import annotations

import json
import sys

import polars as pl

found = pl.scan_csv(sys.argv[1], try_parse_dates=True).describe()
rows = {row["statistic"]: row for row in found.iter_rows(named=True)}
columns = {
    name: {
        "count": int(float(rows["count"][name])),
        "min": rows["min"][name],
        "max": rows["max"][name],
    }
    for name in found.columns[1:]
}
total = columns["id"]["count"] + int(float(rows["null_count"]["id"]))
print(json.dumps({"rows": total, "columns": columns}, default=str))
