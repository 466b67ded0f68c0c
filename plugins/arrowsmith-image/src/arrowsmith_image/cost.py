"""How much memory pictures take while they are decoded and encoded, told before it is allocated.

The figures are bytes at the peak, with a copy of the encoded picture. What a codec takes a pixel
was measured with Pillow 13 (libwebp 1.6, libavif 1.4, libtiff 4.7) and simplejpeg 1.9, on noise
where the content matters, and rounded up.
"""

from __future__ import annotations

from arrowsmith_image.headers import Facts, jpeg_coefficients

_CODEC = {  # a pixel, while it is decoded, beside Pillow's own image
    "WEBP": 12,  # two canvases, and what becomes the image
    "AVIF": 11,  # planes of up to 16 bits, and what becomes the image
    "PPM": 8,  # what Pillow decodes in Python: texts, and 16 bits
    "TIFF": 4,  # a strip, which may be all of it
}
_KEPT = {"WEBP": 8, "AVIF": 8}  # of that, until the image is let go of
_COPIES = ("WEBP", "AVIF")  # whose codecs copy the file once more
_ENCODING = {"JPEG": 3, "PNG": 5, "WEBP": 38}  # a pixel, with the result
_DIRECT = ("1", "L", "LA", "RGB", "RGBA")  # not by way of RGB, nor RGBA for their transparency
_FEW = 1 << 17  # pixels, whose coefficients are not worth a look


def held(mode: str) -> int:
    """Bytes that Pillow holds for a pixel of a mode.

    Example:
        >>> [held(mode) for mode in ("L", "I;16", "RGB")]
        [1, 2, 4]
    """
    if mode in ("1", "L", "P"):
        return 1
    return 2 if mode.startswith("I;16") else 4


def loading(facts: Facts, data: bytes, mode: str, kept: int) -> int:
    """Bytes to decode a picture by Pillow, convert it and turn it.

    Args:
        mode: that it is converted to.
        kept: pixels that it is decoded to.
    """
    own, made = held(facts.mode), held(mode)
    stored = facts.width * facts.height
    decoding = kept * own + stored * _CODEC.get(facts.format, 0)
    if facts.format == "JPEG":
        decoding += int(stored * jpeg_coefficients(data))
    converting = beside(facts) + kept * (own + _conversion(facts.mode, mode))
    turned = facts.orientation not in (None, 1)
    turning = beside(facts) + kept * 2 * max(own, made) if turned else 0
    copies = 2 if facts.format in _COPIES else 1
    return copies * len(data) + max(decoding, converting, turning)


def beside(facts: Facts) -> int:
    """Bytes that the codec holds as long as the image is that which it gave."""
    return facts.width * facts.height * _KEPT.get(facts.format, 0)


def _conversion(mode: str, to: str) -> int:
    if mode == to:
        return 0
    if mode.startswith("I"):  # by way of NumPy, see ``converted()``
        return max(2 * held(mode) + 1, 1 + held(to))
    return held(to) + (0 if mode in _DIRECT else 4)


def drafted(facts: Facts, least: int | None) -> tuple[int, int]:
    """Width and height to which Pillow decodes where so many pixels of a side are enough."""
    if facts.format != "JPEG" or least is None:
        return facts.width, facts.height
    scale = min(facts.width, facts.height) // least
    scale = next((one for one in (8, 4, 2) if scale >= one), 1)
    return -(-facts.width // scale), -(-facts.height // scale)


def jpeg_loading(data: bytes, stored: int, kept: int, mode: str, turn: int | None) -> int:
    """Bytes to decode a JPEG by libjpeg-turbo, hand it to Pillow and turn it.

    Args:
        stored: pixels that it has.
        kept: pixels that it is decoded to.
        mode: RGB or L.
        turn: EXIF's orientation where it is applied.
    """
    channels, made = (3, 4) if mode == "RGB" else (1, 1)
    scans = int(stored * jpeg_coefficients(data)) if stored > _FEW else 0
    images = 1 if turn in (None, 1) else 2
    return len(data) + kept * channels + max(scans, kept * images * made)


def resampling(size: tuple[int, int], to: tuple[int, int], mode: str) -> int:
    """Bytes to resize an image, turned or not, from one size to another, both held."""
    own = held(mode)
    alpha = own if mode == "RGBA" else 0  # multiplied with the colours, and divided out again
    between = to[0] * max(size) * own
    return (size[0] * size[1] + to[0] * to[1]) * (own + alpha) + between


def tensor(height: int, width: int, channels: int) -> int:
    """Bytes of a tensor, with its image on a canvas and NumPy's way there."""
    return height * width * (held("L" if channels == 1 else "RGB") + 3 * channels)


def encoding(pixels: int, mode: str, kind: str) -> int:
    """Bytes to encode an image of a mode, which is held and may have to be converted."""
    return pixels * (held(mode) + _conversion(mode, recoded(mode, kind)) + _ENCODING[kind])


def recoded(mode: str, kind: str) -> str:
    """The mode in which pictures of a mode are encoded, or one that takes as much memory."""
    if mode == "RGB":
        return mode
    if kind != "WEBP" and (mode in ("1", "L") or mode.startswith("I")):
        return "L"
    return "RGB" if kind == "JPEG" else "RGBA"
