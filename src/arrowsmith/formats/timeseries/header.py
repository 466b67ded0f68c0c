"""What stands before the data: names, labels, frequency, how many dimensions.

``.ts``:
https://www.aeon-toolkit.org/en/stable/api_reference/file_specifications/ts.html;
``.tsf``: Godahewa et al., "Monash Time Series Forecasting Archive" (2021);
``.arff``: Weka's manual.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from arrowsmith.errors import DataError
from arrowsmith.formats.timeseries.options import Kind
from arrowsmith.formats.timeseries.probe import kind_of
from arrowsmith.kernels.frequency import Frequency, parse_frequency
from arrowsmith.plugin.protocols import Source

_MARK = b"\xef\xbb\xbf"
_STEPS = (64 << 10, 1 << 20, 16 << 20)
_LABELS = ("class", "target", "label", "classlabel", "targetlabel")
_NUMERIC = ("numeric", "real", "integer")


@dataclass(frozen=True, slots=True)
class Attribute:
    """Something said once of a series.

    Attributes:
        name: of its column.
        kind: ``text``, ``number`` or ``date``.
        values: those allowed; none for any.
        place: of its field in a line.
    """

    name: str
    kind: str
    values: tuple[str, ...] = ()
    place: int = -1


@dataclass(slots=True)
class Header:
    """What a file says of itself.

    Attributes:
        start, line: where the data begins, in bytes and as the number of the line from 1.
        comment: lines that begin so are passed over.
        told: what the header says, as JSON values, for the schema's metadata.
        fields: how many fields a line has; 0 for any.
        dimensions: of the values.
        timestamps: points are ``(time,value)``.
        attributes: of each series, in their order.
        numbers: places of the fields that are values, of dense ARFF.
        relational: a field holds all dimensions in quotes, of ARFF.
        separator: between fields.
    """

    kind: Kind
    start: int = 0
    line: int = 1
    comment: bytes = b"#"
    told: dict[str, Any] = field(default_factory=dict)
    fields: int = 0
    dimensions: int = 1
    timestamps: bool = False
    attributes: tuple[Attribute, ...] = ()
    numbers: tuple[int, ...] = ()
    relational: bool = False
    separator: str = ":"
    frequency: Frequency | None = None

    @property
    def value_names(self) -> tuple[str, ...]:
        """Of the columns of values."""
        if self.dimensions == 1:
            return ("value",)
        return tuple(f"dim_{number}" for number in range(self.dimensions))


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
        if lines is not None:
            return _parsed(source, head, found or "ts", lines)
        if len(head) < size:
            break
    raise DataError(
        "no line @data ends the header", path=source.path, hint="read it with another format="
    )


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    word: str
    rest: str


def _header_lines(head: bytes) -> tuple[list[_Line], int, int] | None:
    """The header's lines, the offset of the data, and the number of its first line."""
    at = len(_MARK) if head.startswith(_MARK) else 0
    number = 1
    found: list[_Line] = []
    while at < len(head):
        end = head.find(b"\n", at)
        stop = end if end >= 0 else len(head)
        text = head[at:stop].strip().decode("utf-8", "replace")
        if text and text[0] not in "#%":
            word, _, rest = text.partition(" ") if "\t" not in text else _at_blank(text)
            if word.lower() == "@data":
                return found, min(stop + 1, len(head)), number + 1
            found.append(_Line(number, word.lower(), rest.strip()))
        at, number = stop + 1, number + 1
    return None


def _at_blank(text: str) -> tuple[str, str, str]:
    parts = text.split(None, 1)
    return parts[0], " ", parts[1] if len(parts) > 1 else ""


def _parsed(source: Source, head: bytes, kind: str, found: tuple[list[_Line], int, int]) -> Header:
    lines, start, line = found
    for one in lines:
        if not one.word.startswith("@"):
            raise DataError(
                f"{one.word[:40]!r} stands before @data and is no part of a header",
                path=source.path,
                place=f"line {one.number}",
            )
    make = {"ts": _ts, "tsf": _tsf, "arff": _arff}[kind]
    try:
        header = make(lines, _first_line(head[start:]))
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


