"""CSV to Parquet with zstd: pandas with the pyarrow engine and Arrow-backed columns, in memory."""

from __future__ import annotations

import sys

import pandas as pd

source, target = sys.argv[1:]
frame = pd.read_csv(source, engine="pyarrow", dtype_backend="pyarrow")
frame.to_parquet(target, compression="zstd", index=False)
