"""Arrow IPC: files, streams and Feather, whose bytes are Arrow's memory as it is.

This module holds specs and options only; the reader and the sink are imported when first used.
Format: https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from arrowsmith.formats.arrow.flat import CONTINUATION, SCHEMA, FlatError, message
from arrowsmith.plugin import (
    Head,
    Loss,
    Magic,
    Match,
    NoOptions,
    ReaderCapabilities,
    ReaderSpec,
    SinkCapabilities,
    SinkSpec,
    hookimpl,
    option,
)

_EXTENSIONS = (".arrow", ".arrows", ".feather", ".ipc")


@dataclass(frozen=True, slots=True)
class ArrowSinkOptions:
    """How an Arrow file or stream is written."""

    compression: Literal["none", "lz4", "zstd"] = option(
        "none", help="codec of the buffers; none can be mapped without a copy"
    )
    compression_level: int | None = option(None, help="level of the codec, else its own default")
    stream: bool | None = option(
        None, help="write a stream instead of a file; by default where the suffix is .arrows"
    )
    batch_rows: int = option(65_536, help="rows of a record batch; wide rows end it sooner", min=1)


def probe(head: Head) -> Match:
    """A stream has no magic: it begins with a marker, a length, and a message with a schema."""
    data = head.head
    if len(data) < 8 or data[:4] != CONTINUATION:
        return Match.NO
    size = int.from_bytes(data[4:8], "little")
    if not 0 < size < 1 << 28:
        return Match.NO
    if len(data) < 8 + size:
        return Match.LIKELY
    try:
        return Match.CERTAIN if message(data[8 : 8 + size]).kind == SCHEMA else Match.NO
    except FlatError:
        return Match.NO


READER = ReaderSpec(
    name="arrow",
    impl="arrowsmith.formats.arrow.reader:ArrowReader",
    extensions=_EXTENSIONS,
    magic=(Magic(0, b"ARROW1\0\0"), Magic(0, b"FEA1")),
    probe=probe,
    options=NoOptions,
    capabilities=ReaderCapabilities(
        projection=True,
        split=True,
        random_access=True,
        count=True,
        residency="mapped",
    ),
    summary="Arrow IPC files and streams, Feather; mapped without a copy where not compressed",
)

SINK = SinkSpec(
    name="arrow",
    impl="arrowsmith.formats.arrow.sink:ArrowSink",
    extensions=_EXTENSIONS,
    options=ArrowSinkOptions,
    capabilities=SinkCapabilities(
        parallel=True,
        compressible=True,
        append=True,
        losses=(
            Loss(
                "extension types that are not registered come back as what they store",
                types=("extension",),
                kind="type",
                data=True,
            ),
        ),
    ),
    summary="Arrow IPC file (also known as Feather V2), or stream for the suffix .arrows",
)


@hookimpl
def arrowsmith_readers() -> Iterable[ReaderSpec]:
    return [READER]


@hookimpl
def arrowsmith_sinks() -> Iterable[SinkSpec]:
    return [SINK]
