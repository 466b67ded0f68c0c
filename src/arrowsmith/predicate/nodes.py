"""The conditions that an expression is made of: how each is evaluated, what statistics say of it.

Evaluation follows SQL: a comparison with a null is null, and, or and not are Kleene's. Floats
compare as IEEE 754 has it: a NaN equals nothing and is neither less nor greater.

Of a row group, a condition tells whether it can be true and whether it can be false for any row.
``not`` swaps the two, which is sound also where NaN makes ``x > 1`` and ``x <= 1`` both false.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.plugin.protocols import ColumnStats
from arrowsmith.predicate.literals import Test, boolean, plain

Stats = Mapping[str, ColumnStats]

_KERNELS = {
    "=": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}
_UNKNOWN = boolean(None)


class Possible(NamedTuple):
    """Whether any row of a group can make a condition true, and whether any can make it false."""

    true: bool
    false: bool


_ANYTHING = Possible(True, True)
_NOTHING = Possible(False, False)


class Node(Protocol):
    """A condition bound to a schema."""

    @property
    def columns(self) -> frozenset[str]: ...

    def evaluate(self, batch: pa.RecordBatch) -> pa.BooleanArray:
        """True, false or null a row."""
        ...

    def possible(self, stats: Stats) -> Possible: ...


def _all_null(stats: ColumnStats) -> bool:
    return stats.null_count is not None and stats.null_count >= stats.rows


def _holds(operator: str, left: pa.Scalar, right: pa.Scalar) -> bool:
    """Whether a comparison of two scalars of one type is true; true too where it cannot be told."""
    try:
        return _KERNELS[operator](left, right).as_py() is not False
    except pa.ArrowException:
        return True


def _bound(bound: pa.Scalar | None, kind: pa.DataType) -> pa.Scalar | None:
    """A bound in a column's plain type; None for a NaN, which careless writers store."""
    if bound is None or not bound.is_valid:
        return None
    try:
        bound = bound.cast(kind)
    except pa.ArrowException:
        return None
    return None if pa.types.is_floating(kind) and pc.is_nan(bound).as_py() else bound


def _within(value: pa.Scalar, stats: ColumnStats) -> bool:
    low, high = _bound(stats.min, value.type), _bound(stats.max, value.type)
    return (low is None or _holds(">=", value, low)) and (high is None or _holds("<=", value, high))


@dataclass(frozen=True, slots=True)
class Compare:
    """A column against a literal that fits it."""

    name: str
    test: Test
    floating: bool

    @property
    def columns(self) -> frozenset[str]:
        return frozenset((self.name,))

    def evaluate(self, batch: pa.RecordBatch) -> pa.BooleanArray:
        column = plain(batch.column(self.name))
        if self.test.scalar is not None:
            return _KERNELS[self.test.operator](column, self.test.scalar)
        return pc.if_else(pc.is_valid(column), boolean(self.test.outcome), _UNKNOWN)

    def possible(self, stats: Stats) -> Possible:
        known = stats.get(self.name)
        if known is None:
            return _ANYTHING
        if _all_null(known):
            return _NOTHING
        value = self.test.scalar
        if value is None:
            return Possible(self.test.outcome, not self.test.outcome)
        low, high = _bound(known.min, value.type), _bound(known.max, value.type)
        match self.test.operator:
            case "=" | "!=":
                true = _within(value, known)
                false = low is None or _holds("<", low, value)
                false = false or high is None or _holds(">", high, value)
            case "<" | "<=" as operator:
                true = low is None or _holds(operator, low, value)
                false = high is None or _holds(">=" if operator == "<" else ">", high, value)
            case operator:
                true = high is None or _holds(operator, high, value)
                false = low is None or _holds("<=" if operator == ">" else "<", low, value)
        if self.test.operator == "!=":
            return Possible(false or self.floating, true)
        return Possible(true, false or self.floating)


