"""Recognises pictures by their first bytes, and archives by the names in them. Never raises."""

from __future__ import annotations

from arrowsmith.plugin import Head, Match

_BY_FORMAT = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png", ".apng"),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "AVIF": (".avif",),
}
SUFFIXES = tuple(suffix for suffixes in _BY_FORMAT.values() for suffix in suffixes)

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)
_BLOCK = 512
_WEAK = ("BMP", "PPM")


def picture_format(data: bytes) -> str | None:
    """Which format the first 32 bytes begin, by Pillow's names; None for no picture.

    Example:
        >>> picture_format(b"GIF89a" + bytes(26))
        'GIF'
    """
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith(_TIFF):
        return "TIFF"
    if data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis"):
        return "AVIF"
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    if data[:1] == b"P" and data[1:2] in b"123456" and data[2:3] in (b" ", b"\t", b"\n", b"\r"):
        return "PPM" if len(data) > 2 else None
    return None


def suffix_of(kind: str) -> str:
    """The suffix that files of a format get.

    Example:
        >>> suffix_of("JPEG")
        '.jpg'
    """
    return _BY_FORMAT[kind][0]


def is_zip(head: bytes) -> bool:
    """Whether a zip begins so."""
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def is_tar(head: bytes) -> bool:
    """Whether a tar begins so."""
    return head[257:262] == b"ustar"


def probe(head: Head) -> Match:
    """CERTAIN of pictures, but for those with two bytes of magic, LIKELY of archives with such."""
    data = head.head
    kind = picture_format(data)
    if kind is not None:
        return Match.LIKELY if kind in _WEAK else Match.CERTAIN
    if is_zip(data):
        return Match.LIKELY if _names_pictures(data[:4096] + head.tail) else Match.NO
    if is_tar(data):
        names = [data[at : at + 100].split(b"\0")[0] for at in range(0, len(data), _BLOCK)]
        named = any(name.lower().endswith(_ENDS) for name in names)
        return Match.LIKELY if named else Match.NO
    return Match.NO


_ENDS = tuple(suffix.encode() for suffix in SUFFIXES)


def _names_pictures(data: bytes) -> bool:
    lower = data.lower()
    return any(suffix in lower for suffix in _ENDS)
