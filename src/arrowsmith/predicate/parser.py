"""The grammar of ``where``, read by recursive descent and bound to a schema at once.

expression := conjunction ("or" conjunction)*
conjunction := negation ("and" negation)*
negation   := "not" negation | "(" expression ")" | condition
condition  := column | column operator literal | literal operator column
            | column "is" ["not"] "null" | column ["not"] "in" "(" literal ("," literal)* ")"
            | column ["not"] "between" literal "and" literal | column ["not"] "like" string
operator   := "=" | "!=" | "<>" | "<" | "<=" | ">" | ">="
literal    := number | 'string' | "true" | "false"
column     := a bare name, or a name in "double quotes" or `backticks`
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

import pyarrow as pa

from arrowsmith.predicate.lexer import Token, failure, tokens
from arrowsmith.predicate.literals import (
    FLIPPED,
    MisfitError,
    Operator,
    Test,
    boolean,
    fit,
    plain_type,
    text_scalar,
)
from arrowsmith.predicate.nodes import Any, Compare, Every, IsNull, Like, Node, Not, OneOf, Stats

MAX_DEPTH = 64

_FALSE = boolean(False)


@dataclass(frozen=True, slots=True)
class TextPredicate:
    """A parsed expression; see :class:`arrowsmith.plugin.protocols.Predicate`."""

    text: str
    root: Node

    @property
    def columns(self) -> frozenset[str]:
        return self.root.columns

    def mask(self, batch: pa.RecordBatch) -> pa.BooleanArray:
        """One boolean a row, without nulls."""
        return self.root.evaluate(batch).fill_null(_FALSE)

    def may_match(self, stats: Stats) -> bool:
        """False only when no row of a group with these statistics can match."""
        return self.root.possible(stats).true

    def __str__(self) -> str:
        return self.text


def parse_predicate(text: str, schema: pa.Schema) -> TextPredicate:
    """Parse a condition on the rows of a schema.

    Raises:
        PredicateError: it does not parse, names a column that is not there, or compares a column
            with something that it cannot equal; it says at which character.

    Example:
        >>> import pyarrow as pa
        >>> schema = pa.schema([("id", pa.int64()), ("day", pa.date32())])
        >>> sorted(parse_predicate("id in (1, 2) or day >= '2024-01-01'", schema).columns)
        ['day', 'id']
    """
    return TextPredicate(text, _Parser(text, schema).parse())


class _Parser:
    def __init__(self, text: str, schema: pa.Schema) -> None:
        self._tokens = tokens(text)
        self._next = 0
        self._depth = 0
        self._schema = schema

    def parse(self) -> Node:
        node = self._expression()
        if self._peek.kind != "end":
            raise self._unexpected("and, or, or the end")
        return node

    # --- tokens ----------------------------------------------------------------------------------

    @property
    def _peek(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._peek
        self._next += token.kind != "end"
        return token

    def _accept(self, kind: str, *texts: str) -> Token | None:
        token = self._peek
        return self._take() if token.kind == kind and token.text in texts else None

    def _need(self, kind: str, text: str) -> None:
        if not self._accept(kind, text):
            raise self._unexpected(text)

    def _unexpected(self, wanted: str) -> Exception:
        token = self._peek
        found = token.text if token.kind == "end" else repr(token.text)
        return failure(f"{wanted} expected, {found} found", token.place)

    # --- the grammar -----------------------------------------------------------------------------

    def _expression(self) -> Node:
        parts = [self._conjunction()]
        while self._accept("word", "or"):
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else Any(tuple(parts))

    def _conjunction(self) -> Node:
        parts = [self._negation()]
        while self._accept("word", "and"):
            parts.append(self._negation())
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def _negation(self) -> Node:
        if self._depth >= MAX_DEPTH:
            raise failure(f"nested deeper than {MAX_DEPTH} levels", self._peek.place)
        self._depth += 1
        try:
            if self._accept("word", "not"):
                return Not(self._negation())
            if self._accept("operator", "("):
                node = self._expression()
                self._need("operator", ")")
                return node
            return self._condition()
        finally:
            self._depth -= 1

    def _condition(self) -> Node:
        if self._peek.kind == "name":
            return self._about(self._take())
        place = self._peek
        literal = self._literal("a column")
        operator = self._operator()
        token = self._take()
        if operator is None or token.kind != "name":
            raise failure("a condition needs a column", place.place)
        name = self._column(token)
        return self._compare(name, FLIPPED[operator], literal, place)

    def _about(self, token: Token) -> Node:
        """What follows a column."""
        name = self._column(token)
        operator = self._operator()
        if operator is not None:
            place = self._peek
            return self._compare(name, operator, self._literal("a value"), place)
        if self._accept("word", "is"):
            negated = self._accept("word", "not")
            self._need("word", "null")
            return Not(IsNull(name)) if negated else IsNull(name)
        following = self._tokens[min(self._next + 1, len(self._tokens) - 1)]
        negated = None
        if following.kind == "word" and following.text in ("in", "between", "like"):
            negated = self._accept("word", "not")
        word = self._accept("word", "in", "between", "like")
        if word is None:
            return self._flag(name, token)
        node = {"in": self._in, "between": self._between, "like": self._like}[word.text](name)
        return Not(node) if negated else node

    def _operator(self) -> Operator | None:
        token = self._accept("operator", *FLIPPED)
        return cast(Operator, token.text) if token else None

    def _literal(self, wanted: str) -> Decimal | str | bool:
        token = self._peek
        if token.kind == "number":
            self._take()
            try:
                return Decimal(token.text)
            except ArithmeticError:
                raise failure(f"{token.text} is no usable number", token.place) from None
        if token.kind == "string":
            return self._take().text
        if self._accept("word", "true", "false"):
            return token.text == "true"
        if token.text == "null" and token.kind == "word":
            hint = "write is null or is not null"
            raise failure("null cannot be compared with", token.place, hint)
        if token.kind == "name" and wanted == "a value":
            hint = "put texts in single quotes"
            raise failure(f"a value expected, the name {token.text!r} found", token.place, hint)
        raise self._unexpected(wanted)

    # --- conditions on a column ------------------------------------------------------------------

    def _column(self, token: Token) -> str:
        count = self._schema.names.count(token.text)
        if count == 1:
            return token.text
        if count:
            raise failure(f"{count} columns are called {token.text!r}", token.place)
        near = difflib.get_close_matches(token.text, self._schema.names, 3, 0.5)
        near += [n for n in self._schema.names if n.lower() == token.text.lower() and n not in near]
        names = near or self._schema.names[:8]
        hint = f"{'did you mean' if near else 'there are'} {', '.join(names)}"
        raise failure(f"no column {token.text!r}", token.place, hint + "?" * bool(near))

    def _fit(self, name: str, operator: str, literal: Decimal | str | bool, place: Token) -> Test:
        kind = self._schema.field(name).type
        try:
            return fit(cast(Operator, operator), literal, kind)
        except MisfitError as reason:
            shown = repr(literal) if isinstance(literal, str) else str(literal).lower()
            what = f"column {name!r} is of type {kind} and cannot be compared with {shown}"
            raise failure(what, place.place, str(reason)) from None

    def _compare(
        self, name: str, operator: str, literal: Decimal | str | bool, place: Token
    ) -> Node:
        return Compare(name, self._fit(name, operator, literal, place), self._floating(name))

    def _floating(self, name: str) -> bool:
        return pa.types.is_floating(plain_type(self._schema.field(name).type))

    def _flag(self, name: str, token: Token) -> Node:
        kind = plain_type(self._schema.field(name).type)
        if not pa.types.is_boolean(kind):
            what = f"column {name!r} is of type {kind}, not boolean"
            raise failure(what, token.place, "compare it with something")
        return Compare(name, Test("=", boolean(True)), False)

    def _in(self, name: str) -> Node:
        self._need("operator", "(")
        found: list[pa.Scalar] = []
        while True:
            place = self._peek
            value = self._fit(name, "=", self._literal("a value"), place).scalar
            if value is not None:
                found.append(value)
            if not self._accept("operator", ","):
                break
        self._need("operator", ")")
        if not found:
            return Compare(name, Test("=", None), False)
        if len(found) == 1 or self._floating(name):
            equal = [Compare(name, Test("=", value), self._floating(name)) for value in found]
            return equal[0] if len(equal) == 1 else Any(tuple(equal))
        return OneOf(name, _values(found), False)

    def _between(self, name: str) -> Node:
        place = self._peek
        low = self._compare(name, ">=", self._literal("a value"), place)
        self._need("word", "and")
        place = self._peek
        return Every((low, self._compare(name, "<=", self._literal("a value"), place)))

    def _like(self, name: str) -> Node:
        token = self._peek
        kind = plain_type(self._schema.field(name).type)
        if token.kind != "string":
            raise self._unexpected("a pattern in single quotes")
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            raise failure(f"column {name!r} is of type {kind}; like works on text", token.place)
        self._take()
        prefix = token.text.replace("_", "%").split("%")[0]
        return Like(name, token.text, text_scalar(kind, prefix))


def _values(found: list[pa.Scalar]) -> pa.Array:
    """Scalars of one type as an array, without ``pa.array``, which imports pandas."""
    return pa.concat_arrays([pa.repeat(value, 1) for value in found])
