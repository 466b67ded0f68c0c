"""What plugin authors import.

Example:
    >>> from arrowsmith.plugin import ReaderSpec, hookimpl
    >>> @hookimpl
    ... def arrowsmith_readers():
    ...     return [ReaderSpec(name="foo", impl="arrowsmith_foo.reader:FooReader")]
"""

from __future__ import annotations

from arrowsmith.plugin.base import BaseReader, projected
from arrowsmith.plugin.columns import check_columns
from arrowsmith.plugin.folders import FolderFile, TargetFolder
from arrowsmith.plugin.hooks import hookimpl
from arrowsmith.plugin.options import (
    OptionInfo,
    build_options,
    describe_options,
    option,
    parse_size,
)
from arrowsmith.plugin.protocols import (
    AppendingSink,
    BoundTransform,
    Chunk,
    ColumnStats,
    DescribingReader,
    EncodingSink,
    Expression,
    FilteringTransform,
    FinishingTransform,
    FittedTransform,
    Fitter,
    LearningReader,
    LimitingTransform,
    MeasuredTask,
    OnError,
    Predicate,
    ProjectingTransform,
    Reader,
    Reject,
    RowwiseTransform,
    RunContext,
    ScanRequest,
    ScanTask,
    Sink,
    Source,
    SourceGroup,
    Split,
    Target,
    TaskReader,
    Transform,
    WideningReader,
)
from arrowsmith.plugin.specs import (
    Head,
    Loss,
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
    "BaseReader",
    "BoundTransform",
    "Chunk",
    "ColumnStats",
    "DescribingReader",
    "AppendingSink",
    "EncodingSink",
    "Expression",
    "FilteringTransform",
    "FinishingTransform",
    "FittedTransform",
    "Fitter",
    "FolderFile",
    "Head",
    "LearningReader",
    "LimitingTransform",
    "Loss",
    "Magic",
    "Match",
    "NoOptions",
    "OnError",
    "OptionInfo",
    "Predicate",
    "ProjectingTransform",
    "Reader",
    "ReaderCapabilities",
    "ReaderSpec",
    "Reject",
    "RowwiseTransform",
    "RunContext",
    "ScanRequest",
    "MeasuredTask",
    "ScanTask",
    "Sink",
    "SinkCapabilities",
    "SinkSpec",
    "Source",
    "SourceGroup",
    "Split",
    "Target",
    "TargetFolder",
    "TaskReader",
    "Transform",
    "TransformSpec",
    "WideningReader",
    "build_options",
    "check_columns",
    "describe_options",
    "hookimpl",
    "option",
    "parse_size",
    "projected",
]
