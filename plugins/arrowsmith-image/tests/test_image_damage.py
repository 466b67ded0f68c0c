"""Bytes flipped, cut, removed, doubled and spliced: a picture or a reason, never anything else."""

from __future__ import annotations

import random
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from arrowsmith.testing import KitContext
from arrowsmith_image.headers import facts_of
from arrowsmith_image.pillow import BadPictureError
from arrowsmith_image.pixels import Decoder, Shape
from arrowsmith_image.room import Room
from pictures import exif, jpeg, pixels, saved

CASES = 300
IMAGE = Image.fromarray(pixels(1))
VALID = {
    "JPEG": jpeg(1, exif=exif(6)),
    "progressive": jpeg(2, progressive=True),
    "CMYK": saved(IMAGE.convert("CMYK"), "JPEG"),
    "PNG": saved(IMAGE, "PNG", exif=exif(3)),
    "palette": saved(IMAGE.convert("P"), "PNG"),
    "GIF": saved(IMAGE, "GIF", save_all=True, append_images=[IMAGE.rotate(90)]),
    "WEBP": saved(IMAGE, "WEBP", save_all=True, append_images=[IMAGE.rotate(90)]),
    "BMP": saved(IMAGE, "BMP"),
    "TIFF": saved(IMAGE, "TIFF", compression="tiff_lzw"),
    "PPM": saved(IMAGE, "PPM"),
    "AVIF": saved(IMAGE, "AVIF"),
}
CONTEXT = KitContext()
DECODER = Decoder(Shape(16, 16, "RGB", "stretch", "bilinear", True, True, 1_000_000), Room(CONTEXT))
OUT = np.empty(DECODER.shape.dims, np.uint8)


def mutated(data, others, chance):
    spoiled = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(spoiled)) if spoiled else 0
        near = chance.randrange(min(64, len(spoiled))) if spoiled else 0  # headers are at the front
        size = chance.randint(1, 16)
        how = chance.randrange(7)
        if how == 0:
            del spoiled[at:]
        elif how == 1:
            spoiled[at : at + size] = chance.randbytes(size)
        elif how == 2:
            del spoiled[at : at + size]
        elif how == 3:
            spoiled[at:at] = spoiled[at : at + size]
        elif how == 4:
            spoiled[near : near + 4] = chance.choice((b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff"))
        elif how == 5 and spoiled:
            spoiled[near] ^= 1 << chance.randrange(8)
        else:
            other = chance.choice(others)
            spoiled[at : at + size] = other[at : at + size]
    return bytes(spoiled)


def looked_at(data):
    """The facts and pixels, or the reason why there are none."""
    try:
        facts = facts_of(data, 1_000_000)
        DECODER.into(data, OUT)
    except BadPictureError:
        return None
    return facts


@pytest.mark.parametrize("name", VALID)
def test_damage_is_a_reason_or_a_picture(name):
    chance = random.Random(name)
    others = list(VALID.values())
    assert looked_at(VALID[name]) is not None
    tracemalloc.start()
    try:
        for _ in range(CASES):
            looked_at(mutated(VALID[name], others, chance))
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", VALID)
def test_cut_anywhere(name):
    data = VALID[name]
    for size in {*range(min(len(data), 64)), *range(64, len(data), max(1, len(data) // 40))}:
        looked_at(data[:size])


@given(st.binary(max_size=300))
def test_any_bytes(data):
    looked_at(data)
