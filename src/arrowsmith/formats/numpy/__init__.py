"""NumPy: ``.npy`` arrays, mapped without a copy, and ``.npz`` archives of them.

This module holds specs and options only; the reader and the sink are imported when first used.
Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from arrowsmith.plugin import (
    Head,
    Loss,
    Magic,
    Match,
    ReaderCapabilities,
    ReaderSpec,
    SinkCapabilities,
    SinkSpec,
    hookimpl,
    option,
)

_EXTENSIONS = (".npy", ".npz")
_ZIP_ENTRY = b"PK\x03\x04"
_ZIP_ENTRY_SIZE = 30


@dataclass(frozen=True, slots=True)
class NumpyOptions:
    """How arrays become columns."""

    column: str = option("value", help="name of the column of an array without fields")
    columns: tuple[str, ...] = option(
        (), help="names for the columns of a 2-d array, which is then read as columns"
    )
    layout: Literal["tensor", "list", "columns"] = option(
        "tensor",
        help="what the rows of an array of two or more dimensions become: a tensor, nested lists"
        " of fixed size, or (for two dimensions) a column for each place",
    )
    member: str | None = option(None, help="the one array of an .npz file to read, else all")
    masks: bool = option(
        False, help="take booleans NAME__valid for where NAME is not null, as nulls=mask writes"
    )


@dataclass(frozen=True, slots=True)
class NumpySinkOptions:
    """How columns become arrays."""

    container: Literal["npy", "npz"] | None = option(
        None, help="one array, or an archive with an array a column; by default by the suffix"
    )
    layout: Literal["auto", "structured", "matrix"] = option(
        "auto",
        help="of .npy: structured has a field a column, matrix is a 2-d array of columns of one"
        " type; auto is structured for several columns, plain for one",
    )
    nulls: Literal["nan", "mask", "error"] = option(
        "nan",
        help="nan: NaN and NaT stand for null, other columns must have none; mask: also booleans"
        " NAME__valid for each column with nulls; error: no nulls",
    )
    compression: Literal["none", "deflate"] = option(
        "none", help="of the members of .npz; none can be mapped without a copy"
    )


def probe(head: Head) -> Match:
    """An archive has the magic of any zip file: its first member's name must end in .npy."""
    data = head.head
    if data[:4] != _ZIP_ENTRY or len(data) < _ZIP_ENTRY_SIZE:
        return Match.NO
    size = int.from_bytes(data[26:28], "little")
    name = data[_ZIP_ENTRY_SIZE : _ZIP_ENTRY_SIZE + size]
    return Match.CERTAIN if name.endswith(b".npy") else Match.NO


READER = ReaderSpec(
    name="numpy",
    impl="arrowsmith.formats.numpy.reader:NumpyReader",
    extensions=_EXTENSIONS,
    magic=(Magic(0, b"\x93NUMPY"),),
    probe=probe,
    options=NumpyOptions,
    capabilities=ReaderCapabilities(
        projection=True,
        split=True,
        random_access=True,
        count=True,
        residency="mapped",
    ),
    summary="NumPy arrays (.npy) and archives of them (.npz); mapped without a copy",
)

SINK = SinkSpec(
    name="numpy",
    impl="arrowsmith.formats.numpy.sink:NumpySink",
    extensions=_EXTENSIONS,
    options=NumpySinkOptions,
    capabilities=SinkCapabilities(
        parallel=True,
        compressible=True,
        losses=(
            "an array without fields does not keep its column's name",
            "metadata of the schema and its fields is dropped, and so is what may not be null",
            Loss("time zones are dropped: instants are written in UTC", types=("zoned timestamp",)),
            Loss(
                "null becomes NaN, with a warning",
                types=("float", "null"),
                data=True,
                when=("nulls=nan",),
            ),
            Loss(
                "null is refused in all but floats and times",
                types=("bool", "integer", "text", "bytes", "nested"),
                kind="refused",
                data=True,
                when=("nulls=nan",),
            ),
            Loss(
                "times of day come back as durations, date64 as date32",
                types=("time", "date64"),
                kind="type",
            ),
            Loss(
                "dictionaries come back as their values, large and view types as the plain ones,"
                " extension types as what they store, null as double",
                types=(
                    *("dictionary", "large_string", "string_view", "large_binary", "binary_view"),
                    *("extension", "null"),
                ),
                kind="type",
            ),
            Loss(
                "lists of fixed size come back as tensors; names of dimensions are not kept",
                types=("fixed_size_list",),
                kind="type",
            ),
            Loss("alone in an .npy file, a struct comes back as columns", ("struct",), data=True),
            Loss(
                "text or binary that ends in NUL is refused",
                types=("text", "bytes"),
                kind="refused",
                data=True,
            ),
            Loss(
                "decimals, maps, lists of varying length, unions, calendar intervals and run-end"
                " encoded columns are refused",
                types=(
                    *("decimal", "map", "list", "large_list", "list_view", "large_list_view"),
                    *("union", "interval", "run_end_encoded"),
                ),
                kind="refused",
            ),
        ),
    ),
    summary="NumPy array (.npy: structured for several columns) or archive (.npz)",
)


@hookimpl
def arrowsmith_readers() -> Iterable[ReaderSpec]:
    return [READER]


@hookimpl
def arrowsmith_sinks() -> Iterable[SinkSpec]:
    return [SINK]
