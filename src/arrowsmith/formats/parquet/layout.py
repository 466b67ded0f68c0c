"""What a Parquet file's footer says, checked before anything is read or allocated by it."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from arrowsmith.errors import BudgetExceeded, DataError
from arrowsmith.formats.parquet.footer import MAGIC, TAIL_BYTES
from arrowsmith.formats.parquet.ranges import Bytes

# Footers grow by about this factor when they are parsed.
_PARSED_FACTOR = 8
# What pyarrow raises on bytes that it cannot make sense of.
DAMAGE = (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError, IndexError)


@dataclass(frozen=True, slots=True)
class Group:
    """A row group as far as the columns wanted go.

    Attributes:
        number: its number in the file, from 0.
        rows: how many it has.
        stored: bytes of its columns in the file.
        plain: bytes of its columns before compression.
        largest: bytes of the largest column in the file.
    """

    number: int
    rows: int
    stored: int
    plain: int
    largest: int


def check_ends(data: Bytes, path: str, memory_limit: int) -> int:
    """The footer's size, which the file's last bytes give.

    Raises:
        DataError: the file is no Parquet file or is cut short.
        BudgetExceeded: the footer alone would not fit in the budget.
    """
    if data.size < len(MAGIC) + TAIL_BYTES:
        raise DataError(f"a file of {data.size} bytes is no Parquet file", path=path)
    tail = data.read_at(data.size - TAIL_BYTES, TAIL_BYTES)
    if tail[4:] == b"PARE":
        raise DataError("its footer is encrypted", path=path, hint="decrypt it first")
    if tail[4:] != MAGIC:
        raise DataError(
            "it does not end in PAR1",
            path=path,
            place=f"byte {data.size - len(MAGIC)}",
            hint="the file is cut short or is no Parquet file",
        )
    size = int.from_bytes(tail[:4], "little")
    if size == 0 or size > data.size - TAIL_BYTES - len(MAGIC):
        raise DataError(
            f"its footer claims {size} bytes in a file of {data.size}",
            path=path,
            place=f"byte {data.size - TAIL_BYTES}",
            hint="the file is damaged",
        )
    if size * _PARSED_FACTOR > memory_limit:
        needed = size * _PARSED_FACTOR * 2
        raise BudgetExceeded(
            f"its footer of {size} bytes needs about {size * _PARSED_FACTOR} bytes of memory",
            needed=needed,
            path=path,
            hint=f"allow at least {-(-needed >> 20)} MiB",
        )
    return size


def leaf_types(kind: pa.DataType) -> list[pa.DataType]:
    """The types of the leaf columns that a column of a type is stored in, in order."""
    if isinstance(kind, pa.BaseExtensionType):
        return leaf_types(kind.storage_type)
    if kind.num_fields == 0:
        return [kind]
    return [leaf for i in range(kind.num_fields) for leaf in leaf_types(kind.field(i).type)]


def damaged(error: Exception, path: str, place: str) -> DataError:
    """The error for bytes that pyarrow made no sense of."""
    hint = "the file is damaged"
    if isinstance(error, NotImplementedError):
        hint = "this installation's pyarrow lacks what the file needs"
    return DataError(f"it cannot be read: {error}", path=path, place=place, hint=hint)


def first_page(column: pq.ColumnChunkMetaData) -> int:
    """Where the pages of a column begin in the file."""
    start: int = column.data_page_offset
    if column.has_dictionary_page and column.dictionary_page_offset:
        start = min(start, column.dictionary_page_offset)
    return start


def check_group(
    metadata: pq.FileMetaData, number: int, leaves: list[int], file_size: int, path: str
) -> Group:
    """The sizes of a row group's columns, which must lie inside the file.

    Raises:
        DataError: they do not, or stand in other files.
    """
    place = f"row group {number}"
    group = metadata.row_group(number)
    stored = plain = largest = 0
    if group.num_rows == 0:  # it may have no pages, and so no places
        return Group(number, 0, stored, plain, largest)
    for leaf in leaves:
        column = group.column(leaf)
        if column.file_path:
            raise DataError(
                f"its data stands in another file, {column.file_path!r}",
                path=path,
                place=place,
                hint="open the directory's data files instead of the summary",
            )
        start = first_page(column)
        size, before = column.total_compressed_size, column.total_uncompressed_size
        if start < len(MAGIC) or size < 0 or before < 0 or start + size > file_size:
            raise DataError(
                f"column {column.path_in_schema!r} claims bytes {start} to {start + size}"
                f" of a file of {file_size}",
                path=path,
                place=place,
                hint="the file is damaged",
            )
        stored, plain, largest = stored + size, plain + before, max(largest, size)
    if group.num_rows < 0:
        raise DataError(f"it claims {group.num_rows} rows", path=path, place=place)
    return Group(number, group.num_rows, stored, plain, largest)
