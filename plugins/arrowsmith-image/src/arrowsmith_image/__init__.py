"""Images: folders, archives and WebDataset shards of pictures. A plugin for arrowsmith.

This module says what the plugin offers and imports neither pyarrow, Pillow nor the code behind it.
"""

from __future__ import annotations

from collections.abc import Iterable

from arrowsmith.plugin import (
    Loss,
    ReaderCapabilities,
    ReaderSpec,
    SinkCapabilities,
    SinkSpec,
    TransformSpec,
    hookimpl,
)
from arrowsmith_image.probe import SUFFIXES, probe

_HINT = "pip install arrowsmith-image"
SIDECARS = (
    *("metadata.csv", "metadata.jsonl", "metadata.parquet", "*.json", "*.xml", "*.txt"),
    *("*.yaml", "*.yml", "*.names", "readme*", "license*", "thumbs.db", "desktop.ini"),
)
LOSSES: tuple[Loss | str, ...] = (
    "a column of binary is a member of its own; all but bytes, path, label and split is written"
    " as one JSON object a picture, which is read as text",
    "what is found in the pictures again, such as width and mode, is not written",
    "metadata of the schema and its fields is dropped, and so is what may not be null",
    Loss("a table without rows comes back without columns", types=("any",), data=True),
    Loss(
        "views, binary of a fixed size and dictionaries of binary become base64 text in the JSON",
        types=("binary_view", "fixed_size_binary", "dictionary of bytes"),
    ),
    Loss("binary in lists and structs becomes base64 text", types=("bytes",), data=True),
    Loss(
        "the JSON has integers and floats without their size, dates and times as texts,"
        " dictionaries and run-end encoded columns as their values, lists of all kinds and tensors"
        " as lists, extension types as what they store",
        types=(
            *("int8", "int16", "int32", "uint8", "uint16", "uint32", "float16", "float32"),
            *("large_string", "string_view", "large_binary", "date", "time"),
            *("timestamp", "zoned timestamp", "large_list", "list_view", "large_list_view"),
            *("fixed_size_list", "tensor", "dictionary", "run_end_encoded", "extension"),
        ),
        kind="type",
    ),
    Loss(
        "the JSON has uint64 and decimals as numbers with all their digits",
        types=("uint64", "decimal"),
        kind="type",
        data=True,
    ),
    Loss("a column without a value has no type", types=("any",), kind="type", data=True),
    Loss(
        "years outside of 1 to 9999 are refused",
        types=("date", "timestamp", "zoned timestamp"),
        kind="refused",
        data=True,
    ),
    Loss("durations become whole numbers, without their unit", types=("duration",)),
    Loss("zoned timestamps are written in UTC, without their zone", types=("local timestamp",)),
    Loss("maps become objects, or lists of key and value", types=("map",)),
    Loss("unions and calendar intervals are refused", types=("union", "interval"), kind="refused"),
)


@hookimpl
def arrowsmith_readers() -> Iterable[ReaderSpec]:
    """The reader of pictures."""
    return [
        ReaderSpec(
            name="image",
            impl="arrowsmith_image.reader:ImageReader",
            extensions=SUFFIXES,
            probe=probe,
            options="arrowsmith_image.options:ReadOptions",
            capabilities=ReaderCapabilities(projection=True, residency="ranges"),
            gathers=True,
            sidecars=SIDECARS,
            summary="pictures: folders, zip, tar and WebDataset shards, with annotations",
            install_hint=_HINT,
        )
    ]


@hookimpl
def arrowsmith_sinks() -> Iterable[SinkSpec]:
    """The sinks of pictures."""
    return [
        SinkSpec(
            name="image",
            impl="arrowsmith_image.sink:ImageSink",
            extensions=(".tar",),
            options="arrowsmith_image.options:WriteOptions",
            capabilities=SinkCapabilities(losses=LOSSES),
            summary="WebDataset tar: a picture a row, with its label and other columns beside it",
            install_hint=_HINT,
        ),
        SinkSpec(
            name="imagefolder",
            impl="arrowsmith_image.folder:FolderSink",
            options="arrowsmith_image.options:WriteOptions",
            capabilities=SinkCapabilities(
                compressible=False,
                directory=(*SUFFIXES, ".jsonl"),
                losses=(
                    "columns but bytes, path, label and split are written as JSON; labels that "
                    "only some rows have come back with labels=folder",
                ),
            ),
            summary="a folder of pictures: split/label/name.jpg, and metadata.jsonl",
            install_hint=_HINT,
        ),
    ]


@hookimpl
def arrowsmith_transforms() -> Iterable[TransformSpec]:
    """What is done to pictures."""
    return [
        TransformSpec(
            name="decode",
            impl="arrowsmith_image.decode:Decode",
            options="arrowsmith_image.options:DecodeOptions",
            summary="decode pictures to tensors of one shape",
            install_hint=_HINT,
        ),
        TransformSpec(
            name="resize",
            impl="arrowsmith_image.recode:Resize",
            options="arrowsmith_image.options:ResizeOptions",
            summary="make encoded pictures smaller",
            install_hint=_HINT,
        ),
        TransformSpec(
            name="encode",
            impl="arrowsmith_image.recode:Encode",
            options="arrowsmith_image.options:EncodeOptions",
            summary="encode tensors or pictures as JPEG, PNG or WebP",
            install_hint=_HINT,
        ),
        TransformSpec(
            name="phash",
            impl="arrowsmith_image.phash:Phash",
            options="arrowsmith_image.options:PhashOptions",
            summary="add a perceptual hash of each picture",
            install_hint=_HINT,
        ),
    ]
