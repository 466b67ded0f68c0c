"""Files of time series parsed line by line with the standard library, as their specifications say.

The judge of the tests: it shares nothing with the reader. A line is a list of dimensions, each a
list of values (or of pairs of time and value), beside its attributes; or None where it is bad.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
SPECIAL = re.compile(r"-?(?:nan|inf|infinity)", re.IGNORECASE)
BLANKS = " \t\n\r\v\f"
POINT = re.compile(r"\(([^(),]*),([^(),]*)\)")


class BadError(Exception):
    """A line is no series."""


@dataclass(frozen=True)
class Layout:
    """What the header says.

    Attributes:
        kind: of the file.
        dimensions: of each series; 0 of the numeric places of dense ARFF.
        attributes: names and kinds (``text``, ``number``, ``date``) in the order of the fields.
        labels: those allowed for the last attribute.
        timed: points are ``(time,value)``.
        numbers: places of the values of dense ARFF.
    """

    kind: str
    dimensions: int = 1
    attributes: tuple[tuple[str, str], ...] = ()
    labels: tuple[str, ...] = ()
    timed: bool = False
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True)
class Line:
    attributes: dict[str, object]
    dimensions: list[list]


def number(text: str) -> float | None:
    text = text.strip(BLANKS)
    if text == "?":
        return None
    if SPECIAL.fullmatch(text):
        return float(text)
    if not NUMBER.fullmatch(text):
        raise BadError(text)
    found = float(text)
    if math.isinf(found):
        raise BadError(text)
    return found


def moment(text: str, mark: str) -> dt.datetime | None:
    text = text.strip(BLANKS)
    if text == "?":
        return None
    found = re.fullmatch(
        rf"([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})(?:[ T]([0-9]{{2}})(?:{mark}([0-9]{{2}})"
        rf"(?:{mark}([0-9]{{2}})(\.[0-9]{{1,6}})?)?)?)?",
        text,
    )
    if found is None or (mark == "-" and found[2] and not found[4] and found[3]) or found[5]:
        raise BadError(text)
    clock = ":".join(one or "00" for one in found.group(2, 3, 4))
    try:
        return dt.datetime.fromisoformat(f"{found[1]} {clock}")
    except ValueError:
        raise BadError(text) from None


def values(text: str) -> list[float | None]:
    return [number(one) for one in text.split(",")] if text else []


def points(text: str) -> list[tuple[dt.datetime | None, float | None]]:
    text = text.strip(BLANKS)
    found, at = [], 0
    while at < len(text):
        point = POINT.match(text, at)
        if point is None:
            raise BadError(text)
        when = moment(point[1], ":")
        if when is None:
            raise BadError(text)
        found.append((when, number(point[2])))
        at = point.end()
        if at < len(text):
            comma = re.compile(rf"[{BLANKS}]*,[{BLANKS}]*").match(text, at)
            if comma is None or comma.end() == len(text):
                raise BadError(text)
            at = comma.end()
    return found


def attribute(text: str, kind: str, layout: Layout, *, last: bool) -> object:
    text = text.strip(BLANKS)
    if layout.kind == "arff":
        quoted, text = quotes(text)
        if not quoted and text == "?":
            return None
    elif text == "?":
        return None
    if kind == "number":
        return number(text)
    if kind == "date":
        return moment(text, "-")
    if last and layout.labels and text not in layout.labels:
        raise BadError(text)
    return text


def quotes(text: str) -> tuple[bool, str]:
    """Whether a value of ARFF stands in quotes, and what it is."""
    if text[:1] not in ("'", '"'):
        if "'" in text or '"' in text:
            raise BadError(text)
        return False, text
    made, at = [], 1
    while at < len(text) and text[at] != text[0]:
        if text[at] == "\\" and at + 1 < len(text):
            at += 1
            made.append({"n": "\n", "t": "\t", "r": "\r"}.get(text[at], text[at]))
        else:
            made.append(text[at])
        at += 1
    if at != len(text) - 1:
        raise BadError(text)
    return True, "".join(made)


def commas(text: str) -> list[str]:
    """The fields of a line of ARFF, which has no separator of units (0x1F) in it."""
    if "\x1f" in text:
        raise BadError(text)
    fields, begin, at, inside = [], 0, 0, ""
    while at < len(text):
        sign = text[at]
        if inside:
            if sign == "\\":
                at += 1
            elif sign == inside:
                inside = ""
        elif sign in "'\"":
            inside = sign
        elif sign == ",":
            fields.append(text[begin:at])
            begin = at + 1
        at += 1
    if inside:
        raise BadError(text)
    return [*fields, text[begin:]]


def colons(text: str) -> list[str]:
    """The fields between colons that stand outside of parentheses."""
    fields, depth = [""], 0
    for sign in text:
        depth += (sign == "(") - (sign == ")")
        if sign == ":" and depth <= 0:
            fields.append("")
        else:
            fields[-1] += sign
    return fields


def line(text: str, layout: Layout) -> Line:
    names = layout.attributes
    count = len(names)
    if layout.kind == "ts":
        fields = colons(text) if layout.timed else text.split(":")
        said, inner = fields[layout.dimensions :], fields[: layout.dimensions]
        if len(fields) != layout.dimensions + count:
            raise BadError(text)
    elif layout.kind == "tsf":
        fields = text.split(":")
        said, inner = fields[:-1], fields[-1:]
        if len(said) != count:
            raise BadError(text)
    elif layout.kind == "ucr":
        said, *rest = text.split("\t")
        said, inner = [said], [",".join(rest)]
        if any("," in one for one in rest):
            raise BadError(text)
    else:
        fields = commas(text)
        if layout.numbers:
            if len(fields) != len(layout.numbers) + count:
                raise BadError(text)
            said = [one for place, one in enumerate(fields) if place not in layout.numbers]
            inner = None
            dimensions = [[number(fields[place]) for place in layout.numbers]]
        else:
            body = re.fullmatch(r"""('[^']*'|"[^"]*")\s*(?:,(.*))?""", text, re.DOTALL)
            if body is None or (body[2] is None) == bool(count) or not (body[2] or not count):
                raise BadError(text)
            said, inner = [body[2]][:count], body[1][1:-1].split("\\n")
            if len(inner) != layout.dimensions:
                raise BadError(text)
    found = {
        name: attribute(one, kind, layout, last=place == count - 1)
        for place, (one, (name, kind)) in enumerate(zip(said, names, strict=True))
    }
    if inner is not None:
        dimensions = [points(one) if layout.timed else values(one) for one in inner]
    return Line(found, dimensions)


