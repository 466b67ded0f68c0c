"""``phash``: a perceptual hash, by which pictures that look alike are found.

As imagehash's ``phash`` has it: 32 x 32 grey pixels, their two-dimensional DCT-II, the 8 x 8 lowest
frequencies, a bit for each that is above the median. Two pictures look alike where few bits differ.
Source: https://www.hackerfactor.com/blog/index.php?/archives/432-Looks-Like-It.html
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from arrowsmith.errors import SchemaMismatch
from arrowsmith.plugin import RunContext
from arrowsmith_image.bound import Bad, check_encoded, flags
from arrowsmith_image.options import PhashOptions
from arrowsmith_image.pillow import BadPictureError
from arrowsmith_image.pixels import Decoder, Pixels, Shape, each_encoded
from arrowsmith_image.room import Room

_SIDE, _LOW = 32, 8
_DCT = np.cos(np.pi / _SIDE * np.outer(np.arange(_LOW), np.arange(_SIDE) + 0.5))
_BITS = np.uint64(1) << np.arange(63, -1, -1, dtype=np.uint64)


def hashes(pixels: Pixels) -> NDArray[np.uint64]:
    """The hashes of grey pictures of shape ``(n, 32, 32)``, the first frequency the highest bit.

    Example:
        >>> hashes(np.zeros((1, 32, 32), np.uint8)).tolist()
        [0]
    """
    low = _DCT @ pixels.astype(np.float64) @ _DCT.T
    flat = low.reshape(len(pixels), _LOW * _LOW)
    above = flat > np.median(flat, axis=1, keepdims=True)
    found: NDArray[np.uint64] = (above * _BITS).sum(axis=1, dtype=np.uint64)
    return found


class Phash:
    """Adds a column of hashes, uint64."""

    def __init__(self, options: PhashOptions, ctx: RunContext) -> None:
        self._options = options
        self._ctx = ctx
        shape = Shape(_SIDE, _SIDE, "L", "stretch", "lanczos", False, True, options.max_pixels)
        self._decoder = Decoder(shape, Room(ctx))

    def bind(self, schema: pa.Schema) -> BoundPhash:
        check_encoded(schema, self._options.column)
        if self._options.to in schema.names:
            raise SchemaMismatch(f"there is a column '{self._options.to}' already")
        return BoundPhash(schema, self._options, self._decoder, self._ctx)


class BoundPhash:
    """Hashes the pictures of a batch."""

    kind: Literal["stateless"] = "stateless"

    def __init__(
        self, schema: pa.Schema, options: PhashOptions, decoder: Decoder, ctx: RunContext
    ) -> None:
        self._input = schema
        self._options = options
        self._decoder = decoder
        self._ctx = ctx
        self.schema = schema.append(pa.field(options.to, pa.uint64()))

    def needed(self, outputs: frozenset[str]) -> frozenset[str]:
        own = {self._options.column} | {"path"} & set(self._input.names)
        return (outputs - {self._options.to}) | own

    def narrowed(self, schema: pa.Schema) -> BoundPhash:
        return BoundPhash(schema, self._options, self._decoder, self._ctx)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        encoded = batch.column(self._options.column)
        bad = Bad(batch, self._options.column, self._ctx)
        pixels = np.zeros((len(encoded), *self._decoder.shape.dims), np.uint8)
        for row, data in enumerate(each_encoded(encoded)):
            self._ctx.check_cancelled()
            try:
                if data is not None:
                    self._decoder.into(data, pixels[row])
            except BadPictureError as error:
                bad.add(row, data or b"", error)
        found = hashes(pixels[:, :, :, 0])
        _, mask = flags(encoded.is_valid().to_pylist()).buffers()
        column = pa.Array.from_buffers(pa.uint64(), len(encoded), [mask, pa.py_buffer(found)])
        arrays = [bad.kept(array) for array in (*batch.columns, column)]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)
