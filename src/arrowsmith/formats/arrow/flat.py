"""The few fields of Arrow's FlatBuffers that say how large things are, before they are read.

Field numbers are those of ``Message.fbs`` and ``File.fbs``:
https://github.com/apache/arrow/tree/main/format. FlatBuffers: https://flatbuffers.dev/internals/
Standard library only, since the probe uses it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

CONTINUATION = b"\xff\xff\xff\xff"
SCHEMA, DICTIONARY, BATCH = 1, 2, 3

_I64_PAIR = struct.Struct("<qq")
_BLOCK = struct.Struct("<qi4xq")


class FlatError(ValueError):
    """The bytes are no FlatBuffer of the shape expected."""


@dataclass(frozen=True, slots=True)
class Message:
    """What an IPC message's metadata says of its body.

    Attributes:
        kind: ``SCHEMA``, ``DICTIONARY``, ``BATCH`` or another number.
        body: bytes of its body.
        rows: rows of the batch or dictionary, 0 for others.
        buffers: offset in the body and length of each buffer.
        compressed: each buffer is compressed by itself, its plain size before it.
    """

    kind: int
    body: int
    rows: int = 0
    buffers: tuple[tuple[int, int], ...] = ()
    compressed: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """Where a message stands in a file: its offset, and the sizes of its two parts."""

    offset: int
    metadata: int
    body: int


class Table:
    """A FlatBuffers table at an offset; fields are asked for by their number.

    A field that is absent is 0, None or empty; one outside of the bytes is a ``FlatError``.
    """

    __slots__ = ("_at", "_data", "_slots", "_vtable")

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at
        self._vtable = at - self._read("<i", at)
        self._slots = (self._read("<H", self._vtable) - 4) // 2

    def _read(self, code: str, at: int) -> int:
        if at < 0:
            raise FlatError("an offset points before the start")
        try:
            return int(struct.unpack_from(code, self._data, at)[0])
        except struct.error:
            raise FlatError("an offset points behind the end") from None

    def _place(self, slot: int) -> int | None:
        if slot >= self._slots:
            return None
        offset = self._read("<H", self._vtable + 4 + 2 * slot)
        return self._at + offset if offset else None

    def number(self, slot: int, code: str) -> int:
        place = self._place(slot)
        return 0 if place is None else self._read(code, place)

    def table(self, slot: int) -> Table | None:
        place = self._place(slot)
        return None if place is None else Table(self._data, place + self._read("<I", place))

    def text(self, slot: int) -> str | None:
        place = self._place(slot)
        if place is None:
            return None
        start, size = self._vector(place, 1)
        try:
            return self._data[start : start + size].decode()
        except UnicodeDecodeError:
            raise FlatError("a name is no UTF-8") from None

    def tables(self, slot: int) -> list[Table]:
        place = self._place(slot)
        if place is None:
            return []
        start, size = self._vector(place, 4)
        places = range(start, start + 4 * size, 4)
        return [Table(self._data, at + self._read("<I", at)) for at in places]

    def structs(self, slot: int, layout: struct.Struct) -> tuple[tuple[int, ...], ...]:
        place = self._place(slot)
        if place is None:
            return ()
        start, size = self._vector(place, layout.size)
        end = start + size * layout.size
        return tuple(layout.iter_unpack(memoryview(self._data)[start:end]))

    def _vector(self, place: int, width: int) -> tuple[int, int]:
        """Where the elements of a list start, and how many there are."""
        start = place + self._read("<I", place)
        size = self._read("<I", start)
        if start + 4 + size * width > len(self._data):
            raise FlatError(f"a list of {size} entries is longer than the bytes that are left")
        return start + 4, size


def root(data: bytes) -> Table:
    """The outermost table.

    Raises:
        FlatError: it lies outside of the bytes.
    """
    if len(data) < 8:
        raise FlatError("it is shorter than 8 bytes")
    return Table(data, int.from_bytes(data[:4], "little"))


def message(metadata: bytes) -> Message:
    """The metadata of one message, without the marker and length before it.

    Raises:
        FlatError: it is damaged.
    """
    top = root(metadata)
    kind, body = top.number(1, "<B"), top.number(3, "<q")
    if body < 0:
        raise FlatError(f"a body of {body} bytes")
    header = top.table(2)
    if kind == DICTIONARY and header is not None:
        header = header.table(1)
    if kind not in (DICTIONARY, BATCH):
        return Message(kind, body)
    if header is None:
        raise FlatError("a message lacks its header")
    buffers = header.structs(2, _I64_PAIR)
    for offset, size in buffers:
        if offset < 0 or size < 0 or offset + size > body:
            raise FlatError(f"a buffer lies outside the body of {body} bytes")
    rows = header.number(0, "<q")
    if rows < 0:
        raise FlatError(f"a batch of {rows} rows")
    pairs = tuple((offset, size) for offset, size in buffers)
    return Message(kind, body, rows, pairs, header.table(3) is not None)


def footer_blocks(footer: bytes) -> tuple[list[Block], list[Block]]:
    """Where the dictionaries and the batches of a file stand.

    Raises:
        FlatError: it is damaged.
    """
    top = root(footer)
    dictionaries, batches = (
        [Block(*entry) for entry in top.structs(slot, _BLOCK)] for slot in (2, 3)
    )
    return dictionaries, batches


def plain_size(message: Message, body: bytes | memoryview) -> int:
    """Bytes of all buffers of a message once they are decompressed, as they declare it.

    Raises:
        FlatError: a buffer declares a negative size.
    """
    if not message.compressed:
        return 0
    total = 0
    for offset, size in message.buffers:
        if size < 8:
            continue
        declared = int.from_bytes(body[offset : offset + 8], "little", signed=True)
        if declared < -1:
            raise FlatError(f"a buffer of {declared} bytes")
        total += size - 8 if declared == -1 else declared
    return total
