"""JSON: JSON Lines, arrays, objects. Read and written."""

from __future__ import annotations

from collections.abc import Iterable

from arrowsmith.formats.json.losses import LOSSES
from arrowsmith.formats.json.probe import LINES_SUFFIXES, probe_json, probe_lines
from arrowsmith.plugin import ReaderCapabilities, ReaderSpec, SinkCapabilities, SinkSpec, hookimpl


@hookimpl
def arrowsmith_readers() -> Iterable[ReaderSpec]:
    """The JSON readers."""
    capabilities = ReaderCapabilities(projection=True, split=True, residency="ranges")
    return [
        ReaderSpec(
            name="jsonl",
            impl="arrowsmith.formats.json.reader:JsonlReader",
            extensions=LINES_SUFFIXES,
            probe=probe_lines,
            options="arrowsmith.formats.json.read_options:JsonlReadOptions",
            capabilities=capabilities,
            summary="JSON Lines: one object a line, types inferred",
        ),
        ReaderSpec(
            name="json",
            impl="arrowsmith.formats.json.reader:JsonReader",
            extensions=(".json", ".geojson"),
            probe=probe_json,
            options="arrowsmith.formats.json.read_options:JsonReadOptions",
            capabilities=capabilities,
            summary="JSON: an array of objects, one within an object, or objects in a row",
        ),
    ]


@hookimpl
def arrowsmith_sinks() -> Iterable[SinkSpec]:
    """The JSON sinks."""
    capabilities = SinkCapabilities(parallel=True, losses=LOSSES)
    return [
        SinkSpec(
            name="jsonl",
            impl="arrowsmith.formats.json.sink:JsonLinesSink",
            extensions=(".jsonl", ".ndjson"),
            options="arrowsmith.formats.json.write_options:JsonWriteOptions",
            capabilities=SinkCapabilities(parallel=True, append=True, losses=LOSSES),
            summary="JSON Lines: one object a line",
        ),
        SinkSpec(
            name="json",
            impl="arrowsmith.formats.json.sink:JsonArraySink",
            extensions=(".json",),
            options="arrowsmith.formats.json.write_options:JsonWriteOptions",
            capabilities=capabilities,
            summary="one JSON array of objects",
        ),
    ]
