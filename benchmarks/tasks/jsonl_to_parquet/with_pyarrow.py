"""JSON Lines to Parquet with zstd: pyarrow's streaming JSON reader into its ParquetWriter.

Batches are gathered into row groups of a million rows; a group per batch would be no Parquet file
to read from.
"""

from __future__ import annotations

import sys

import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq

GROUP_ROWS = 1 << 20

source, target = sys.argv[1:]
options = pyarrow.json.ReadOptions(block_size=2 << 20)
with (
    pyarrow.json.open_json(source, read_options=options) as reader,
    pq.ParquetWriter(target, reader.schema, compression="zstd") as writer,
):
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in reader:
        waiting.append(batch)
        rows += batch.num_rows
        if rows >= GROUP_ROWS:
            writer.write_table(pa.Table.from_batches(waiting), row_group_size=2 * GROUP_ROWS)
            waiting, rows = [], 0
    if waiting:
        writer.write_table(pa.Table.from_batches(waiting))
