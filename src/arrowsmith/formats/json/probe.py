"""Recognises JSON by a sample. Standard library only; never raises."""

from __future__ import annotations

import json
import re

from arrowsmith.plugin.specs import Head, Match

LINES_SUFFIXES = (".jsonl", ".ndjson")
_BOM = b"\xef\xbb\xbf"
_BLANKS = b" \t\r\n"
_STRING = rb'"(?:[^"\\\x00-\x1f]|\\.)*"?'
_OBJECT = re.compile(rb"\{\s*(?:$|\}|" + _STRING + rb"\s*(?:$|:))", re.DOTALL)
_ARRAY = re.compile(rb"\[\s*(?:$|\{)")
_EMPTY = re.compile(rb"\[\s*\]\s*$")
_LINES = 3
_HEAD = 64 << 10
_CUT = _HEAD - 16  # text that long may be the beginning of more


def probe_lines(head: Head) -> Match:
    """How much the source looks like one JSON object a line."""
    text = _text(head)
    if not text.startswith(b"{"):
        return Match.NO
    lines = text.split(b"\n")
    if len(lines) > 1 and (len(head.head) >= _HEAD or (head.size or 0) > len(head.head)):
        lines = lines[:-1]
    named = head.name.lower().endswith(LINES_SUFFIXES)
    filled = [line for line in lines if line.strip()][:_LINES]
    whole = [line for line in filled if _is_object(line)]
    if len(filled) == 1:  # one object, or the beginning of a long one
        return Match.LIKELY if named and _OBJECT.match(text) else Match.NO
    if len(whole) == len(filled) or (named and whole):
        return Match.LIKELY
    return Match.NO


def probe_json(head: Head) -> Match:
    """How much the source looks like an array of objects, or objects in another form."""
    text = _text(head)
    if text.startswith(b"[") and (_ARRAY.match(text) or _EMPTY.match(text)):
        return Match.LIKELY
    if _OBJECT.match(text) and probe_lines(head) is Match.NO and _goes_on(text):
        return Match.LIKELY
    return Match.NO


def _goes_on(text: bytes) -> bool:
    """Whether what follows the first object, as far as the text goes, is another or nothing."""
    decoded = text.decode("utf-8", "replace")
    try:
        _, end = json.JSONDecoder().raw_decode(decoded)
    except json.JSONDecodeError as error:
        return error.pos >= len(decoded.rstrip()) or len(text) >= _CUT or "delimiter" in error.msg
    except RecursionError:
        return True
    return decoded[end:].lstrip()[:1] in ("", "{")


def _text(head: Head) -> bytes:
    return _without_bom(head.head).lstrip(_BLANKS)


def _without_bom(raw: bytes) -> bytes:
    return raw[len(_BOM) :] if raw.startswith(_BOM) else raw


def _is_object(line: bytes) -> bool:
    if not (line.strip().startswith(b"{") and line.strip().endswith(b"}")):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
