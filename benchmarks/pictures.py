"""A folder of 10,000 JPEGs of 256 x 256 pixels, in ten classes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

COUNT, DISTINCT, CLASSES = 10_000, 200, 10
SIZE = 224  # to which contestants decode them


def _pixels(rng: np.random.Generator) -> np.ndarray:
    """Smooth colours with some noise, about 23 KB as photographs of that size have."""
    small = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
    smooth = np.asarray(small.resize((256, 256), Image.Resampling.BICUBIC)).astype(int)
    return (smooth + rng.integers(-12, 12, smooth.shape)).clip(0, 255).astype(np.uint8)


def write(folder: Path) -> dict[str, Any]:
    """Write the folder; how many values there are after decoding, and about their mean."""
    rng = np.random.default_rng(0)
    made, levels = [], []
    for _ in range(DISTINCT):
        pixels = _pixels(rng)
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "JPEG", quality=90)
        made.append(stream.getvalue())
        levels.append(float(pixels.mean()))
    for number in range(COUNT):
        place = folder / f"class{number % CLASSES}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:05d}.jpg").write_bytes(made[number % DISTINCT])
    values = {"count": COUNT * SIZE * SIZE * 3, "level": sum(levels) / DISTINCT}
    return {"rows": COUNT, "columns": {"image": values}}
