"""Transforms of the core: a file each, their specs and options here.

The verbs of a ``Dataset`` are these same transforms. This module imports neither pyarrow nor numpy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from arrowsmith.plugin import TransformSpec, hookimpl, option

_LIMIT = 100_000


@dataclass(frozen=True, slots=True)
class ColumnsOptions:
    """Columns by name."""

    columns: tuple[str, ...] = option(help="names of columns")


@dataclass(frozen=True, slots=True)
class RenameOptions:
    """Which columns get which names."""

    names: Mapping[str, str] = option(help="old:new names")


@dataclass(frozen=True, slots=True)
class CastOptions:
    """Which columns become which types."""

    columns: Mapping[str, str | object] = option(help="columns and their types, as id:int32")


@dataclass(frozen=True, slots=True)
class FilterOptions:
    """Which rows are kept."""

    condition: str | object = option(help="such as score > 0.5 and lang = 'en'")


@dataclass(frozen=True, slots=True)
class LimitOptions:
    """How many rows are kept."""

    rows: int = option(help="the first so many rows are kept", min=0)


@dataclass(frozen=True, slots=True)
class WithColumnOptions:
    """A column and how it is computed."""

    name: str = option(help="the column; one of that name is replaced")
    expression: str | object = option(help="such as price * quantity")


@dataclass(frozen=True, slots=True)
class FillNullOptions:
    """What takes the place of nulls."""

    values: Mapping[str, str | object] = option(help="columns and their values, as a:0,b:none")


@dataclass(frozen=True, slots=True)
class DictionaryEncodeOptions:
    """Which columns are encoded."""

    columns: tuple[str, ...] = option(help="columns of texts, integers, booleans or times")
    max_values: int = option(_LIMIT, help="more distinct values are an error", min=1)


@dataclass(frozen=True, slots=True)
class FlattenOptions:
    """Which structs become columns."""

    columns: tuple[str, ...] = option((), help="columns of structs; without any, all of them")
    separator: str = option(".", help="between the names of column and field")
    recursive: bool = option(True, help="structs inside structs, too")


@dataclass(frozen=True, slots=True)
class SampleOptions:
    """What share of the rows is kept."""

    fraction: float = option(help="share of the rows, each drawn by itself", min=0, max=1)
    seed: int = option(0, help="another seed draws other rows", min=0, max=2**63 - 1)


@dataclass(frozen=True, slots=True)
class SampleRowsOptions:
    """How many rows are kept."""

    rows: int = option(help="so many rows, or all if there are fewer", min=0, max=10_000_000)
    seed: int = option(0, help="another seed draws other rows", min=0, max=2**63 - 1)


@dataclass(frozen=True, slots=True)
class OneHotOptions:
    """Which column becomes one column for each category."""

    column: str = option(help="a column of texts, integers, booleans or dates")
    max_categories: int = option(
        100, help="columns at most; the rarest share COLUMN_infrequent", min=1, max=10_000
    )
    unknown: Literal["error", "ignore", "infrequent"] = option(
        "error", help="values not seen in the fit: an error, no category, or an infrequent one"
    )


@dataclass(frozen=True, slots=True)
class OrdinalOptions:
    """Which columns become the ranks of their values."""

    columns: tuple[str, ...] = option(help="columns of texts, integers, booleans or dates")
    max_categories: int = option(_LIMIT, help="more distinct values are an error", min=1)
    unknown: Literal["error", "minus_one"] = option(
        "error", help="values not seen in the fit: an error, or -1"
    )


@dataclass(frozen=True, slots=True)
class MinMaxOptions:
    """Which columns are scaled, and to what range."""

    columns: tuple[str, ...] = option(help="columns of numbers")
    low: float = option(0.0, help="what the least value becomes", min=-1e300, max=1e300)
    high: float = option(1.0, help="what the greatest value becomes", min=-1e300, max=1e300)

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise ValueError(f"low must be below high, {self.low} is not below {self.high}")


def _spec(
    name: str,
    impl: str,
    options: type,
    summary: str,
    kind: Literal["stateless", "ordered", "fitted"] = "stateless",
) -> TransformSpec:
    path = f"arrowsmith.transforms.{impl}"
    return TransformSpec(name=name, impl=path, options=options, kind=kind, summary=summary)


SPECS = (
    _spec("select", "select:Select", ColumnsOptions, "keep columns, in the order given"),
    _spec("drop", "drop:Drop", ColumnsOptions, "leave columns out"),
    _spec("rename", "rename:Rename", RenameOptions, "give columns other names"),
    _spec("cast", "cast:Cast", CastOptions, "convert columns to other types"),
    _spec("filter", "filter:Filter", FilterOptions, "keep the rows that meet a condition"),
    _spec("limit", "limit:Limit", LimitOptions, "keep the first rows", "ordered"),
    _spec(
        "with_column",
        "with_column:WithColumn",
        WithColumnOptions,
        "compute a column from others",
    ),
    _spec("fill_null", "fill_null:FillNull", FillNullOptions, "put values in the place of nulls"),
    _spec(
        "fill_forward",
        "fill_forward:FillForward",
        ColumnsOptions,
        "put the last value before it in the place of a null",
        "ordered",
    ),
    _spec(
        "dictionary_encode",
        "dictionary_encode:DictionaryEncode",
        DictionaryEncodeOptions,
        "store columns as indices into their distinct values",
        "fitted",
    ),
    _spec("flatten", "flatten:Flatten", FlattenOptions, "make columns of the fields of structs"),
    _spec("sample", "sample:Sample", SampleOptions, "keep a random share of the rows", "ordered"),
    _spec(
        "sample_rows",
        "sample_rows:SampleRows",
        SampleRowsOptions,
        "keep so many rows at random",
        "fitted",
    ),
    _spec(
        "one_hot",
        "one_hot:OneHot",
        OneHotOptions,
        "make a column of 0 and 1 for each category of a column",
        "fitted",
    ),
    _spec(
        "ordinal",
        "ordinal:Ordinal",
        OrdinalOptions,
        "put the rank among its sorted values in the place of a value",
        "fitted",
    ),
    _spec(
        "standard_scale",
        "scale:StandardScale",
        ColumnsOptions,
        "scale columns to mean 0 and variance 1",
        "fitted",
    ),
    _spec(
        "min_max_scale",
        "scale:MinMaxScale",
        MinMaxOptions,
        "scale columns to a range",
        "fitted",
    ),
)


@hookimpl
def arrowsmith_transforms() -> Iterable[TransformSpec]:
    """The transforms of the core."""
    return SPECS
