"""Text to tokens, each with the character at which it stands, from 1."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from arrowsmith.errors import PredicateError

MAX_LENGTH = 1 << 16
KEYWORDS = frozenset(["and", "or", "not", "in", "is", "null", "between", "like", "true", "false"])

Kind = Literal["word", "name", "string", "number", "operator", "end"]

_TOKEN = re.compile(
    r"""(?P<string>'(?:[^']|'')*')
    |(?P<name>"(?:[^"]|"")*"|`(?:[^`]|``)*`)
    |(?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?!\w))
    |(?P<word>[^\W\d]\w*)
    |(?P<operator><=|>=|<>|!=|==|[=<>(),])""",
    re.VERBOSE | re.ASCII,
)
_WORD = re.compile(r"[^\W\d]\w*")
_SPACE = re.compile(r"\s*")


@dataclass(frozen=True, slots=True)
class Token:
    """``text`` is the keyword in lower case, the name or string without quotes, or as it stands."""

    kind: Kind
    text: str
    place: int


def failure(what: str, place: int, hint: str | None = None) -> PredicateError:
    """The error for what stands at a character."""
    return PredicateError(what, path="where", place=f"at character {place}", hint=hint)


def tokens(text: str) -> list[Token]:
    """All tokens and an end marker.

    Raises:
        PredicateError: text that is too long, or a character that begins no token.
    """
    if len(text) > MAX_LENGTH:
        raise failure(f"the expression is longer than {MAX_LENGTH} characters", MAX_LENGTH)
    found: list[Token] = []
    position = _skip(text, 0)
    while position < len(text):
        word = _WORD.match(text, position)
        match = word or _TOKEN.match(text, position)
        if match is None:
            raise _stray(text, position)
        found.append(_token("word" if word else str(match.lastgroup), match[0], position + 1))
        position = _skip(text, match.end())
    found.append(Token("end", "the end", len(text) + 1))
    return found


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _token(group: str, raw: str, place: int) -> Token:
    match group:
        case "string" | "name":
            mark = raw[0]
            kind: Kind = "string" if group == "string" else "name"
            return Token(kind, raw[1:-1].replace(mark * 2, mark), place)
        case "word" if raw.lower() in KEYWORDS:
            return Token("word", raw.lower(), place)
        case "word":
            return Token("name", raw, place)
        case "number":
            return Token("number", raw, place)
        case _:
            return Token("operator", {"<>": "!=", "==": "="}.get(raw, raw), place)


def _stray(text: str, position: int) -> PredicateError:
    character = text[position]
    if character in "'\"`":
        return failure(f"the quote {character} is not closed", position + 1)
    return failure(
        f"{character!r} is not understood",
        position + 1,
        'texts stand in single quotes, unusual column names in "double quotes"',
    )
