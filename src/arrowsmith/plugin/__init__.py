"""What plugin authors import.

Example:
    >>> from arrowsmith.plugin import ReaderSpec, hookimpl
    >>> @hookimpl
    ... def arrowsmith_readers():
    ...     return [ReaderSpec(name="foo", impl="arrowsmith_foo.reader:FooReader")]
"""

from __future__ import annotations

from arrowsmith.plugin.hooks import hookimpl
from arrowsmith.plugin.options import (
    OptionInfo,
    build_options,
    describe_options,
    option,
    parse_size,
)
from arrowsmith.plugin.protocols import (
    BoundTransform,
    Chunk,
    ColumnStats,
    DescribingReader,
    EncodingSink,
    OnError,
    Predicate,
    Reader,
    Reject,
    RunContext,
    ScanRequest,
    ScanTask,
    Sink,
    Source,
    Split,
    Target,
    TaskReader,
    Transform,
    WideningReader,
)
from arrowsmith.plugin.specs import (
    Head,
    Magic,
    Match,
    NoOptions,
    ReaderCapabilities,
    ReaderSpec,
    SinkCapabilities,
    SinkSpec,
    TransformSpec,
)

__all__ = [
    "BoundTransform",
    "Chunk",
    "ColumnStats",
    "DescribingReader",
    "EncodingSink",
    "Head",
    "Magic",
    "Match",
    "NoOptions",
    "OnError",
    "OptionInfo",
    "Predicate",
    "Reader",
    "ReaderCapabilities",
    "ReaderSpec",
    "Reject",
    "RunContext",
    "ScanRequest",
    "ScanTask",
    "Sink",
    "SinkCapabilities",
    "SinkSpec",
    "Source",
    "Split",
    "Target",
    "TaskReader",
    "Transform",
    "TransformSpec",
    "WideningReader",
    "build_options",
    "describe_options",
    "hookimpl",
    "option",
    "parse_size",
]
