"""Sum and count each column of a CSV file: DuckDB, in one query."""

from __future__ import annotations

import json
import sys

import duckdb

row = duckdb.execute(
    """
    SELECT count(*),
           count(id), sum(id), count(score), sum(score),
           count(lang), sum(strlen(lang)), count(text), sum(strlen(text)),
           count(ts), min(ts), max(ts), count(flag), sum(flag::INT)
    FROM read_csv(?)
    """,
    [sys.argv[1]],
).fetchone()
assert row is not None
columns = {
    "id": {"count": row[1], "sum": row[2]},
    "score": {"count": row[3], "sum": row[4]},
    "lang": {"count": row[5], "bytes": row[6]},
    "text": {"count": row[7], "bytes": row[8]},
    "ts": {"count": row[9], "min": row[10], "max": row[11]},
    "flag": {"count": row[12], "sum": row[13]},
}
print(json.dumps({"rows": row[0], "columns": columns}, default=str))
