"""Parquet to JSON Lines: pandas, in chunks of pyarrow batches, timestamps in ISO 8601."""

from __future__ import annotations

import sys

import pyarrow.parquet as pq

source, target = sys.argv[1:]
with pq.ParquetFile(source) as file, open(target, "w") as out:
    for batch in file.iter_batches():
        frame = batch.to_pandas()
        frame.to_json(out, orient="records", lines=True, date_format="iso", double_precision=15)
