"""``decode``: encoded pictures to tensors of one shape."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa

from arrowsmith.plugin import RunContext
from arrowsmith_image.bound import Bad, check_encoded, replaced
from arrowsmith_image.options import DecodeOptions
from arrowsmith_image.pillow import BadPictureError
from arrowsmith_image.pixels import Decoder, Pixels, Shape, each_encoded, parse_shape
from arrowsmith_image.room import Room
from arrowsmith_image.slabs import Slabs

_SCALE = np.float32(1 / 255)


class Decode:
    """Puts a column of ``fixed_shape_tensor`` in the place of one of encoded pictures."""

    def __init__(self, options: DecodeOptions, ctx: RunContext) -> None:
        self._options = options
        self._ctx = ctx
        self._slabs = Slabs()
        height, width = parse_shape(options.size)
        self._decoder = Decoder(
            Shape(
                height,
                width,
                options.mode,
                options.fit,
                options.filter,
                options.upright,
                options.reduce,
                options.max_pixels,
            ),
            Room(ctx),
        )

    def bind(self, schema: pa.Schema) -> BoundDecode:
        return BoundDecode(schema, self._options, self._decoder, self._slabs, self._ctx)


class BoundDecode:
    """Decodes the pictures of a batch straight into the memory of its column."""

    kind: Literal["stateless"] = "stateless"

    def __init__(
        self,
        schema: pa.Schema,
        options: DecodeOptions,
        decoder: Decoder,
        slabs: Slabs,
        ctx: RunContext,
    ) -> None:
        check_encoded(schema, options.column)
        self._input = schema
        self._options = options
        self._decoder = decoder
        self._ctx = ctx
        self._slabs = slabs
        dims = list(decoder.shape.dims)
        names = ["height", "width", "channels"]
        if options.layout == "CHW":
            dims, names = [dims[2], *dims[:2]], [names[2], *names[:2]]
        value = pa.uint8() if options.dtype == "uint8" else pa.float32()
        self._type = pa.fixed_shape_tensor(value, dims, dim_names=names)
        nullable = schema.field(options.column).nullable
        field = pa.field(options.to, self._type, nullable=nullable)
        self.schema = replaced(schema, options.column, field, keep=options.keep)

    def needed(self, outputs: frozenset[str]) -> frozenset[str]:
        """``path`` too, where there is one: it is what a bad picture is called."""
        own = {self._options.column} | {"path"} & set(self._input.names)
        return (outputs - {self._options.to}) | own

    def narrowed(self, schema: pa.Schema) -> BoundDecode:
        return BoundDecode(schema, self._options, self._decoder, self._slabs, self._ctx)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        column = batch.column(batch.schema.get_field_index(self._options.column))
        bad = Bad(batch, self._options.column, self._ctx)
        tensor = self._tensors(column, bad)
        arrays: list[pa.Array] = []
        for name, array in zip(batch.schema.names, batch.columns, strict=True):
            if name != self._options.column:
                arrays.append(bad.kept(array))
                continue
            arrays += ([bad.kept(array)] if self._options.keep else []) + [tensor]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _tensors(self, column: pa.Array, bad: Bad) -> pa.Array:
        dims = self._decoder.shape.dims
        each = dims[0] * dims[1] * dims[2]
        direct = self._options.dtype == "uint8" and self._options.layout == "HWC"
        buffer, flat = self._slabs.take(len(column) * each)
        pixels: Pixels = flat.reshape(len(column), *dims)
        valid: list[bool] = []
        for row, data in enumerate(each_encoded(column)):
            self._ctx.check_cancelled()
            place = pixels[len(valid)]
            if data is None:
                place[...] = 0
                valid.append(False)
                continue
            try:
                self._decoder.into(data, place)
            except BadPictureError as error:
                bad.add(row, data, error)
            else:
                valid.append(True)
        if not direct:
            buffer = pa.py_buffer(self._laid_out(pixels[: len(valid)]))
        return _tensor_array(self._type, buffer, valid)

    def _laid_out(self, pixels: Pixels) -> np.ndarray:
        if self._options.layout == "CHW":
            pixels = pixels.transpose(0, 3, 1, 2)
        if self._options.dtype == "float32":
            return np.multiply(pixels, _SCALE, order="C", dtype=np.float32)
        return np.ascontiguousarray(pixels)


def _tensor_array(kind: pa.DataType, buffer: pa.Buffer, valid: list[bool]) -> pa.Array:
    storage = kind.storage_type
    values = pa.Array.from_buffers(
        storage.value_type, len(valid) * storage.list_size, [None, buffer]
    )
    mask = None if all(valid) else pa.py_buffer(np.packbits(valid, bitorder="little"))
    lists = pa.Array.from_buffers(storage, len(valid), [mask], children=[values])
    return pa.ExtensionArray.from_storage(kind, lists)
