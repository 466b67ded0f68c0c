"""Recognises delimited text by a sample. Standard library only; never raises."""

from __future__ import annotations

import re
from collections import Counter

from arrowsmith.plugin.specs import Head, Match

DELIMITERS = ",\t;|"
_SUFFIXES = (".csv", ".tsv", ".psv", ".tab")
_BINARY = (b"PAR1", b"ARROW1", b"FEA1", b"\x1f\x8b", b"PK\x03\x04", b"\x89PNG", b"\x28\xb5\x2f\xfd")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_SAMPLE = 16 << 10
# A field in quotes, which may hold delimiters and line breaks, or the part of it in the sample.
_QUOTED = re.compile(rb'(?<![^,\t;|\r\n])"[^"]*(?:""[^"]*)*(?:"|\Z)')
_MANY = 10  # lines of which one in ten may be damaged


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
    lines = [line for line in _QUOTED.sub(b"", sample).splitlines() if line]
    if len(head.head) > _SAMPLE or (head.size or 0) > len(head.head):
        lines = lines[:-1]
    if any(_is_regular(lines, delimiter) for delimiter in DELIMITERS):
        return Match.LIKELY
    return hint


def _is_regular(lines: list[bytes], delimiter: str) -> bool:
    """Whether so many lines have the same number of delimiters that it is no chance."""
    counts = Counter(line.count(delimiter.encode()) for line in lines)
    if len(lines) < 2:
        return False
    number, met = counts.most_common(1)[0]
    return number > 0 and (met == len(lines) or (len(lines) >= _MANY and met >= 0.9 * len(lines)))
