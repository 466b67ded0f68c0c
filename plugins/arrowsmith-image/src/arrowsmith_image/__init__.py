"""Images: folders, archives and WebDataset shards of pictures. A plugin for arrowsmith.

This module says what the plugin offers and imports neither pyarrow, Pillow nor the code behind it.
"""

from __future__ import annotations

from collections.abc import Iterable

from arrowsmith.plugin import (
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
    """The sink of pictures."""
    return [
        SinkSpec(
            name="image",
            impl="arrowsmith_image.sink:ImageSink",
            extensions=(".tar",),
            options="arrowsmith_image.options:WriteOptions",
            capabilities=SinkCapabilities(
                losses=(
                    "columns but bytes, path, label and split are written as JSON, and come back "
                    "as text",
                ),
            ),
            summary="WebDataset tar: a picture a row, with its label and other columns beside it",
            install_hint=_HINT,
        )
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
