"""10,000 JPEGs to 224 x 224 RGB: arrowsmith, from the folder."""

from __future__ import annotations

import sys

import arrowsmith  # before pyarrow, so that it can choose the allocator

from consumer import BATCH, SIZE, looked_at, print_facts  # isort: skip

pictures = arrowsmith.open(sys.argv[1], budget="60MB")
tensors = pictures.transform("decode", size=str(SIZE)).select("image")
print_facts(looked_at(batch["image"].to_numpy_ndarray()) for batch in tensors.batches(BATCH))
