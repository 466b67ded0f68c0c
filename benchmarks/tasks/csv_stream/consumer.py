"""The consumer that every contestant yielding Arrow batches shares: sums and counts of columns."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def _add(facts: dict[str, Any], column: pa.Array) -> None:
    facts["count"] = facts.get("count", 0) + len(column) - column.null_count
    if pa.types.is_timestamp(column.type):
        ends = pc.min_max(column).as_py()
        facts["min"] = min(facts.get("min", ends["min"]), ends["min"])
        facts["max"] = max(facts.get("max", ends["max"]), ends["max"])
    elif pa.types.is_string(column.type):
        facts["bytes"] = facts.get("bytes", 0) + (pc.sum(pc.binary_length(column)).as_py() or 0)
    else:
        facts["sum"] = facts.get("sum", 0) + (pc.sum(column).as_py() or 0)


def print_facts(batches: Iterable[pa.RecordBatch]) -> None:
    """Consume `batches`, holding one at a time, and print the facts as JSON."""
    rows = 0
    columns: dict[str, dict[str, Any]] = {}
    for batch in batches:
        rows += batch.num_rows
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            _add(columns.setdefault(name, {}), column)
    print(json.dumps({"rows": rows, "columns": columns}, default=str))
