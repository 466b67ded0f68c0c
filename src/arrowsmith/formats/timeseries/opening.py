"""Reads headers.

``.ts``:
https://www.aeon-toolkit.org/en/stable/api_reference/file_specifications/ts.html;
``.tsf``: Godahewa et al., "Monash Time Series Forecasting Archive" (2021).
"""

from __future__ import annotations

import re
from typing import Any

from arrowsmith.errors import DataError
from arrowsmith.formats.timeseries.arff import arff_header
from arrowsmith.formats.timeseries.header import Attribute, Header, Line
from arrowsmith.formats.timeseries.probe import kind_of
from arrowsmith.kernels.frequency import parse_frequency
from arrowsmith.plugin.protocols import Source

_MARK = b"\xef\xbb\xbf"
_STEPS = (64 << 10, 1 << 20, 16 << 20)
MOST_DIMENSIONS = 1 << 16


def read_header(source: Source, kind: str) -> Header:
    """The header of a file.

    Raises:
        DataError: it has none, or one that does not make sense.
    """
    head = b""
    for size in _STEPS:
        head = source.head(size)
        found = kind_of(head) if kind == "auto" else kind
        if found == "ucr" or (found is None and kind == "auto"):
            return _ucr(source, head)
        lines = _header_lines(head)
        ended = len(head) < size
        enough = size == _STEPS[-1] or (found != "arff" and source.seekable)
        if lines is not None and (ended or enough or _tells(head[lines[1] :])):
            return _parsed(source, head, found or "ts", lines)
        if ended:
            break
    raise DataError(
        "no line @data ends the header", path=source.path, hint="read it with another format="
    )


def _header_lines(head: bytes) -> tuple[list[Line], int, int] | None:
    """The header's lines, the offset of the data, and the number of its first line."""
    at = len(_MARK) if head.startswith(_MARK) else 0
    number = 1
    found: list[Line] = []
    while at < len(head):
        end = head.find(b"\n", at)
        stop = end if end >= 0 else len(head)
        text = head[at:stop].strip().decode("utf-8", "replace")
        if text and text[0] not in "#%":
            word, _, rest = text.partition(" ") if "\t" not in text else _at_blank(text)
            if word.lower() == "@data":
                return found, min(stop + 1, len(head)), number + 1
            found.append(Line(number, word.lower(), rest.strip()))
        at, number = stop + 1, number + 1
    return None


def _at_blank(text: str) -> tuple[str, str, str]:
    parts = text.split(None, 1)
    return parts[0], " ", parts[1] if len(parts) > 1 else ""


def _parsed(source: Source, head: bytes, kind: str, found: tuple[list[Line], int, int]) -> Header:
    lines, start, line = found
    for one in lines:
        if not one.word.startswith("@"):
            raise DataError(
                f"{one.word[:40]!r} stands before @data and is no part of a header",
                path=source.path,
                place=f"line {one.number}",
            )
    make = {"ts": _ts, "tsf": _tsf, "arff": arff_header}[kind]
    first = _first_line(head[start:])
    try:
        if kind == "ts" and len(head) in _STEPS and not _tells(head[start:]):
            first = _fields_of_long_line(source, first, len(head))
        header = make(lines, first)
    except ValueError as error:
        raise DataError(str(error), path=source.path, place="the header") from None
    header.start, header.line = start, line
    return header


def _first_line(data: bytes) -> str:
    """The first line of data that is no comment, as far as it can be seen."""
    for line in data.splitlines():
        text = line.strip().decode("utf-8", "replace")
        if text and text[0] not in "#%":
            return text
    return ""


def _tells(data: bytes) -> bool:
    """Whether the first line of data, which may tell how many dimensions there are, is whole."""
    lines = (line.strip() for line in data.split(b"\n")[:-1])
    return any(line and line[:1] not in (b"#", b"%") for line in lines)


def _fields_of_long_line(source: Source, begun: str, at: int) -> str:
    """As many colons as a line has outside of parentheses, which goes on beyond ``at``."""
    if not source.seekable:
        raise ValueError(f"the first line is longer than {at} bytes: say @dimensions before it")
    count, held = 0, begun.encode()
    while block := source.read_at(at, 1 << 20):
        line, ended, _ = block.partition(b"\n")
        text = re.sub(rb"\([^)]*\)", b"", held + line)
        whole, opened, rest = text.partition(b"(")
        count, held = count + whole.count(b":"), opened + rest
        if ended:
            break
        at += len(block)
    return ":" * count


