"""The Python literals of a ``.npy`` header, read without Python's own parser.

``ast.literal_eval`` may use any amount of memory and stack on hostile text; here depth and size are
bounded, and nothing but dicts, lists, tuples, strings, integers, booleans and None is understood.
"""

from __future__ import annotations

import ast
import re
from typing import Any

_DEEPEST = 64
_DIGITS = 20  # of 2**64

_ESCAPE = r"\\(?:[\\'\"ntr]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})"
_TOKEN = re.compile(
    r"\s*(?:"
    rf"(?P<text>'(?:[^'\\\r\n\0]|{_ESCAPE})*'|\"(?:[^\"\\\r\n\0]|{_ESCAPE})*\")"
    r"|(?P<number>-?[0-9]+)L?"  # Python 2 wrote 3L
    r"|(?P<word>True|False|None)"
    r"|(?P<mark>[\[\](){},:])"
    r")\s*"
)
_WORDS = {"True": True, "False": False, "None": None}


class LiteralError(ValueError):
    """The text is not a literal of the kinds that a header has."""


def parse(text: str) -> Any:
    """The value of a literal.

    Raises:
        LiteralError: it is none, or nested too deeply.

    Example:
        >>> parse("{'shape': (3,), 'descr': [('a', '<i8')], }")
        {'shape': (3,), 'descr': [('a', '<i8')]}
    """
    found = _Parser(text)
    value = found.value(0)
    if found.kind:
        raise LiteralError("something follows the dictionary")
    return value


class _Parser:
    """Reads one token ahead.

    Attributes:
        kind: of the next token, empty at the end.
        token: its text.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self.kind = ""
        self.token = ""
        self._next()

    def _next(self) -> None:
        if self._at == len(self._text):
            self.kind = self.token = ""
            return
        match = _TOKEN.match(self._text, self._at)
        if match is None or match.lastgroup is None:
            raise LiteralError(f"it makes no sense at character {self._at}")
        self.kind, self.token = match.lastgroup, match.group(match.lastgroup)
        self._at = match.end()

    def _take(self) -> str:
        token = self.token
        self._next()
        return token

    def _is(self, mark: str) -> bool:
        return self.kind == "mark" and self.token == mark

    def _expect(self, mark: str) -> None:
        if not self._is(mark):
            raise LiteralError(f"{mark!r} is missing before character {self._at}")
        self._next()

    def value(self, depth: int) -> Any:
        if depth > _DEEPEST:
            raise LiteralError("it is nested too deeply")
        if self.kind == "text":
            return self._string()
        if self.kind == "number":
            if len(self.token) > _DIGITS:
                raise LiteralError("a number is too large")
            return int(self._take())
        if self.kind == "word":
            return _WORDS[self._take()]
        if self._is("{"):
            return self._dict(depth)
        if self._is("["):
            return self._items("]", depth)[0]
        if self._is("("):
            items, commas = self._items(")", depth)
            return items[0] if len(items) == 1 and not commas else tuple(items)
        raise LiteralError(f"a value is missing before character {self._at}")

    def _string(self) -> str:
        text: str = ast.literal_eval(self._take())  # one string, its escapes known to be sound
        try:
            text.encode()
        except UnicodeEncodeError:
            raise LiteralError("a name has half of a surrogate pair") from None
        return text

    def _items(self, end: str, depth: int) -> tuple[list[Any], int]:
        """The elements, and how many commas there are."""
        self._next()
        items: list[Any] = []
        commas = 0
        while not self._is(end):
            if len(items) > commas:
                raise LiteralError(f"',' is missing before character {self._at}")
            items.append(self.value(depth + 1))
            if self._is(","):
                self._next()
                commas += 1
        self._next()
        return items, commas

    def _dict(self, depth: int) -> dict[str, Any]:
        self._next()
        found: dict[str, Any] = {}
        while not self._is("}"):
            key = self.value(depth + 1)
            if not isinstance(key, str) or key in found:
                raise LiteralError("a key is no text, or there twice")
            self._expect(":")
            found[key] = self.value(depth + 1)
            if not self._is("}"):
                self._expect(",")
        self._next()
        return found
