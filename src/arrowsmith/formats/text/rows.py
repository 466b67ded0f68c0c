"""The rows of a range: texts, and where each begins.

A range without a CR whose bytes are UTF-8 is split by one kernel of Arrow's. All others are laid
out by NumPy: where rows begin in the file's own bytes, and again in their UTF-8, one for one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from arrowsmith.errors import DataError
from arrowsmith.formats.text.encodings import Coding
from arrowsmith.formats.text.layout import (
    Bytes,
    Spans,
    block_bounds,
    filled,
    kept,
    lines,
    paragraphs,
)
from arrowsmith.formats.text.options import TextReadOptions
from arrowsmith.formats.text.ranges import Range
from arrowsmith.kernels.arrays import int64_array
from arrowsmith.plugin.protocols import Reject, RunContext

_UTF8 = Coding("utf-8")
_WINDOW = 64 << 10
_MOST = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a range.

    Attributes:
        text: None where it was not asked for.
        starts: of each row in the range's bytes.
        lines: the number of lines before each, or of blocks.
    """

    text: pa.StringArray | None
    starts: NDArray[np.int64]
    lines: NDArray[np.int64]


def rows_of(piece: Range, options: TextReadOptions, ctx: RunContext, *, with_text: bool) -> Rows:
    """The rows of a range without its bad ones, which go to the run's context.

    Raises:
        DataError: a row is bad and the run's ``on_error`` is ``"raise"``.
    """
    data = piece.data
    if not len(data):
        none = np.empty(0, np.int64)
        return Rows(pa.nulls(0, pa.string()) if with_text else None, none, none)
    sound = _one_text(data) if piece.coding.is_utf8 else None
    if sound is not None and _plain(piece, options):
        return _split(sound, chr(piece.ends.mark), data[-1] == piece.ends.mark, with_text)
    if sound is not None:
        spans = _spans(data, piece, piece.coding, options)
        return Rows(_gathered(data, spans) if with_text else None, spans.starts, spans.lines)
    return _decoded(data, piece, options, ctx, with_text)


def _one_text(data: Bytes) -> pa.StringArray | None:
    """The bytes as one string, without a copy; None where they are no UTF-8."""
    offsets = np.array([0, len(data)], np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    text = pa.Array.from_buffers(pa.string(), 1, buffers)
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return None
    return text


def _plain(piece: Range, options: TextReadOptions) -> bool:
    """Whether all that is to be done is to split the range at one character."""
    if options.unit != "lines" or options.skip_blank:
        return False
    return not piece.ends.trim or piece.buffer.find(b"\r", 0, piece.size) < 0


def _split(text: pa.StringArray, mark: str, ended: bool, with_text: bool) -> Rows:
    found = pc.split_pattern(text, mark).values
    if ended:
        found = found.slice(0, len(found) - 1)
    # each value lacks the line end that was behind it
    starts = np.frombuffer(found.buffers()[1], np.int32)[: len(found)].astype(np.int64)
    numbers = np.arange(len(found), dtype=np.int64)
    starts += numbers
    return Rows(found if with_text else None, starts, numbers)


def _spans(data: Bytes, piece: Range, coding: Coding, options: TextReadOptions) -> Spans:
    """Where the rows stand in ``data``, which is the range in ``coding``."""
    if options.unit == "paragraphs":
        return paragraphs(data, coding, piece.ends)
    if options.unit == "blocks":
        starts = block_bounds(data, options.block_bytes, coding, piece.lead)
        ends = np.append(starts[1:], len(data))
        return Spans(starts, ends, np.arange(len(starts)), len(starts))
    found = lines(data, coding, piece.ends)
    return kept(found, filled(data, found, coding)) if options.skip_blank else found


def _gathered(data: Bytes, spans: Spans) -> pa.StringArray:
    """The texts of spans of UTF-8."""
    count = len(spans.starts)
    if not count:
        return pa.nulls(0, pa.string())
    offsets = np.empty(2 * count + 1, np.int32)  # a text, then what stands before the next
    offsets[0:-1:2], offsets[1::2], offsets[-1] = spans.starts, spans.ends, spans.ends[-1]
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    all_texts = pa.Array.from_buffers(pa.string(), 2 * count, buffers)
    return all_texts.take(int64_array(np.arange(0, 2 * count, 2)))


# --- other encodings, and what is not of its encoding --------------------------------------------


def _decoded(
    data: Bytes, piece: Range, options: TextReadOptions, ctx: RunContext, with_text: bool
) -> Rows:
    """The rows of bytes that are not, or not all, UTF-8."""
    raw = _spans(data, piece, piece.coding, options)
    view = memoryview(piece.buffer)[: piece.size]
    texts = text = None
    with suppress(UnicodeDecodeError):
        text = str(view, piece.coding.name, options.encoding_errors)
    if text is not None and with_text and options.unit != "blocks":
        texts = _alike(text, raw, piece, options)
    if text is None:
        good = np.ones(len(raw.starts), np.bool_)
        for row, place in _bad_rows(view, raw, piece.coding):
            good[row] = False
            _hand_over(row, place, raw, piece, options, ctx)
        raw = kept(raw, good)
        if with_text and piece.coding.is_utf8:
            texts = _gathered(data, raw)
    if with_text and texts is None:
        texts = _one_by_one(view, raw, piece.coding)
    return Rows(texts, raw.starts, raw.lines)


def _alike(text: str, raw: Spans, piece: Range, options: TextReadOptions) -> pa.StringArray | None:
    """The rows of the decoded range; None where they are not as many as in its own bytes."""
    encoded = text.encode()
    if len(encoded) > _MOST:
        return None
    data = np.frombuffer(encoded, np.uint8)
    spans = _spans(data, piece, _UTF8, options)
    if len(spans.starts) != len(raw.starts) or spans.total != raw.total:
        return None
    return _gathered(data, spans)


def _one_by_one(view: memoryview, spans: Spans, coding: Coding) -> pa.StringArray:
    """The rows decoded each by itself: of a range with bad ones, which are few."""
    parts = [
        str(view[start:end], coding.name, "replace").encode()
        for start, end in zip(spans.starts.tolist(), spans.ends.tolist(), strict=True)
    ]
    offsets = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=offsets[1:])
    if offsets[-1] > _MOST:
        raise DataError("2 GB of text in one range", hint="lower range_bytes")
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(b"".join(parts))]
    return pa.Array.from_buffers(pa.string(), len(parts), buffers)


