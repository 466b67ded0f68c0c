"""Columns that files beside the pictures give: ``metadata.csv``, ``.jsonl``, ``.parquet``.

Hugging Face's convention (https://huggingface.co/docs/datasets/image_dataset): a column
``file_name`` names the picture, relative to the folder of the file.
"""

from __future__ import annotations

import io
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.errors import DataError, SchemaMismatch
from arrowsmith.plugin import RunContext
from arrowsmith_image.jsonl import read_jsonl
from arrowsmith_image.pillow import BadPictureError
from arrowsmith_image.stores import Entry

_KEYS = ("file_name", "file", "filename", "image")
_INTEGER = r"^(?:0|-?[1-9][0-9]{0,17})$"
_WHOLE = r"(?:0|-?[1-9][0-9]{0,14})"
_FRACTION = r"-?(?:0|[1-9][0-9]{0,14})\.[0-9]{0,20}[1-9]"
_NUMBERS = (rf"^(?:{_WHOLE}|{_FRACTION})$", rf"^(?:-?0\.0|{_WHOLE}\.0|{_FRACTION})$")
_DIGITS = 15  # of a text that a double gives back, whichever it is
_SHARE = 8  # a metadata file may take so much of the budget: one part of this many


@dataclass(frozen=True, slots=True)
class Told:
    """A table with a row for some pictures.

    Attributes:
        table: its columns.
        rows: the row of a picture, by its name.
    """

    table: pa.Table
    rows: dict[str, int]


class Beside:
    """The columns of several tables, for any pictures.

    Args:
        tables: later ones fill in columns of their own.
        taken: names that the pictures' own columns have; another column of such a name is called
            ``metadata_NAME``.

    Attributes:
        fields: of the columns.
        names: of the columns.
    """

    def __init__(self, tables: Sequence[Told], taken: Sequence[str]) -> None:
        self.fields: list[pa.Field] = []
        self._from: dict[str, tuple[Told, int]] = {}
        for told in tables:
            for place, column in enumerate(told.table.schema):
                name = column.name if column.name not in taken else f"metadata_{column.name}"
                if name in self._from:
                    raise SchemaMismatch(f"two files beside the pictures give a column '{name}'")
                self._from[name] = told, place
                self.fields.append(column.with_name(name).with_nullable(True))
        self.names = frozenset(self._from)

    def column(self, name: str, pictures: Sequence[str]) -> pa.Array:
        """A column for these pictures, null where nothing is told of one."""
        told, place = self._from[name]
        found = np.array([told.rows.get(picture, -1) for picture in pictures], np.int64)
        valid = pa.py_buffer(np.packbits(found >= 0, bitorder="little"))
        indices = pa.Array.from_buffers(
            pa.int64(), len(found), [valid, pa.py_buffer(found.clip(0))]
        )
        taken = told.table.column(place).take(indices)
        return taken.combine_chunks() if taken.num_chunks != 1 else taken.chunk(0)


def is_metadata(name: str) -> bool:
    """Whether a file of that name gives columns."""
    base = name.rpartition("/")[2].lower()
    return base in ("metadata.csv", "metadata.jsonl", "metadata.parquet")


