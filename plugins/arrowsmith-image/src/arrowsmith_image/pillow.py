"""Pillow, asked for one format at a time, quietly, with every failure of a parser as one error."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from PIL import Image, ImageFile

_READERS = {
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "WEBP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "PPM": ("PIL.PpmImagePlugin", "PpmImageFile"),
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
}
ORIENTATION = 0x0112
_WIDTH, _HEIGHT = 0x0100, 0x0101


class BadPictureError(Exception):
    """Why a picture cannot be read; it becomes the reason of a reject."""


def be_quiet() -> None:
    """Have Pillow's warnings ignored: what it says of odd metadata is no concern of a run.

    Filters are the process's, and tests replace them, so that this looks at every call; nothing
    but warnings that arise in Pillow's own modules is touched.
    """
    for _, _, _, module, _ in warnings.filters:
        if module is not None and getattr(module, "pattern", module) == r"PIL\.":
            return
    warnings.filterwarnings("ignore", module=r"PIL\.")


@contextmanager
def opened(data: bytes, kind: str) -> Iterator[ImageFile.ImageFile]:
    """A picture of a format, its header read.

    Raises:
        BadPictureError: whatever Pillow raises of damaged bytes, in the block too.
    """
    be_quiet()
    module, name = _READERS[kind]
    try:
        make = getattr(import_module(module), name)
        with make(io.BytesIO(data), "") as image:
            yield image
    except BadPictureError:
        raise
    except MemoryError:
        raise BadPictureError("needs more memory than there is") from None
    except Exception as error:  # parsers of hostile bytes raise all sorts of errors
        what = " ".join(str(error).split())[:200] or type(error).__name__
        raise BadPictureError(f"is damaged, or of a kind that is not supported ({what})") from error


def stored_size(image: ImageFile.ImageFile) -> tuple[int, int]:
    """Width and height before EXIF turns a picture; of TIFF, Pillow tells those after."""
    if image.format == "TIFF":
        tags = tiff_tags(image)
        return int(tags[_WIDTH]), int(tags[_HEIGHT])
    return image.size


def tiff_tags(image: ImageFile.ImageFile) -> Mapping[int, Any]:
    """The directory of a TIFF's first frame."""
    tags: Mapping[int, Any] = image.tag_v2  # type: ignore[attr-defined]
    return tags


def load_stored(image: ImageFile.ImageFile) -> None:
    """Load pixels as they are stored: those of TIFF, Pillow would turn as EXIF says."""
    if image.format == "TIFF":
        image.getexif().pop(ORIENTATION, None)
    image.load()
    image._size = image.im.size  # of TIFF, still that of the turned picture


def converted(image: Image.Image, mode: str) -> Image.Image:
    """A picture in RGB, L or RGBA: 16-bit grey keeps its high byte, alpha is dropped unless asked.

    Raises:
        BadPictureError: floats, whose range nobody knows.
    """
    if image.mode == mode:
        return image
    if image.mode.startswith("I"):  # 16 bits, as I;16 or as I
        image = _eight_bits(image)
    elif image.mode == "F":
        raise BadPictureError("has pixels that are floats, whose range is not known")
    elif image.mode in ("P", "PA") and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert(mode)


def _eight_bits(image: Image.Image) -> Image.Image:
    import numpy as np

    pixels = np.asarray(image)
    low, high = int(pixels.min(initial=0)), int(pixels.max(initial=0))
    if low < 0 or high > 0xFFFF:
        raise BadPictureError(f"has pixels from {low} to {high}, beyond 16 bits")
    return Image.fromarray((pixels >> 8).astype(np.uint8))
