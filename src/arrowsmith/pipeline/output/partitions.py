"""Which directory a row belongs to: the Hive layout ``lang=en/day=2024-05-01``.

Values are percent-encoded as in URLs, so that none can leave its directory. A null is
``__HIVE_DEFAULT_PARTITION__``. Layout: https://hive.apache.org (dynamic partitions), as Arrow,
DuckDB, Polars and Spark read it.
"""

from __future__ import annotations

from typing import Self
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.errors import DataError, OptionError, SchemaMismatch
from arrowsmith.pipeline.output.shape import Shape
from arrowsmith.plugin.columns import check_columns

NULL = "__HIVE_DEFAULT_PARTITION__"
_LONGEST = 255  # bytes of a name, for most file systems
_MOST_MIXED = 1 << 62  # combinations of values that are numbered apart

Codes = npt.NDArray[np.int64]


class Partitioning:
    """Numbers the partitions of a stream of batches, in the order in which they turn up.

    Args:
        schema: of the rows.
        columns: their values become directories; the files do not hold them.
        most: more partitions than this are an error.

    Attributes:
        rest: the schema of the files.
        folders: the directory of each partition, by its number.

    Raises:
        OptionError: no such column, or no other is left.
        SchemaMismatch: a column's type has no text that reads back the same.
    """

    def __init__(self, schema: pa.Schema, columns: tuple[str, ...], most: int) -> None:
        check_columns(schema, columns)
        self._columns = columns
        self._most = most
        for name in columns:
            _check_type(schema.field(name))
        kept = [field for field in schema if field.name not in columns]
        if not kept:
            raise OptionError(
                "every column is in partition_by, so that nothing is left for the files",
                hint="leave one out",
            )
        self.rest = pa.schema(kept, metadata=schema.metadata)
        self.folders: list[str] = []
        self._numbers: dict[str, int] = {}
        self._seen: list[set[str]] = [set() for _ in columns]

    @classmethod
    def of(cls, schema: pa.Schema, shape: Shape) -> Self:
        return cls(schema, shape.partition_columns, shape.max_partitions)

    def split(self, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, Codes]:
        """The columns of the files, and the number of each row's partition.

        Raises:
            DataError: a value that cannot be a directory.
            OptionError: too many partitions.
        """
        encoded = [_encoded(batch.column(name)) for name in self._columns]
        texts = [self._texts(*one) for one in zip(self._columns, encoded, strict=True)]
        places = [_as_numpy(one.indices) for one in encoded]
        mixed, most = np.zeros(batch.num_rows, np.int64), 1  # a number for each combination
        for column, values in zip(places, texts, strict=True):
            if most * len(values) > _MOST_MIXED:
                mixed = np.unique(mixed, return_inverse=True)[1]
                most = batch.num_rows
            mixed = mixed * len(values) + column
            most *= len(values)
        _, rows, inverse = np.unique(mixed, return_index=True, return_inverse=True)
        parts = [
            [values[at] for at in column[rows].tolist()]
            for column, values in zip(places, texts, strict=True)
        ]
        numbers = np.fromiter(map(self._number, zip(*parts, strict=True)), np.int64, len(rows))
        return batch.select(self.rest.names), numbers[inverse]

    def _texts(self, name: str, encoded: pa.DictionaryArray) -> list[str]:
        """What stands for each value, such as ``lang=en``."""
        key, values = _key(name), _as_text(encoded.dictionary)
        return [f"{key}={self._text(name, value)}" for value in values.to_pylist()]

    @staticmethod
    def _text(name: str, value: str | None) -> str:
        if value is None:
            return NULL
        if value == NULL:
            raise DataError(
                f"column '{name}' holds the text {NULL}, which stands for null in partitions",
                hint="replace it before",
            )
        text = quote(value, safe="")
        if text.endswith("."):  # Windows would drop it
            text = text[:-1] + "%2E"
        if len(text) + len(_key(name)) + 1 > _LONGEST:
            raise DataError(
                f"column '{name}' holds a value of {len(value)} characters ({value[:40]!r}...),"
                " too long for the name of a directory",
                hint="partition by another column, or by a shorter form of this one",
            )
        return text

    def _number(self, parts: tuple[str, ...]) -> int:
        folder = "/".join(parts)
        number = self._numbers.get(folder)
        if number is None:
            for seen, part in zip(self._seen, parts, strict=True):
                seen.add(part)
            if len(self.folders) == self._most:
                raise self._too_many()
            number = self._numbers[folder] = len(self.folders)
            self.folders.append(folder)
        return number

    def _too_many(self) -> OptionError:
        counts = [len(seen) for seen in self._seen]
        worst = self._columns[counts.index(max(counts))]
        return OptionError(
            f"partitioned by {', '.join(self._columns)}, the rows need more than {self._most:,}"
            f" directories; column '{worst}' has {max(counts):,} values or more",
            hint="choose columns of few values, or raise --max-partitions",
        )


def _key(name: str) -> str:
    """A column's name in that of a directory. A first ``.`` or ``_`` would hide it from readers."""
    hidden = f"%{ord(name[0]):02X}" if name[0] in "._" else ""
    return hidden + quote(name[1:] if hidden else name, safe="")


def _check_type(field: pa.Field) -> None:
    types, kind = pa.types, field.type
    if types.is_dictionary(kind):
        kind = kind.value_type
    fine = (
        types.is_integer(kind)
        or types.is_boolean(kind)
        or types.is_date(kind)
        or types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
    )
    if not fine:
        raise SchemaMismatch(
            f"column '{field.name}' of type {field.type} cannot name directories",
            hint="partition by strings, integers, booleans or dates; cast or derive one before",
        )


def _encoded(column: pa.Array) -> pa.DictionaryArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)  # its dictionary may repeat a value
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.large_string())
    return pc.dictionary_encode(column, null_encoding="encode")


def _as_text(values: pa.Array) -> pa.Array:
    if pa.types.is_date64(values.type):
        values = values.cast(pa.date32())
    return values.cast(pa.string())


def _as_numpy(indices: pa.Array) -> npt.NDArray[np.int64]:
    buffer = indices.cast(pa.int64()).buffers()[1]
    if buffer is None:
        return np.zeros(0, np.int64)
    return np.frombuffer(buffer, np.int64)[indices.offset : indices.offset + len(indices)]
