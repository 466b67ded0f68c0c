"""From encoded pictures to pixels of the shape asked for.

JPEG goes through simplejpeg (libjpeg-turbo, the GIL released): its inverse DCT gives an eighth to
seven eighths of the size at once, and straight into the row's place where that is the size asked
for. Everything else, and JPEG that it does not take (CMYK, odd markers), goes through Pillow.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from arrowsmith.errors import OptionError
from arrowsmith_image.cost import beside, drafted, jpeg_loading, loading, resampling, tensor
from arrowsmith_image.headers import Facts, check_pixels, facts_of, jpeg_orientation
from arrowsmith_image.pillow import BadPictureError, converted, load_stored, opened, stored_size
from arrowsmith_image.probe import picture_format
from arrowsmith_image.room import Room

Pixels = NDArray[np.uint8]

CHANNELS = {"RGB": 3, "L": 1, "RGBA": 4}
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDE = 65_535
_SCRATCH = 1 << 20  # bytes that each thread keeps
_LITTLE = 400  # pixels of a side up to which a JPEG takes no more than a thread may have anyway


def parse_shape(text: str) -> tuple[int, int]:
    """Height and width of ``"224"`` or ``"240x320"``.

    Raises:
        OptionError: it is neither.

    Example:
        >>> parse_shape("240x320")
        (240, 320)
    """
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) <= 2 and all(part.strip().isascii() and part.strip().isdigit() for part in parts):
        height, width = int(parts[0]), int(parts[-1])
        if 1 <= height <= _SIDE and 1 <= width <= _SIDE:
            return height, width
    raise OptionError(f"size {text!r} is no size", hint="write 224, or height and width: 240x320")


@dataclass(frozen=True, slots=True)
class Shape:
    """The pixels that are asked for.

    Attributes:
        fit: ``"stretch"``, ``"crop"`` or ``"pad"``.
        reduce: JPEG may decode to a smaller size at once.
    """

    height: int
    width: int
    mode: str
    fit: str
    filter: str
    upright: bool
    reduce: bool
    max_pixels: int

    @property
    def dims(self) -> tuple[int, int, int]:
        """Of one picture: height, width, channels."""
        return self.height, self.width, CHANNELS[self.mode]


class Decoder:
    """Decodes pictures to one shape. Used by all workers at once; each has a scratch buffer.

    Args:
        room: that decoded pictures take, until they have their shape.
    """

    def __init__(self, shape: Shape, room: Room) -> None:
        self.shape = shape
        self._room = room
        self._side = _LITTLE if tensor(*shape.dims) <= _SCRATCH else 0
        self._local = threading.local()

    def into(self, data: bytes, out: Pixels) -> None:
        """Decode a picture into ``out``, of the shape's ``dims``.

        Raises:
            BadPictureError: it cannot be decoded; what ``out`` holds then means nothing.
            NoRoomError: it takes more memory than the run will ever have for it.
        """
        if picture_format(data[:32]) == "JPEG" and self._jpeg(data, out):
            return
        shape = self.shape
        height, width = shape.height, shape.width
        facts = facts_of(data, shape.max_pixels, frames=False)
        least = max(height, width) if shape.reduce else None
        size = drafted(facts, least)
        cost = max(
            loading(facts, data, shape.mode, size[0] * size[1]),
            beside(facts) + self._shaping(*size),
        )
        with self._room.taken(cost, facts.width, facts.height):
            self._put(load(data, facts, shape.mode, upright=shape.upright, least=least), out)

    def _shaping(self, width: int, height: int) -> int:
        """Bytes to bring pixels to the shape."""
        shape = self.shape
        wide = shape.width, shape.height
        return resampling((width, height), wide, shape.mode) + tensor(*shape.dims)

    def scratch(self, nbytes: int) -> Pixels:
        """Bytes that are this thread's until it asks again."""
        if nbytes > _SCRATCH:
            return np.empty(nbytes, np.uint8)
        held: Pixels | None = getattr(self._local, "held", None)
        if held is None or len(held) < nbytes:
            self._local.held = held = np.empty(nbytes, np.uint8)
        return held[:nbytes]

    def _jpeg(self, data: bytes, out: Pixels) -> bool:
        """Decode by libjpeg-turbo; False where Pillow has to look at it."""
        shape = self.shape
        if shape.mode == "RGBA":
            return False
        try:
            height, width, space, _ = simplejpeg.decode_jpeg_header(data)
            check_pixels(height, width, shape.max_pixels)
            if space in ("CMYK", "YCCK"):
                return False
            stored = width, height
            turn = jpeg_orientation(data) if shape.upright else None
            least = self._least(height, width, turn) if shape.reduce else (0, 0)
            if shape.reduce:
                height, width, *_ = simplejpeg.decode_jpeg_header(data, *least)
        except ValueError:
            return False  # damaged, or odd and good: Pillow knows
        if max(stored) <= self._side:
            return self._reduced(data, out, height, width, least, turn)
        pixels = height * width
        cost = max(
            jpeg_loading(data, stored[0] * stored[1], pixels, shape.mode, turn),
            pixels * shape.dims[2] + self._shaping(width, height),
        )
        with self._room.taken(cost, *stored):
            return self._reduced(data, out, height, width, least, turn)

    def _reduced(
        self,
        data: bytes,
        out: Pixels,
        height: int,
        width: int,
        least: tuple[int, int],
        turn: int | None,
    ) -> bool:
        """Decode to a size that libjpeg-turbo has; False where it cannot."""
        mode, channels = self.shape.mode, out.shape[2]
        whole = (height, width) == out.shape[:2] and turn in (None, 1)
        pixels = out if whole else self.scratch(height * width * channels)
        color = "RGB" if mode == "RGB" else "GRAY"
        try:
            simplejpeg.decode_jpeg(data, color, False, False, *least, buffer=pixels.reshape(-1))
        except ValueError:
            return False  # as above
        if not whole:
            image = Image.frombuffer(mode, (width, height), pixels, "raw", mode, 0, 1)
            self._put(image if turn in (None, 1) else image.transpose(_TURNS[turn]), out)
        return True

    def _least(self, height: int, width: int, turn: int | None) -> tuple[int, int]:
        """The size below which decoding loses pixels, of the picture as it is stored."""
        wanted = self.shape.height, self.shape.width
        if turn is not None and turn >= 5:
            wanted = wanted[1], wanted[0]
        if self.shape.fit == "stretch":
            return wanted
        scales = wanted[0] / height, wanted[1] / width
        scale = max(scales) if self.shape.fit == "crop" else min(scales)
        return max(1, round(height * scale)), max(1, round(width * scale))

    def _put(self, image: Image.Image, out: Pixels) -> None:
        """Bring pixels to the shape."""
        shape = self.shape
        size = shape.width, shape.height
        fit = shape.fit if image.width * shape.height != image.height * shape.width else "stretch"
        how = FILTERS[shape.filter]
        if fit == "crop":
            scale = max(size[0] / image.width, size[1] / image.height)
            width, height = size[0] / scale, size[1] / scale
            left, top = (image.width - width) / 2, (image.height - height) / 2
            box = (max(left, 0), max(top, 0), min(left + width, image.width),
                   min(top + height, image.height))  # fmt: skip
            image = image.resize(size, how, box=box)
        elif fit == "pad":
            scale = min(size[0] / image.width, size[1] / image.height)
            inner = max(1, round(image.width * scale)), max(1, round(image.height * scale))
            canvas = Image.new(shape.mode, size)
            place = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
            canvas.paste(image.resize(inner, how), place)
            image = canvas
        elif image.size != size:
            image = image.resize(size, how)
        out[...] = np.asarray(image).reshape(out.shape)


