"""The pages of a column, checked and put anew for fastparquet, whose decoders trust the bytes.

fastparquet's compiled code follows the lengths of runs wherever they lead. So page headers are
parsed, bodies decompressed and runs followed here first, and fastparquet is given plain version 1
pages that hold no more than it may read. A loop here takes a step a page or a run, not a value.
Format: https://parquet.apache.org/docs/file-format/data-pages/encodings/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from arrowsmith_fastparquet.thrift import Cursor, ThriftError, varint

_DATA, _INDEX, _DICTIONARY, _DATA_V2 = range(4)
_PLAIN, _PLAIN_DICTIONARY, _RLE, _RLE_DICTIONARY = 0, 2, 3, 8
_ENCODINGS = (
    *("PLAIN", "GROUP_VAR_INT", "PLAIN_DICTIONARY", "RLE", "BIT_PACKED", "DELTA_BINARY_PACKED"),
    *("DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY", "RLE_DICTIONARY", "BYTE_STREAM_SPLIT"),
)
# fastparquet may look a few bytes beyond what it needs; these follow every body.
_MARGIN = bytes(1024)
_MOST_BYTES = (1 << 31) - 1
# Groups of eight that a run may have more than there are values: writers fill up to 64.
_SPARE_VALUES = 512


class PageError(ValueError):
    """Pages that do not follow the format."""


class NotReadError(ValueError):
    """Pages that are sound but of a kind that fastparquet has no decoder for."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a row group, as the footer has it.

    Attributes:
        name: its name.
        physical: Parquet's type of its values, such as ``"INT32"``.
        width: bytes of a value of FIXED_LEN_BYTE_ARRAY.
        optional: values may be null, so that pages have definition levels.
        codec: how the pages are compressed: ``"none"``, ``"zstd"``, ``"unknown"`` ...
        values: how many there are, nulls among them.
        start: where its pages begin in the file.
        stored: bytes of the pages in the file.
        plain: bytes of the pages before compression.
        dictionary: there is a dictionary page.
    """

    name: str
    physical: str
    width: int
    optional: bool
    codec: str
    values: int
    start: int
    stored: int
    plain: int
    dictionary: bool


def rewritten(chunk: bytes, column: Column) -> bytes:
    """The pages of a column as uncompressed version 1 pages that are safe to decode.

    The values of plain texts are not followed: that pyarrow can read them is to be seen first.

    Args:
        chunk: the pages as they stand in the file.
        column: what the footer says of them.

    Raises:
        PageError: they are damaged.
        NotReadError: fastparquet cannot decode them.
    """
    pages = _Pages(chunk, column)
    try:
        return pages.all()
    except ThriftError as error:
        raise PageError(f"a page's header is damaged: {error}") from error


class _Pages:
    def __init__(self, chunk: bytes, column: Column) -> None:
        self._chunk = memoryview(chunk)
        self._column = column
        self._left = column.values
        self._parts: list[bytes] = []
        self._plain = 0
        self._dictionary = False

    def all(self) -> bytes:
        cursor = Cursor(self._chunk)
        while self._left > 0 and cursor.at < len(self._chunk):
            header = cursor.struct()
            size, plain = _number(header, 3), _number(header, 2)
            if cursor.at + size > len(self._chunk):
                raise PageError(f"a page of {size} bytes is longer than its column")
            self._plain += plain
            if self._plain > self._column.plain:
                raise PageError("its pages are larger than the footer says")
            body = self._chunk[cursor.at : cursor.at + size]
            cursor.at += size
            self._page(header, body, plain)
        if self._left:
            raise PageError(f"its pages lack {self._left} of {self._column.values} values")
        whole = b"".join(self._parts)
        if len(whole) > _MOST_BYTES:
            raise NotReadError("a column of a row group has more than 2 GiB")
        return whole

    def _page(self, header: dict[int, Any], body: memoryview, plain: int) -> None:
        kind = header.get(1)
        if kind == _DICTIONARY:
            head = _struct(header, 7)
            if self._dictionary or self._left != self._column.values:
                raise PageError("it has a dictionary behind other pages")
            if head.get(2) not in (_PLAIN, _PLAIN_DICTIONARY):
                raise NotReadError("its dictionary is encoded")
            self._dictionary = True
            self._put(kind, _number(head, 1), _PLAIN, self._decompressed(body, plain))
        elif kind == _DATA:
            self._first(_struct(header, 5), self._decompressed(body, plain))
        elif kind == _DATA_V2:
            self._second(_struct(header, 8), body, plain)
        elif kind != _INDEX:
            raise PageError(f"there is no page of kind {kind}")

    def _first(self, head: dict[int, Any], body: memoryview) -> None:
        """A page of version 1: the levels have their length in front."""
        levels = body[:0]
        if self._column.optional:
            if head.get(3) != _RLE:
                raise NotReadError("its levels are encoded in a way long deprecated")
            size = int.from_bytes(body[:4], "little")
            if len(body) < 4 or size > len(body) - 4:
                raise PageError("its levels are longer than their page")
            levels, body = body[4 : 4 + size], body[4 + size :]
        self._data(_number(head, 1), _number(head, 2), levels, body)

    def _second(self, head: dict[int, Any], body: memoryview, plain: int) -> None:
        """A page of version 2: the levels stand before what is compressed."""
        size = _number(head, 5)
        if _number(head, 6) or size > min(len(body), plain):
            raise PageError("its levels do not fit their page")
        levels, values = body[:size], body[size:]
        if head.get(7, True) and (len(values) or plain > size):
            values = self._decompressed(values, plain - size)
        elif len(values) != plain - size:
            raise PageError("a page has another size than its header says")
        self._data(_number(head, 1), _number(head, 4), levels, values)

    def _data(self, count: int, encoding: int, levels: memoryview, values: memoryview) -> None:
        if count > self._left:
            raise PageError("its pages have more values than the footer says")
        if not count:
            return
        front = b""
        if self._column.optional:
            used = follow_runs(levels, 1, count, exact=True)
            front = used.to_bytes(4, "little") + bytes(levels[:used])
        behind = b""
        if encoding in (_PLAIN_DICTIONARY, _RLE_DICTIONARY):
            if not self._dictionary:
                raise PageError("a page needs a dictionary, which is missing")
            self._numbers(values, count)
            encoding = _RLE_DICTIONARY
        elif encoding == _RLE and self._column.physical == "BOOLEAN":
            values = values[4:]
            follow_runs(values, 1, count)
        elif encoding == _PLAIN:
            behind = bytes(count // 8 + 1) if self._column.physical == "BOOLEAN" else b""
        else:
            name = _ENCODINGS[encoding] if encoding < len(_ENCODINGS) else str(encoding)
            raise NotReadError(f"fastparquet has no safe decoder for {name} here")
        self._put(_DATA, count, encoding, values, front=front, behind=behind)
        self._left -= count

    def _numbers(self, values: memoryview, count: int) -> None:
        """Check the numbers of dictionary entries, whose width in bits stands in front."""
        width = values[0] if len(values) else 0
        if width > 32:
            raise PageError(f"numbers of {width} bits are too wide for a dictionary")
        if width:
            follow_runs(values[1:], width, count)

    def _decompressed(self, body: memoryview, plain: int) -> memoryview:
        codec = self._column.codec
        if codec == "none":
            if len(body) != plain:
                raise PageError("a page has another size than its header says")
            return body
        if codec == "unknown":
            raise NotReadError("its codec is none of those that are read here")
        if not plain:
            return body[:0]
        try:
            data = pa.Codec(codec).decompress(pa.py_buffer(body), plain)
        except (pa.ArrowException, OSError) as error:
            raise PageError(f"a page cannot be decompressed: {error}") from error
        if data.size != plain:
            raise PageError("a page has another size than its header says")
        return memoryview(data).cast("B")

    def _put(
        self,
        kind: int,
        count: int,
        encoding: int,
        body: memoryview,
        *,
        front: bytes = b"",
        behind: bytes = b"",
    ) -> None:
        size = len(front) + len(body) + len(behind) + len(_MARGIN)
        head = _fields((1, count), (2, encoding))
        if kind == _DATA:
            head = _fields((1, count), (2, encoding), (3, _RLE), (4, _RLE))
        field = bytes([(7 if kind == _DICTIONARY else 5) - 3 << 4 | 12])
        header = _fields((1, kind), (2, size), (3, size))[:-1] + field + head + b"\0"
        self._parts += [header, front, bytes(body), behind, _MARGIN]


def follow_runs(data: memoryview, width: int, count: int, *, exact: bool = False) -> int:
    """Walk over the runs of the RLE and bit-packed hybrid until ``count`` values are there.

    Args:
        data: the runs.
        width: bits of a value, at least 1.
        count: values at most.
        exact: so many there have to be; otherwise, the runs may end earlier.

    Returns:
        the bytes walked over.

    Raises:
        PageError: a run is longer than the bytes that are left.

    Example:
        >>> follow_runs(memoryview(bytes([8, 1, 99])), 1, 4)
        2
    """
    at, done, end = 0, 0, len(data)
    value_bytes = (width + 7) // 8
    while done < count and at < end:
        header = shift = 0
        while at < end:
            byte = data[at]
            at += 1
            header |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80 or shift > 28:
                break
        if header & 1:
            groups = header >> 1
            if groups * 8 > count - done + _SPARE_VALUES or not groups:
                raise PageError(f"a run of {groups * 8} values is longer than its page")
            at += groups * width
            done += groups * 8
        else:
            at += value_bytes
            done += header >> 1
        if at - end > len(_MARGIN) // 2 or header >> 31:
            raise PageError("a run is longer than its page")
        if at > end and exact:
            raise PageError("a run is longer than its page")
    if exact and done < count:
        raise PageError(f"its levels are those of {done} values instead of {count}")
    return min(at, end)


def _fields(*fields: tuple[int, int]) -> bytes:
    """A struct of 32-bit numbers, with the stop byte; the ids rise by one."""
    return b"".join(b"\x15" + varint(value << 1) for _, value in fields) + b"\0"


def _number(fields: dict[int, Any], key: int) -> int:
    value = fields.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_BYTES:
        raise PageError(f"field {key} of a page's header is {value!r}")
    return value


def _struct(fields: dict[int, Any], key: int) -> dict[int, Any]:
    value = fields.get(key)
    if not isinstance(value, dict):
        raise PageError("a page's header lacks what its kind has")
    return value