def _flag(lines: list[Line], word: str) -> bool | None:
    for line in lines:
        if line.word == word:
            value = line.rest.split(None, 1)[0].lower() if line.rest else ""
            if value not in ("true", "false"):
                raise ValueError(f"{word} is true or false, not {line.rest[:40]!r}")
            return value == "true"
    return None


def _text(lines: list[Line], *words: str) -> str | None:
    return next((line.rest for line in lines if line.word in words and line.rest), None)


def _whole(lines: list[Line], *words: str) -> int | None:
    text = _text(lines, *words)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError(f"{words[0]} is a whole number, not {text[:40]!r}")
    return int(text)


# --- .ts -----------------------------------------------------------------------------------------


def _ts(lines: list[Line], first: str) -> Header:
    told: dict[str, Any] = {
        "name": _text(lines, "@problemname"),
        "timestamps": _flag(lines, "@timestamps") or False,
        "missing": _flag(lines, "@missing"),
        "univariate": _flag(lines, "@univariate"),
        "equal_length": _flag(lines, "@equallength"),
        "series_length": _whole(lines, "@serieslength"),
    }
    header = Header("ts", timestamps=bool(told["timestamps"]))
    label = _ts_label(lines)
    told["label"] = None if label is None else {"text": "class", "number": "target"}[label.kind]
    told["labels"] = list(label.values) if label is not None else []
    count = _whole(lines, "@dimensions", "@dimension")
    if (count or 0) > MOST_DIMENSIONS:
        raise ValueError(f"@dimensions is more than {MOST_DIMENSIONS}")
    seen = len(_outside(first)) - (label is not None) if first else 1
    if told["univariate"] and (count or 1) != 1:
        raise ValueError(f"@univariate true contradicts @dimensions {count}")
    header.dimensions = count or (1 if told["univariate"] else max(seen, 1))
    header.fields = header.dimensions + (label is not None)
    header.attributes = (label,) if label is not None else ()
    told["dimensions"] = header.dimensions
    header.told = told
    return header


def _outside(line: str) -> list[str]:
    """The line cut at the colons outside of parentheses."""
    return re.sub(r"\([^)]*\)", "p", line).split(":")


def _ts_label(lines: list[Line]) -> Attribute | None:
    """The last field of a line, if it is a label."""
    place = -1
    if _flag(lines, "@targetlabel"):
        return Attribute("label", "number", place=place)
    if _flag(lines, "@classlabel"):
        words = (_text(lines, "@classlabel") or "").split()
        return Attribute("label", "text", tuple(words[1:]), place)
    return None


# --- .tsf ----------------------------------------------------------------------------------------


def _tsf(lines: list[Line], first: str) -> Header:
    attributes: list[Attribute] = []
    names: dict[str, str] = {}
    kinds = {"string": "text", "numeric": "number", "date": "date"}
    for line in lines:
        if line.word != "@attribute":
            continue
        parts = line.rest.rsplit(None, 1)
        if len(parts) != 2 or parts[1].lower() not in kinds:
            raise ValueError(f"@attribute {line.rest[:60]!r} is no name with string, numeric, date")
        name = _free("series_id" if parts[0] == "series_name" else parts[0], names)
        names[name] = parts[0]
        attributes.append(Attribute(name, kinds[parts[1].lower()], place=len(attributes)))
    told = {
        "name": _text(lines, "@relation"),
        "frequency": _text(lines, "@frequency"),
        "horizon": _whole(lines, "@horizon"),
        "missing": _flag(lines, "@missing"),
        "equal_length": _flag(lines, "@equallength"),
        "attributes": [[names[one.name], one.name, one.kind] for one in attributes],
    }
    header = Header("tsf", told=told, fields=len(attributes) + 1, attributes=tuple(attributes))
    if told["frequency"]:
        try:
            header.frequency = parse_frequency(str(told["frequency"]))
        except ValueError:
            header.frequency = None  # times are then counted
    return header


def _free(name: str, taken: dict[str, str]) -> str:
    """A name for a column that is not one of the others."""
    while name in taken or name in ("value", "timestamp"):
        name += "_"
    return name


# --- UCR -----------------------------------------------------------------------------------------


def _ucr(source: Source, head: bytes) -> Header:
    mark = len(_MARK) if head.startswith(_MARK) else 0
    first = _first_line(head[mark:])
    separator = next((one for one in ("\t", ",") if one in first), " ")
    fields = first.split(separator) if separator != " " else first.split()
    if len(fields) < 2:
        raise DataError(
            "has no header, and its first line is no UCR series: a label and values behind it",
            path=source.path,
        )
    return Header(
        "ucr",
        start=mark,
        comment=b"#",
        told={"label": "class", "labels": []},
        attributes=(Attribute("label", "text", place=0),),
        separator=separator,
    )
