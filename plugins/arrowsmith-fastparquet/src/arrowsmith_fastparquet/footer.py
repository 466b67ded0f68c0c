"""The footer of a file: the schema as pyarrow has it, the columns' places as they stand there.

fastparquet's own parser is left out: it follows lengths beyond the end of the footer. And pyarrow,
asked for a column of a row group, ends the process where some of its entries are damaged; so these
are parsed here.
Fields: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from arrowsmith.errors import BudgetExceeded, DataError, SchemaMismatch
from arrowsmith.kernels.names import decode_names
from arrowsmith_fastparquet.pages import Column
from arrowsmith_fastparquet.ranges import Bytes, RangeFile
from arrowsmith_fastparquet.thrift import Cursor

MAGIC = b"PAR1"
_TAIL_BYTES = 8
# Footers grow by about this factor when they are parsed.
_PARSED_FACTOR = 16
# What pyarrow raises on bytes that it cannot make sense of.
DAMAGE = (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError, IndexError)
_DAMAGED = "the file is damaged"
_CODECS = {0: "none", 1: "snappy", 2: "gzip", 4: "brotli", 6: "zstd", 7: "lz4_raw"}
_CORE = "read it with --from parquet, or leave the column out"


@dataclass(frozen=True, slots=True)
class Group:
    """A row group.

    Attributes:
        rows: how many it has.
        columns: what is said of its columns, fields by their ids.
    """

    rows: int
    columns: list[dict[int, Any]]

    @property
    def stored(self) -> int:
        """Bytes of its columns in the file."""
        return sum(_number(_fields(column, 3), 7) for column in self.columns)


@dataclass(frozen=True, slots=True)
class Footer:
    """A parsed footer.

    Attributes:
        path: the file, for messages.
        data: its bytes.
        metadata: what pyarrow made of the footer.
        schema: the Arrow schema.
        groups: its row groups, as they stand in the footer.
        size: bytes of the footer.
        writer: the program that wrote the file.
    """

    path: str
    data: Bytes
    metadata: pq.FileMetaData
    schema: pa.Schema
    groups: list[Group]
    size: int
    writer: str

    def file(
        self, start: int = 0, held: bytes = b"", dictionary: tuple[str, ...] = ()
    ) -> pq.ParquetFile:
        """The file for pyarrow, ``held`` standing in for what is at ``start``."""
        return _opened(RangeFile(self.data, start, held), self.metadata, self.size, dictionary)

    def columns(self, group: int, names: tuple[str, ...]) -> list[Column]:
        """What the footer says of columns of a row group.

        Raises:
            DataError: it is not true.
            SchemaMismatch: a column is nested.
        """
        return [self._column(group, name) for name in names]

    def _column(self, group: int, name: str) -> Column:
        place = f"row group {group}"
        index = self.leaf(name)
        shape = self.metadata.schema.column(index)
        rows = self.groups[group].rows
        chunk = self.groups[group].columns[index]
        if 1 in chunk:
            raise self._bad("its data stands in another file", place)
        try:
            meta = _fields(chunk, 3)
            values, plain, stored, start = (_number(meta, key) for key in (5, 6, 7, 9))
            dictionary = _number(meta, 11) if meta.get(11) else 0
        except ValueError as error:
            raise self._bad(f"column '{name}': {error}", place) from error
        start = min(start, dictionary or start)
        if start < len(MAGIC) or start + stored > self.data.size:
            raise self._bad(
                f"column '{name}' claims bytes {start} to {start + stored} of a file of"
                f" {self.data.size}",
                place,
            )
        if values != rows:
            raise self._bad(f"column '{name}' claims {values} values in {rows} rows", place)
        return Column(
            name,
            shape.physical_type,
            shape.length if shape.physical_type == "FIXED_LEN_BYTE_ARRAY" else 0,
            shape.max_definition_level == 1,
            _CODECS.get(meta.get(4, -1), "unknown"),
            values,
            start,
            stored,
            plain,
            dictionary > 0,
        )

    def leaf(self, name: str) -> int:
        """The number of a column's only leaf.

        Raises:
            SchemaMismatch: the column is nested.
        """
        field = self.schema.field(name)
        kind = field.type
        while isinstance(kind, pa.BaseExtensionType):
            kind = kind.storage_type
        leaves = self.metadata.schema
        index = next((i for i in range(len(leaves)) if leaves.column(i).path == name), -1)
        if pa.types.is_nested(kind) or index < 0 or leaves.column(index).max_repetition_level:
            raise SchemaMismatch(
                f"column '{name}' is nested ({field.type}), which this format does not read",
                path=self.path,
                hint=_CORE,
            )
        return index

    def _bad(self, what: str, place: str) -> DataError:
        return DataError(what, path=self.path, place=place, hint=_DAMAGED)


def read_footer(data: Bytes, path: str, memory_limit: int) -> Footer:
    """Parse and check a file's footer.

    Raises:
        DataError: the file is cut short, damaged or no Parquet file.
        BudgetExceeded: the footer alone would not fit in the budget.
    """
    size = _footer_size(data, path, memory_limit)
    try:
        with _opened(RangeFile(data), None, size, ()) as file:
            metadata = file.metadata
            writer = metadata.created_by or ""
            schema = file.schema_arrow
            decode_names(schema)
        stored = data.read_at(data.size - _TAIL_BYTES - size, size)
        groups = _groups(Cursor(stored).struct(), metadata.num_columns)
    except DAMAGE as error:
        raise DataError(
            f"it cannot be read: {error}", path=path, place="the footer", hint=_DAMAGED
        ) from error
    rows = sum(group.rows for group in groups)
    if metadata.num_rows != rows:
        raise DataError(
            f"it claims {metadata.num_rows} rows, its row groups {rows}",
            path=path,
            place="the footer",
            hint=_DAMAGED,
        )
    if len(set(schema.names)) < len(schema):
        raise DataError("two columns have the same name", path=path, hint="rename one of them")
    return Footer(path, data, metadata, schema, groups, size, writer)


def _groups(footer: dict[int, Any], width: int) -> list[Group]:
    """The row groups of a footer; ``ValueError`` where it lacks what it has to have."""
    found = []
    for group in footer.get(4) or []:
        columns = group.get(1) if isinstance(group, dict) else None
        if not isinstance(columns, list) or not all(isinstance(one, dict) for one in columns):
            raise ValueError("a row group has no columns")
        if len(columns) != width:
            raise ValueError(f"a row group has {len(columns)} columns, the schema {width}")
        found.append(Group(_number(group, 3), columns))
        for column in columns:
            _number(_fields(column, 3), 7)
    return found


def _fields(fields: dict[int, Any], key: int) -> dict[int, Any]:
    value = fields.get(key)
    if not isinstance(value, dict):
        raise ValueError("its metadata is missing")
    return value


def _number(fields: dict[int, Any], key: int) -> int:
    value = fields.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"field {key} of its metadata is {value!r}")
    return value


def _opened(
    file: RangeFile,
    metadata: pq.FileMetaData | None,
    footer_size: int,
    dictionary: tuple[str, ...],
) -> pq.ParquetFile:
    return pq.ParquetFile(
        pa.PythonFile(file, mode="r"),
        metadata=metadata,
        read_dictionary=list(dictionary) or None,
        pre_buffer=False,
        thrift_string_size_limit=max(1 << 10, footer_size),
        thrift_container_size_limit=max(1 << 10, footer_size),
    )


def _footer_size(data: Bytes, path: str, memory_limit: int) -> int:
    if data.size < len(MAGIC) + _TAIL_BYTES:
        raise DataError(f"a file of {data.size} bytes is no Parquet file", path=path)
    tail = data.read_at(data.size - _TAIL_BYTES, _TAIL_BYTES)
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
    if not 0 < size <= data.size - _TAIL_BYTES - len(MAGIC):
        raise DataError(
            f"its footer claims {size} bytes in a file of {data.size}",
            path=path,
            place=f"byte {data.size - _TAIL_BYTES}",
            hint=_DAMAGED,
        )
    if size * _PARSED_FACTOR > memory_limit:
        needed = size * _PARSED_FACTOR * 2
        raise BudgetExceeded(
            f"its footer of {size} bytes needs about {size * _PARSED_FACTOR} bytes of memory",
            needed=needed,
            path=path,
            hint=f"allow at least {(needed >> 20) + 1} MiB",
        )
    return size
