"""Count the lines of a text and their bytes: pyarrow's CSV reader without a delimiter."""

from __future__ import annotations

import json
import sys

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

reader = pacsv.open_csv(
    sys.argv[1],
    read_options=pacsv.ReadOptions(column_names=["text"]),
    parse_options=pacsv.ParseOptions(delimiter="\x01", quote_char=False, ignore_empty_lines=False),
    convert_options=pacsv.ConvertOptions(column_types={"text": pa.string()}),
)
rows = size = 0
for batch in reader:
    rows += batch.num_rows
    size += pc.sum(pc.binary_length(batch.column(0))).as_py()
print(json.dumps({"rows": rows, "columns": {"text": {"count": rows, "bytes": size}}}))
