"""Headers of Weka's ``.arff``: https://waikato.github.io/weka-wiki/formats_and_processing/arff/."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from arrowsmith.formats.timeseries.header import Attribute, Header, Line
from arrowsmith.formats.timeseries.quoting import fields_of, unquoted

_LABELS = ("class", "target", "label", "classlabel", "targetlabel")
_NUMERIC = ("numeric", "real", "integer")
_DATE = re.compile(r"""date(?:\s+(.+))?""", re.IGNORECASE)
_ISO = "yyyy-MM-dd'T'HH:mm:ss"
_LETTERS = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}


def arff_header(lines: Sequence[Line], first: str) -> Header:
    """The header of an ``.arff`` file; ``ValueError`` if it makes no sense.

    Args:
        lines: of the header.
        first: the first line of data, which tells how many dimensions a relational one has.
    """
    outer, inside = _attributes(lines)
    relational = [place for place, (_, kind) in enumerate(outer) if kind.lower() == "relational"]
    name = next((line.rest for line in lines if line.word == "@relation"), "")
    told: dict[str, Any] = {"name": unquoted(name) or None}
    header = Header("arff", comment=b"%", told=told, fields=len(outer), separator=",")
    if relational:
        if relational != [0] or len(outer) > 2:
            raise ValueError("a relational attribute has to be the first, with a label behind it")
        header.relational = True
        quote = first[:1]
        body = first[1:].split(quote, 1)[0] if quote in ("'", '"') else ""
        header.dimensions = body.count("\\n") + 1
        told["series_length"] = inside or None
    numbers, attributes, names = [], [], {"series_id", "value", "timestamp"}
    for place, (name, kind) in enumerate(outer):
        last = place == len(outer) - 1 and len(outer) > 1
        if place in relational:
            continue
        numeric = kind.lower() in _NUMERIC
        if numeric and not (last and (name.lower() in _LABELS or relational)):
            numbers.append(place)
            continue
        own = "label" if last else name
        while own in names or (own == "label" and not last):
            own += "_"
        names.add(own)
        attributes.append(_attribute(own, kind, place))
    if not numbers and not relational:
        raise ValueError("there is no numeric attribute, so no series")
    header.numbers, header.attributes = tuple(numbers), tuple(attributes)
    label = next((one for one in attributes if one.name == "label"), None)
    told["label"] = _TOLD[label.kind] if label else None
    told["labels"] = list(label.values) if label else []
    told["relational"], told["dimensions"] = bool(relational), header.dimensions
    return header


_TOLD = {"text": "class", "number": "target", "date": None}


def _attributes(lines: Sequence[Line]) -> tuple[list[tuple[str, str]], int]:
    """Names and types, and how many a relational one has inside."""
    outer: list[tuple[str, str]] = []
    inside, depth = 0, False
    for line in lines:
        if line.word == "@end":
            depth = False
        elif line.word == "@attribute":
            found = re.fullmatch(
                r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s{]+)\s*(.+)""", line.rest
            )
            if found is None:
                raise ValueError(f"@attribute {line.rest[:60]!r} has no name and type")
            if depth:
                inside += 1
                continue
            outer.append((unquoted(found[1]), found[2].strip()))
            depth = outer[-1][1].lower() == "relational"
    return outer, inside


def _attribute(name: str, kind: str, place: int) -> Attribute:
    date = _DATE.fullmatch(kind)
    if kind.lower() in _NUMERIC:
        return Attribute(name, "number", (), place)
    if kind.lower() == "string":
        return Attribute(name, "text", (), place)
    if kind.startswith("{") and kind.endswith("}"):
        values = fields_of(kind[1:-1])
        if values is None:
            raise ValueError(f"the quotes in the values of {name!r} do not close")
        return Attribute(name, "text", tuple(unquoted(one) for one in values), place)
    if date is not None:
        return Attribute(name, "date", (), place, _pattern(unquoted(date[1] or _ISO)))
    raise ValueError(f"attribute {name!r} is of type {kind[:40]!r}, which there is not")


def _pattern(java: str) -> str | None:
    """For ``strptime``, from a pattern of Java's ``SimpleDateFormat``; None for ISO 8601."""
    if java in (_ISO, "yyyy-MM-dd HH:mm:ss", "yyyy-MM-dd"):
        return None
    made = []
    for part in re.finditer(r"'[^']*'|([A-Za-z])\1*|[^A-Za-z']+", java):
        text = part[0]
        if part[1]:
            if text not in _LETTERS:
                raise ValueError(f"dates of the format {java[:40]!r} are not supported: {text!r}")
            made.append(_LETTERS[text])
        else:
            made.append(text.strip("'").replace("%", "%%") or "'")
    return "".join(made)
