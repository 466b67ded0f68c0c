"""The JSON sample files are what fixtures/README.md says."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

import arrowsmith

FOLDER = Path(__file__).parent.parent / "fixtures"
BAD_LINES = [6, 11, 16, 21, 26, 31, 36]


def test_visits_are_found_within_the_answer():
    visits = arrowsmith.open(str(FOLDER / "visits.json")).to_table()
    rows = json.loads((FOLDER / "visits.json").read_text())["data"]["visits"]
    assert visits.num_rows == len(rows) == 40
    for name in ("id", "rooms", "fee", "note", "who"):
        assert visits[name].to_pylist() == [row.get(name) for row in rows]
    assert visits["at"].to_pylist() == [dt.datetime.fromisoformat(row["at"]) for row in rows]
    assert visits.schema.field("fee").type == pa.float64()
    assert visits.schema.field("who").type.field("card").type == pa.uint64()
    assert visits["note"].null_count >= 30
    peer = duckdb.sql(
        f"select unnest(data.visits, max_depth := 2) from read_json('{FOLDER / 'visits.json'}')"
    ).to_arrow_table()
    assert peer["rooms"].to_pylist() == visits["rooms"].to_pylist()


def test_damaged_lines_in_quarantine(tmp_path):
    source = FOLDER / "damaged.jsonl"
    damaged = arrowsmith.open(
        str(source), on_error="quarantine", rejects=str(tmp_path / "bad.parquet")
    )
    stats = damaged.write(str(tmp_path / "out.parquet"))
    rejects = pq.read_table(tmp_path / "bad.parquet").to_pylist()
    raw = source.read_bytes().split(b"\n")
    assert [reject["line"] for reject in rejects] == BAD_LINES
    assert [reject["record"] for reject in rejects] == [line - 1 for line in BAD_LINES]
    assert [reject["raw"] for reject in rejects] == [raw[line - 1] for line in BAD_LINES]
    assert (stats.rows_out, stats.rejected) == (33, 7)
    ids = pq.read_table(tmp_path / "out.parquet")["id"].to_pylist()
    assert ids == [n for n in range(1, 41) if n not in BAD_LINES]
