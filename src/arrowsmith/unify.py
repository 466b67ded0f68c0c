"""One schema for several files, and batches brought to it. Promotions never change a value."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.errors import DataError, OptionError, SchemaConflict, SchemaMismatch

_NOTES_KEY = b"arrowsmith"


def unified_schema(
    schemas: Sequence[tuple[str, pa.Schema]],
    partitions: Sequence[pa.Field] = (),
    path_column: str | None = None,
) -> pa.Schema:
    """The schema that the rows of all files fit, columns by name in the order of appearance.

    Null becomes anything, narrow integers and floats become wider ones of their kind, integers
    become float64 (each value is checked for exactness when it is read), and a column that a file
    lacks is null there. A text column that the reader notes as ``"empty"``, since it saw no value
    in it, takes the type that other files have.

    Args:
        schemas: path and schema of every file.
        partitions: columns that the directories give; they take the place of columns that files
            have under these names, and stand behind all others.
        path_column: name of the added column of file paths, or None.

    Raises:
        SchemaMismatch: two files have types for a column that do not unify, or no column in common.
        OptionError: the data has a column named as ``path_column``.
    """
    fields: dict[str, tuple[pa.Field, str]] = {}
    unseen: set[str] = set()
    given = {field.name for field in partitions}
    before: pa.Schema | None = None
    for index, (path, schema) in enumerate(schemas):
        if schema is before:  # as readers give it that know that a file is like the one before
            continue
        before = schema
        _check_unique(schema, path)
        if index and (fields.keys() | given).isdisjoint(schema.names):
            raise SchemaMismatch(
                f"has no column in common with {schemas[0][0]}",
                path=path,
                hint="files of one dataset share columns; open these apart",
            )
        empty = noted_empty(schema)
        for field in schema:
            if field.name in given:
                continue
            if field.name in empty:
                field = field.with_type(pa.null())
                unseen.add(field.name)
            if field.name not in fields:
                late = field.with_nullable(True) if index else field
                fields[field.name] = late, path
            else:
                fields[field.name] = _unified_field(*fields[field.name], field, path), path
        for name in fields.keys() - set(schema.names):
            field, where = fields[name]
            fields[name] = field.with_nullable(True), where
    for name in unseen:
        field, where = fields[name]
        if pa.types.is_null(field.type):
            fields[name] = field.with_type(pa.string()), where
    for field in partitions:
        fields[field.name] = field, ""
    if path_column is not None:
        if path_column in fields:
            raise OptionError(f"the data has a column '{path_column}' of its own", hint="rename it")
        fields[path_column] = pa.field(path_column, pa.string(), nullable=False), ""
    return pa.schema([field for field, _ in fields.values()], metadata=schemas[0][1].metadata)


def noted_empty(schema: pa.Schema) -> frozenset[str]:
    """The text columns in which the reader says it saw no value when it guessed their types."""
    listed = _listed((schema.metadata or {}).get(_NOTES_KEY, b"{}"))
    if not listed:
        return frozenset()
    return frozenset(
        field.name for field in schema if pa.types.is_string(field.type) and field.name in listed
    )


@lru_cache(maxsize=8)  # many files have the same notes
def _listed(notes: bytes) -> frozenset[str]:
    try:
        told = json.loads(notes)
    except (ValueError, RecursionError):
        return frozenset()
    listed = told.get("empty") if isinstance(told, dict) else None
    if not isinstance(listed, list):
        return frozenset()
    return frozenset(name for name in listed if isinstance(name, str))


def _check_unique(schema: pa.Schema, path: str) -> None:
    if len(set(schema.names)) == len(schema.names):
        return
    name = next(name for name in schema.names if schema.names.count(name) > 1)
    raise SchemaMismatch(
        f"has {schema.names.count(name)} columns named '{name}'",
        path=path,
        hint="columns are addressed by name; write the file with distinct names",
    )


def _unified_field(known: pa.Field, known_path: str, field: pa.Field, path: str) -> pa.Field:
    kind = promoted(known.type, field.type)
    if kind is None:
        raise SchemaMismatch(
            f"column '{field.name}' is {field.type} where {known_path} has {known.type}",
            path=path,
            hint="open each alone and cast the column, or, of text files, name one type for both"
            f" (-r types={field.name}:string)",
        )
    return known.with_type(kind).with_nullable(known.nullable or field.nullable)


def promoted(left: pa.DataType, right: pa.DataType) -> pa.DataType | None:
    """The type that holds the values of both exactly, or None."""
    types = pa.types
    if left.equals(right):
        return left
    if types.is_null(left):
        return right
    if types.is_null(right):
        return left
    if types.is_integer(left) and types.is_integer(right):
        return _wider_integer(left, right)
    if types.is_floating(left) and types.is_floating(right):
        return max(left, right, key=lambda kind: kind.bit_width)
    if _is_number(left) and _is_number(right):
        return pa.float64()
    for small, large in ((pa.string(), pa.large_string()), (pa.binary(), pa.large_binary())):
        if {left, right} == {small, large}:
            return large
    return None


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _wider_integer(left: pa.DataType, right: pa.DataType) -> pa.DataType | None:
    types = pa.types
    if types.is_signed_integer(left) == types.is_signed_integer(right):
        return max(left, right, key=lambda kind: kind.bit_width)
    unsigned, signed = (left, right) if types.is_unsigned_integer(left) else (right, left)
    if unsigned.bit_width < signed.bit_width:
        return signed
    wider = {8: pa.int16(), 16: pa.int32(), 32: pa.int64()}
    return wider.get(unsigned.bit_width)


class Adapter:
    """Brings the batches of one file to the columns asked for, in the types of all files.

    Args:
        own: the file's schema.
        unified: of all files.
        columns: the columns asked for.
        path: of the file, for messages.
        constants: columns that have one value in all of the file, by its directories or its path.
        renamed: columns that are others of the file under a second name: that name, and the file's.

    Attributes:
        wanted: the file's columns that are needed, in order.
    """

    def __init__(
        self,
        own: pa.Schema,
        unified: pa.Schema,
        columns: Sequence[str],
        path: str,
        constants: Mapping[str, pa.Scalar],
        renamed: Mapping[str, str] | None = None,
    ) -> None:
        self._own = own
        self._path = path
        self._constants = constants
        self._renamed = renamed or {}
        self._schema = pa.schema(
            [unified.field(name) for name in columns], metadata=unified.metadata
        )
        self._empty = noted_empty(own)
        names = set(own.names)
        self._to_check = not names.isdisjoint(self._constants)
        asked = dict.fromkeys(self._renamed.get(name, name) for name in columns)
        # a file that has none of them still has to tell its number of rows
        self.wanted = tuple(name for name in asked if name in names) or tuple(own.names[:1])

    def unchanged(self, name: str) -> bool:
        """Whether the file has the column in the unified type."""
        if name not in self._own.names or name not in self._schema.names:
            return False
        return bool(self._own.field(name).type.equals(self._schema.field(name).type))

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        same = batch.schema.names == self._schema.names and not self._to_check
        if same and batch.schema.equals(self._schema, check_metadata=True):
            return batch
        arrays = [self._column(batch, field) for field in self._schema]
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _column(self, batch: pa.RecordBatch, field: pa.Field) -> pa.Array:
        index = batch.schema.get_field_index(self._renamed.get(field.name, field.name))
        if field.name in self._constants:
            value = self._constants[field.name]
            if index >= 0 and not _all_are(batch.column(index), value):
                raise self._contradiction(field.name, value)
            return pa.repeat(value, batch.num_rows)
        if index < 0:
            return pa.nulls(batch.num_rows, field.type)
        column = batch.column(index)
        if column.type.equals(field.type):
            return column
        if field.name in self._empty:
            if column.null_count < len(column):
                raise self._not_empty(field)
            return pa.nulls(len(column), field.type)
        try:
            return column.cast(field.type)
        except pa.ArrowInvalid as error:
            raise DataError(
                f"column '{field.name}' has a value that {field.type} cannot hold ({error})",
                path=self._path,
                hint=f"read it as text: -r types={field.name}:string",
            ) from None

    def _contradiction(self, name: str, value: pa.Scalar) -> DataError:
        return DataError(
            f"its column '{name}' has another value than its directory, which says {value}",
            path=self._path,
            hint="move the file, or leave the directories out of it: hive_partitioning=False or "
            "--no-hive-partitioning",
        )

    def _not_empty(self, field: pa.Field) -> SchemaConflict:
        return SchemaConflict(
            f"column '{field.name}' has values, where the sample that its type was inferred from "
            f"has none and other files have {field.type}",
            column=field.name,
            path=self._path,
            hint=f'use infer="full", or -r types={field.name}:{field.type}',
        )


def _all_are(column: pa.Array, value: pa.Scalar) -> bool:
    if not value.is_valid:
        return bool(column.null_count == len(column))
    if column.null_count:
        return False
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        same = pc.equal(column.cast(value.type), value)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    return bool(pc.all(same, min_count=0).as_py())
