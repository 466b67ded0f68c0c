"""Parquet through fastparquet: a plugin for arrowsmith, chosen by its name alone.

This module says what the plugin offers and imports neither pyarrow nor the code behind it.
Library: https://fastparquet.readthedocs.io
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from arrowsmith.plugin import (
    Loss,
    ReaderCapabilities,
    ReaderSpec,
    SinkCapabilities,
    SinkSpec,
    hookimpl,
    option,
)


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How a file is written."""

    compression: Literal["zstd", "snappy", "gzip", "lz4", "none"] = option(
        "zstd", help="codec of the pages"
    )
    row_group_rows: int = option(
        131_072, help="rows of a row group; wide rows end it sooner, at 2 MiB of data", min=1
    )
    statistics: bool = option(True, help="keep the bounds of signed numbers and times")


_DECODED = (
    *("null", "bool", "integer", "float", "decimal", "date", "time", "timestamp"),
    *("zoned timestamp", "duration", "fixed_size_binary", "string_view", "binary_view"),
)
_LOSSES = (
    Loss(
        "seconds come back as milliseconds, date64 as date32, float16 as float32",
        types=("timestamp[s]", "zoned timestamp[s]", "time32[s]", "date64", "float16"),
        kind="type",
    ),
    Loss(
        "seconds that are too many in milliseconds are refused",
        types=("timestamp[s]", "zoned timestamp[s]"),
        kind="refused",
        data=True,
    ),
    Loss(
        "dictionaries of strings and bytes come back with 32-bit indices, of large strings and"
        " bytes as those of plain ones, of other values as plain values",
        types=(
            *("dictionary of text", "dictionary of bytes"),
            *(f"dictionary of {name}" for name in _DECODED),
        ),
        kind="type",
        data=True,
    ),
    Loss(
        "run-end encoded columns come back decoded",
        types=("run_end_encoded",),
        kind="type",
    ),
    Loss(
        "extension types that are not registered come back as what they store",
        types=("extension",),
        kind="type",
        data=True,
    ),
    Loss(
        "lists, structs, maps, tensors, unions, calendar intervals and decimals of negative scale"
        " are refused",
        types=("nested", "tensor", "union", "interval", "negative scale"),
        kind="refused",
    ),
)


@hookimpl
def arrowsmith_readers() -> Iterable[ReaderSpec]:
    """The reader; without magic and suffixes, so that it is never chosen by probing."""
    return [
        ReaderSpec(
            name="fastparquet",
            impl="arrowsmith_fastparquet.reader:FastparquetReader",
            capabilities=ReaderCapabilities(
                projection=True, split=True, random_access=True, count=True, residency="ranges"
            ),
            summary="Apache Parquet through fastparquet; columns without nesting",
            install_hint="pip install arrowsmith-fastparquet",
        )
    ]


@hookimpl
def arrowsmith_sinks() -> Iterable[SinkSpec]:
    """The sink."""
    return [
        SinkSpec(
            name="fastparquet",
            impl="arrowsmith_fastparquet.sink:FastparquetSink",
            options=WriteOptions,
            capabilities=SinkCapabilities(parallel=True, compressible=False, losses=_LOSSES),
            summary="Apache Parquet through fastparquet; columns without nesting",
            install_hint="pip install arrowsmith-fastparquet",
        )
    ]
