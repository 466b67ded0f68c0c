"""The columns of an access log, shared by the reader and the sink."""

from __future__ import annotations

import pyarrow as pa

SCHEMA = pa.schema(
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
)
QUOTED = ("request", "referer", "user_agent")
CLOCK = "%d/%b/%Y:%H:%M:%S"
