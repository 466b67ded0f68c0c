"""JSON readers over bytes, for tests."""

from __future__ import annotations

import pyarrow as pa

from arrowsmith.errors import SchemaConflict
from arrowsmith.formats.json.read_options import JsonlReadOptions, JsonReadOptions
from arrowsmith.formats.json.reader import JsonlReader, JsonReader
from arrowsmith.plugin import ScanRequest
from csv_doubles import Bytes, Run

__all__ = ["Bytes", "Run", "array", "lines", "read", "table"]


def lines(
    text: bytes | str, run: Run | None = None, *, seekable: bool = True, **options: object
) -> JsonlReader:
    """A reader of JSON Lines."""
    data = text.encode() if isinstance(text, str) else text
    source = Bytes(data, name="t.jsonl", seekable=seekable)
    return JsonlReader(source, JsonlReadOptions(**options), run or Run())


def array(
    text: bytes | str, run: Run | None = None, *, seekable: bool = True, **options: object
) -> JsonReader:
    """A reader of JSON of another shape."""
    data = text.encode() if isinstance(text, str) else text
    source = Bytes(data, name="t.json", seekable=seekable)
    return JsonReader(source, JsonReadOptions(**options), run or Run())


def table(reader: JsonlReader | JsonReader, request: ScanRequest | None = None) -> pa.Table:
    """All that the reader gives; every batch is validated."""
    batches = list(reader.scan(request or ScanRequest()))
    for batch in batches:
        batch.validate(full=True)
        assert batch.schema.equals(reader.schema) or request is not None
    return pa.Table.from_batches(batches, batches[0].schema if batches else reader.schema)


def read(reader: JsonlReader | JsonReader) -> pa.Table:
    """The same, begun again with wider types where the sample misled."""
    try:
        return table(reader)
    except SchemaConflict:
        return table(reader.widened())
