"""10,000 JPEGs to 224 x 224 RGB: simplejpeg on two threads, into batches of 64."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import simplejpeg
from consumer import BATCH, SIZE, files, looked_at, print_facts

FILES = files()


def decoded(first: int) -> tuple[int, int, float]:
    some = FILES[first : first + BATCH]
    batch = np.empty((len(some), SIZE, SIZE, 3), np.uint8)
    for place, file in zip(batch, some, strict=True):
        simplejpeg.decode_jpeg(
            file.read_bytes(), "RGB", min_height=SIZE, min_width=SIZE, buffer=place.reshape(-1)
        )
    return looked_at(batch)


with ThreadPoolExecutor(2) as pool:
    print_facts(pool.map(decoded, range(0, len(FILES), BATCH)))
