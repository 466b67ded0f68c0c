"""Decode all features of a TFRecord file, both checksums checked: arrowsmith."""

from __future__ import annotations

import json
import sys

import arrowsmith  # before pyarrow, so that it can choose the allocator

# isort: split
import pyarrow as pa
import pyarrow.compute as pc

facts = {"int64": {"count": 0, "sum": 0}, "float": {"count": 0}, "bytes": {"count": 0, "bytes": 0}}
rows = 0
for batch in arrowsmith.open(sys.argv[1]).batches():
    rows += batch.num_rows
    for column in batch.columns:
        values = column.flatten() if pa.types.is_nested(column.type) else column
        kind = str(values.type) if values.type != pa.binary() else "bytes"
        facts[kind]["count"] += len(values) - values.null_count
        if kind == "int64":
            facts[kind]["sum"] += pc.sum(values).as_py() or 0
        elif kind == "bytes":
            facts[kind]["bytes"] += pc.sum(pc.binary_length(values)).as_py() or 0
print(json.dumps({"rows": rows, "columns": facts}))
