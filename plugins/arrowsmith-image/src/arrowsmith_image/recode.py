"""``resize`` and ``encode``: pictures to encoded pictures."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from arrowsmith.errors import SchemaMismatch
from arrowsmith.plugin import RunContext, check_columns
from arrowsmith_image.arrays import binaries, numbers, texts
from arrowsmith_image.bound import Bad, check_encoded, flags, is_encoded, replaced
from arrowsmith_image.cost import beside, drafted, encoding, loading, recoded, resampling
from arrowsmith_image.headers import Facts, facts_of
from arrowsmith_image.options import EncodeOptions, ResizeOptions
from arrowsmith_image.pillow import BadPictureError, converted
from arrowsmith_image.pixels import FILTERS, Pixels, each_encoded, load
from arrowsmith_image.room import NoRoomError, Room
from arrowsmith_image.rows import FIXED

_MODES = {"JPEG": ("RGB", "L"), "WEBP": ("RGB", "RGBA"), "PNG": ("RGB", "L", "RGBA")}
_FACTS = ("width", "height", "mode", "format", "frames", "orientation")
_CHANNELS = {1: "L", 3: "RGB", 4: "RGBA"}

Recoding = Callable[[bytes], bytes]


def encoded(image: Image.Image, kind: str, quality: int) -> bytes:
    """A picture in a format; modes that it lacks become RGB, or RGBA where alpha is kept."""
    modes = _MODES[kind]
    if image.mode not in modes:
        clear = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
        grey = image.mode in ("1", "L", "LA") or image.mode.startswith("I")
        if clear and "RGBA" in modes:
            image = converted(image, "RGBA")
        else:
            image = converted(image, "L" if grey and "L" in modes else "RGB")
    image.info.clear()
    stream = io.BytesIO()
    if kind == "PNG":
        image.save(stream, kind, compress_level=6)
    else:
        image.save(stream, kind, quality=quality)
    return stream.getvalue()


class Resize:
    """Makes pictures whose longer side is beyond a size smaller; others stay as they are."""

    def __init__(self, options: ResizeOptions, ctx: RunContext) -> None:
        self._options = options
        self._ctx = ctx
        self._room = Room(ctx)

    def bind(self, schema: pa.Schema) -> BoundRecode:
        check_encoded(schema, self._options.column)
        column = self._options.column
        return BoundRecode(schema, column, schema.field(column), self._smaller, self._ctx)

    def _smaller(self, data: bytes) -> bytes:
        options = self._options
        facts = facts_of(data, options.max_pixels, frames=False)
        longest = max(facts.width, facts.height)
        if longest <= options.size:
            return data
        least = max(1, round(min(facts.width, facts.height) * options.size / longest))
        kind = facts.format if facts.format in _MODES else "PNG"
        mode = recoded(facts.mode, kind)
        size, to = drafted(facts, least), (options.size, least)
        resizing = beside(facts) + resampling(size, to, mode)
        cost = max(
            loading(facts, data, mode, size[0] * size[1]),
            resizing + encoding(to[0] * to[1], mode, kind),
        )
        with self._room.taken(cost, facts.width, facts.height):
            return self._made(load(data, facts, None, upright=True, least=least), kind)

    def _made(self, image: Image.Image, kind: str) -> bytes:
        options = self._options
        scale = options.size / max(image.size)
        size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        if image.mode not in ("L", "RGB", "RGBA"):
            grey = image.mode == "1" or image.mode.startswith("I")
            image = converted(image, "L" if grey else "RGBA" if _clear(image) else "RGB")
        return encoded(image.resize(size, FILTERS[options.filter]), kind, options.quality)


def _clear(image: Image.Image) -> bool:
    return image.mode in ("LA", "PA", "RGBa", "La") or "transparency" in image.info


class Encode:
    """Encodes tensors, or pictures of other formats."""

    def __init__(self, options: EncodeOptions, ctx: RunContext) -> None:
        self._options = options
        self._ctx = ctx
        self._room = Room(ctx)
        self._kind = options.format.upper()

    def bind(self, schema: pa.Schema) -> BoundRecode | BoundEncode:
        options = self._options
        check_columns(schema, [options.column])
        field = schema.field(options.column)
        new = pa.field(options.to, pa.binary(), nullable=field.nullable)
        if is_encoded(field.type):
            return BoundRecode(schema, options.column, new, self._again, self._ctx)
        if _channels(field.type) is None:
            raise SchemaMismatch(
                f"column '{field.name}' is of type {field.type}, neither encoded pictures nor "
                "uint8 tensors of height, width and 1, 3 or 4 channels"
            )
        return BoundEncode(schema, options, new, self._ctx)

    def _again(self, data: bytes) -> bytes:
        facts = facts_of(data, self._options.max_pixels, frames=False)
        pixels = facts.width * facts.height
        cost = max(
            loading(facts, data, facts.mode, pixels),
            beside(facts) + encoding(pixels, facts.mode, self._kind),
        )
        with self._room.taken(cost, facts.width, facts.height):
            return encoded(load(data, facts, None, upright=True), self._kind, self._options.quality)


def _channels(kind: pa.DataType) -> int | None:
    if not isinstance(kind, pa.FixedShapeTensorType) or kind.value_type != pa.uint8():
        return None
    plain = len(kind.shape) == 3 and kind.permutation in (None, [0, 1, 2])
    return kind.shape[2] if plain and kind.shape[2] in _CHANNELS else None


class BoundRecode:
    """Applies a function to each picture, and keeps columns that tell of it true.

    Where there is no picture, these columns stay as they are.
    """

    kind: Literal["stateless"] = "stateless"

    def __init__(
        self, schema: pa.Schema, column: str, new: pa.Field, recode: Recoding, ctx: RunContext
    ) -> None:
        self._input = schema
        self._column = column
        self._new = pa.field(new.name, pa.binary(), nullable=new.nullable)
        self._recode = recode
        self._ctx = ctx
        self.schema = replaced(schema, column, self._new, keep=False)
        self._facts = [
            name
            for name in _FACTS
            if name in schema.names and schema.field(name).type == FIXED.field(name).type
        ]

    def needed(self, outputs: frozenset[str]) -> frozenset[str]:
        own = {self._column} | {"path"} & set(self._input.names)
        return (outputs - {self._new.name}) | own

    def narrowed(self, schema: pa.Schema) -> BoundRecode:
        return BoundRecode(schema, self._column, self._new, self._recode, self._ctx)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        bad = Bad(batch, self._column, self._ctx)
        made: list[bytes | None] = []
        facts: list[Facts | None] = []
        for row, data in enumerate(each_encoded(batch.column(self._column))):
            self._ctx.check_cancelled()
            if data is None:
                made.append(None)
                facts.append(None)
                continue
            try:
                new = self._recode(data)
            except BadPictureError as error:
                bad.add(row, data, error)
            except (OSError, ValueError) as error:
                bad.add(row, data, BadPictureError(f"cannot be encoded ({error})"))
            else:
                made.append(new)
                facts.append(facts_of(new, 1 << 40) if self._facts else None)
        arrays = [self._array(name, batch, bad, made, facts) for name in batch.schema.names]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _array(
        self,
        name: str,
        batch: pa.RecordBatch,
        bad: Bad,
        made: list[bytes | None],
        facts: list[Facts | None],
    ) -> pa.Array:
        if name == self._column:
            return binaries(made)
        old = bad.kept(batch.column(name))
        if name not in self._facts:
            return old
        values = [None if one is None else getattr(one, name) for one in facts]
        kind = FIXED.field(name).type
        new = texts(values) if pa.types.is_string(kind) else numbers(values, kind)
        if None not in facts:
            return new
        return pc.if_else(flags([one is not None for one in facts]), new, old)


class BoundEncode:
    """Encodes the tensors of a batch."""

    kind: Literal["stateless"] = "stateless"

    def __init__(
        self, schema: pa.Schema, options: EncodeOptions, new: pa.Field, ctx: RunContext
    ) -> None:
        self._options = options
        self._ctx = ctx
        self._room = Room(ctx)
        self._new = new
        self.schema = replaced(schema, options.column, new, keep=False)
        self.unchanged = frozenset(schema.names) - {options.column}

    def needed(self, outputs: frozenset[str]) -> frozenset[str]:
        own = {self._options.column} if self._new.name in outputs else set()
        return (outputs & self.unchanged) | own

    def narrowed(self, schema: pa.Schema) -> BoundEncode | _Same:
        if self._options.column not in schema.names:
            return _Same(schema)
        return BoundEncode(schema, self._options, self._new, self._ctx)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        place = batch.schema.get_field_index(self._options.column)
        column = batch.column(place)
        shape = tuple(column.type.shape)
        storage = column.storage
        pixels = storage.values.to_numpy(zero_copy_only=False)[
            storage.offset * storage.type.list_size :
        ].reshape(-1, *shape)
        valid = np.ones(len(column), bool)
        if column.null_count:
            valid = storage.is_valid().to_numpy(zero_copy_only=False)
        bad = Bad(batch, self._options.column, self._ctx)
        made: list[bytes | None] = []
        for row, good in enumerate(valid.tolist()):
            self._ctx.check_cancelled()
            try:
                made.append(self._encoded(pixels[row]) if good else None)
            except NoRoomError as error:
                bad.add(row, b"", error)
        arrays = list(batch.columns)
        arrays[place] = binaries(made)
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _encoded(self, pixels: Pixels) -> bytes:
        height, width, channels = pixels.shape
        kind, mode = self._options.format.upper(), _CHANNELS[channels]
        cost = encoding(height * width, mode, kind)
        plain = pixels[:, :, 0] if channels == 1 else pixels
        with self._room.taken(cost, width, height):
            return encoded(Image.fromarray(plain), kind, self._options.quality)


class _Same:
    """The step where nothing of its column is needed."""

    kind: Literal["stateless"] = "stateless"

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch
