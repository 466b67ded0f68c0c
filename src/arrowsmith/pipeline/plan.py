"""From verbs to a scan request and bound steps: what is asked for reaches the reader."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from arrowsmith.catalog import get_catalog
from arrowsmith.errors import OptionError, PredicateError
from arrowsmith.pipeline.steps import Cast, Filter, Limit, Map, Rename, Select
from arrowsmith.plugin.options import build_options
from arrowsmith.plugin.protocols import BoundTransform, Predicate, RunContext, ScanRequest

_LEAST_BATCH, _MOST_BATCH = 256 << 10, 2 << 20  # bytes; how a file is batched changes no output

Bind = Callable[[pa.Schema, RunContext], BoundTransform]


@dataclass(frozen=True, slots=True)
class Verb:
    """A step that is not yet bound to a schema.

    Attributes:
        label: as ``explain()`` shows it.
        bind: gives the bound step for an input schema.
    """

    label: str
    bind: Bind


def select(columns: Iterable[str]) -> Verb:
    names = list(columns)
    wrong = next((name for name in names if not isinstance(name, str)), None)
    if wrong is not None:
        raise OptionError(f"select takes names of columns, not {type(wrong).__name__}")
    return Verb(f"select {', '.join(names)}", lambda schema, _: Select(schema, names))


def rename(names: Mapping[str, str]) -> Verb:
    label = ", ".join(f"{old} to {new}" for old, new in names.items())
    return Verb(f"rename {label}", lambda schema, _: Rename(schema, names))


def cast(columns: Mapping[str, str | pa.DataType]) -> Verb:
    types = {name: as_type(kind) for name, kind in columns.items()}
    label = ", ".join(f"{name} to {kind}" for name, kind in types.items())
    return Verb(f"cast {label}", lambda schema, _: Cast(schema, types))


def limit(count: int) -> Verb:
    if not isinstance(count, int):
        raise OptionError(f"limit takes a number of rows, not {type(count).__name__}")
    return Verb(f"limit {count}", lambda schema, _: Limit(schema, count))


def map_batches(
    function: Callable[[pa.RecordBatch], pa.RecordBatch], output: pa.Schema | None
) -> Verb:
    name = getattr(function, "__name__", repr(function))
    return Verb(f"map {name}", lambda schema, _: Map(schema, function, output))


def where(condition: Any) -> Verb:
    """A filter from the text grammar, a ``pyarrow.compute.Expression`` or a ``Predicate``."""

    def bind(schema: pa.Schema, _: RunContext) -> BoundTransform:
        return Filter(schema, _predicate(condition, schema))

    return Verb(f"filter {condition}", bind)


def _predicate(condition: Any, schema: pa.Schema) -> Predicate:
    from arrowsmith.predicate import from_expression, parse_predicate

    if isinstance(condition, str):
        return parse_predicate(condition, schema)
    if hasattr(condition, "mask") and hasattr(condition, "may_match"):
        return condition
    if type(condition).__name__ == "Expression":
        return from_expression(condition, schema)
    raise PredicateError(
        f"cannot filter by {type(condition).__name__}",
        hint='give text such as "score > 0.5" or a pyarrow.compute expression',
    )


def transform(name: str, options: Mapping[str, Any]) -> Verb:
    """A transform of a plugin, by name."""
    spec = get_catalog().transform(name)
    built: Any = build_options(spec.options, options, owner=f"transform '{name}'")
    label = " ".join([name, *(f"{key}={value}" for key, value in options.items())])
    return Verb(label, lambda schema, ctx: get_catalog().load(spec)(built, ctx).bind(schema))


def as_verb(step: Any) -> Verb:
    """A step of ``Pipeline(transforms=...)``: a verb, a name, (name, options), an object with
    ``bind(schema)``, or a function from batch to batch."""
    if isinstance(step, Verb):
        return step
    if isinstance(step, str):
        return transform(step, {})
    if isinstance(step, tuple) and len(step) == 2 and isinstance(step[0], str):
        return transform(step[0], step[1])
    if hasattr(step, "bind"):
        return Verb(type(step).__name__, lambda schema, _: step.bind(schema))
    if callable(step):
        return map_batches(step, None)
    raise OptionError(f"{step!r} is no transform: give a name, (name, options) or a function")


def as_type(kind: str | pa.DataType) -> pa.DataType:
    """An Arrow type from its name, such as ``"int64"`` or ``"timestamp[us, UTC]"``."""
    if isinstance(kind, pa.DataType):
        return kind
    from arrowsmith.plugin.types import parse_type

    return parse_type(kind)


@dataclass(frozen=True, slots=True)
class Plan:
    """Verbs bound to the schema of an input.

    Attributes:
        request: what the reader is asked for.
        steps: what the runner does with its batches.
        labels: a word for each step.
        schema: of the output.
    """

    request: ScanRequest
    steps: list[BoundTransform]
    labels: list[str]
    schema: pa.Schema


def make_plan(
    schema: pa.Schema, verbs: Iterable[Verb], context: RunContext, batch_rows: int
) -> Plan:
    """Bind ``verbs`` in turn, and work out columns, predicate and limit for the reader.

    Every step still runs: the reader may only leave out what a step would drop.
    """
    verbs = list(verbs)
    steps: list[BoundTransform] = []
    inputs = [schema]
    for verb in verbs:
        steps.append(verb.bind(inputs[-1], context))
        inputs.append(steps[-1].schema)
    columns = _needed(steps, inputs)
    request = ScanRequest(
        columns=columns,
        predicate=_pushed_predicate(steps),
        limit=_pushed_limit(steps),
        batch_rows=batch_rows,
        batch_bytes=max(_LEAST_BATCH, min(_MOST_BATCH, context.memory_limit // 32)),
    )
    if columns is not None:  # bind again, to the columns that the reader will give
        narrowed = pa.schema([schema.field(name) for name in columns], metadata=schema.metadata)
        steps = []
        for verb in verbs:
            steps.append(verb.bind(narrowed, context))
            narrowed = steps[-1].schema
    return Plan(request, steps, [verb.label for verb in verbs], inputs[-1])


def _needed(steps: list[BoundTransform], inputs: list[pa.Schema]) -> tuple[str, ...] | None:
    """The reader's columns that the output depends on, in the file's order; None for all."""
    needed = set(inputs[-1].names)
    for step, before in zip(reversed(steps), reversed(inputs[:-1]), strict=True):
        if isinstance(step, Select):
            needed = set(step.columns)
        elif isinstance(step, Filter):
            needed |= step.predicate.columns
        elif isinstance(step, Rename):
            old = {new: old for old, new in step.names.items()}
            needed = {old.get(name, name) for name in needed} | step.names.keys()
        elif isinstance(step, Cast):
            needed |= step.columns
        elif not isinstance(step, Limit):
            needed = set(before.names)
    columns = tuple(name for name in inputs[0].names if name in needed)
    return None if len(columns) == len(inputs[0].names) else columns


def _pushed_predicate(steps: list[BoundTransform]) -> Predicate | None:
    """What the filters ask of the rows as the reader gives them."""
    found = []
    for step in steps:
        if isinstance(step, Filter):
            found.append(step.predicate)
        elif not isinstance(step, Select):
            break
    if not found:
        return None
    from arrowsmith.predicate import And

    return And(found)


def _pushed_limit(steps: list[BoundTransform]) -> int | None:
    for step in steps:
        if isinstance(step, Limit):
            return step.left
        if not isinstance(step, Select | Rename | Cast):
            return None
    return None
