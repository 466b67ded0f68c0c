"""What the columns of a CSV file hold: DuckDB's SUMMARIZE."""

from __future__ import annotations

import json
import sys

import duckdb

found = duckdb.execute("SUMMARIZE FROM read_csv(?)", [sys.argv[1]])
names = [name for name, *_ in found.description]
rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
columns = {row["column_name"]: {"min": row["min"], "max": row["max"]} for row in rows}
print(json.dumps({"rows": rows[0]["count"], "columns": columns}, default=str))