@dataclass(frozen=True, slots=True)
class OneOf:
    """A column against a set of values of its plain type."""

    name: str
    values: pa.Array
    floating: bool

    @property
    def columns(self) -> frozenset[str]:
        return frozenset((self.name,))

    def evaluate(self, batch: pa.RecordBatch) -> pa.BooleanArray:
        column = plain(batch.column(self.name))
        found = pc.is_in(column, value_set=self.values)
        return pc.if_else(pc.is_valid(column), found, _UNKNOWN)

    def possible(self, stats: Stats) -> Possible:
        known = stats.get(self.name)
        if known is None:
            return _ANYTHING
        if _all_null(known):
            return _NOTHING
        return Possible(self._any_within(known), True)

    def _any_within(self, known: ColumnStats) -> bool:
        kind = self.values.type
        low, high = _bound(known.min, kind), _bound(known.max, kind)
        values = self.values
        if low is not None:
            values = values.filter(pc.greater_equal(values, low))
        if high is not None:
            values = values.filter(pc.less_equal(values, high))
        return len(values) > 0


@dataclass(frozen=True, slots=True)
class Like:
    """A text column against a pattern; ``%`` is any text, ``_`` any character, no escapes."""

    name: str
    pattern: str
    prefix: pa.Scalar = field(compare=False)

    @property
    def columns(self) -> frozenset[str]:
        return frozenset((self.name,))

    def evaluate(self, batch: pa.RecordBatch) -> pa.BooleanArray:
        column = plain(batch.column(self.name))
        if "\\" not in self.pattern:
            return pc.match_like(column, self.pattern)
        # Arrow takes a backslash for an escape, and at the end of some patterns for two characters.
        wild = {"%": ".*", "_": "."}
        parts = [wild.get(character) or re.escape(character) for character in self.pattern]
        return pc.match_substring_regex(column, rf"(?s)\A{''.join(parts)}\z")

    def possible(self, stats: Stats) -> Possible:
        known = stats.get(self.name)
        if known is None:
            return _ANYTHING
        if _all_null(known):
            return _NOTHING
        high = _bound(known.max, self.prefix.type)
        return Possible(high is None or _holds(">=", high, self.prefix), True)


@dataclass(frozen=True, slots=True)
class IsNull:
    """Whether a column is null."""

    name: str

    @property
    def columns(self) -> frozenset[str]:
        return frozenset((self.name,))

    def evaluate(self, batch: pa.RecordBatch) -> pa.BooleanArray:
        return pc.is_null(plain(batch.column(self.name)))

    def possible(self, stats: Stats) -> Possible:
        known = stats.get(self.name)
        if known is None or known.null_count is None:
            return _ANYTHING
        return Possible(known.null_count > 0, known.null_count < known.rows)


@dataclass(frozen=True, slots=True)
class Not:
    """Kleene's negation."""

    inner: Node

    @property
    def columns(self) -> frozenset[str]:
        return self.inner.columns

    def evaluate(self, batch: pa.RecordBatch) -> pa.BooleanArray:
        return pc.invert(self.inner.evaluate(batch))

    def possible(self, stats: Stats) -> Possible:
        true, false = self.inner.possible(stats)
        return Possible(false, true)


@dataclass(frozen=True, slots=True)
class Every:
    """Kleene's and."""

    parts: tuple[Node, ...]

    @property
    def columns(self) -> frozenset[str]:
        return frozenset().union(*(part.columns for part in self.parts))

    def evaluate(self, batch: pa.RecordBatch) -> pa.BooleanArray:
        result = self.parts[0].evaluate(batch)
        for part in self.parts[1:]:
            result = pc.and_kleene(result, part.evaluate(batch))
        return result

    def possible(self, stats: Stats) -> Possible:
        parts = [part.possible(stats) for part in self.parts]
        return Possible(all(part.true for part in parts), any(part.false for part in parts))


@dataclass(frozen=True, slots=True)
class Any:
    """Kleene's or."""

    parts: tuple[Node, ...]

    @property
    def columns(self) -> frozenset[str]:
        return frozenset().union(*(part.columns for part in self.parts))

    def evaluate(self, batch: pa.RecordBatch) -> pa.BooleanArray:
        result = self.parts[0].evaluate(batch)
        for part in self.parts[1:]:
            result = pc.or_kleene(result, part.evaluate(batch))
        return result

    def possible(self, stats: Stats) -> Possible:
        parts = [part.possible(stats) for part in self.parts]
        return Possible(any(part.true for part in parts), all(part.false for part in parts))
