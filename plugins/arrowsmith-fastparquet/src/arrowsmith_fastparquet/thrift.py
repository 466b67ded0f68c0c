"""Thrift's compact protocol as far as footers and page headers need it, all lengths checked.

fastparquet's own reader trusts the bytes, and pyarrow ends the process over some damaged entries of
a footer, so both are read here.
Source: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

from typing import Any

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
_MAX_DEPTH = 16


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


class Cursor:
    """Walks over encoded bytes; ``at`` is the offset of the next byte.

    Raises:
        ThriftError: the bytes end early or hold what the protocol does not have.
    """

    __slots__ = ("at", "data")

    def __init__(self, data: bytes | memoryview, at: int = 0) -> None:
        self.data = data
        self.at = at

    def byte(self) -> int:
        if self.at >= len(self.data):
            raise ThriftError("it ends in the middle of a value")
        self.at += 1
        return self.data[self.at - 1]

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

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """The fields of a struct by their ids; maps are passed over."""
        if depth > _MAX_DEPTH:
            raise ThriftError("values are nested too deeply")
        fields: dict[int, Any] = {}
        last = 0
        while header := self.byte():
            delta = header >> 4
            last = last + delta if delta else self.zigzag()
            kind = header & 0x0F
            if kind in (TRUE, FALSE):
                fields[last] = kind == TRUE
            else:
                fields[last] = self._value(kind, depth + 1)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (I16, I32, I64):
            return self.zigzag()
        if kind == STRUCT:
            return self.struct(depth)
        if kind in (TRUE, FALSE, BYTE, DOUBLE):  # in a list, a boolean takes a byte
            self._forward(8 if kind == DOUBLE else 1)
        elif kind == BINARY:
            size = self.varint()
            self._forward(size)
            return bytes(self.data[self.at - size : self.at])
        elif kind in (LIST, SET):
            return self._list(depth)
        elif kind == MAP:
            self._map(depth)
        else:
            raise ThriftError(f"there is no value of kind {kind}")
        return None

    def _list(self, depth: int) -> list[Any]:
        header = self.byte()
        size = header >> 4
        if size == 15:
            size = self.varint()
        self._fits(size)
        return [self._value(header & 0x0F, depth + 1) for _ in range(size)]

    def _map(self, depth: int) -> None:
        size = self.varint()
        self._fits(size)
        kinds = self.byte() if size else 0
        for _ in range(size):
            self._value(kinds >> 4, depth + 1)
            self._value(kinds & 0x0F, depth + 1)

    def _fits(self, size: int) -> None:
        if size > len(self.data) - self.at:
            raise ThriftError(f"{size} elements are more than the bytes that are left")

    def _forward(self, size: int) -> None:
        self._fits(size)
        self.at += size
