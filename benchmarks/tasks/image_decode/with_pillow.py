"""10,000 JPEGs to 224 x 224 RGB: Pillow on two threads, into batches of 64."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from consumer import BATCH, SIZE, files, looked_at, print_facts
from PIL import Image

FILES = files()


def decoded(first: int) -> tuple[int, int, float]:
    some = FILES[first : first + BATCH]
    batch = np.empty((len(some), SIZE, SIZE, 3), np.uint8)
    for place, file in zip(batch, some, strict=True):
        with Image.open(file) as image:
            image.draft("RGB", (SIZE, SIZE))
            place[...] = image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return looked_at(batch)


with ThreadPoolExecutor(2) as pool:
    print_facts(pool.map(decoded, range(0, len(FILES), BATCH)))
