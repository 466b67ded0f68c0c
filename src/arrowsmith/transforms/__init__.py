"""Transforms of the core: a file each, their specs and options here.

The verbs of a ``Dataset`` are these same transforms. This module imports neither pyarrow nor numpy.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from arrowsmith.plugin import TransformSpec, hookimpl


def _spec(
    name: str,
    impl: str,
    options: str,
    summary: str,
    kind: Literal["stateless", "ordered", "fitted"] = "stateless",
) -> TransformSpec:
    path = f"arrowsmith.transforms.{impl}"
    chosen = f"arrowsmith.transforms.options:{options}"
    return TransformSpec(name=name, impl=path, options=chosen, kind=kind, summary=summary)


SPECS = (
    _spec("select", "select:Select", "ColumnsOptions", "keep columns, in the order given"),
    _spec("drop", "drop:Drop", "ColumnsOptions", "leave columns out"),
    _spec("rename", "rename:Rename", "RenameOptions", "give columns other names"),
    _spec("cast", "cast:Cast", "CastOptions", "convert columns to other types"),
    _spec("filter", "filter:Filter", "FilterOptions", "keep the rows that meet a condition"),
    _spec("limit", "limit:Limit", "LimitOptions", "keep the first rows", "ordered"),
    _spec(
        "with_column",
        "with_column:WithColumn",
        "WithColumnOptions",
        "compute a column from others",
    ),
    _spec("fill_null", "fill_null:FillNull", "FillNullOptions", "put values in the place of nulls"),
    _spec(
        "fill_forward",
        "fill_forward:FillForward",
        "ColumnsOptions",
        "put the last value before it in the place of a null",
        "ordered",
    ),
    _spec(
        "dictionary_encode",
        "dictionary_encode:DictionaryEncode",
        "DictionaryEncodeOptions",
        "store columns as indices into their distinct values",
        "fitted",
    ),
    _spec("flatten", "flatten:Flatten", "FlattenOptions", "make columns of the fields of structs"),
    _spec("sample", "sample:Sample", "SampleOptions", "keep a random share of the rows", "ordered"),
    _spec(
        "sample_rows",
        "sample_rows:SampleRows",
        "SampleRowsOptions",
        "keep so many rows at random",
        "fitted",
    ),
    _spec(
        "one_hot",
        "one_hot:OneHot",
        "OneHotOptions",
        "make a column of 0 and 1 for each category of a column",
        "fitted",
    ),
    _spec(
        "ordinal",
        "ordinal:Ordinal",
        "OrdinalOptions",
        "put the rank among its sorted values in the place of a value",
        "fitted",
    ),
    _spec(
        "standard_scale",
        "scale:StandardScale",
        "ColumnsOptions",
        "scale columns to mean 0 and variance 1",
        "fitted",
    ),
    _spec(
        "min_max_scale",
        "scale:MinMaxScale",
        "MinMaxOptions",
        "scale columns to a range",
        "fitted",
    ),
)


@hookimpl
def arrowsmith_transforms() -> Iterable[TransformSpec]:
    """The transforms of the core."""
    return SPECS