def _bad_rows(view: memoryview, spans: Spans, coding: Coding) -> Iterator[tuple[int, int]]:
    """Rows whose bytes are not of the encoding, and the first place in each that is not."""
    starts, ends, row = spans.starts, spans.ends, 0
    while row < len(starts):
        start = int(starts[row])
        last = max(int(np.searchsorted(starts, start + _WINDOW)), row + 1)
        wrong = _first_wrong(view[start : int(ends[last - 1])], coding)
        if wrong is None:
            row = last
            continue
        wrong += start
        row = int(np.searchsorted(starts, wrong, side="right")) - 1
        if wrong < ends[row]:  # and not between two rows
            yield row, wrong - int(starts[row])
        row += 1


def _first_wrong(view: memoryview, coding: Coding) -> int | None:
    try:
        str(view, coding.name)
    except UnicodeDecodeError as error:
        return max(error.start, 0)
    return None


def _hand_over(
    row: int,
    place: int,
    spans: Spans,
    piece: Range,
    options: TextReadOptions,
    ctx: RunContext,
) -> None:
    """Raise the fault of a row, or hand it to the context."""
    start, end = int(spans.starts[row]), int(spans.ends[row])
    offset, number = piece.offset + start, piece.line + int(spans.lines[row])
    is_block = options.unit == "blocks"
    byte = piece.buffer[start + place]
    reason = f"byte 0x{byte:02x} at {place} of the row is not {piece.coding.name}"
    if ctx.on_error == "raise":
        raise DataError(
            reason,
            path=piece.source,
            place=f"block {number}" if is_block else f"line {number}, byte {offset}",
            hint="say -r encoding=NAME, or -r encoding_errors=replace;"
            " --on-error skip leaves bad records out",
        )
    record = number - (not is_block) if options.unit in ("lines", "blocks") else None
    ctx.reject(
        Reject(
            source=piece.source,
            record=record,
            line=None if is_block else number,
            offset=offset,
            column="text",
            reason=reason,
            raw=bytes(memoryview(piece.buffer)[start:end]),
        )
    )
