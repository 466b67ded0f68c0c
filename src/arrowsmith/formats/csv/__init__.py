"""CSV: text in lines, fields between delimiters. Read and written."""

from __future__ import annotations

from collections.abc import Iterable

from arrowsmith.formats.csv.losses import LOSSES
from arrowsmith.formats.csv.probe import probe
from arrowsmith.plugin import ReaderCapabilities, ReaderSpec, SinkCapabilities, SinkSpec, hookimpl

EXTENSIONS = (".csv", ".tsv", ".psv")


@hookimpl
def arrowsmith_readers() -> Iterable[ReaderSpec]:
    """The CSV reader."""
    return [
        ReaderSpec(
            name="csv",
            impl="arrowsmith.formats.csv.reader:CsvReader",
            extensions=EXTENSIONS,
            probe=probe,
            options="arrowsmith.formats.csv.read_options:CsvReadOptions",
            capabilities=ReaderCapabilities(projection=True, split=True, residency="ranges"),
            summary="delimited text (csv, tsv, psv), types inferred",
        )
    ]


@hookimpl
def arrowsmith_sinks() -> Iterable[SinkSpec]:
    """The CSV sink."""
    return [
        SinkSpec(
            name="csv",
            impl="arrowsmith.formats.csv.sink:CsvSink",
            extensions=EXTENSIONS,
            options="arrowsmith.formats.csv.write_options:CsvWriteOptions",
            capabilities=SinkCapabilities(parallel=True, append=True, losses=LOSSES),
            summary="delimited text",
        )
    ]
