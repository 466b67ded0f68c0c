"""Runs Arrow's CSV parser over one range, its dialect, types and columns all given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
from pyarrow import csv

from arrowsmith.formats.csv.columns import FALSE, TRUE
from arrowsmith.formats.csv.dialect import Dialect

_MARK = "\ufeff".encode()


def parse(
    text: memoryview | bytes,
    dialect: Dialect,
    names: Sequence[str],
    types: Mapping[str, pa.DataType],
    nulls: Sequence[str],
    *,
    quoted: bool,
) -> pa.RecordBatch:
    """The columns of ``types``, in its order, of the records in ``text``.

    Args:
        names: of all columns in the text.
        nulls: texts that are null where unquoted.
        quoted: the text has quotes.

    Raises:
        pa.ArrowInvalid: a record has another number of fields, or a value is not of its type.
    """
    if text[:3] == _MARK:
        text = _MARK + bytes(
            text
        )  # Arrow takes one off each text, and this is the middle of a file
    if text[-1] not in b"\r\n":
        # Arrow would take an empty last field for quoted when the one before it is.
        text = bytes(text) + b"\n"
    table = csv.read_csv(
        pa.BufferReader(pa.py_buffer(text)),
        read_options=csv.ReadOptions(
            use_threads=False, block_size=len(text) + 1, column_names=list(names)
        ),
        parse_options=csv.ParseOptions(
            delimiter=dialect.delimiter,
            quote_char=dialect.quote or False,
            newlines_in_values=quoted,
            ignore_empty_lines=dialect.columns > 1,
        ),
        convert_options=csv.ConvertOptions(
            column_types=dict(types),
            include_columns=list(types),
            null_values=list(nulls),
            true_values=TRUE,
            false_values=FALSE,
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            check_utf8=True,
        ),
    )
    batches = table.to_batches()
    return batches[0] if len(batches) == 1 else _joined(table)


def _joined(table: pa.Table) -> pa.RecordBatch:
    arrays = [
        pa.concat_arrays(column.chunks) if column.num_chunks else pa.nulls(0, column.type)
        for column in table.columns
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=table.schema)


def parse_text(
    text: memoryview | bytes,
    dialect: Dialect,
    names: Sequence[str],
    wanted: Sequence[str],
    nulls: Sequence[str],
) -> pa.RecordBatch:
    """The columns ``wanted`` as text, whatever they hold. UTF-8 is checked."""
    types = dict.fromkeys(wanted, pa.string())
    return parse(text, dialect, names, types, nulls, quoted=bool(dialect.quote))
