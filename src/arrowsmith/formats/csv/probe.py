"""Recognises delimited text by a sample. Standard library only; never raises."""

from __future__ import annotations

from arrowsmith.plugin.specs import Head, Match

DELIMITERS = ",\t;|"
_SUFFIXES = (".csv", ".tsv", ".psv", ".tab")
_BINARY = (b"PAR1", b"ARROW1", b"FEA1", b"\x1f\x8b", b"PK\x03\x04", b"\x89PNG", b"\x28\xb5\x2f\xfd")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_SAMPLE = 16 << 10


def probe(head: Head) -> Match:
    """How much the source looks like delimited text."""
    sample = head.head[:_SAMPLE]
    hint = Match.HINT if head.name.lower().endswith(_SUFFIXES) else Match.NO
    if hint and sample.startswith(_UTF_16):
        return hint  # the reader tells what to do with it
    if b"\0" in sample or sample.startswith(_BINARY):
        return Match.VETO
    if sample.startswith(b"\xef\xbb\xbf"):
        sample = sample[3:]
    if sample.lstrip()[:1] in (b"{", b"["):
        return hint
    lines = [line for line in sample.splitlines() if line]
    if len(head.head) > _SAMPLE or (head.size or 0) > len(head.head):
        lines = lines[:-1]
    if len(lines) < 2:
        return hint
    counts = ({_count(line, delimiter) for line in lines} for delimiter in DELIMITERS)
    if any(len(count) == 1 and count != {0} for count in counts):
        return Match.LIKELY
    return hint


def _count(line: bytes, delimiter: str) -> int:
    """Delimiters outside quotes, as far as one line can tell."""
    return sum(part.count(delimiter.encode()) for part in line.split(b'"')[0::2])
