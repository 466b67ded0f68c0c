"""Writes TFRecord: all Examples of a chunk at once. Sizes first, then every byte to its place.

Source of the format: https://www.tensorflow.org/tutorials/load_data/tfrecord and
tensorflow/core/example/example.proto.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from arrowsmith.errors import (
    ArrowsmithError,
    DataError,
    OptionError,
    SchemaMismatch,
    TargetError,
)
from arrowsmith.kernels.spans import Spans, is_ragged
from arrowsmith.plugin import Chunk, RunContext, Source, Target
from arrowsmith.plugin.feed import Buffers
from arrowsmith_tfrecord import WriteOptions
from arrowsmith_tfrecord.crc import length_crcs, payload_crcs
from arrowsmith_tfrecord.features import (
    Feature,
    Part,
    feature_of,
    part_of,
    varint_sizes,
    write_varints,
)
from arrowsmith_tfrecord.frames import AROUND, FOOTER, HEADER, ROWS, Limits, cut
from arrowsmith_tfrecord.index import SUFFIX, index_lines
from arrowsmith_tfrecord.kinds import INT
from arrowsmith_tfrecord.wire import PAD, Ints, copy_ragged, offsets_of

_ROWS = 8192
_BYTES = 2 << 20
_SLOTS = 1 << 19  # values of a chunk, nulls with them
_COST = 12.0
_BLOCK = 2 << 20


@dataclass(frozen=True, slots=True)
class Encoded:
    """Frames.

    Attributes:
        data: their bytes.
        lengths: of each.
    """

    data: NDArray[np.uint8]
    lengths: Ints

    @property
    def nbytes(self) -> int:
        return int(self.data.nbytes + self.lengths.nbytes)


class TfrecordSink:
    """A TFRecord file: an Example for each row, features in the order of columns, nulls left out.

    Args:
        target: where the bytes go.
        schema: of all batches.
        options: a :class:`WriteOptions`.
        ctx: the run, whose ``warn`` is told of rounded numbers.

    Raises:
        SchemaMismatch: a type that no Example has, or a name that is there twice.
        DataError: a null within a list, or an integer beyond int64.
    """

    def __init__(
        self, target: Target, schema: pa.Schema, options: WriteOptions, ctx: RunContext
    ) -> None:
        self._target = target
        self._ctx = ctx
        self._warned: set[str] = set()
        self._raw = options.payload == "raw"
        self._features: list[Feature] = []
        try:
            if self._raw:
                _check_raw(schema)
            else:
                _check_names(schema)
                times = options.times == "int64"
                self._features = [feature_of(field, times=times) for field in schema]
        except ArrowsmithError as error:
            error.path = target.path
            raise
        named = target.path != "-" and "://" not in target.path
        beside = named and Path(target.path).parent.is_dir()
        if options.index and not beside:
            raise OptionError(
                "an index is written beside a single file of this machine only",
                path=target.path,
                hint="leave index= out",
            )
        self._index = bytearray() if options.index else None
        self._at = 0
        rows = max(1, min(_ROWS, _SLOTS // max(len(schema), 1)))
        self._chunk = Chunk(rows=rows, nbytes=_BYTES, encode_cost=_COST)
        self._stream: BinaryIO | None = None

    @property
    def chunk(self) -> Chunk:
        return self._chunk

    def prepare(self, first: pa.RecordBatch) -> None:
        """Nothing to learn from the first chunk."""

    def encode(self, chunk: pa.RecordBatch) -> Encoded:
        """The frames of a chunk."""
        try:
            if self._raw:
                return _raw_frames(chunk.column(0))
            parts = [
                part_of(feature, column, self._warn)
                for feature, column in zip(self._features, chunk.columns, strict=True)
            ]
            return _examples(self._features, parts, chunk.num_rows)
        except ArrowsmithError as error:
            error.path = self._target.path
            raise

    def _warn(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            self._ctx.warn(f"{self._target.path}: {message}")

    def write(self, batch: pa.RecordBatch) -> None:
        self.append(self.encode(batch))

    def append(self, encoded: Encoded) -> None:
        self._begun().write(encoded.data.data)
        if self._index is not None:
            starts = offsets_of(encoded.lengths)[:-1] + self._at
            self._index += index_lines(starts, encoded.lengths)
        self._at += len(encoded.data)

    def commit(self) -> None:
        self._begun().flush()
        if self._index is not None:
            _write_index(self._target.path + SUFFIX, self._index)

    def resume(self, old: Source) -> int:
        """Keep all frames of a file that is whole.

        Raises:
            DataError: it is not.
        """
        buffers = Buffers(_BLOCK + PAD)
        limits = Limits(True, ROWS, 1 << 62)
        for run in cut(old, self._ctx, buffers, limits):
            if run.tail is not None:
                raise DataError(
                    run.tail.reason,
                    path=old.path,
                    place=f"record {run.tail.record}, byte {run.tail.offset}",
                    hint="records can be added to a sound file only",
                )
            if self._index is not None:
                lengths = run.stops - run.starts + AROUND
                self._index += index_lines(run.starts - HEADER + run.offset, lengths)
            self._at = run.offset + run.size
            buffers.give(run.buffer)
        return self._at

    def _begun(self) -> BinaryIO:
        if self._stream is None:
            self._stream = self._target.open()
        return self._stream

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream = None


def _check_raw(schema: pa.Schema) -> None:
    kind = schema.field(0).type if len(schema) == 1 else None
    if kind is None or not is_ragged(kind):
        raise SchemaMismatch(
            f"raw records are one column of binary, not {', '.join(map(str, schema.types))}",
            hint="select that column, or leave payload=raw out",
        )


def _check_names(schema: pa.Schema) -> None:
    for name in schema.names:
        if schema.names.count(name) > 1:
            raise SchemaMismatch(f"two columns are called '{name}'", hint="rename one of them")


def _write_index(path: str, text: bytearray) -> None:
    """Put an index beside the file, whole or not at all."""
    hidden = Path(path).with_name(f".{Path(path).name}.{os.getpid()}")
    try:
        hidden.write_bytes(text)
        hidden.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            hidden.unlink()
        raise TargetError(f"cannot be written: {error.strerror}", path=path) from None


# --- frames --------------------------------------------------------------------------------------


def _frames(sizes: Ints, write: Callable[[NDArray[np.uint8], Ints], None]) -> Encoded:
    """Frames around payloads of these sizes, which ``write`` puts to their places."""
    lengths = sizes + AROUND
    bounds = offsets_of(lengths)
    out = np.empty(int(bounds[-1]), np.uint8)
    starts = bounds[:-1]
    if not len(starts):
        return Encoded(out, lengths)
    write(out, starts + HEADER)
    stops = bounds[1:] - FOOTER
    _words(out, "<u8")[starts] = sizes
    words = _words(out, "<u4")
    words[starts + 8] = length_crcs(sizes)
    words[stops] = payload_crcs(out.data, starts + HEADER, stops)
    return Encoded(out, lengths)


def _words(out: NDArray[np.uint8], kind: str) -> NDArray[np.uint64]:
    width = np.dtype(kind).itemsize
    return np.ndarray((len(out) - width + 1,), kind, out, strides=(1,))


def _raw_frames(column: pa.Array) -> Encoded:
    if column.null_count:
        raise DataError("a record is null", hint="filter such rows out")
    spans = Spans(column)

    def write(out: NDArray[np.uint8], places: Ints) -> None:
        copy_ragged(spans.data, spans.starts, out, places, spans.lengths)

    return _frames(spans.lengths, write)


def _examples(features: list[Feature], parts: list[Part], rows: int) -> Encoded:
    """The Examples of rows.

    An entry of the map is ``0A size 0A size name 12 size Feature``, a Feature is ``tag size list``,
    and the map stands within ``0A size``.
    """
    names = [_name(feature.name) for feature in features]
    lists = [1 + varint_sizes(part.sizes) + part.sizes for part in parts]
    entries = [
        len(name) + 1 + varint_sizes(size) + size for name, size in zip(names, lists, strict=True)
    ]
    whole = [
        np.where(part.present, 1 + varint_sizes(size) + size, 0)
        for part, size in zip(parts, entries, strict=True)
    ]
    total = np.zeros(rows, np.int64)
    for size in whole:
        total += size
    filled = np.flatnonzero(total)
    payloads = np.where(total > 0, 1 + varint_sizes(total) + total, 0)

    def write(out: NDArray[np.uint8], places: Ints) -> None:
        cursor = places.copy()
        out[cursor[filled]] = 0x0A
        cursor[filled] = write_varints(out, cursor[filled] + 1, total[filled])
        for place, part in enumerate(parts):
            here = np.flatnonzero(part.present)
            at = cursor[here]
            out[at] = 0x0A
            at = write_varints(out, at + 1, entries[place][here])
            name = np.frombuffer(names[place], np.uint8)
            same = np.zeros(len(here), np.int64)
            copy_ragged(name, same, out, at, same + len(name))
            at += len(name)
            out[at] = 0x12
            at = write_varints(out, at + 1, lists[place][here])
            out[at] = (features[place].kind or INT) << 3 | 2
            begin = cursor.copy()
            begin[here] = write_varints(out, at + 1, part.sizes[here])
            part.write(out, begin)
            cursor += whole[place]

    return _frames(payloads, write)


def _name(text: str) -> bytes:
    """The name of a feature with its tag and size."""
    data = text.encode()
    out = np.empty(16, np.uint8)
    end = int(write_varints(out, np.zeros(1, np.int64), np.array([len(data)]))[0])
    return b"\x0a" + out[:end].tobytes() + data
