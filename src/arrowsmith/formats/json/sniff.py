"""Guesses the shape of a file and the types of its columns from its head, middle and tail."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from arrowsmith.errors import BudgetExceeded, DataError, OptionError, SourceEmpty
from arrowsmith.formats.json.decode import RecordError, decode
from arrowsmith.formats.json.infer import infer
from arrowsmith.formats.json.kinds import Kind, with_types
from arrowsmith.formats.json.outline import Outline, outline
from arrowsmith.formats.json.ranges import Bounds, Shape, too_long
from arrowsmith.formats.json.read_options import JsonlReadOptions
from arrowsmith.formats.json.structure import scan
from arrowsmith.plugin.feed import Feed
from arrowsmith.plugin.protocols import Source
from arrowsmith.plugin.types import parse_type

BOM = b"\xef\xbb\xbf"
_BLANKS = b" \t\r\n"
_WIDE = (b"\xff\xfe", b"\xfe\xff")
_ENDS_WITHIN = 8 << 20  # an object that is longer is no record among others
_COPIES = 8  # what looking at a head takes at most, per byte of it
_BETWEEN = {"array": re.compile(rb"\}\s*,\s*(?=\{)"), "sequence": re.compile(rb"\}\s*(?=\{)")}


@dataclass(frozen=True, slots=True)
class Sniffed:
    """What a file seems to be.

    Attributes:
        records: path of the array within an object; None at the top.
        line: the number of the line in which ``bounds`` start, from 1.
        whole: the sample was all of the file.
        record: what a record is.
    """

    shape: Shape
    records: str | None
    bounds: Bounds
    line: int
    whole: bool
    record: Kind


@dataclass(slots=True)
class _Head:
    """The first bytes without a BOM, and whether they are all."""

    text: bytes
    skipped: int
    whole: bool


def sniff(
    source: Source,
    options: JsonlReadOptions,
    memory_limit: int,
    *,
    lines: bool,
    records: str | None,
) -> Sniffed:
    """Look at the source and settle what the options leave open.

    Raises:
        SourceEmpty: there is no record.
        DataError: it is no JSON, or its first record does not end within ``max_record_bytes``.
        BudgetExceeded: nor within what memory allows.
        OptionError: ``records`` or ``types`` do not fit the file.
    """
    size = max(options.sample_bytes // 2, 4)
    while True:
        head = _head(source, size)
        settled = _lines(head) if lines else _structure(source, head, records)
        if settled is not None:
            shape, path, start = settled
            found, problem = _sound(head, shape, start, options)
            if any(found) or head.whole:
                break
            if problem is not None and size >= options.sample_bytes:
                break
        if size >= options.max_record_bytes or size * _COPIES > memory_limit:
            raise _too_long(source, head, options, memory_limit, lines)
        size = min(size * 4, options.max_record_bytes)
    if not found:
        if problem is not None:
            problem.path = source.path
        raise problem or SourceEmpty("the file has no records", path=source.path)
    keys = {frozenset(record) for record in found}
    if not head.whole:
        after = head.skipped + len(head.text)
        for text, ended in _elsewhere(source, after, options):
            found += _aligned(text, ended, shape, keys, options)
    types = [(name, parse_type(kind)) for name, kind in options.types.items()]
    record = with_types(infer(found), types)
    if not record.fields:
        raise DataError(
            "the records have no fields",
            path=source.path,
            hint="name a column and its type with -r types=NAME:TYPE",
        )
    return Sniffed(
        shape=shape,
        records=path,
        bounds=Bounds(
            head.skipped + start,
            around=head.text[:start],
            sole=path is not None and records is None,
        ),
        line=1 + head.text.count(b"\n", 0, start),
        whole=head.whole,
        record=record,
    )


def _head(source: Source, size: int) -> _Head:
    raw = source.head(size)
    wide = raw.startswith(_WIDE)
    if wide or b"\0" in raw[:4]:
        raise DataError(
            "this is UTF-16 or UTF-32 text" if wide else "a NUL byte is no JSON",
            path=source.path,
            place="byte 0",
            hint="convert the file to UTF-8",
        )
    skipped = len(BOM) if raw.startswith(BOM) else 0
    return _Head(raw[skipped:], skipped, len(raw) < size)


def _too_long(
    source: Source, head: _Head, options: JsonlReadOptions, limit: int, lines: bool
) -> DataError | BudgetExceeded:
    """The error for a file whose first record does not end within the head."""
    size = head.skipped + len(head.text)
    feed = Feed(source, size, None)
    try:
        shape: Shape = "lines" if lines else "sequence"
        return too_long(source, feed, shape, size, limit, options.max_record_bytes)
    finally:
        feed.close()


# --- shape ---------------------------------------------------------------------------------------

Settled = tuple[Shape, str | None, int]


def _lines(head: _Head) -> Settled | None:
    if head.whole or b"\n" in head.text:
        return "lines", None, 0
    return None


def _structure(source: Source, head: _Head, records: str | None) -> Settled | None:
    """Shape, path of the records and where they begin; None if more has to be seen."""
    blanks = len(head.text) - len(head.text.lstrip(_BLANKS))
    text = head.text[blanks:]
    if not text:
        return ("sequence", None, 0) if head.whole else None
    if text.startswith(b"["):
        if records:
            raise OptionError(
                f"records: there is no {records!r}, the file is an array", path=source.path
            )
        _check_elements(source, text[1:], head, blanks)
        return "array", None, blanks + 1
    if not text.startswith(b"{"):
        raise DataError(
            f"{text[:20].decode('utf-8', 'replace')!r} is neither an object nor an array",
            path=source.path,
            place=f"byte {head.skipped + blanks}",
            hint="look whether it is JSON at all",
        )
    if records == "":
        return "sequence", None, 0
    return _within(source, head, blanks, outline(text), records)


def _check_elements(source: Source, text: bytes, head: _Head, blanks: int) -> None:
    first = text.lstrip(_BLANKS)[:1]
    if first and first not in b"{],}":
        raise DataError(
            "the elements of the array are no objects",
            path=source.path,
            place=f"byte {head.skipped + blanks + 1}",
            hint="rows have named fields: write each element as an object",
        )


def _within(
    source: Source, head: _Head, blanks: int, found: Outline, records: str | None
) -> Settled | None:
    known = head.whole or found.end >= 0
    if records is not None:
        if records in found.arrays:
            return "array", records, blanks + found.arrays[records]
        if not known and len(head.text) < _ENDS_WITHIN:
            return None
        raise OptionError(
            f"records: there is no array {records!r}",
            path=source.path,
            hint=f"there is {', '.join(found.arrays) or 'none at all'}",
        )
    if not known and len(head.text) < _ENDS_WITHIN:
        return None
    if found.end >= 0 and head.text[blanks + found.end :].strip(_BLANKS):
        return "sequence", None, 0
    if len(found.objects) > 1:
        raise OptionError(
            f"several arrays may hold the records: {', '.join(found.objects)}",
            path=source.path,
            hint=f"choose one with -r records={found.objects[0]}, or read the object as one row"
            " with -r records=",
        )
    if not found.objects:
        return "sequence", None, 0
    path = found.objects[0]
    return "array", path, blanks + found.arrays[path]


# --- samples -------------------------------------------------------------------------------------


def _sound(
    head: _Head, shape: Shape, start: int, options: JsonlReadOptions
) -> tuple[list[dict[str, Any]], DataError | None]:
    """The records in the head, and the error of the first that is none if there are none."""
    text = head.text[start:]
    if shape == "lines":
        kept = text if head.whole else text[: text.rfind(b"\n") + 1]
        pieces: Iterable[tuple[int, bytes]] = _with_places(kept)
    else:
        found = scan(np.frombuffer(text, np.uint8))
        spans = zip(found.starts.tolist(), found.ends.tolist(), strict=True)
        pieces = [(begin, text[begin:end]) for begin, end in spans]
        if head.whole and not pieces and text.strip(b" \t\r\n]"):
            pieces = [(0, text)]
    good = []
    problem = None
    for place, piece in pieces:
        try:
            good.append(decode(piece, options.max_depth))
        except RecordError as error:
            problem = problem or (start + place, error.reason)
    if good or problem is None:
        return good, None
    at = problem[0]
    return [], DataError(
        problem[1],
        place=f"line {1 + head.text.count(bytes([10]), 0, at)}, byte {head.skipped + at}",
        hint="look whether it is JSON at all",
    )


def _with_places(text: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    for line in text.split(b"\n"):
        if line.strip(_BLANKS):
            yield at, line
        at += len(line) + 1


def _elsewhere(
    source: Source, after: int, options: JsonlReadOptions
) -> Iterator[tuple[bytes, bool]]:
    """Text from the middle and the end of the file, and whether it is the end."""
    piece = options.sample_bytes // 4
    if not source.seekable or source.size is None:
        return
    for place in (source.size // 2, source.size - piece):
        if place > after:
            raw = source.read_at(place, piece)
            yield raw, place + len(raw) >= source.size


def _aligned(
    text: bytes, ended: bool, shape: Shape, keys: set[frozenset[str]], options: JsonlReadOptions
) -> list[dict[str, Any]]:
    """The records of a text from anywhere.

    Where no line end separates them, what looks like a record is one only if a record of the head
    has just its fields, since it may stand within another.
    """
    if shape == "lines":
        pieces = text.split(b"\n")[1 : None if ended else -1]
    else:
        pieces = [piece + b"}" for piece in _BETWEEN[shape].split(text)[1:-1]]
    found = []
    for piece in pieces:
        if piece.strip(_BLANKS):
            try:
                value = decode(piece, options.max_depth)
            except RecordError:
                continue
            if shape == "lines" or frozenset(value) in keys:
                found.append(value)
    return found
