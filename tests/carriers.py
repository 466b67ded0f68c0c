"""How a column of the fidelity matrix travels in formats that hold tables of one kind only."""

from __future__ import annotations

import decimal
import io
import json
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

import arrowsmith
from arrowsmith.plugin.types import families


class Carrier:
    """The column alone."""

    def table(self, array: pa.Array) -> pa.Table:
        """The table to write."""
        return pa.table({"c": array})

    def column(self, path: Path, written: pa.DataType, name: str | None) -> pa.Array | None:
        """What came back of the column; None if it is not there.

        Args:
            path: the file.
            written: the column's type before.
            name: the format, where it is chosen by name.
        """
        found = read(path, format=name)
        # TFRecord without a feature is read as raw records
        return None if found.column_names[0] == "record" else whole(found.column(0))


class SeriesCarrier(Carrier):
    """The values of one series, or of several where they are lists."""

    def table(self, array: pa.Array) -> pa.Table:
        names = pa.array([str(at) if is_list(array.type) else "one" for at in range(len(array))])
        return pa.table({"series_id": names, "c": array})

    def column(self, path: Path, written: pa.DataType, name: str | None) -> pa.Array | None:
        found = read(path, layout="series" if is_list(written) else "long")
        return whole(found["value"]) if "value" in found.column_names else None


class PictureCarrier(Carrier):
    """Beside pictures, within JSON or as a member of its own."""

    def table(self, array: pa.Array) -> pa.Table:
        return pa.table({"bytes": pa.array([picture()] * len(array), pa.binary()), "c": array})

    def column(self, path: Path, written: pa.DataType, name: str | None) -> pa.Array | None:
        found = read(path)
        if "c" in found.column_names:
            return whole(found["c"])
        if "json" not in found.column_names:
            return None
        exact = decimal.Decimal if "decimal" in families(written) else float
        texts = found["json"].to_pylist()
        values = [json.loads(text, parse_float=exact)["c"] for text in texts]
        try:
            return pa.array(values)
        except OverflowError:
            return pa.array(values, pa.uint64())


def read(path: Path, **options: Any) -> pa.Table:
    """The table of a file, as anyone opens it."""
    return arrowsmith.open(path, budget="1GB", **options).to_table()


def whole(column: pa.ChunkedArray) -> pa.Array:
    """The column as one array."""
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.nulls(0, column.type)


def is_list(kind: pa.DataType) -> bool:
    """Whether a row is a series."""
    return bool(pa.types.is_nested(kind) and kind.num_fields == 1)


@cache
def picture() -> bytes:
    """A PNG of one pixel."""
    from PIL import Image  # with the plugin, or not at all

    out = io.BytesIO()
    Image.new("L", (1, 1)).save(out, "PNG")
    return out.getvalue()
