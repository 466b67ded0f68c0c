"""Count the lines of a text and their bytes: DuckDB's CSV reader without delimiter and quote."""

from __future__ import annotations

import json
import sys

import duckdb

row = duckdb.execute(
    """
    SELECT count(*), sum(strlen(line))
    FROM read_csv(?, columns = {'line': 'VARCHAR'}, header = false, delim = '\x01', quote = '',
                  escape = '', auto_detect = false)
    """,
    [sys.argv[1]],
).fetchone()
assert row is not None
rows, size = row[0], int(row[1])
print(json.dumps({"rows": rows, "columns": {"text": {"count": rows, "bytes": size}}}))
