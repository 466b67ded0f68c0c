"""The options of the reader, the sink and the transforms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from arrowsmith.plugin import option

PIXELS = 178_956_970  # where Pillow calls a picture a bomb


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How pictures are read.

    Attributes:
        labels: what the column ``label`` holds: the folder that a picture lies in, or nothing.
        annotations: which kind of annotation files to use.
        max_pixels: a larger picture is a bad record; its pixels are never allocated.
        max_bytes: a larger file or member is a bad record.
    """

    labels: Literal["auto", "folder", "none"] = option(
        "auto", help="labels from folders; auto: where each picture lies in one"
    )
    annotations: Literal["auto", "coco", "yolo", "voc", "none"] = option(
        "auto", help="annotation files to use; auto: those that are there"
    )
    max_pixels: int = option(PIXELS, help="pixels of a picture at most", min=1)
    max_bytes: int = option(256 << 20, help="bytes of a picture at most", min=1, size=True)


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How pictures are written."""

    column: str = option("bytes", help="the column of encoded pictures")
    key: str = option("path", help="the column of names, or none for numbers")


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """How pictures are decoded.

    Attributes:
        size: ``"224"`` or height and width, ``"240x320"``.
        fit: how a picture comes to that shape: ``"stretch"`` it, ``"crop"`` its middle, or
            ``"pad"`` it with black.
        reduce: let JPEG decode to a smaller size at once, if that is no less than the one wanted.
    """

    size: str = option(help="height and width, such as 224 or 240x320")
    column: str = option("bytes", help="the column of encoded pictures")
    to: str = option("image", help="the column of tensors, in the place of that one")
    keep: bool = option(False, help="keep the encoded pictures")
    mode: Literal["RGB", "L", "RGBA"] = option("RGB", help="colour, grey, or colour with alpha")
    fit: Literal["stretch", "crop", "pad"] = option("stretch", help="how the shape is reached")
    filter: Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] = option(
        "bilinear", help="how pixels are computed"
    )
    upright: bool = option(True, help="turn pictures as EXIF says")
    dtype: Literal["uint8", "float32"] = option("uint8", help="float32 is from 0 to 1")
    layout: Literal["HWC", "CHW"] = option("HWC", help="channels last or first")
    reduce: bool = option(True, help="let JPEG decode to a smaller size at once")
    max_pixels: int = option(PIXELS, help="pixels of a picture at most", min=1)


@dataclass(frozen=True, slots=True)
class ResizeOptions:
    """How encoded pictures are made smaller."""

    size: int = option(help="pixels of the longer side at most", min=1, max=65_535)
    column: str = option("bytes", help="the column of encoded pictures")
    filter: Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] = option(
        "bilinear", help="how pixels are computed"
    )
    quality: int = option(90, help="of JPEG and WebP", min=1, max=100)
    max_pixels: int = option(PIXELS, help="pixels of a picture at most", min=1)


@dataclass(frozen=True, slots=True)
class EncodeOptions:
    """How pictures are encoded."""

    column: str = option("image", help="a column of tensors (HWC, uint8), or of encoded pictures")
    to: str = option("bytes", help="the column of encoded pictures, in the place of that one")
    format: Literal["jpeg", "png", "webp"] = option("jpeg", help="the format to encode to")
    quality: int = option(90, help="of JPEG and WebP", min=1, max=100)
    max_pixels: int = option(PIXELS, help="pixels of a picture at most", min=1)


@dataclass(frozen=True, slots=True)
class PhashOptions:
    """Which pictures are hashed."""

    column: str = option("bytes", help="the column of encoded pictures")
    to: str = option("phash", help="the new column, uint64")
    max_pixels: int = option(PIXELS, help="pixels of a picture at most", min=1)
