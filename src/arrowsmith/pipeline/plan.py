"""From verbs to a scan request and bound steps: what is asked for reaches the reader."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from arrowsmith.catalog import get_catalog
from arrowsmith.errors import OptionError, PluginError
from arrowsmith.pipeline.steps import Map
from arrowsmith.plugin.options import build_options
from arrowsmith.plugin.protocols import (
    BoundTransform,
    FilteringTransform,
    LimitingTransform,
    Predicate,
    ProjectingTransform,
    RowwiseTransform,
    RunContext,
    ScanRequest,
)
from arrowsmith.plugin.specs import TransformSpec
from arrowsmith.transforms import SPECS

_LEAST_BATCH, _MOST_BATCH = 256 << 10, 2 << 20  # bytes; how a file is batched changes no output
_CORE = {spec.name: spec for spec in SPECS}


@dataclass(frozen=True, slots=True)
class Fit:
    """What a fitted step has learned.

    Attributes:
        columns: from which columns, and of what types.
        state: as the step's ``Fitter`` gave it.
    """

    columns: Mapping[str, str]
    state: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Verb:
    """A step that is not yet bound to a schema. Two verbs are the same only if they are one object.

    Attributes:
        label: as ``explain()`` shows it.
        make: gives the transform for a run.
        name: the transform's, and its ``options``: by these a saved state is known again.
        fitted: it learns from all rows before it is bound.
        fit: what it has learned, where that was loaded.
        key: tells all of what it does in plain values (see ``fingerprint.value_fingerprint``); None
            where nobody can.
    """

    label: str
    make: Callable[[RunContext], Any]
    name: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    fitted: bool = False
    fit: Fit | None = None
    key: Any = None


class _Plain:
    """A transform that needs its schema alone."""

    def __init__(self, bind: Callable[[pa.Schema], BoundTransform]) -> None:
        self.bind = bind


def core(name: str, options: Mapping[str, Any], label: str | None = None) -> Verb:
    """A transform of the core: no plugin is looked for."""
    return _verb(_CORE[name], options, name, label)


def transform(name: str, options: Mapping[str, Any]) -> Verb:
    """A transform of the core or a plugin, by name."""
    return _verb(get_catalog().transform(name), options, f"transform '{name}'", None)


def _verb(spec: TransformSpec, given: Mapping[str, Any], owner: str, label: str | None) -> Verb:
    options: Any = build_options(spec.options_class, given, owner=owner)
    told = [f"{key}={_shown(value)}" for key, value in given.items() if not _is_empty(value)]
    provider = "" if spec in SPECS else get_catalog().provider(spec)
    return Verb(
        label or " ".join([spec.name, *told]),
        lambda context: get_catalog().load(spec)(options, context),
        name=spec.name,
        options=dataclasses.asdict(options) if spec.kind == "fitted" else {},
        fitted=spec.kind == "fitted",
        key=(spec.name, provider, options),
    )


def _is_empty(value: object) -> bool:
    return isinstance(value, tuple) and not value


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def select(columns: Iterable[str]) -> Verb:
    names = list(columns)
    wrong = next((name for name in names if not isinstance(name, str)), None)
    if wrong is not None:
        raise OptionError(f"select takes names of columns, not {type(wrong).__name__}")
    return core("select", {"columns": names}, f"select {', '.join(names)}")


def rename(names: Mapping[str, str]) -> Verb:
    label = ", ".join(f"{old} to {new}" for old, new in names.items())
    return core("rename", {"names": names}, f"rename {label}")


def cast(columns: Mapping[str, str | pa.DataType]) -> Verb:
    label = ", ".join(f"{name} to {kind}" for name, kind in columns.items())
    return core("cast", {"columns": columns}, f"cast {label}")


def limit(count: int) -> Verb:
    if not isinstance(count, int):
        raise OptionError(f"limit takes a number of rows, not {type(count).__name__}")
    if count < 0:
        raise OptionError(f"limit must be at least 0, not {count}")
    return core("limit", {"rows": count}, f"limit {count}")


def where(condition: Any) -> Verb:
    """A filter from the text grammar, a ``pyarrow.compute.Expression`` or a ``Predicate``."""
    return core("filter", {"condition": condition}, f"filter {condition}")


def map_batches(
    function: Callable[[pa.RecordBatch], pa.RecordBatch], output: pa.Schema | None
) -> Verb:
    name = getattr(function, "__name__", repr(function))
    return Verb(f"map {name}", lambda _: _Plain(lambda schema: Map(schema, function, output)))


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
        name = type(step).__name__
        return Verb(name, lambda _: step, name=name, fitted=hasattr(step, "fitter"))
    if callable(step):
        return map_batches(step, None)
    raise OptionError(f"{step!r} is no transform: give a name, (name, options) or a function")


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
    schema: pa.Schema,
    verbs: Sequence[Verb],
    context: RunContext,
    batch_rows: int,
    fits: Sequence[Fit | None] = (),
    *,
    narrow: bool = True,
) -> Plan:
    """Bind ``verbs`` in turn, and work out columns, predicate and limit for the reader.

    Every step still runs: the reader may only leave out what a step would drop.

    Args:
        schema: of the input.
        verbs: the steps.
        context: lent to them.
        batch_rows: ceiling of the rows in a batch.
        fits: what the fitted ones among the verbs have learned, by position.
        narrow: leave out columns that the output does not depend on.
    """
    steps: list[BoundTransform] = []
    inputs = [schema]
    for place, verb in enumerate(verbs):
        steps.append(_bound(verb, inputs[-1], context, fits[place] if fits else None))
        inputs.append(steps[-1].schema)
    columns = _needed(steps, inputs) if narrow else None
    if columns is not None:
        steps = _narrowed(steps, inputs, columns)
    batch_bytes = max(_LEAST_BATCH, min(_MOST_BATCH, context.memory_limit // 32))
    request = ScanRequest(
        columns=columns,
        predicate=_pushed_predicate(steps),
        limit=_pushed_limit(steps),
        batch_rows=_fewer_rows(batch_rows, batch_bytes, inputs[0], steps),
        batch_bytes=batch_bytes,
    )
    return Plan(request, steps, [verb.label for verb in verbs], inputs[-1])


def _bound(verb: Verb, schema: pa.Schema, context: RunContext, fit: Fit | None) -> BoundTransform:
    made = verb.make(context)
    bound: BoundTransform = made.bind(schema, fit.state) if fit is not None else made.bind(schema)
    return bound


def _fewer_rows(rows: int, nbytes: int, schema: pa.Schema, steps: Sequence[BoundTransform]) -> int:
    """The rows of a batch that no step makes much larger than ``nbytes``: some widen rows a lot."""
    widest = max((_row_bytes(step.schema) for step in steps), default=0)
    return min(rows, max(1, nbytes // widest)) if widest > _row_bytes(schema) else rows


def _row_bytes(schema: pa.Schema) -> int:
    """Of the columns of a fixed width."""
    return sum(_bits(kind) for kind in schema.types) // 8


def _bits(kind: pa.DataType) -> int:
    if isinstance(kind, pa.BaseExtensionType):
        return _bits(kind.storage_type)
    if pa.types.is_fixed_size_list(kind):  # of tensors, too
        return int(kind.list_size) * _bits(kind.value_type)
    try:
        return int(kind.bit_width)
    except ValueError:  # texts, lists
        return 0


def _needed(steps: Sequence[BoundTransform], inputs: Sequence[pa.Schema]) -> tuple[str, ...] | None:
    """The reader's columns that the output depends on, in the file's order; None for all."""
    needed = frozenset(inputs[-1].names)
    for step, before in zip(reversed(steps), reversed(inputs[:-1]), strict=True):
        names = frozenset(before.names)
        needed = step.needed(needed) & names if isinstance(step, ProjectingTransform) else names
        if not needed:  # some column has to tell how many rows there are
            needed = frozenset(before.names[:1])
    columns = tuple(name for name in inputs[0].names if name in needed)
    return None if len(columns) == len(inputs[0].names) else columns


def _narrowed(
    steps: Sequence[BoundTransform], inputs: Sequence[pa.Schema], columns: Sequence[str]
) -> list[BoundTransform]:
    """The steps for an input with these columns alone."""
    schema = pa.schema([inputs[0].field(name) for name in columns], metadata=inputs[0].metadata)
    narrowed = []
    for step in steps:
        narrowed.append(step.narrowed(schema) if isinstance(step, ProjectingTransform) else step)
        schema = narrowed[-1].schema
    if not schema.equals(inputs[-1]):
        names = ", ".join(type(step).__name__ for step in steps)
        raise PluginError(f"needed() and narrowed() contradict each other in one of: {names}")
    return narrowed


def _pushed_predicate(steps: Sequence[BoundTransform]) -> Predicate | None:
    """What the filters ask of columns as the reader gives them."""
    found: list[Predicate] = []
    same: frozenset[str] | None = None  # columns as they were read; None for all
    for step in steps:
        if isinstance(step, FilteringTransform):
            if same is None or step.predicate.columns <= same:
                found.append(step.predicate)
        elif isinstance(step, RowwiseTransform) and step.kind == "stateless":
            same = step.unchanged if same is None else same & step.unchanged
        else:
            break
    if not found:
        return None
    from arrowsmith.predicate import And

    return And(found)


def _pushed_limit(steps: Sequence[BoundTransform]) -> int | None:
    for step in steps:
        if isinstance(step, LimitingTransform):
            return step.rows_left
        if not isinstance(step, RowwiseTransform):
            return None
    return None
