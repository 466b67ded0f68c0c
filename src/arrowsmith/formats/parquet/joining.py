"""The footer of a file that row groups are to be added to."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from arrowsmith.errors import DataError
from arrowsmith.formats.parquet.footer import MAGIC, TAIL_BYTES
from arrowsmith.plugin import Source


def read_footer(old: Source) -> tuple[int, bytes]:
    """Where the footer of a file begins, and its bytes.

    Raises:
        DataError: it has none.
    """
    size = old.size or 0
    tail = old.read_at(size - TAIL_BYTES, TAIL_BYTES) if size >= TAIL_BYTES else b""
    length = int.from_bytes(tail[:4], "little")
    start = size - TAIL_BYTES - length
    if tail[4:] != MAGIC or start < len(MAGIC):
        raise DataError("is no Parquet file, or is cut short", path=old.path)
    return start, old.read_at(start, length)


def schema_of(footer: bytes, path: str) -> pa.Schema:
    """The Arrow schema of a file with that footer.

    Raises:
        DataError: the footer is damaged.
    """
    file = MAGIC + footer + len(footer).to_bytes(4, "little") + MAGIC
    try:
        return pq.read_schema(pa.BufferReader(file))
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"its footer is damaged: {error}", path=path) from error
