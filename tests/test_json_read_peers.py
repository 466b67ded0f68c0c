"""JSON Lines as orjson, Polars and DuckDB read them, value by value."""

from __future__ import annotations

from pathlib import Path

import duckdb
import orjson
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import arrowsmith

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12).map(lambda text: f"t{text}")
rows = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.integers(-(2**63), 2**63 - 1),
            "real": st.floats(allow_nan=False, allow_infinity=False),
            "text": texts | st.none(),
            "flag": st.booleans() | st.none(),
            "in": st.fixed_dictionaries({"a": st.integers(-99, 99), "b": texts | st.none()}),
            "list": st.lists(st.integers(0, 9), max_size=3),
            "many": st.lists(st.fixed_dictionaries({"k": texts, "v": st.booleans()}), max_size=2),
        }
    ),
    min_size=1,
    max_size=8,
)
FIRST = {
    "id": 1, "real": 0.5, "text": "t", "flag": True, "in": {"a": 1, "b": "t"}, "list": [1],
    "many": [{"k": "t", "v": True}],
}  # fmt: skip
TYPES = (
    "{id: 'BIGINT', real: 'DOUBLE', text: 'VARCHAR', flag: 'BOOLEAN',"
    " \"in\": 'STRUCT(a BIGINT, b VARCHAR)', list: 'BIGINT[]',"
    " many: 'STRUCT(k VARCHAR, v BOOLEAN)[]'}"
)


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("peers") / "rows.jsonl"


@given(rows)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_as_peers_read_it(path, drawn):
    data = b"".join(orjson.dumps(row) + b"\n" for row in [FIRST, *drawn])
    path.write_bytes(data)
    found = arrowsmith.open(str(path)).to_table().to_pylist()
    assert found == [orjson.loads(line) for line in data.splitlines()]
    assert found == pl.read_ndjson(path, infer_schema_length=None).to_dicts()
    if b"\\u0000" not in data:  # which DuckDB does not take
        sql = f"select * from read_json('{path}', format='newline_delimited', columns={TYPES})"
        assert found == duckdb.sql(sql).to_arrow_table().to_pylist()
