"""Text: lines, paragraphs, documents, blocks; archives of texts; WARC. Read and written."""

from __future__ import annotations

from collections.abc import Iterable

from arrowsmith.formats.text.losses import LOSSES
from arrowsmith.formats.text.probe import TEXT_SUFFIXES, probe, probe_warc
from arrowsmith.plugin import ReaderCapabilities, ReaderSpec, SinkCapabilities, SinkSpec, hookimpl


@hookimpl
def arrowsmith_readers() -> Iterable[ReaderSpec]:
    """The text readers."""
    return [
        ReaderSpec(
            name="text",
            impl="arrowsmith.formats.text.reader:TextReader",
            extensions=TEXT_SUFFIXES,
            probe=probe,
            options="arrowsmith.formats.text.options:TextReadOptions",
            capabilities=ReaderCapabilities(projection=True, split=True, residency="ranges"),
            summary="text: lines, paragraphs, documents or blocks; zip and tar of texts",
        ),
        ReaderSpec(
            name="warc",
            impl="arrowsmith.formats.text.warc_reader:WarcReader",
            extensions=(".warc", ".wet", ".wat"),
            probe=probe_warc,
            options="arrowsmith.formats.text.options:WarcReadOptions",
            capabilities=ReaderCapabilities(projection=True, residency="stream"),
            summary="WARC and WET: web pages or their texts, with URL, date and status",
        ),
    ]


@hookimpl
def arrowsmith_sinks() -> Iterable[SinkSpec]:
    """The text sink."""
    return [
        SinkSpec(
            name="text",
            impl="arrowsmith.formats.text.sink:TextSink",
            extensions=(".txt", ".text"),
            options="arrowsmith.formats.text.options:TextWriteOptions",
            capabilities=SinkCapabilities(parallel=True, append=True, losses=LOSSES),
            summary="text: one column, a line for each row",
        )
    ]
