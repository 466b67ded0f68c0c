"""10,000 JPEGs to 224 x 224 RGB: simplejpeg on two threads, into batches of 64."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import simplejpeg
from timed import BATCH, SIZE, report

FILES = sorted(Path(sys.argv[1]).glob("*/*.jpg"))


def decoded(first: int) -> int:
    batch = np.empty((BATCH, SIZE, SIZE, 3), np.uint8)
    files = FILES[first : first + BATCH]
    for place, file in zip(batch, files, strict=False):
        simplejpeg.decode_jpeg(
            file.read_bytes(), "RGB", min_height=SIZE, min_width=SIZE, buffer=place.reshape(-1)
        )
    return len(files)


with ThreadPoolExecutor(2) as pool:
    report(sum(pool.map(decoded, range(0, len(FILES), BATCH))))
