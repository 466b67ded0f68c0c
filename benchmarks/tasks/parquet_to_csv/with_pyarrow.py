"""Parquet to CSV: pyarrow, batch by batch."""

from __future__ import annotations

import sys

import pyarrow.csv
import pyarrow.parquet as pq

source, target = sys.argv[1:]
with pq.ParquetFile(source) as file, pyarrow.csv.CSVWriter(target, file.schema_arrow) as writer:
    for batch in file.iter_batches():
        writer.write_batch(batch)
