"""The contract kit over the JSON readers."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pyarrow as pa

from arrowsmith.testing import Damaged, ReaderContract

ROWS = 200
WORDS = ["plain", "", 'with "quotes"', "}\n{", "é €", None, " spaces ", "\\", "x" * 50, "\u2028"]


def records() -> list[dict[str, Any]]:
    """Nested and flat values, some of them not there."""
    found: list[dict[str, Any]] = []
    for n in range(ROWS):
        record: dict[str, Any] = {
            "id": n,
            "score": None if n % 7 == 0 else n / 8,
            "word": WORDS[n % len(WORDS)],
            "at": (dt.datetime(2024, 1, 1) + dt.timedelta(seconds=977 * n)).isoformat(),
            "tags": [f"t{k}" for k in range(n % 4)],
            "place": {"lat": n / 4, "names": [{"lang": "en", "text": f"place {n}"}]},
        }
        if n % 3 == 0:
            record["flag"] = n % 2 == 0
        found.append(record)
    return found


def expected() -> pa.Table:
    """The same as a table."""
    rows = records()
    for row in rows:
        row["at"] = dt.datetime.fromisoformat(row["at"])
        row.setdefault("flag", None)
    name = pa.struct([("lang", pa.string()), ("text", pa.string())])
    schema = pa.schema(
        [
            ("id", pa.int64()),
            ("score", pa.float64()),
            ("word", pa.string()),
            ("at", pa.timestamp("us")),
            ("tags", pa.list_(pa.string())),
            ("place", pa.struct([("lat", pa.float64()), ("names", pa.list_(name))])),
            ("flag", pa.bool_()),
        ]
    )
    return pa.Table.from_pylist([{n: row[n] for n in schema.names} for row in rows], schema)


def in_order() -> list[dict[str, Any]]:
    """The records with ``flag`` last, as the columns are in order of appearance."""
    return [
        {name: row[name] for name in sorted(row, key=lambda name: name == "flag")}
        for row in records()
    ]


LINES = "".join(json.dumps(row) + "\n" for row in in_order()).encode()
TWO = pa.table({"a": [1, 2], "b": ["x", "y"]})


class TestJsonlReader(ReaderContract):
    name = "jsonl"
    samples = {
        "rows.jsonl": LINES,
        "windows.ndjson": b'\xef\xbb\xbf{"a": 1, "b": "x"}\r\n\r\n{"a": 2, "b": "y"}\r\n',
        "unnamed": b'{"a":1,"b":"x"}\n{"a":2,"b":"y"}',
    }
    expected = {"rows.jsonl": expected(), "windows.ndjson": TWO, "unnamed": TWO}
    damaged = {
        "bad.jsonl": Damaged(
            b'{"a":1}\n{"a":2\n[3]\n\n{"a":4}\nnull\n{"a":NaN}\n{"a":5,"a":6}\n{"a":"\\ud800"}\n'
            b'{"a":7}\n{"a":"\xff"}\n{"a":8} {"a":9}\n',
            bad=8,
            rows=3,
        )
    }


class TestJsonReader(ReaderContract):
    name = "json"
    samples = {
        "rows.json": json.dumps(in_order()).encode(),
        "pretty.json": json.dumps(in_order()[:50], indent=2).encode(),
        "nested.json": json.dumps(
            {"meta": {"n": 2}, "data": {"items": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]}}
        ).encode(),
        "objects.json": b'{\n "a": 1,\n "b": "x"\n}\n{\n "a": 2,\n "b": "y"\n}\n',
        "tight": b'{"a":1,"b":"x"}{"a":2,"b":"y"}',
        "one.json": b'{"a": 1, "b": "x"}\n',
        "places.geojson": b'{"type":"FeatureCollection","features":[{"a":1,"b":"x"}]}',
    }
    expected = {
        "rows.json": expected(),
        "nested.json": TWO,
        "objects.json": TWO,
        "tight": TWO,
        "one.json": TWO[:1],
        "places.geojson": TWO[:1],
    }
    damaged = {
        "bad.json": Damaged(
            b'[{"a":1},\n{"a":NaN},\nnull,\n{"a":2,},\n{"a":3}\n{"a":"]"},\n{"a":"\\ud800"}\n,]',
            bad=6,
            rows=3,
        ),
        "cut.json": Damaged(b'[{"a":1},\n{"a":2},\n{"a":', bad=1, rows=2),
        "open.json": Damaged(b'[{"a":1},\n{"a":2}\n', bad=1, rows=2),
    }
