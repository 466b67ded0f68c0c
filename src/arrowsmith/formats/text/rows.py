"""The rows of a range: texts, and where each begins.

A range of lines in UTF-8 without a CR is split by one kernel of Arrow's. All others are laid out by
NumPy: where rows begin and end. Arrow gathers them where the bytes are UTF-8; other bytes are
decoded first and laid out again, and the rows are the same, one for one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.errors import DataError
from arrowsmith.formats.text.encodings import Coding
from arrowsmith.formats.text.layout import (
    Bytes,
    Marks,
    Numbers,
    Spans,
    blocks,
    filled,
    lines,
    marks_of,
    paragraphs,
)
from arrowsmith.formats.text.options import TextReadOptions
from arrowsmith.formats.text.ranges import Range
from arrowsmith.plugin.protocols import Reject, RunContext

_UTF8 = Coding("utf-8")
_WINDOW = 64 << 10
_MOST = (1 << 31) - 1
_USUAL = 1 << 15
_EVEN = np.arange(0, 2 * _USUAL, 2, dtype=np.int32)


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a range.

    Attributes:
        text: None where it was not asked for.
        offsets: of each row in the source.
        numbers: of the line that each begins with, or of the block.
    """

    text: pa.StringArray | None
    offsets: Numbers
    numbers: Numbers


def rows_of(piece: Range, options: TextReadOptions, ctx: RunContext, *, with_text: bool) -> Rows:
    """The rows of a range without its bad ones, which go to the run's context.

    Raises:
        DataError: a row is bad and the run's ``on_error`` is ``"raise"``.
    """
    data = piece.data
    sound = _one_text(data) if piece.coding.is_utf8 else None
    if sound is not None and with_text and _plain(piece, options):
        return _split(sound, piece)
    marks = None
    if options.unit != "blocks":
        marks = marks_of(data, piece.coding, piece.ends)
        piece.counted(marks.count)
    if sound is not None:
        spans = _spans(data, piece, piece.coding, options, marks)
        text = _gathered(data, spans) if with_text else None
        return Rows(text, spans.starts + np.int64(piece.offset), spans.numbers)
    return _decoded(data, piece, options, ctx, with_text, marks)


def _one_text(data: Bytes) -> pa.StringArray | None:
    """The bytes as one string, without a copy; None where they are no UTF-8."""
    buffers = [None, pa.py_buffer(np.array([0, len(data)], np.int32)), pa.py_buffer(data)]
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


def _split(text: pa.StringArray, piece: Range) -> Rows:
    """One call that takes long lets the other threads work better than many that do not."""
    found = pc.split_pattern(text, chr(piece.ends.mark)).values
    if not piece.size or piece.buffer[piece.size - 1] == piece.ends.mark:
        found = found.slice(0, len(found) - 1)
        piece.counted(len(found))
    else:
        piece.counted(len(found) - 1)
    # each value lacks the line end that was behind it
    before = np.frombuffer(found.buffers()[1], np.int32)[: len(found)]
    offsets = before + np.arange(piece.offset, piece.offset + len(found))
    return Rows(found, offsets, np.arange(piece.line, piece.line + len(found)))


def _spans(
    data: Bytes, piece: Range, coding: Coding, options: TextReadOptions, marks: Marks | None
) -> Spans:
    """Where the rows stand in ``data``, which is the range in ``coding``."""
    if options.unit == "paragraphs":
        return paragraphs(data, coding, piece.ends, piece.line, marks)
    if options.unit == "blocks":
        return blocks(data, options.block_bytes, coding, piece.lead, piece.line)
    found = lines(data, coding, piece.ends, piece.line, marks)
    return found.kept(filled(data, found, coding)) if options.skip_blank else found


def _gathered(data: Bytes, spans: Spans) -> pa.StringArray:
    """The texts of spans of UTF-8: every other of those that the bounds make."""
    count = len(spans)
    if not count:
        return pa.nulls(0, pa.string())
    buffers = [None, pa.py_buffer(np.ascontiguousarray(spans.bounds)), pa.py_buffer(data)]
    parts = pa.Array.from_buffers(pa.string(), 2 * count - 1, buffers)
    even = _EVEN if count <= _USUAL else np.arange(0, 2 * count, 2, dtype=np.int32)
    return parts.take(pa.Array.from_buffers(pa.int32(), count, [None, pa.py_buffer(even)]))


# --- other encodings, and what is not of its encoding --------------------------------------------


def _decoded(
    data: Bytes,
    piece: Range,
    options: TextReadOptions,
    ctx: RunContext,
    with_text: bool,
    marks: Marks | None,
) -> Rows:
    """The rows of bytes that are not, or not all, UTF-8."""
    raw = _spans(data, piece, piece.coding, options, marks)
    view = memoryview(piece.buffer)[: piece.size]
    texts = text = None
    with suppress(UnicodeDecodeError):
        text = str(view, piece.coding.name, options.encoding_errors)
    if text is not None and with_text and options.unit != "blocks":
        texts = _alike(text, raw, piece, options)
    if text is None:
        good = np.ones(len(raw), np.bool_)
        for row, place in _bad_rows(view, raw, piece.coding):
            good[row] = False
            _hand_over(row, place, raw, piece, options, ctx)
        raw = raw.kept(good)
        if with_text and piece.coding.is_utf8:
            texts = _gathered(data, raw)
    if with_text and texts is None:
        texts = _one_by_one(view, raw, piece.coding)
    return Rows(texts, raw.starts + np.int64(piece.offset), raw.numbers)


def _alike(text: str, raw: Spans, piece: Range, options: TextReadOptions) -> pa.StringArray | None:
    """The rows of the decoded range; None where they are not as many as in its own bytes."""
    encoded = text.encode()
    if len(encoded) > _MOST:
        return None
    data = np.frombuffer(encoded, np.uint8)
    spans = _spans(data, piece, _UTF8, options, None)
    if len(spans) != len(raw) or spans.total != raw.total:
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
    offset, number = piece.offset + start, int(spans.numbers[row])
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
