"""The grammar of ``with_column``: values computed from columns, read by recursive descent.

value      := conjunction ("or" conjunction)*
conjunction := negation ("and" negation)*
negation   := "not" negation | comparison
comparison := sum [("=" | "!=" | "<>" | "<" | "<=" | ">" | ">=") sum | "is" ["not"] "null"]
sum        := product (("+" | "-") product)*
product    := factor (("*" | "/" | "%") factor)*
factor     := "-" factor | "(" value ")" | number | 'text' | "true" | "false" | "null"
            | function "(" value ("," value)* ")" | column
column     := a bare name, or a name in "double quotes" or `backticks`
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.errors import DataError, PredicateError
from arrowsmith.kernels.scalars import bool_scalar, float_scalar, int_array, int_scalar, text_scalar
from arrowsmith.predicate.functions import (
    ARITHMETIC,
    COMPARISONS,
    FUNCTIONS,
    Value,
    compare,
    negate,
    plain_value,
)
from arrowsmith.predicate.literals import MisfitError

MAX_LENGTH = 1 << 16
MAX_DEPTH = 64

_WORDS = frozenset(("and", "or", "not", "is", "null", "true", "false"))
_TOKEN = re.compile(
    r"""\s*(?:(?P<string>'(?:[^']|'')*')
    |(?P<name>"(?:[^"]|"")*"|`(?:[^`]|``)*`)
    |(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?!\w))
    |(?P<word>[^\W\d]\w*)
    |(?P<operator><=|>=|<>|!=|==|[-+*/%=<>(),])
    |(?P<end>\Z))""",
    re.VERBOSE,
)
_SAME = {"<>": "!=", "==": "="}

Evaluate = Callable[[pa.RecordBatch], Value]


@dataclass(frozen=True, slots=True)
class Formula:
    """A parsed formula, bound to a schema; see ``arrowsmith.plugin.Expression``."""

    text: str
    columns: frozenset[str]
    type: pa.DataType
    root: Evaluate

    def evaluate(self, batch: pa.RecordBatch) -> pa.Array:
        """One value a row.

        Raises:
            DataError: a value cannot be computed: an integer overflows, or is divided by zero.
        """
        try:
            return _spread(self.root(batch), batch.num_rows).cast(self.type)
        except pa.ArrowInvalid as error:
            raise DataError(
                f"cannot compute {self.text}: {error}",
                hint="use float(...) for large numbers, or filter such rows out before",
            ) from None

    def __str__(self) -> str:
        return self.text


def parse_formula(text: str, schema: pa.Schema) -> Formula:
    """Parse a formula over the columns of a schema.

    Raises:
        PredicateError: it does not parse, names what is not there, or its types do not fit.

    Example:
        >>> batch = pa.record_batch({"price": [2.5, 4.0], "n": [2, 3]})
        >>> parse_formula("price * n + 1", batch.schema).evaluate(batch).to_pylist()
        [6.0, 13.0]
    """
    parser = _Parser(text, schema)
    root = parser.parse()
    empty = pa.RecordBatch.from_arrays([pa.nulls(0, f.type) for f in schema], schema=schema)
    try:
        kind = root(empty).type
    except (pa.ArrowException, AttributeError, MisfitError) as error:
        raise PredicateError(f"'{text}' does not fit the columns: {error}") from None
    return Formula(text, frozenset(parser.columns), kind, root)


def _spread(value: Value, rows: int) -> pa.Array:
    """A value a row, also of a constant."""
    return pa.repeat(value, rows) if isinstance(value, pa.Scalar) else value


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    place: int


def _tokens(text: str) -> list[_Token]:
    if len(text) > MAX_LENGTH:
        raise PredicateError(f"the formula is longer than {MAX_LENGTH} characters")
    found: list[_Token] = []
    position = 0
    while not found or found[-1].kind != "end":
        match = _TOKEN.match(text, position)
        if match is None:
            position += len(text[position:]) - len(text[position:].lstrip())
            hint = "texts stand in single quotes, unusual column names in double quotes"
            raise _failure(f"{text[position]!r} is not understood", position + 1, hint)
        kind = str(match.lastgroup)
        raw, place = match[kind], match.start(kind) + 1
        if kind in ("string", "name"):
            raw = raw[1:-1].replace(raw[0] * 2, raw[0])
        elif kind == "word":
            kind, raw = ("word", raw.lower()) if raw.lower() in _WORDS else ("name", raw)
        found.append(_Token(kind, _SAME.get(raw, raw) if kind == "operator" else raw, place))
        position = match.end()
    return found


def _failure(what: str, place: int, hint: str | None = None) -> PredicateError:
    return PredicateError(what, path="formula", place=f"at character {place}", hint=hint)


class _Parser:
    def __init__(self, text: str, schema: pa.Schema) -> None:
        self._tokens = _tokens(text)
        self._next = 0
        self._depth = 0
        self._schema = schema
        self.columns: set[str] = set()

    def parse(self) -> Evaluate:
        value = self._value()
        if self._peek.kind != "end":
            raise self._unexpected("an operator or the end")
        return value

    @property
    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _accept(self, kind: str, *texts: str) -> _Token | None:
        token = self._peek
        if token.kind != kind or (texts and token.text not in texts):
            return None
        self._next += 1
        return token

    def _need(self, text: str) -> None:
        if not self._accept("operator", text):
            raise self._unexpected(repr(text))

    def _unexpected(self, wanted: str) -> PredicateError:
        token = self._peek
        found = "the end" if token.kind == "end" else repr(token.text)
        return _failure(f"{wanted} expected, {found} found", token.place)

    def _value(self) -> Evaluate:
        return self._chain(self._conjunction, "word", {"or": pc.or_kleene})

    def _conjunction(self) -> Evaluate:
        return self._chain(self._negation, "word", {"and": pc.and_kleene})

    def _sum(self) -> Evaluate:
        return self._chain(self._product, "operator", {key: ARITHMETIC[key] for key in "+-"})

    def _product(self) -> Evaluate:
        return self._chain(self._factor, "operator", {key: ARITHMETIC[key] for key in "*/%"})

    def _chain(
        self, part: Callable[[], Evaluate], kind: str, kernels: dict[str, Callable[..., Value]]
    ) -> Evaluate:
        """Parts with operators of one rank between them, from left to right."""
        parts = [part()]
        applied: list[Callable[..., Value]] = []
        while token := self._accept(kind, *kernels):
            applied.append(kernels[token.text])
            parts.append(part())
        if not applied:
            return parts[0]

        def evaluate(batch: pa.RecordBatch) -> Value:
            result = parts[0](batch)
            for kernel, further in zip(applied, parts[1:], strict=True):
                result = kernel(result, further(batch))
            return result

        return evaluate

    def _negation(self) -> Evaluate:
        if self._accept("word", "not"):
            with_deeper = self._deeper(self._negation)
            return lambda batch: pc.invert(with_deeper(batch))
        left = self._sum()
        if token := self._accept("operator", *COMPARISONS):
            right = self._sum()
            return lambda batch: compare(token.text, left(batch), right(batch))
        if self._accept("word", "is"):
            negated = self._accept("word", "not")
            if not self._accept("word", "null"):
                raise self._unexpected("null")
            kernel = pc.is_valid if negated else pc.is_null
            return lambda batch: kernel(left(batch))
        return left

    def _deeper(self, part: Callable[[], Evaluate]) -> Evaluate:
        if self._depth >= MAX_DEPTH:
            raise _failure(f"nested deeper than {MAX_DEPTH} levels", self._peek.place)
        self._depth += 1
        try:
            return part()
        finally:
            self._depth -= 1

    def _factor(self) -> Evaluate:
        if self._accept("operator", "-"):
            inner = self._deeper(self._factor)
            return lambda batch: negate(inner(batch))
        if self._accept("operator", "("):
            inner = self._deeper(self._value)
            self._need(")")
            return inner
        if token := self._accept("name"):
            following = self._peek
            if following.kind == "operator" and following.text == "(":
                return self._deeper(lambda: self._call(token))
            return self._column(token)
        return self._constant()

    def _constant(self) -> Evaluate:
        token = self._peek
        value: Any
        if self._accept("string"):
            value = text_scalar(token.text)
        elif self._accept("number"):
            value = _number(token)
        elif self._accept("word", "true", "false"):
            value = bool_scalar(token.text == "true")
        elif self._accept("word", "null"):
            value = pa.nulls(1)[0]
        else:
            raise self._unexpected("a value")
        return lambda batch: value

    def _call(self, token: _Token) -> Evaluate:
        function = FUNCTIONS.get(token.text.lower())
        if function is None:
            near = difflib.get_close_matches(token.text.lower(), FUNCTIONS, 1)
            guess = f"did you mean {near[0]}? " if near else ""
            hint = f"{guess}there are {', '.join(sorted(FUNCTIONS))}"
            raise _failure(f"no function {token.text!r}", token.place, hint)
        self._need("(")
        arguments = [self._value()]
        while self._accept("operator", ","):
            arguments.append(self._value())
        self._need(")")
        if not function.least <= len(arguments) <= function.most:
            many = f"{function.least}" + f" to {function.most}" * (function.most > function.least)
            raise _failure(f"{token.text} takes {many} values, not {len(arguments)}", token.place)
        apply = function.apply
        return lambda batch: apply(*(argument(batch) for argument in arguments))

    def _column(self, token: _Token) -> Evaluate:
        name, names = token.text, self._schema.names
        if names.count(name) != 1:
            near = difflib.get_close_matches(name, names, 3, 0.5)
            hint = f"did you mean {', '.join(near)}?" if near else f"there are {names[:8]}"
            what = f"{names.count(name)} columns are called" if name in names else "no column"
            raise _failure(f"{what} {name!r}", token.place, hint)
        self.columns.add(name)
        return lambda batch: plain_value(batch.column(name))


def _number(token: _Token) -> pa.Scalar:
    if not token.text.isdecimal():
        return float_scalar(float(token.text))
    try:
        value = int(token.text)
        return int_array([value], pa.uint64())[0] if value >> 63 else int_scalar(value)
    except (OverflowError, ValueError):
        raise _failure(f"{token.text[:40]} is beyond 64 bits", token.place) from None
