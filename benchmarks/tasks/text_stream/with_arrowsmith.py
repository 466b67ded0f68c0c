"""Count the lines of a text and their bytes: arrowsmith, with source, line and offset."""

from __future__ import annotations

import json
import sys

import arrowsmith  # before pyarrow, so that it can choose the allocator

import pyarrow.compute as pc  # isort: skip

rows = size = 0
for batch in arrowsmith.open(sys.argv[1]).batches():
    assert batch.schema.names == ["text", "source", "line", "offset"]
    rows += batch.num_rows
    size += pc.sum(pc.binary_length(batch.column("text"))).as_py()
print(json.dumps({"rows": rows, "columns": {"text": {"count": rows, "bytes": size}}}))