def metadata_of(
    sidecars: Sequence[Entry], pictures: Sequence[str], ctx: RunContext, used: set[int]
) -> Iterator[Told]:
    """The table of all metadata files; ``used`` learns which files these are.

    Raises:
        DataError: one of them cannot be read or names no pictures.
    """
    tables: list[pa.Table] = []
    rows: dict[str, int] = {}
    before = 0
    for entry in sidecars:
        if not is_metadata(entry.name):
            continue
        used.add(id(entry))
        table = _parsed(entry, ctx)
        key = next((name for name in _KEYS if name in table.column_names), None)
        if key is None:
            raise DataError("has no column 'file_name'", path=entry.path)
        folder = posixpath.dirname(entry.name)
        for number, name in enumerate(table[key].to_pylist()):
            place = posixpath.normpath(posixpath.join(folder, str(name)))
            rows.setdefault(place, before + number)
        tables.append(table.drop_columns([key]))
        before += table.num_rows
    if not tables:
        return
    missing = rows.keys() - set(pictures)
    if missing and pictures:
        some = ", ".join(sorted(missing)[:3])
        ctx.warn(f"metadata names {len(missing)} pictures that are not there, such as {some}")
    try:
        joined = pa.concat_tables(_alike(tables), promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise SchemaMismatch(f"metadata files do not fit one another: {error}") from error
    yield Told(joined, rows)


def _alike(tables: Sequence[pa.Table]) -> Sequence[pa.Table]:
    """The tables with types that no joining makes doubles of: those of ``jsonl`` for all rows.

    Raises:
        SchemaMismatch: a column has decimals in one table and floats in another.
    """
    for name in {name: None for table in tables for name in table.column_names}:
        columns = [table[name] for table in tables if name in table.column_names]
        kinds = {column.type for column in columns}
        decimals = any(map(pa.types.is_decimal, kinds))
        if decimals and any(map(pa.types.is_floating, kinds)):
            raise SchemaMismatch(
                f"metadata files do not fit one another: column '{name}' has numbers of more "
                "digits than a float in one of them and floats in another"
            )
        if pa.uint64() not in kinds or not (pa.int64() in kinds or decimals):
            continue
        signed = decimals or any((pc.min(column).as_py() or 0) < 0 for column in columns)
        kind = pa.decimal128(38, 0) if signed else pa.uint64()
        tables = [_with_type(table, name, kind) for table in tables]
    return tables


def _with_type(table: pa.Table, name: str, kind: pa.DataType) -> pa.Table:
    """A column of integers in another type; decimals stay as they are."""
    place = table.schema.get_field_index(name)
    if place < 0 or not pa.types.is_integer(table.schema.field(place).type):
        return table
    column = table.column(place)
    if pa.types.is_decimal(kind):  # Arrow knows no cast from uint64 to a decimal of 38 digits
        column = column.cast(pa.string()).cast(kind)
    return table.set_column(place, name, column.cast(kind))


def loaded(entry: Entry, ctx: RunContext) -> bytes:
    """A file beside the pictures, if it is not too large for the budget.

    Raises:
        DataError: it cannot be read, or is larger.
    """
    try:
        return entry.whole(max(ctx.memory_limit // _SHARE, 1 << 20))
    except BadPictureError as error:
        raise DataError(
            str(error).replace(" (max_bytes)", ""), path=entry.path, hint="give more memory"
        ) from error


def _parsed(entry: Entry, ctx: RunContext) -> pa.Table:
    data = loaded(entry, ctx)
    kind = entry.name.lower().rpartition(".")[2]
    try:
        if kind == "parquet":
            import pyarrow.parquet as pq

            table = pq.ParquetFile(io.BytesIO(data)).read()
        else:
            data.decode()
            table = read_jsonl(data) if kind == "jsonl" else _csv(data)
        table.validate(full=True)
        if not all(table.column_names):
            raise pa.ArrowInvalid("a column has no name")
    except UnicodeDecodeError as error:
        raise DataError(
            f"is not UTF-8 (byte {error.start})", path=entry.path, hint="save it as UTF-8"
        ) from error
    except (pa.ArrowException, OSError) as error:
        what = " ".join(str(error).split())[:300]
        raise DataError(f"cannot be read ({what})", path=entry.path) from error
    return table


def _csv(data: bytes) -> pa.Table:
    import pyarrow.csv as pv

    names = pv.open_csv(io.BytesIO(data)).schema.names
    convert = pv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
    )
    table = pv.read_csv(
        io.BytesIO(data),
        convert_options=convert,
        parse_options=pv.ParseOptions(newlines_in_values=True),
    )
    columns = [
        column if name in _KEYS else _typed(column)
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    return pa.table(columns, names=table.column_names)


def _typed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Numbers where every text is one as it would be written; else the texts."""
    if column.null_count == len(column):
        return column
    if pc.all(pc.match_substring_regex(column, _INTEGER)).as_py():
        return column.cast(pa.int64())
    for pattern in _NUMBERS:  # whole numbers end in .0, or none does
        if pc.all(pc.match_substring_regex(column, pattern)).as_py():
            numbers = column.cast(pa.float64())
            digits = pc.utf8_ltrim(pc.replace_substring(column, ".", ""), "-0")
            short = pc.less_equal(pc.utf8_length(digits), _DIGITS)
            same = pc.or_(short, pc.equal(numbers.cast(pa.string()), column))
            return numbers if pc.all(same).as_py() else column
    return column
