"""10,000 JPEGs to 224 x 224 RGB: arrowsmith, from the folder."""

from __future__ import annotations

import sys

import arrowsmith  # before pyarrow, so that it can choose the allocator

from timed import BATCH, SIZE, report  # isort: skip

pictures = arrowsmith.open(sys.argv[1], budget="60MB")
tensors = pictures.transform("decode", size=str(SIZE)).select("image")
report(sum(batch.num_rows for batch in tensors.batches(BATCH)))
