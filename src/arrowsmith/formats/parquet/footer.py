"""Join Parquet files by their footers: many files of one row group each become one file.

A row group's bytes may stand anywhere in a file; only its footer says where. So a worker makes a
whole small file in memory, the sink copies its pages to the end of the large file, and shifts every
offset in its footer by as much. Field numbers are those of ``parquet.thrift``:
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from arrowsmith.formats.parquet.thrift import (
    I16,
    I64,
    LIST,
    STRUCT,
    Cursor,
    ThriftError,
    list_header,
    zigzag,
)

MAGIC = b"PAR1"
TAIL_BYTES = 8

_NUM_ROWS, _ROW_GROUPS = 3, 4
_COLUMNS, _GROUP_OFFSET, _ORDINAL = 1, 5, 7
_CHUNK_OFFSETS = frozenset({2, 4, 6})  # file_offset, offset_index_offset, column_index_offset
_CHUNK_METADATA = 3
# data_page_offset, index_page_offset, dictionary_page_offset, bloom_filter_offset
_METADATA_OFFSETS = frozenset({9, 10, 11, 14})


@dataclass(frozen=True, slots=True)
class GroupFooter:
    """A row group's footer with the numbers cut out that depend on its place in the file.

    Attributes:
        texts: the bytes around the numbers, one more than there are numbers.
        offsets: the numbers: an offset in the small file, or None for the row group's ordinal.
    """

    texts: tuple[bytes, ...]
    offsets: tuple[int | None, ...]

    def placed(self, shift: int, ordinal: int) -> bytes:
        """The footer of row group ``ordinal`` whose bytes were moved by ``shift``.

        An offset of 0 means that there is none, and stays so. Ordinals above 32,767 do not fit
        their field and are left 0, as other writers do.
        """
        ordinal = ordinal if ordinal < 1 << 15 else 0
        parts = [self.texts[0]]
        for offset, text in zip(self.offsets, self.texts[1:], strict=True):
            if offset is None:
                parts.append(zigzag(ordinal))
            else:
                parts.append(zigzag(offset + shift if offset else 0))
            parts.append(text)
        return b"".join(parts)


@dataclass(frozen=True, slots=True)
class FileFooter:
    """The parts of a file's footer.

    Attributes:
        head: the fields before the number of rows: version and schema.
        num_rows: rows of the file.
        groups: its row groups.
        rest: the fields after the row groups: metadata, writer, column orders; with the stop byte.
    """

    head: bytes
    num_rows: int
    groups: tuple[GroupFooter, ...]
    rest: bytes


def footer_bytes(file: memoryview) -> tuple[int, bytes]:
    """Where the footer of a whole file starts, and its bytes.

    Raises:
        ThriftError: the file has no footer.
    """
    if len(file) < 12 or bytes(file[-4:]) != MAGIC:
        raise ThriftError("it does not end in PAR1")
    size = int.from_bytes(file[-TAIL_BYTES:-4], "little")
    start = len(file) - TAIL_BYTES - size
    if start < len(MAGIC):
        raise ThriftError(f"a footer of {size} bytes is longer than the file")
    return start, bytes(file[start:-TAIL_BYTES])


def parse_footer(data: bytes) -> FileFooter:
    """Take a file's footer apart.

    Raises:
        ThriftError: it is damaged, or its fields are not in the order in which writers put them.
    """
    cursor = Cursor(data)
    head_end, rest_start = None, None
    num_rows = 0
    groups: tuple[GroupFooter, ...] = ()
    before = 0
    for number, kind in cursor.fields():
        if number == _NUM_ROWS and kind == I64:
            head_end = before
            num_rows = cursor.zigzag()
        elif number == _ROW_GROUPS and kind == LIST and head_end is not None:
            size, inner = cursor.list()
            if inner != STRUCT:
                raise ThriftError("its row groups are no structs")
            groups = tuple(_group(cursor) for _ in range(size))
            rest_start = cursor.at
        elif (number < _ROW_GROUPS and head_end is None) or rest_start is not None:
            cursor.skip(kind)
        else:
            raise ThriftError(f"field {number} of the footer is out of place")
        before = cursor.at
    if head_end is None or rest_start is None:
        raise ThriftError("it lacks the number of rows or the row groups")
    return FileFooter(data[:head_end], num_rows, groups, data[rest_start : cursor.at])


def join_prefix(first: FileFooter, num_rows: int, groups: int) -> bytes:
    """What stands before the row groups of a joined footer; ``first.rest`` stands after them."""
    return b"".join(
        (
            first.head,
            bytes([1 << 4 | I64]),
            zigzag(num_rows),
            bytes([1 << 4 | LIST]),
            list_header(groups, STRUCT),
        )
    )


class _Cuts:
    """Collects the texts between the numbers that are cut out."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.start = cursor.at
        self.texts: list[bytes] = []
        self.offsets: list[int | None] = []

    def number(self, *, ordinal: bool = False) -> None:
        self.texts.append(self.cursor.data[self.start : self.cursor.at])
        value = self.cursor.zigzag()
        self.offsets.append(None if ordinal else value)
        self.start = self.cursor.at

    def done(self) -> GroupFooter:
        self.texts.append(self.cursor.data[self.start : self.cursor.at])
        return GroupFooter(tuple(self.texts), tuple(self.offsets))


def _group(cursor: Cursor) -> GroupFooter:
    cuts = _Cuts(cursor)
    for number, kind in cursor.fields():
        if number == _COLUMNS and kind == LIST:
            size, inner = cursor.list()
            if inner != STRUCT:
                raise ThriftError("the columns of a row group are no structs")
            for _ in range(size):
                _column(cursor, cuts)
        elif number == _GROUP_OFFSET and kind == I64:
            cuts.number()
        elif number == _ORDINAL and kind == I16:
            cuts.number(ordinal=True)
        else:
            cursor.skip(kind)
    return cuts.done()


def _column(cursor: Cursor, cuts: _Cuts) -> None:
    try:
        _cut(cuts, _CHUNK_OFFSETS, _CHUNK_METADATA)
    except IndexError:
        raise ThriftError("it ends in the middle of a value") from None


def _cut(cuts: _Cuts, offsets: Container[int], inside: int | None = None) -> None:
    """Walk over a struct and cut out its offsets; field ``inside`` has those of the metadata.

    Written out, since a wide file has ten thousand columns in each row group.
    """
    cursor = cuts.cursor
    data, at, number = cursor.data, cursor.at, 0
    while header := data[at]:
        cursor.at = at + 1
        number = number + (header >> 4) if header > 0x0F else cursor.zigzag()
        kind = header & 0x0F
        if kind == I64 and number in offsets:
            cuts.number()
        elif kind == STRUCT and number == inside:
            _cut(cuts, _METADATA_OFFSETS)
        elif I16 <= kind <= I64 and data[cursor.at] < 0x80:
            cursor.at += 1
        else:
            cursor.skip(kind)
        at = cursor.at
    cursor.at = at + 1
