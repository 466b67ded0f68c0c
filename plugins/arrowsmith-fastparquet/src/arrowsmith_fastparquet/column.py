"""One column of a row group: checked by pyarrow, decoded by fastparquet, and compared."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.errors import DataError
from arrowsmith_fastparquet.decode import decoded
from arrowsmith_fastparquet.footer import DAMAGE, Footer
from arrowsmith_fastparquet.pages import Column, NotReadError, rewritten

_CORE = "read it with --from parquet, or leave the column out"


def read_column(
    footer: Footer, group: int, column: Column, field: pa.Field, room: int
) -> tuple[pa.Array | None, int]:
    """The column's values; or None, and the bytes that they take, where these exceed ``room``.

    pyarrow decodes the same bytes first, since fastparquet follows the lengths of texts wherever
    they lead. What both made of them is then compared, so that no value is wrong unseen.

    Raises:
        DataError: its pages are damaged, or fastparquet decodes them otherwise than pyarrow.
    """
    place = f"row group {group}, column '{column.name}'"
    chunk = footer.data.read_at(column.start, column.stored)
    plain = _plain_type(field.type)
    try:
        folded = _by_pyarrow(footer, group, column, chunk)
        size = _unfolded_bytes(folded)
        if 3 * size > room:
            return None, 3 * size
        wanted = folded
        if pa.types.is_dictionary(folded.type):  # views are not cast to in one step
            wanted = folded.cast(folded.type.value_type).cast(plain)
        wanted.validate(full=True)
        if len(wanted) != column.values:
            raise ValueError(f"{len(wanted)} rows instead of {column.values}")
    except DAMAGE as error:
        raise DataError(
            f"it cannot be read: {error}", path=footer.path, place=place, hint=_hint(error)
        ) from error
    try:
        got = decoded(rewritten(chunk, column), column, plain)
    except Exception as error:
        raise DataError(
            f"fastparquet cannot read it: {error or type(error).__name__}",
            path=footer.path,
            place=place,
            hint=_hint(error),
        ) from error
    if not _same(got, wanted):
        raise DataError(
            "fastparquet decodes it otherwise than pyarrow",
            path=footer.path,
            place=place,
            hint=_CORE,
        )
    return _as_field(got, field.type, folded), size


def _by_pyarrow(footer: Footer, group: int, column: Column, chunk: bytes) -> pa.ChunkedArray:
    """pyarrow's values, of the storage type; texts stay dictionaries where they are stored so."""
    folded = column.dictionary and column.physical == "BYTE_ARRAY"
    names = (column.name,) if folded else ()
    with footer.file(column.start, chunk, names) as file:
        table = file.reader.read_row_group(
            group, column_indices=[footer.leaf(column.name)], use_threads=False
        )
    values = table.column(0)
    if isinstance(values.type, pa.BaseExtensionType):
        return pa.chunked_array([c.storage for c in values.chunks], values.type.storage_type)
    return values


def _unfolded_bytes(values: pa.ChunkedArray) -> int:
    """Bytes of the values when each stands by itself."""
    if not pa.types.is_dictionary(values.type):
        return int(values.nbytes)
    size = 8 * len(values)
    for chunk in values.chunks:
        lengths = pc.binary_length(chunk.dictionary).cast(pa.int64())
        size += pc.sum(lengths.take(chunk.indices), min_count=0).as_py()
    return size


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """What values are compared as: no extension type and no dictionary."""
    while isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _same(got: pa.Array, wanted: pa.ChunkedArray) -> bool:
    """Whether two columns have the same nulls and, bit by bit, the same values."""
    start = 0
    for chunk in wanted.chunks:
        mine = got.slice(start, len(chunk))
        if pa.types.is_floating(got.type):
            bits = {16: pa.uint16(), 32: pa.uint32(), 64: pa.uint64()}[got.type.bit_width]
            mine, chunk = mine.view(bits), chunk.view(bits)
        if not mine.equals(chunk):
            return False
        start += len(chunk)
    return start == len(got)


def _as_field(values: pa.Array, kind: pa.DataType, folded: pa.ChunkedArray) -> pa.Array:
    """The values as the schema has them; dictionaries are those of ``folded``."""
    if isinstance(kind, pa.BaseExtensionType):
        storage = _as_field(values, kind.storage_type, folded)
        return pa.ExtensionArray.from_storage(kind, storage)
    if not pa.types.is_dictionary(kind):
        return values
    words = values.unique().drop_null()
    if pa.types.is_dictionary(folded.type):
        words = folded.unify_dictionaries().chunk(0).dictionary.cast(kind.value_type)
    indices = pc.index_in(values, value_set=words).cast(kind.index_type)
    return pa.DictionaryArray.from_arrays(indices, words, ordered=kind.ordered)


def _hint(error: Exception) -> str:
    return _CORE if isinstance(error, NotReadError | NotImplementedError) else "the file is damaged"
