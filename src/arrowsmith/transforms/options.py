"""Options of the core's transforms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from arrowsmith.plugin import option

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
