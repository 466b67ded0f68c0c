"""What comes back of a column that was written: equal, as another type, changed, or refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

import every_type
from arrowsmith.catalog import get_catalog
from arrowsmith.errors import ArrowsmithError, SourceEmpty, UnknownFormat
from arrowsmith.pipeline import Pipeline, PipelineConfig
from arrowsmith.plugin.options import build_options
from arrowsmith.plugin.specs import Loss, SinkSpec
from arrowsmith.plugin.types import families
from arrowsmith.testing.feed import TableFeed
from carriers import Carrier, PictureCarrier, SeriesCarrier

ALONE = Carrier()
KINDS = ("equal", "type", "value", "refused")  # from the best to the worst


@dataclass(frozen=True)
class Outcome:
    """What became of a column.

    Attributes:
        kind: one of ``KINDS``.
        type: the type that came back; None where nothing did.
        warnings: what the run warned about.
        error: why it was refused.
    """

    kind: str
    type: pa.DataType | None = None
    warnings: tuple[str, ...] = ()
    error: ArrowsmithError | None = None


@cache
def arrays() -> dict[str, pa.Array]:
    """All columns of the matrix, by name."""
    return (
        every_type.columns() | every_type.only_arrow() | every_type.nested() | every_type.awkward()
    )


def write(
    table: pa.Table, path: Path, options: Mapping[str, Any], format: str | None = None
) -> tuple[str, ...]:
    """Write a table through a run in small batches; the warnings of the run."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        stats = Pipeline(
            TableFeed(table, 3),
            [],
            path,
            format=format,
            options=options,
            overwrite=True,
            budget="1GB",
            config=PipelineConfig(worker_threads=1),
        ).run()
    told = tuple(str(one.message) for one in caught if one.category is UserWarning)
    assert told == tuple(stats.warnings)
    return told


def outcome(array: pa.Array, path: Path, made: Format) -> Outcome:
    """Write a table of this column to a path, read it again and compare."""
    try:
        told = write(made.carrier.table(array), path, made.options, made.name)
    except ArrowsmithError as error:
        assert not path.exists()
        return Outcome("refused", error=error)
    if not path.stat().st_size:  # a JSON Lines file without rows has no column
        return Outcome("value", None, told)
    try:
        column = made.carrier.column(path, array.type, made.name)
    except SourceEmpty:  # an array without objects has no column, either
        return Outcome("value", None, told)
    except UnknownFormat as error:
        return Outcome("value", None, told, error)
    if column is None:
        return Outcome("value", None, told)
    return Outcome(compared(array, column), column.type, told)


def compared(written: pa.Array, found: pa.Array) -> str:
    """The kind of what came back."""
    if found.type.equals(written.type):
        return "equal" if same(written, found) else "value"
    if lost_names(written.type) - lost_names(found.type):
        return "value"
    try:
        plain = plain_array(written)
        if pa.types.is_string(found.type) and pa.types.is_time(plain.type):
            found = moments(found).cast(plain.type)
        back = plain_array(found)
        if pa.types.is_duration(back.type) and pa.types.is_time(plain.type):
            back = back.cast(pa.int64()).cast(pa.int32() if plain.type.bit_width == 32 else "int64")
        if pa.types.is_null(plain.type):
            return "type" if back.null_count == len(back) else "value"
        return "type" if same(plain, back.cast(plain.type)) else "value"
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        return "value"


