"""What the header of a picture tells, without decoding a pixel.

JPEG is asked through libjpeg-turbo, WebP (whose Pillow reader allocates the canvas when it opens)
is read here, everything else by Pillow, whose parsers are called directly, so that a picture is
read as what it is and nothing depends on Pillow's global limits.

Formats: Exif 2.32 (IFD0), https://developers.google.com/speed/webp/docs/riff_container.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import simplejpeg
from PIL import ImageFile

from arrowsmith_image.pillow import ORIENTATION, BadPictureError, opened, stored_size, tiff_tags
from arrowsmith_image.probe import picture_format

_MODES = {"Gray": "L", "CMYK": "CMYK", "YCCK": "CMYK"}
_IFD_ENTRIES = 512
_PIXELS = (0xC0, 0xC1, 0xC2, 0xDA)  # frame and scan: EXIF stands before them
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
_SCAN = 0xDA
_COEFFICIENTS = 6.0  # bytes a pixel of what is odd: three components of two


class Facts(NamedTuple):
    """Of one picture.

    Attributes:
        frames: None where they cannot be counted.
        orientation: EXIF's, 1 to 8; None where there is none, or none that can be read.
    """

    width: int
    height: int
    mode: str
    format: str
    frames: int | None
    orientation: int | None


def facts_of(data: bytes, max_pixels: int, *, frames: bool = True) -> Facts:
    """The facts of a picture from its bytes, or from the first of them.

    Args:
        max_pixels: how many it may have.
        frames: count them, which takes reading on in some formats.

    Raises:
        BadPictureError: it is none, or its header is damaged, or it has more pixels.
    """
    kind = picture_format(data[:32])
    if kind is None:
        what = "is no picture of a known format" if data.strip(b"\0") else "has no bytes but zeros"
        raise BadPictureError(what if data else "is empty")
    if kind == "JPEG":
        facts = _jpeg(data)
    elif kind == "WEBP":
        facts = _webp(data)
    else:
        facts = _by_pillow(data, kind, frames)
    check_pixels(facts.width, facts.height, max_pixels)
    return facts


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """Raise ``BadPictureError`` for a picture of no pixels, or of too many."""
    if width < 1 or height < 1:
        raise BadPictureError(f"has {width} x {height} pixels")
    if width * height > max_pixels:
        raise BadPictureError(
            f"has {width} x {height} pixels, above the limit of {max_pixels} (max_pixels)"
        )


# --- JPEG ----------------------------------------------------------------------------------------


def _jpeg(data: bytes) -> Facts:
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return _by_pillow(data, "JPEG")
    return Facts(width, height, _MODES.get(space, "RGB"), "JPEG", 1, jpeg_orientation(data))


def jpeg_orientation(data: bytes) -> int | None:
    """EXIF's orientation from the segments before the first scan."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in _PIXELS:
            return None
        if marker == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            return exif_orientation(data[at + 10 : at + 2 + size])
        at += 2 + max(size, 2)
    return None


def jpeg_coefficients(data: bytes) -> float:
    """Bytes a pixel for the coefficients of a JPEG: those of several scans are held until the last.

    Example:
        >>> frame = bytes([0xFF, 0xC2, 0, 11, 8, 0, 1, 0, 1, 1, 1, 0x11, 0])
        >>> jpeg_coefficients(bytes([0xFF, 0xD8]) + frame)
        2.0
    """
    at = 2
    blocks: list[int] = []
    while at + 4 < len(data) and data[at] == 0xFF:
        marker, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in _FRAMES:
            blocks = [(one >> 4) * (one & 15) for one in data[at + 11 : at + 2 + size : 3]]
        if marker in _PROGRESSIVE:
            break
        if marker == _SCAN:
            if data[at + 4] >= len(blocks):
                return 0.0
            break
        at += 1 if marker == 0xFF else 2 + max(size, 2)
    return 2 * sum(blocks) / max([1, *blocks]) if blocks else _COEFFICIENTS


def exif_orientation(tiff: bytes) -> int | None:
    """Tag 0x0112 of the first directory of an Exif block; None where that is damaged.

    Example:
        >>> entry = bytes([1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0])
        >>> exif_orientation(bytes([77, 77, 0, 42, 0, 0, 0, 8, 0, 1]) + entry)
        6
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(tiff[:4]))
    if order is None:
        return None
    try:
        (at,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, at)
        for entry in range(min(count, _IFD_ENTRIES)):
            tag, kind, number = struct.unpack_from(f"{order}HHI", tiff, at + 2 + 12 * entry)
            if tag == ORIENTATION and kind == 3 and number == 1:
                (value,) = struct.unpack_from(f"{order}H", tiff, at + 10 + 12 * entry)
                return valid_orientation(value)
    except struct.error:
        return None
    return None


def valid_orientation(value: object) -> int | None:
    """The value if it is one of the eight."""
    return value if isinstance(value, int) and 1 <= value <= 8 else None


# --- WebP ----------------------------------------------------------------------------------------


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    at = 12
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], at + 8, size
        at += 8 + size + (size & 1)


def _webp(data: bytes) -> Facts:
    width = height = frames = 0
    alpha, orientation = False, None
    for name, at, size in _chunks(data):
        body = data[at : at + 10]
        if name == b"VP8X" and len(body) == 10 and not width:
            alpha = bool(body[0] & 0x10)
            width = int.from_bytes(body[4:7], "little") + 1
            height = int.from_bytes(body[7:10], "little") + 1
        elif name == b"VP8 " and not width and body[3:6] == b"\x9d\x01\x2a":
            width = int.from_bytes(body[6:8], "little") & 0x3FFF
            height = int.from_bytes(body[8:10], "little") & 0x3FFF
        elif name == b"VP8L" and not width and body[:1] == b"\x2f":
            bits = int.from_bytes(body[1:5], "little")
            width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
            alpha = bool(bits >> 28 & 1)
        elif name == b"ANMF":
            frames += 1
        elif name == b"EXIF":
            orientation = exif_orientation(data[at : at + size].removeprefix(b"Exif\0\0"))
    if not width:
        raise BadPictureError("has a WebP header that is damaged or cut off")
    return Facts(width, height, "RGBA" if alpha else "RGB", "WEBP", frames or 1, orientation)


# --- the others ----------------------------------------------------------------------------------


def _by_pillow(data: bytes, kind: str, frames: bool = True) -> Facts:
    with opened(data, kind) as image:
        width, height = stored_size(image)
        orientation = None
        if kind == "TIFF":
            orientation = valid_orientation(tiff_tags(image).get(ORIENTATION))
        elif kind == "JPEG":
            orientation = jpeg_orientation(data)
        elif isinstance(exif := image.info.get("exif"), bytes):
            orientation = exif_orientation(exif.removeprefix(b"Exif\0\0"))
        return Facts(
            width, height, image.mode, kind, _frames(image) if frames else None, orientation
        )


def _frames(image: ImageFile.ImageFile) -> int | None:
    try:
        return int(getattr(image, "n_frames", 1))
    except Exception:  # whatever a damaged directory of frames makes of Pillow
        return None
