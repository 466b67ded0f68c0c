"""The sizes in page headers, checked before pyarrow reads a column page by page.

Read that way, pyarrow allocates and clears as many bytes as a header claims, up to 2 GB, before it
finds that the column has fewer. (A column that is read whole is looked at in place.)
Fields: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from __future__ import annotations

from typing import Any

from arrowsmith.formats.parquet.ranges import Bytes
from arrowsmith.formats.parquet.thrift import I32, STRUCT, Shape, ThriftError, read_struct

_COUNT: Shape = {1: (I32, 0, None)}
_HEADER: Shape = {
    **dict.fromkeys((1, 2, 3), (I32, 0, None)),
    **dict.fromkeys((5, 8), (STRUCT, 0, _COUNT)),
}
_SIZE, _DATA, _DATA_V2 = 3, 5, 8
# Headers hold bounds of the values, so that few are longer; pyarrow reads up to 16 MiB, too.
_WINDOW, _LONGEST = 1 << 10, 16 << 20


def check_pages(data: Bytes, start: int, stored: int, values: int) -> None:
    """Follow the pages of a column from one to the next, as far as it has values.

    Args:
        data: the file.
        start: where the first page is.
        stored: bytes of all pages.
        values: how many the column has, nulls with them.

    Raises:
        ThriftError: a page reaches beyond the column, or its header is damaged.
    """
    at, end = start, start + stored
    while values > 0 and at < end:
        header, size = _header(data, at, end)
        length = header.get(_SIZE, -1)
        if length < 0 or at + size + length > end:
            raise ThriftError(f"the page at byte {at} claims {length} bytes of {end - at - size}")
        at += size + length
        values -= header.get(_DATA, header.get(_DATA_V2, {})).get(1, 0)


def _header(data: Bytes, at: int, end: int) -> tuple[dict[int, Any], int]:
    """The header of a page, and how many bytes it takes."""
    window = _WINDOW
    while True:
        part = data.read_at(at, min(window, end - at))
        try:
            return read_struct(part, 0, _HEADER)
        except ThriftError:
            if len(part) < window or window >= _LONGEST:
                raise
        window *= 16
