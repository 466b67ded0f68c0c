"""Looks at the beginning of a JSON object for arrays in it that may hold the records."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}:,]|[^\s"\[\]{}:,]+', re.DOTALL)


@dataclass(slots=True)
class Outline:
    """What stands in an object, as far as the text goes.

    Attributes:
        arrays: path to where the array's first element may begin, for arrays that are reached
            through objects alone.
        objects: paths of those whose first element is an object.
        end: behind the object, or -1 where it goes on.
    """

    arrays: dict[str, int] = field(default_factory=dict)
    objects: list[str] = field(default_factory=list)
    end: int = -1


def outline(text: bytes) -> Outline:
    """The outline of the object that ``text`` begins with.

    Example:
        >>> outline(b'{"n": 1, "data": {"items": [{"a": 1}]}}').objects
        ['data.items']
    """
    found = Outline()
    stack: list[bytes] = []
    path: list[str] = []
    name, entered = "", ""
    previous = b""
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token == b":":
            name = previous[1:-1].decode("utf-8", "replace")
        elif token in b"{[":
            inside = b"[" not in stack
            if entered and previous == b"[" and token == b"{":
                found.objects.append(entered)
            entered = ""
            if stack and inside:
                path.append(name)
                if token == b"[":
                    entered = ".".join(path)
                    found.arrays[entered] = match.end()
            stack.append(token)
        elif token in b"}]":
            if stack:
                stack.pop()
            if path and len(path) > len(stack) - 1 and b"[" not in stack:
                path.pop()
            if not stack:
                found.end = match.end()
                return found
        previous = token
    return found
