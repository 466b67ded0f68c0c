"""Apache Parquet: files of row groups whose columns are encoded and compressed one by one.

This module holds specs and options only; the reader and the sink are imported when first used.
Format: https://parquet.apache.org/docs/file-format/
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from arrowsmith.plugin import (
    Loss,
    Magic,
    ReaderCapabilities,
    ReaderSpec,
    SinkCapabilities,
    SinkSpec,
    hookimpl,
    option,
)


@dataclass(frozen=True, slots=True)
class ParquetReaderOptions:
    """How a Parquet file is read."""

    verify_checksums: bool = option(False, help="check the CRC of each page that has one")


@dataclass(frozen=True, slots=True)
class ParquetSinkOptions:
    """How a Parquet file is written."""

    compression: Literal["zstd", "snappy", "gzip", "lz4", "brotli", "none"] = option(
        "zstd", help="codec of the pages"
    )
    compression_level: int | None = option(None, help="level of the codec, else its own default")
    row_group_rows: int = option(
        131_072, help="rows of a row group; wide rows end it sooner, at 8 MiB of data", min=1
    )
    dictionary: Literal["auto", "on", "off"] = option(
        "auto", help="dictionary encoding: where it is smaller, always, never"
    )
    encodings: Literal["auto", "plain"] = option(
        "auto",
        help="delta and byte-stream-split where they are smaller; plain for fastparquet too",
    )
    statistics: bool = option(True, help="keep the bounds of each column of each row group")


_PLAIN = (
    *("bool", "integer", "float", "decimal", "date", "time", "timestamp", "zoned timestamp"),
    *("duration", "nested", "fixed_size_binary", "string_view", "binary_view"),
)

READER = ReaderSpec(
    name="parquet",
    impl="arrowsmith.formats.parquet.reader:ParquetReader",
    extensions=(".parquet", ".pq", ".parq"),
    magic=(Magic(0, b"PAR1"),),
    options=ParquetReaderOptions,
    capabilities=ReaderCapabilities(
        projection=True,
        predicate=True,
        split=True,
        random_access=True,
        count=True,
        residency="ranges",
    ),
    summary="Apache Parquet, with projection and row groups pruned by their statistics",
)

SINK = SinkSpec(
    name="parquet",
    impl="arrowsmith.formats.parquet.sink:ParquetSink",
    extensions=(".parquet", ".pq", ".parq"),
    options=ParquetSinkOptions,
    capabilities=SinkCapabilities(
        parallel=True,
        compressible=False,
        append=True,
        losses=(
            Loss(
                "seconds come back as milliseconds, date64 as date32",
                types=("timestamp[s]", "zoned timestamp[s]", "time32[s]", "date64"),
                kind="type",
            ),
            Loss(
                "seconds that are too many in milliseconds are refused",
                types=("timestamp[s]", "zoned timestamp[s]"),
                kind="refused",
                data=True,
            ),
            Loss(
                "dictionaries of large strings or bytes come back as dictionaries of plain ones,"
                " those of other values as plain values",
                types=(
                    *("dictionary of large_string", "dictionary of large_binary"),
                    *(f"dictionary of {name}" for name in _PLAIN),
                ),
                kind="type",
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
                "unions, calendar intervals, decimals of negative scale, structs without fields and"
                " run-end encoded values within others are refused",
                types=(
                    *("union", "interval", "negative scale", "empty struct"),
                    "inner run_end_encoded",
                ),
                kind="refused",
            ),
        ),
    ),
    summary="Apache Parquet, compressed, encodings chosen from the first rows",
)


@hookimpl
def arrowsmith_readers() -> Iterable[ReaderSpec]:
    return [READER]


@hookimpl
def arrowsmith_sinks() -> Iterable[SinkSpec]:
    return [SINK]