def parse(body: bytes, layout: Layout) -> list[Line | None]:
    """The lines behind the header; None for those that are bad."""
    comment = b"%" if layout.kind == "arff" else b"#"
    found: list[Line | None] = []
    for raw in body.split(b"\n"):
        if not raw.strip(b" \t\r"):
            continue
        if raw[:1] in b" \t\r":
            raw = raw.lstrip()
        if raw.startswith(comment):
            continue
        try:
            found.append(line(raw.rstrip(b" \t\r").decode(), layout))
        except (BadError, UnicodeDecodeError):
            found.append(None)
    return found


def rows(lines: Sequence[Line | None], layout: Layout) -> list[tuple]:
    """Number, place or time, values and attributes of each point, as ``layout="long"`` has them."""
    made = []
    for series, one in enumerate(lines):
        if one is None:
            continue
        said = tuple(one.attributes.values())
        if layout.timed:
            clocks = [[when for when, _ in inner] for inner in one.dimensions]
            if len(one.dimensions) == 1 or all(clock == clocks[0] for clock in clocks):
                keyed = [((when, k), {}) for k, when in enumerate(clocks[0])]
                order = [key for key, _ in keyed]
                parts = [dict(zip(order, (v for _, v in d), strict=True)) for d in one.dimensions]
            else:
                parts = []
                for inner in one.dimensions:
                    again: dict = {}
                    part = {}
                    for when, value in inner:
                        again[when] = again.get(when, -1) + 1
                        part[(when, again[when])] = value
                    parts.append(part)
                order = sorted({key for part in parts for key in part})
            made += [
                (series, key[0], tuple(part.get(key) for part in parts), said) for key in order
            ]
            continue
        longest = max(map(len, one.dimensions))
        for k in range(longest):
            values_ = tuple(d[k] if k < len(d) else None for d in one.dimensions)
            made.append((series, k, values_, said))
    return made
