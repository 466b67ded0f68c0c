"""The contract kit over the plugin's reader, sink and transform."""

from __future__ import annotations

import pyarrow as pa

from arrowsmith.testing import (
    Damaged,
    ReaderContract,
    RoundTripContract,
    SinkContract,
    TransformContract,
)

LINE = '192.0.2.{} - {} [{:02}/Mar/2024:10:{:02}:59 +0100] "GET /page/{} HTTP/1.1" {} {} "-" "{}"\n'
COMBINED = "".join(
    LINE.format(
        n % 256, "-" if n % 3 else f"user{n}", n % 31 + 1, n % 60, n, 200 + n % 5, n, "UA é"
    )
    for n in range(500)
)
COMMON = '2001:db8::1 - - [01/Jan/2024:00:00:00 +0000] "GET / HTTP/1.0" 200 2326\r\n\n'
BAD = 'host - - [30/Feb/2024:00:00:00 +0000] "GET / HTTP/1.0" 200 1\n'


def table() -> pa.Table:
    rows = 300
    texts = [None if n % 4 == 0 else f'a "b" \\ c é {n}' for n in range(rows)]
    return pa.table(
        {
            "host": [f"192.0.2.{n}" for n in range(rows)],
            "ident": pa.nulls(rows, pa.string()),
            "user": [f"user{n}" if n % 2 else None for n in range(rows)],
            "time": pa.array(range(rows), pa.timestamp("s", "UTC")),
            "request": texts,
            "status": pa.array([200] * rows, pa.int16()),
            "bytes": pa.array([None if n % 5 == 0 else n << 30 for n in range(rows)], pa.int64()),
            "referer": texts,
            "user_agent": ["" if n % 3 else None for n in range(rows)],
        },
        schema=pa.schema(
            [
                pa.field("host", pa.string(), nullable=False),
                pa.field("ident", pa.string()),
                pa.field("user", pa.string()),
                pa.field("time", pa.timestamp("s", "UTC"), nullable=False),
                pa.field("request", pa.string()),
                pa.field("status", pa.int16(), nullable=False),
                pa.field("bytes", pa.int64()),
                pa.field("referer", pa.string()),
                pa.field("user_agent", pa.string()),
            ]
        ),
    )


class TestReader(ReaderContract):
    name = "accesslog"
    samples = {"combined.log": COMBINED.encode(), "common.log": COMMON.encode()}
    damaged = {
        "bad.log": Damaged((COMMON + BAD + COMMON + "junk\n").encode(), bad=2, rows=2),
        "latin1.log": Damaged(COMMON.replace("GET /", "GET /é").encode("latin-1"), bad=1, rows=0),
    }


class TestSink(SinkContract):
    name = "accesslog"
    table = table()


class TestRoundTrip(RoundTripContract):
    name = "accesslog"
    table = table()


class TestCommonRoundTrip(RoundTripContract):
    name = "accesslog"
    table = table()
    write_options = {"layout": "common"}

    def as_read(self, table: pa.Table) -> pa.Table:
        for name in ("referer", "user_agent"):
            index = table.schema.get_field_index(name)
            table = table.set_column(index, name, pa.nulls(table.num_rows, pa.string()))
        return table


class TestRedact(TransformContract):
    name = "redact"
    table = pa.table({"host": [f"192.0.2.{n}" for n in range(300)], "n": list(range(300))})
    options = {"columns": "host"}
    expected = pa.table({"host": ["192.0.2.x"] * 300, "n": list(range(300))})
    wrong_schemas = (
        pa.schema([("n", pa.int64())]),
        pa.schema([("host", pa.int64())]),
    )
