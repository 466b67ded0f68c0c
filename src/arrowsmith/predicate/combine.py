"""Predicates and values from pyarrow expressions, and several predicates joined to one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.errors import DataError, PredicateError
from arrowsmith.plugin.protocols import ColumnStats, Expression, Predicate
from arrowsmith.predicate.formula import parse_formula
from arrowsmith.predicate.literals import boolean
from arrowsmith.predicate.parser import parse_predicate

if TYPE_CHECKING:
    from pyarrow.acero import Declaration

_FALSE = boolean(False)


@dataclass(frozen=True, slots=True)
class ExpressionPredicate:
    """A pyarrow expression; row groups are not skipped by it, rows are."""

    expression: pc.Expression
    names: tuple[str, ...]

    @property
    def columns(self) -> frozenset[str]:
        return frozenset(self.names)

    def mask(self, batch: pa.RecordBatch) -> pa.BooleanArray:
        """One boolean a row, without nulls."""
        needed = batch.select(list(self.names)) if self.names else batch
        return _evaluate(self.expression, needed).fill_null(_FALSE)

    def may_match(self, stats: Mapping[str, ColumnStats]) -> bool:
        return True

    def __str__(self) -> str:
        return str(self.expression)


def from_expression(expression: pc.Expression, schema: pa.Schema) -> ExpressionPredicate:
    """A predicate that pyarrow evaluates, such as ``pc.field("id") > 10``.

    Raises:
        PredicateError: it does not fit the schema, or is not boolean.

    Example:
        >>> import pyarrow as pa, pyarrow.compute as pc
        >>> batch = pa.record_batch({"id": [1, 20, None], "x": ["a", "b", "c"]})
        >>> predicate = from_expression(pc.field("id") > 10, batch.schema)
        >>> predicate.columns, predicate.mask(batch).to_pylist()
        (frozenset({'id'}), [False, True, False])
    """
    batch = pa.RecordBatch.from_pylist([], schema)
    try:
        result = _evaluate(expression, batch)
    except (pa.ArrowException, KeyError) as error:
        what = f"the expression {expression} does not fit the schema: {error}"
        raise PredicateError(what, path="where") from None
    if not pa.types.is_boolean(result.type):
        what = f"the expression {expression} gives {result.type}, not true or false"
        raise PredicateError(what, path="where")
    return ExpressionPredicate(expression, _columns(expression, batch))


def as_predicate(condition: object, schema: pa.Schema) -> Predicate:
    """A condition from the text grammar, a pyarrow expression, or a predicate as it is.

    Raises:
        PredicateError: it is none of these, or does not fit the schema.
    """
    if isinstance(condition, str):
        return parse_predicate(condition, schema)
    if hasattr(condition, "mask") and hasattr(condition, "may_match"):
        return cast(Predicate, condition)
    if isinstance(condition, pc.Expression):
        return from_expression(condition, schema)
    raise PredicateError(
        f"cannot filter by {type(condition).__name__}",
        hint='give text such as "score > 0.5" or a pyarrow.compute expression',
    )


@dataclass(frozen=True, slots=True)
class ComputedExpression:
    """A pyarrow expression as the values of a column; see ``arrowsmith.plugin.Expression``."""

    expression: pc.Expression
    columns: frozenset[str]
    type: pa.DataType

    def evaluate(self, batch: pa.RecordBatch) -> pa.Array:
        """One value a row."""
        try:
            return _evaluate(self.expression, batch)
        except pa.ArrowException as error:
            raise DataError(f"cannot compute {self.expression}: {error}") from None

    def __str__(self) -> str:
        return str(self.expression)


def as_expression(value: object, schema: pa.Schema) -> Expression:
    """Values from the grammar of formulas, or a pyarrow expression.

    Raises:
        PredicateError: it is neither, or does not fit the schema.
    """
    if isinstance(value, str):
        return parse_formula(value, schema)
    if not isinstance(value, pc.Expression):
        raise PredicateError(
            f"cannot compute a column from {type(value).__name__}",
            hint='give text such as "price * quantity" or a pyarrow.compute expression',
        )
    batch = pa.RecordBatch.from_arrays([pa.nulls(0, f.type) for f in schema], schema=schema)
    try:
        kind = _evaluate(value, batch).type
    except (pa.ArrowException, KeyError) as error:
        raise PredicateError(f"the expression {value} does not fit the schema: {error}") from None
    return ComputedExpression(value, frozenset(_columns(value, batch)), kind)


class And:
    """Rows that all of several predicates keep.

    Example:
        >>> import pyarrow as pa
        >>> from arrowsmith.predicate import parse_predicate
        >>> batch = pa.record_batch({"a": [1, 2, 3]})
        >>> both = And([parse_predicate(t, batch.schema) for t in ("a > 1", "a < 3")])
        >>> both.mask(batch).to_pylist()
        [False, True, False]
    """

    def __init__(self, predicates: Iterable[Predicate]) -> None:
        self.predicates = tuple(predicates)
        if not self.predicates:
            raise PredicateError("there is no predicate to join", path="where")

    @property
    def columns(self) -> frozenset[str]:
        return frozenset().union(*(predicate.columns for predicate in self.predicates))

    def mask(self, batch: pa.RecordBatch) -> pa.BooleanArray:
        """One boolean a row, without nulls."""
        result = self.predicates[0].mask(batch).fill_null(_FALSE)
        for predicate in self.predicates[1:]:
            result = pc.and_(result, predicate.mask(batch).fill_null(_FALSE))
        return result

    def may_match(self, stats: Mapping[str, ColumnStats]) -> bool:
        return all(predicate.may_match(stats) for predicate in self.predicates)

    def __str__(self) -> str:
        return " and ".join(f"({predicate})" for predicate in self.predicates)


def _evaluate(expression: pc.Expression, batch: pa.RecordBatch) -> pa.Array:
    """The expression's value for each row, in order."""
    # Imported here: acero imports pandas where it is installed, and text predicates do without.
    from pyarrow import acero

    steps: list[Declaration] = [
        acero.Declaration("table_source", acero.TableSourceNodeOptions(pa.table(batch))),
        acero.Declaration("project", acero.ProjectNodeOptions([expression], ["mask"])),
    ]
    column = acero.Declaration.from_sequence(steps).to_table(use_threads=False).column(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.nulls(0, column.type)


def _columns(expression: pc.Expression, batch: pa.RecordBatch) -> tuple[str, ...]:
    """The columns without which the expression fails; all where it refers to them by position."""
    names = batch.schema.names
    if "FieldPath" in str(expression):
        return tuple(names)
    needed = []
    for name in names:
        try:
            _evaluate(expression, batch.select([other for other in names if other != name]))
        except (pa.ArrowException, KeyError):
            needed.append(name)
    return tuple(needed)