def load(
    data: bytes, facts: Facts, mode: str | None, *, upright: bool, least: int | None = None
) -> Image.Image:
    """A picture by Pillow: its first frame. What it takes is told by ``cost.loading``.

    Args:
        mode: RGB, L, RGBA, or None to leave it as it is stored.
        least: pixels of a side that are enough, so that JPEG may be decoded to fewer.

    Raises:
        BadPictureError: it cannot be decoded, or is not of the size that its facts tell.
    """
    with opened(data, facts.format) as image:
        if stored_size(image) != (facts.width, facts.height):
            raise BadPictureError("has a header that tells two sizes")
        if least is not None and facts.format == "JPEG":
            image.draft(None, (least, least))
        load_stored(image)
        result: Image.Image = image if mode is None else converted(image, mode)
    del image
    if upright and facts.orientation in _TURNS:
        return result.transpose(_TURNS[facts.orientation])
    return result


def each_encoded(column: Any) -> Iterator[bytes | None]:
    """The values of a column of binaries, copied when it is their turn. (Scalars one by one would
    take several times as long.)"""
    import pyarrow as pa

    if not len(column):
        return
    wide = pa.types.is_large_binary(column.type)
    offsets = np.frombuffer(column.buffers()[1], np.int64 if wide else np.int32)
    bounds = offsets[column.offset : column.offset + len(column) + 1].tolist()
    data = column.buffers()[2]
    view = memoryview(data) if data is not None else memoryview(b"")
    valid = column.is_valid().to_pylist() if column.null_count else [True] * len(column)
    for good, (start, end) in zip(valid, pairwise(bounds), strict=True):
        yield bytes(view[start:end]) if good else None


def encoded_values(column: Any) -> list[bytes | None]:
    """All values of a column of binaries."""
    return list(each_encoded(column))
