"""Recognises files of time series by their header. Standard library only; never raises.

``.ts`` is also the suffix of TypeScript and of MPEG transport streams: without a header such a file
is refused. UCR files have no header, and are read where they are asked for by name alone.
"""

from __future__ import annotations

from arrowsmith.plugin.specs import Head, Match

SUFFIXES = (".ts", ".tsf", ".arff")
_MARK = b"\xef\xbb\xbf"
_TS = (
    *("@problemname", "@timestamps", "@missing", "@univariate", "@dimensions", "@dimension"),
    *("@equallength", "@serieslength", "@classlabel", "@targetlabel"),
)
_TSF = ("@frequency", "@horizon", "@missing", "@equallength")
_SHARED = ("@relation", "@attribute")


def probe(head: Head) -> Match:
    """Certain of a header up to ``@data``, likely of one that goes on behind what can be seen."""
    if kind_of(head.head) is not None:
        return Match.CERTAIN if _has_data(head.head) else Match.LIKELY
    return Match.VETO if head.name.lower().endswith(SUFFIXES) else Match.NO


def kind_of(head: bytes) -> str | None:
    """``"ts"``, ``"tsf"`` or ``"arff"`` by the words of the header; None where there is none."""
    words = _words(head)
    known = {*_TS, *_TSF, *_SHARED, "@data", "@end"}
    if not words or words[0] not in known or words[0] == "@end":
        return None
    if "@relation" not in words and "@attribute" not in words:
        return "ts"
    return "tsf" if any(word in _TSF for word in words) else "arff"


def _words(head: bytes) -> list[str]:
    """The first words of the header's lines, in lower case, up to ``@data``."""
    found: list[str] = []
    for line in head.removeprefix(_MARK).splitlines():
        stripped = line.strip()
        if not stripped or stripped[:1] in (b"#", b"%"):
            continue
        if stripped[:1] != b"@":
            break
        word = stripped.split(None, 1)[0].decode("latin-1").lower()
        found.append(word)
        if word == "@data":
            break
    return found


def _has_data(head: bytes) -> bool:
    return "@data" in _words(head)
