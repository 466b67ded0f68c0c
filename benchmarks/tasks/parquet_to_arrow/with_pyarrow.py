"""Parquet to an Arrow file: pyarrow, batch by batch."""

from __future__ import annotations

import sys

import pyarrow as pa
import pyarrow.parquet as pq

source, target = sys.argv[1:]
with (
    pq.ParquetFile(source) as file,
    pa.OSFile(target, "wb") as out,
    pa.ipc.new_file(out, file.schema_arrow) as writer,
):
    for batch in file.iter_batches():
        writer.write_batch(batch)
