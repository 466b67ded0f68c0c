"""What a table holds, as DuckDB sees it, and whether an output holds the same.

The reference is computed from the generator's own arrays, never from a file that a contestant
reads or writes. Text is compared by count, bytes and the sum of a hash of every value; integers
and flags by exact sums, floats by a sum to one part in 10**9, timestamps by count, ends and sum.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

import data

Facts = dict[str, Any]
"""{"rows": int, "out_of_order": int | None, "columns": {name: {"count": int, ...}}}."""

FLOAT_TOLERANCE = 1e-9
LEVEL_TOLERANCE = 0.01  # of the mean of pixels: each library has its own way to resize
_AGGREGATES: dict[str, dict[str, str]] = {
    "int": {"sum": "sum({0}::HUGEINT)"},
    "float": {"sum": "sum({0}::DOUBLE)"},
    "text": {"bytes": "sum(strlen({0}))", "hash": "sum(hash({0}::VARCHAR)::HUGEINT)"},
    "time": {
        "min": "strftime(min({0}::TIMESTAMP), '%Y-%m-%d %H:%M:%S')",
        "max": "strftime(max({0}::TIMESTAMP), '%Y-%m-%d %H:%M:%S')",
        "total": "sum(epoch_us({0}::TIMESTAMP)::HUGEINT)",
    },
    "flag": {"sum": "count(*) FILTER (WHERE {0})"},
}
_TEXT_TYPES = {
    "int": "BIGINT",
    "float": "DOUBLE",
    "text": "VARCHAR",
    "time": "TIMESTAMP",
    "flag": "BOOLEAN",
}


class CheckError(Exception):
    """An output that does not hold what the input holds."""


def _kind(kind: pa.DataType) -> str:
    if pa.types.is_integer(kind):
        return "int"
    if pa.types.is_floating(kind):
        return "float"
    if pa.types.is_timestamp(kind):
        return "time"
    return "flag" if pa.types.is_boolean(kind) else "text"


def _first_batch(name: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    batches = data.BATCHES[name]()
    first = next(batches)

    def whole() -> Iterator[pa.RecordBatch]:
        yield first
        yield from batches

    return first.schema, whole()


def _facts(db: duckdb.DuckDBPyConnection, relation: str, kinds: Mapping[str, str]) -> Facts:
    """Count and aggregate every column of `relation` (an SQL table expression) in one pass."""
    wanted = [("rows", "", "count(*)")]
    for name, kind in kinds.items():
        wanted.append((name, "count", f'count("{name}")'))
        wanted.extend(
            (name, key, sql.format(f'"{name}"')) for key, sql in _AGGREGATES[kind].items()
        )
    numbered = "id" in kinds
    if numbered:
        wanted.append(
            ("out_of_order", "", "count(*) FILTER (WHERE id IS DISTINCT FROM row_number)")
        )
        relation = f"(SELECT *, row_number() OVER () - 1 AS row_number FROM {relation})"
    values = db.execute(
        f"SELECT {', '.join(sql for _, _, sql in wanted)} FROM {relation}"
    ).fetchone()
    assert values is not None
    facts: Facts = {
        "rows": values[0],
        "out_of_order": None,
        "columns": {name: {} for name in kinds},
    }
    for (name, key, _), value in zip(wanted, values, strict=True):
        if key:
            facts["columns"][name][key] = value
        else:
            facts[name] = value
    return facts


def reference(name: str, folder: Path) -> tuple[Facts, dict[str, str]]:
    """Facts and column kinds of input `name`, from the generator; kept beside the input."""
    kept = data.facts_path(name, folder)
    if name not in data.BATCHES:
        return json.loads(kept.read_text()), {}
    schema, batches = _first_batch(name)
    kinds = {field.name: _kind(field.type) for field in schema}
    if kept.exists():
        return json.loads(kept.read_text()), kinds
    with duckdb.connect() as db:
        db.register("generated", pa.RecordBatchReader.from_batches(schema, batches))
        facts = _facts(db, "generated", kinds)
    kept.write_text(json.dumps(facts))
    return facts, kinds


def _compare(expected: Facts, found: Facts, keys: set[str] | None = None) -> None:
    if found["rows"] != expected["rows"]:
        raise CheckError(f"{found['rows']} rows, expected {expected['rows']}")
    if list(found["columns"]) != list(expected["columns"]):
        raise CheckError(f"columns {list(found['columns'])}, expected {list(expected['columns'])}")
    for name, facts in expected["columns"].items():
        for key, value in facts.items():
            if keys is not None and key not in keys:
                continue
            got = found["columns"][name].get(key)
            if got != value and not (
                isinstance(value, float)
                and got is not None
                and math.isclose(
                    got, value, rel_tol=LEVEL_TOLERANCE if key == "level" else FLOAT_TOLERANCE
                )
            ):
                raise CheckError(f"column {name}: {key} is {got}, expected {value}")


def check_stream(expected: Facts, printed: str, keys: set[str]) -> None:
    """Compare the facts that a streaming contestant printed, as JSON, with the reference."""
    _compare(expected, json.loads(printed), keys)


def check_file(expected: Facts, kinds: Mapping[str, str], path: Path) -> None:
    """Read an output with DuckDB (an Arrow file through pyarrow) and compare every column.

    Raises `CheckError`, also for rows out of order and a Parquet file that is not zstd.
    """
    with duckdb.connect() as db:
        if path.suffix == ".parquet":
            group = pq.read_metadata(path).row_group(0)
            codecs = {group.column(i).compression for i in range(group.num_columns)}
            if codecs != {"ZSTD"}:
                raise CheckError(f"compressed with {sorted(codecs)}, expected ZSTD")
            relation = f"read_parquet('{path}')"
        elif path.suffix in (".csv", ".jsonl"):
            types = ", ".join(f"'{name}': '{_TEXT_TYPES[kind]}'" for name, kind in kinds.items())
            how = "read_csv" if path.suffix == ".csv" else "read_json"
            more = "header=true" if path.suffix == ".csv" else "format='newline_delimited'"
            relation = f"{how}('{path}', {more}, columns={{{types}}})"
        else:
            file = pa.ipc.open_file(pa.memory_map(str(path)))
            batches = (file.get_batch(i) for i in range(file.num_record_batches))
            db.register("arrow_file", pa.RecordBatchReader.from_batches(file.schema, batches))
            relation = "arrow_file"
        found = _facts(db, relation, kinds)
    _compare(expected, found)
    if found["out_of_order"]:
        raise CheckError(f"{found['out_of_order']} rows are not in their place")
