"""Pictures to test with, made from seeds."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image


def pixels(seed: int, height: int = 24, width: int = 32, channels: int = 3) -> np.ndarray:
    """Smooth colours: what JPEG keeps well."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (4, 4, channels), dtype=np.uint8)
    image = Image.fromarray(small.squeeze())
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))


def noise(seed: int) -> np.ndarray:
    """What no format makes smaller."""
    return np.random.default_rng(seed).integers(0, 256, (60, 80, 3), dtype=np.uint8)


def saved(image: Image.Image | np.ndarray, kind: str, **options: object) -> bytes:
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def jpeg(seed: int, height: int = 24, width: int = 32, **options: object) -> bytes:
    return saved(pixels(seed, height, width), "JPEG", quality=95, **options)


def png(seed: int, height: int = 24, width: int = 32) -> bytes:
    return saved(pixels(seed, height, width), "PNG")


def exif(orientation: int) -> bytes:
    data = Image.Exif()
    data[0x0112] = orientation
    return data.tobytes()


def written(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def tarred(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def zipped(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()
