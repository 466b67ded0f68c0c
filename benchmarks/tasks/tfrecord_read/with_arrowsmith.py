"""Decode all features of a TFRecord file: arrowsmith."""

from __future__ import annotations

import json
import sys

import arrowsmith  # before pyarrow, whose allocator it sets

# isort: split
import pyarrow.compute as pc

rows = total = size = 0
for batch in arrowsmith.open(sys.argv[1]).batches():
    rows += batch.num_rows
    for column in batch.columns:
        flat = column.flatten() if "list" in str(column.type) else column
        if str(flat.type) == "int64":
            total += pc.sum(flat).as_py() or 0
        elif str(flat.type) == "binary":
            size += pc.sum(pc.binary_length(flat)).as_py() or 0
print(json.dumps({"rows": rows, "sum": total, "bytes": size}))
