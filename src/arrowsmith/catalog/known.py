"""Formats and transforms of the project's own plugins, for those who do not have them yet."""

from __future__ import annotations

_TFRECORD, _IMAGE, _FASTPARQUET = (
    f"arrowsmith-{name}" for name in ("tfrecord", "image", "fastparquet")
)
SUFFIXES = {
    **dict.fromkeys((".tfrecord", ".tfrecords"), _TFRECORD),
    **dict.fromkeys(
        (
            *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".webp", ".bmp", ".dib"),
            *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".tar"),
        ),
        _IMAGE,
    ),
}
FORMATS = {"tfrecord": _TFRECORD, "image": _IMAGE, "fastparquet": _FASTPARQUET}
TRANSFORMS = dict.fromkeys(("decode", "resize", "encode", "phash"), _IMAGE)
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*")
_HEADER = 12


def by_content(head: bytes) -> str | None:
    """The distribution that reads what begins so, None if there is none that is known.

    Example:
        >>> by_content(b"GIF89a")
        'arrowsmith-image'
    """
    if head.startswith(_PICTURES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return _IMAGE
    crc = int.from_bytes(head[8:_HEADER], "little")
    return _TFRECORD if len(head) >= _HEADER and _masked_crc(head[:8]) == crc else None


def _masked_crc(data: bytes) -> int:
    """The checksum that follows a record's length in TFRecord: CRC32C, rotated, and a constant.

    Source: https://www.tensorflow.org/tutorials/load_data/tfrecord
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
