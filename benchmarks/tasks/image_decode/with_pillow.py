"""10,000 JPEGs to 224 x 224 RGB: Pillow on two threads, into batches of 64."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from timed import BATCH, SIZE, report

FILES = sorted(Path(sys.argv[1]).glob("*/*.jpg"))


def decoded(first: int) -> int:
    batch = np.empty((BATCH, SIZE, SIZE, 3), np.uint8)
    files = FILES[first : first + BATCH]
    for place, file in zip(batch, files, strict=False):
        with Image.open(file) as image:
            image.draft("RGB", (SIZE, SIZE))
            place[...] = image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return len(files)


with ThreadPoolExecutor(2) as pool:
    report(sum(pool.map(decoded, range(0, len(FILES), BATCH))))
