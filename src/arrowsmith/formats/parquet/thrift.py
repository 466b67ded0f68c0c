"""The few parts of Thrift's compact protocol that a Parquet footer needs.

Values are walked over rather than built: a footer of a wide file has a hundred thousand of them.
Source: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
STOP = 0
MAX_DEPTH = 32


class ThriftError(ValueError):
    """The bytes are not a well-formed value of the compact protocol."""


def varint(value: int) -> bytes:
    """An unsigned number, seven bits a byte, the lowest first.

    Example:
        >>> varint(300).hex()
        'ac02'
    """
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def zigzag(value: int) -> bytes:
    """A signed number: 0, -1, 1, -2 become 0, 1, 2, 3."""
    return varint(value << 1 if value >= 0 else (-value << 1) - 1)


def list_header(size: int, kind: int) -> bytes:
    """What stands before the ``size`` elements of a list."""
    return bytes([size << 4 | kind]) if size < 15 else bytes([0xF0 | kind]) + varint(size)


class Cursor:
    """Walks over encoded bytes; ``at`` is the offset of the next byte.

    Raises:
        ThriftError: the bytes end early or hold what the protocol does not have.
    """

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    def byte(self) -> int:
        try:
            value = self.data[self.at]
        except IndexError:
            raise ThriftError("it ends in the middle of a value") from None
        self.at += 1
        return value

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise ThriftError("a number has more than 64 bits")

    def zigzag(self) -> int:
        value = self.varint()
        return value >> 1 ^ -(value & 1)

    def fields(self) -> Iterator[tuple[int, int]]:
        """The id and kind of each field of a struct; the caller consumes each value."""
        last = 0
        while (header := self.byte()) != STOP:
            delta = header >> 4
            last = last + delta if delta else self.zigzag()
            yield last, header & 0x0F

    def list(self) -> tuple[int, int]:
        """The size of a list and the kind of its elements."""
        header = self.byte()
        size = header >> 4
        if size == 15:
            size = self.varint()
        if size > len(self.data) - self.at:
            raise ThriftError(f"a list of {size} elements is longer than the bytes that are left")
        return size, header & 0x0F

    def skip(self, kind: int) -> None:
        """Walk over a field's value."""
        try:
            self.at = _behind(self.data, self.at, kind, 0)
        except IndexError:
            self.at = len(self.data) + 1
        if self.at > len(self.data):
            raise ThriftError("it ends in the middle of a value")


def _behind(data: bytes, at: int, kind: int, depth: int) -> int:
    """Where the value of a field ends that begins at ``at``. Most of a footer is skipped by this.

    Raises:
        IndexError: the bytes end before.
    """
    if depth > MAX_DEPTH:
        raise ThriftError("values are nested too deeply")
    if kind == STRUCT:
        while header := data[at]:
            at += 1
            if header <= 0x0F:
                at = _behind_number(data, at)
            inner = header & 0x0F
            if I16 <= inner <= I64:
                at = at + 1 if data[at] < 0x80 else _behind_number(data, at)
            elif inner == BINARY and data[at] < 0x80:
                at += 1 + data[at]
            elif inner not in (TRUE, FALSE):
                at = _behind(data, at, inner, depth + 1)
        return at + 1
    if I16 <= kind <= I64:
        return _behind_number(data, at)
    if kind == BINARY:
        cursor = Cursor(data, at)
        size = cursor.varint()
        return cursor.at + size
    if kind in (LIST, SET):
        cursor = Cursor(data, at)
        size, inner = cursor.list()
        at = cursor.at
        for _ in range(size):
            at = _behind_element(data, at, inner, depth + 1)
        return at
    if kind == MAP:
        return _behind_map(data, at, depth)
    if kind in (BYTE, DOUBLE):
        return at + (1 if kind == BYTE else 8)
    if kind in (TRUE, FALSE):
        return at
    raise ThriftError(f"there is no value of kind {kind}")


def _behind_number(data: bytes, at: int) -> int:
    for end in range(at, at + 10):
        if data[end] < 0x80:
            return end + 1
    raise ThriftError("a number has more than 64 bits")


def _behind_element(data: bytes, at: int, kind: int, depth: int) -> int:
    """Where an element of a list ends: unlike a field, a boolean takes a byte there."""
    return at + 1 if kind in (TRUE, FALSE) else _behind(data, at, kind, depth)


def _behind_map(data: bytes, at: int, depth: int) -> int:
    cursor = Cursor(data, at)
    size = cursor.varint()
    if size > len(data) - cursor.at:
        raise ThriftError(f"a map of {size} entries is longer than the bytes that are left")
    kinds = cursor.byte() if size else 0
    at = cursor.at
    for _ in range(size):
        at = _behind_element(data, at, kinds >> 4, depth + 1)
        at = _behind_element(data, at, kinds & 0x0F, depth + 1)
    return at


# What a struct's fields hold: a kind, the kind of a list's elements, the shape of structs in it.
Shape = dict[int, "tuple[int, int, Shape | None]"]


def read_struct(data: bytes, at: int, shape: Shape) -> tuple[dict[int, Any], int]:
    """The fields of a struct that ``shape`` knows, by their ids, and where the struct ends.

    Readers differ in what they make of fields of another kind, or of those that stand twice, so
    both are refused. Small numbers are read in place: this runs for each column of a wide file.

    Raises:
        ThriftError: the bytes are damaged.
    """
    fields: dict[int, Any] = {}
    cursor = Cursor(data)
    last = 0
    try:
        while header := data[at]:
            at += 1
            if header > 0x0F:
                last += header >> 4
            else:
                cursor.at = at
                last, at = cursor.zigzag(), cursor.at
            known = shape.get(last)
            kind = header & 0x0F
            if known is None:
                cursor.at = at
                cursor.skip(kind)
                at = cursor.at
                continue
            if last in fields or known[0] != (TRUE if kind == FALSE else kind):
                raise ThriftError(f"field {last} has another kind, or stands twice")
            if I16 <= kind <= I64 and data[at] < 0x80:
                value = data[at]
                fields[last] = value >> 1 ^ -(value & 1)
                at += 1
            else:
                fields[last], at = _read(cursor, at, kind, known)
    except IndexError:
        raise ThriftError("it ends in the middle of a value") from None
    return fields, at + 1


def _read(cursor: Cursor, at: int, kind: int, known: tuple[int, int, Shape | None]) -> Any:
    """A value of a known kind, and where it ends."""
    _, inner, shape = known
    cursor.at = at
    if kind == STRUCT:
        return read_struct(cursor.data, at, shape or {})
    if kind == BINARY:
        size = cursor.varint()
        end = cursor.at + size
        if end > len(cursor.data):
            raise ThriftError("it ends in the middle of a value")
        return cursor.data[cursor.at : end], end
    if kind in (TRUE, FALSE):
        return kind == TRUE, at
    if kind != LIST:
        return cursor.zigzag(), cursor.at
    size, found = cursor.list()
    if size and found != inner:
        raise ThriftError(f"a list has elements of kind {found}")
    values = []
    at = cursor.at
    for _ in range(size):
        if I16 <= inner <= I64 and cursor.data[at] < 0x80:
            values.append(cursor.data[at] >> 1 ^ -(cursor.data[at] & 1))
            at += 1
        else:
            value, at = _read(cursor, at, inner, (inner, 0, shape))
            values.append(value)
    return values, at
