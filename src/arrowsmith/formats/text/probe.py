"""Recognises text by its name, and WARC by its first line. Standard library only; never raises.

Text is what every other format that stands in text is made of, so a suffix is all that speaks for
it, and content only against it.
"""

from __future__ import annotations

from arrowsmith.plugin.specs import Head, Match

_SAMPLE = 16 << 10
_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
TEXT_SUFFIXES = (".txt", ".text", ".md", ".markdown")
_NAMES = tuple(suffix.encode() for suffix in TEXT_SUFFIXES)


def probe(head: Head) -> Match:
    """A hint for a name of text whose bytes may be text, or an archive with such names in it."""
    if is_zip(head.head) or is_tar(head.head):
        return Match.HINT if _has_texts(head) else Match.VETO
    if not head.name.lower().endswith(TEXT_SUFFIXES):
        return Match.NO
    return Match.VETO if is_binary(head.head[:_SAMPLE]) else Match.HINT


def probe_warc(head: Head) -> Match:
    """Certain of what begins as a WARC record does."""
    return Match.CERTAIN if head.head.startswith((b"WARC/1.", b"WARC/0.")) else Match.NO


def is_zip(head: bytes) -> bool:
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def is_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar"


def is_binary(sample: bytes) -> bool:
    """Whether the bytes are no text in any encoding: many control characters, or zeros that are
    neither few nor every other byte."""
    if sample.startswith(_MARKS):
        return False
    controls = sum(map(sample.count, (bytes([code]) for code in _CONTROLS)))
    if controls * 50 > len(sample):
        return True
    zeros = sample.count(0)
    sided = max(sample[0::2].count(0), sample[1::2].count(0))
    return zeros * 50 > len(sample) and sided * 10 < zeros * 9


_CONTROLS = (*range(1, 9), *range(14, 27), 28, 29, 30, 31, 127)


def _has_texts(head: Head) -> bool:
    """Whether the first names, or those at the end of a zip's directory, are of text."""
    if is_tar(head.head):
        return any(suffix in head.head for suffix in _NAMES)
    return any(suffix in part for suffix in _NAMES for part in (head.head[:256], head.tail))