def lost_names(kind: pa.DataType) -> set[str]:
    """What a number or a moment means, which no cast can tell: units of durations, and zones."""
    if pa.types.is_timestamp(kind):
        return {str(kind.tz)} - {"None"}
    if pa.types.is_duration(kind):
        return {"duration"}
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return {"UTC"}  # by a Z
    if isinstance(kind, pa.BaseExtensionType):
        return lost_names(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return lost_names(kind.value_type)
    inside = [kind.field(place).type for place in range(kind.num_fields)]
    return set().union(*map(lost_names, inside))


def same(one: pa.Array, other: pa.Array) -> bool:
    """Equal values; a NaN equals a NaN, and -0.0 does not equal 0.0."""
    if pa.types.is_dictionary(one.type):
        return same(row_by_row(one), row_by_row(other))
    if "float" in families(one.type):
        return repr(one.to_pylist()) == repr(other.to_pylist())
    return one.equals(other)


def moments(texts: pa.Array) -> pa.Array:
    """Times of day, written as text, as the moments of the first day."""
    whole = pc.binary_join_element_wise("1970-01-01", texts, " ")
    return whole.cast(pa.timestamp("ns"))


def row_by_row(array: pa.DictionaryArray) -> pa.Array:
    """A dictionary's values."""
    return pa.array(array.to_pylist(), array.type.value_type)


def plain_array(array: pa.Array) -> pa.Array:
    """The values without what only says how they are stored."""
    if isinstance(array, pa.ExtensionArray):
        return plain_array(array.storage)
    if pa.types.is_dictionary(array.type):
        return plain_array(row_by_row(array))
    if pa.types.is_run_end_encoded(array.type):
        return plain_array(pc.run_end_decode(array))
    if pa.types.is_struct(array.type) and array.type.num_fields:
        inside = [plain_array(array.field(at)) for at in range(array.type.num_fields)]
        names = [field.name for field in array.type]
        return pa.StructArray.from_arrays(inside, names, mask=pc.is_null(array))
    if pa.types.is_list_view(array.type) or pa.types.is_large_list_view(array.type):
        return pa.array(array.to_pylist(), plain_type(array.type))
    if pa.types.is_decimal(array.type) and array.type.scale < 0:
        return array.cast(pa.decimal128(38, 0))
    kind = plain_type(array.type)
    return array if kind.equals(array.type) else array.cast(kind)


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The plain type of these values."""
    if pa.types.is_string_view(kind) or pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_binary_view(kind) or pa.types.is_large_binary(kind):
        return pa.binary()
    if "lists" in families(kind) and not pa.types.is_struct(kind) and not pa.types.is_map(kind):
        return pa.list_(plain_type(kind.value_type))
    if pa.types.is_dictionary(kind):
        return plain_type(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        return plain_type(kind.storage_type)
    return kind


@dataclass(frozen=True)
class Format:
    """A column of the matrix: a sink with options, and the suffix that it is known by.

    Attributes:
        carrier: the table in which a column is written, and where it stands when read.
        name: given as ``format=``, to write and to read.
    """

    title: str
    suffix: str
    options: Mapping[str, Any]
    carrier: Carrier = ALONE
    name: str | None = None

    @property
    def spec(self) -> SinkSpec:
        catalog = get_catalog()
        return catalog.sink(self.name) if self.name else catalog.sink_for(f"a{self.suffix}")

    @property
    def losses(self) -> list[Loss]:
        """Those that concern types and happen with these options."""
        spec = self.spec
        options = build_options(spec.options_class, dict(self.options), owner=spec.name)
        return [
            loss
            for loss in spec.capabilities.losses
            if isinstance(loss, Loss) and loss.types and loss.happens(options)
        ]

    def declared(self, array: pa.Array) -> tuple[str, set[str]]:
        """What is certain for columns of a type, and all that may happen to these values.

        What concerns any type is said of columns that have no value.
        """
        names = families(array.type) - ({"any"} if array.null_count < len(array) else set())
        mine = [loss for loss in self.losses if loss.concerns(names)]
        certain = worst(loss.kind for loss in mine if not loss.data)
        some = {loss.kind for loss in mine if loss.data}
        if "value" in some:
            some.add("type")  # 1 for "1" is of another type, 1.5 for "1.50" another value, too
        return certain, {certain} | {one for one in some if KINDS.index(one) > KINDS.index(certain)}


def worst(kinds: Any) -> str:
    return max(kinds, key=KINDS.index, default="equal")


FORMATS = {
    name: Format(name, f".{name}", {})
    for name in ("csv", "tsv", "jsonl", "json", "parquet", "arrow", "npy", "npz")
}
FORMATS |= {
    "fastparquet": Format("fastparquet", ".parquet", {}, name="fastparquet"),
    "tfrecord": Format("tfrecord", ".tfrecord", {}),
    "text": Format("text", ".txt", {}),
    "ts": Format("ts", ".ts", {}, SeriesCarrier()),
    "tsf": Format("tsf", ".tsf", {}, SeriesCarrier()),
    "image": Format("image", ".tar", {}, PictureCarrier()),
}
PLUGINS = frozenset({"fastparquet", "tfrecord", "image"})
"""Titles of formats that come with a distribution of their own."""


def installed(title: str) -> bool:
    """Whether the plugin of a format is there."""
    return title not in PLUGINS or title in get_catalog().sinks()


VARIANTS: dict[str, Callable[[pa.Array], pa.Array]] = {
    "as it is": lambda array: array,
    "without nulls": lambda array: dense(array),
    "null at both ends": lambda array: null_at_both_ends(array),
    "no rows": lambda array: array.slice(0, 0),
}


def dense(array: pa.Array) -> pa.Array:
    """The values that are not null."""
    kept = [array.slice(at, 1) for at in range(len(array)) if array[at].is_valid]
    return pa.concat_arrays(kept) if 0 < len(kept) < len(array) else array.slice(0, len(kept))


def null_at_both_ends(array: pa.Array) -> pa.Array:
    """The values between two nulls, where the type has a null."""
    if not array.null_count:
        return array
    null = next(array.slice(at, 1) for at in range(len(array)) if not array[at].is_valid)
    return pa.concat_arrays([null, *[array.slice(at, 1) for at in range(len(array))], null])


@cache
def found_in(title: str, name: str, variant: str) -> Outcome:
    """What became of a column of the matrix in a format."""
    made = FORMATS[title]
    with TemporaryDirectory() as folder:
        array = VARIANTS[variant](arrays()[name])
        return outcome(array, Path(folder) / f"a{made.suffix}", made)


# --- the page ------------------------------------------------------------------------------------

SHOWN = {"csv": "csv, tsv", "jsonl": "jsonl, json"} | {
    name: name for name in ("parquet", "arrow", "npy", "npz")
}
SPECIAL = {name: name for name in ("fastparquet", "tfrecord", "text", "ts", "tsf", "image")}
BEGIN, END = "<!-- written by tests/test_fidelity.py --write -->\n", "<!-- to here -->\n"


def cell(title: str, name: str) -> str:
    """What the page says of a column in a format."""
    whole, filled = (found_in(title, name, one) for one in ("as it is", "without nulls"))
    certain, _ = FORMATS[title].declared(arrays()[name])
    shown = _shown(filled, certain)
    if arrays()[name].null_count in (0, len(arrays()[name])):
        return _shown(whole, certain)
    if whole.kind != filled.kind:
        shown += f"; null {'refused' if whole.kind == 'refused' else 'lost'}"
    return shown


def _shown(found: Outcome, certain: str) -> str:
    if found.kind in ("equal", "refused"):
        return found.kind
    name = f"`{found.type}`" if found.type is not None else "no column"
    if found.kind == "type":
        return name
    return f"**lossy**: {name}" if certain == "value" else f"*lossy*: {name}"


def table() -> str:
    """The rows of the page: a type each."""
    return _table(SHOWN)


def special() -> str:
    """The same for formats that are made for one kind of table."""
    return _table(SPECIAL)


def _table(shown: Mapping[str, str]) -> str:
    lines = ["| column | " + " | ".join(shown.values()) + " |", "|---" * (len(shown) + 1) + "|"]
    for name in arrays():
        cells = [cell(one, name) for one in shown]
        lines.append(f"| {row_title(name)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def row_title(name: str) -> str:
    """A column and its type."""
    kind = arrays()[name].type
    return f"{name} `{kind}`" if name != str(kind) else f"`{name}`"


def told_losses() -> str:
    """The losses of each sink, as its capabilities have them."""
    lines = []
    for name in (
        *("csv", "jsonl", "parquet", "arrow", "numpy"),
        *("fastparquet", "tfrecord", "text", "timeseries", "image"),
    ):
        spec = get_catalog().sink(name)
        lines += ["", f"**{name}**" + (" and **json**" if name == "jsonl" else ""), ""]
        lines += [f"- {described(loss)}" for loss in spec.capabilities.losses]
    return "\n".join(lines) + "\n"


def described(loss: Loss | str) -> str:
    """A loss as a line of a list."""
    if isinstance(loss, str):
        return loss
    kind = {"type": "other type, equal values", "value": "lossy", "refused": "refused"}[loss.kind]
    marks = [kind, *(["some values"] if loss.data else []), *loss.when]
    return f"{loss.what} ({'; '.join(marks)})"