def _flag(lines: list[_Line], word: str) -> bool | None:
    for line in lines:
        if line.word == word:
            value = line.rest.split(None, 1)[0].lower() if line.rest else ""
            if value not in ("true", "false"):
                raise ValueError(f"{word} is true or false, not {line.rest[:40]!r}")
            return value == "true"
    return None


def _text(lines: list[_Line], *words: str) -> str | None:
    return next((line.rest for line in lines if line.word in words and line.rest), None)


def _whole(lines: list[_Line], *words: str) -> int | None:
    text = _text(lines, *words)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError(f"{words[0]} is a whole number, not {text[:40]!r}")
    return int(text)


# --- .ts -----------------------------------------------------------------------------------------


def _ts(lines: list[_Line], first: str) -> Header:
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


def _ts_label(lines: list[_Line]) -> Attribute | None:
    """The last field of a line, if it is a label."""
    place = -1
    if _flag(lines, "@targetlabel"):
        return Attribute("label", "number", place=place)
    if _flag(lines, "@classlabel"):
        words = (_text(lines, "@classlabel") or "").split()
        return Attribute("label", "text", tuple(words[1:]), place)
    return None


# --- .tsf ----------------------------------------------------------------------------------------


def _tsf(lines: list[_Line], first: str) -> Header:
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


# --- .arff ---------------------------------------------------------------------------------------


def _arff(lines: list[_Line], first: str) -> Header:
    outer: list[tuple[str, str]] = []
    inside = 0
    depth = False
    for line in lines:
        if line.word == "@end":
            depth = False
        elif line.word == "@attribute":
            name, kind = _arff_attribute(line.rest)
            if depth:
                inside += 1
                continue
            outer.append((name, kind))
            depth = kind.lower() == "relational"
    relational = [place for place, (_, kind) in enumerate(outer) if kind.lower() == "relational"]
    told: dict[str, Any] = {"name": _unquoted(_text(lines, "@relation") or "") or None}
    header = Header("arff", comment=b"%", told=told, fields=len(outer), separator=",")
    if relational:
        if relational != [0] or len(outer) > 2:
            raise ValueError("a relational attribute has to be the first, with a label behind it")
        header.relational = True
        quote = first[:1]
        body = first[1:].split(quote, 1)[0] if quote in ("'", '"') else ""
        header.dimensions = body.count("\\n") + 1
        told["series_length"] = inside or None
    numbers, attributes, names = [], [], {"series_id": ""}
    for place, (name, kind) in enumerate(outer):
        last = place == len(outer) - 1 and len(outer) > 1
        if place in relational:
            continue
        numeric = kind.lower() in _NUMERIC
        if numeric and not (last and (name.lower() in _LABELS or relational)):
            numbers.append(place)
            continue
        own = "label" if last else _free(name, names)
        names[own] = name
        values = _nominal(kind)
        attributes.append(Attribute(own, "number" if numeric else "text", values, place))
    if not numbers and not relational:
        raise ValueError("there is no numeric attribute, so no series")
    header.numbers, header.attributes = tuple(numbers), tuple(attributes)
    label = next((one for one in attributes if one.name == "label"), None)
    told["label"] = {"text": "class", "number": "target"}[label.kind] if label else None
    told["labels"] = list(label.values) if label else []
    told["relational"], told["dimensions"] = bool(relational), header.dimensions
    return header


def _arff_attribute(rest: str) -> tuple[str, str]:
    found = re.fullmatch(r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s{]+)\s*(.+)""", rest)
    if found is None:
        raise ValueError(f"@attribute {rest[:60]!r} has no name and type")
    return _unquoted(found[1]), found[2].strip()


def _nominal(kind: str) -> tuple[str, ...]:
    if not (kind.startswith("{") and kind.endswith("}")):
        return ()
    return tuple(_unquoted(value) for value in kind[1:-1].split(","))


def _unquoted(text: str) -> str:
    text = text.strip()
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if quoted else text


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
