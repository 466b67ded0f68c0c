"""Writes 10,000 JPEGs of 256 x 256 pixels into a folder: python make_pictures.py FOLDER."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

COUNT, DISTINCT, CLASSES = 10_000, 200, 10


def picture(rng: np.random.Generator) -> bytes:
    """Smooth colours with some noise, about 23 KB as photographs of that size have."""
    small = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
    smooth = np.asarray(small.resize((256, 256), Image.Resampling.BICUBIC)).astype(int)
    noisy = (smooth + rng.integers(-12, 12, smooth.shape)).clip(0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noisy).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def main(folder: Path) -> None:
    rng = np.random.default_rng(0)
    made = [picture(rng) for _ in range(DISTINCT)]
    for number in range(COUNT):
        place = folder / f"class{number % CLASSES}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:05d}.jpg").write_bytes(made[number % DISTINCT])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
