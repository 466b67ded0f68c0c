"""Choose an encoding for each column by trying them on the first rows.

Encodings: https://parquet.apache.org/docs/file-format/data-pages/encodings/
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq

from arrowsmith.formats.parquet import ParquetSinkOptions
from arrowsmith.formats.parquet.layout import leaf_types

SAMPLE_ROWS = 16_384
SAMPLE_BYTES = 4 << 20
_BULKY_BYTES = 4096  # parquet-cpp drops longer bounds

# The size of a trial is multiplied by the factor; the smallest product wins. Factors above 1 are
# for encodings that cost more time to write or read than the first, and must earn it.
_FACTORS: dict[str, dict[str, float]] = {
    "FLOAT": {"BYTE_STREAM_SPLIT": 1.0, "DICTIONARY": 1.05, "PLAIN": 1.15},
    "DOUBLE": {"BYTE_STREAM_SPLIT": 1.0, "DICTIONARY": 1.05, "PLAIN": 1.15},
    "INT32": {"DELTA_BINARY_PACKED": 1.0, "DICTIONARY": 1.0, "PLAIN": 1.1},
    "INT64": {"DELTA_BINARY_PACKED": 1.0, "DICTIONARY": 1.0, "PLAIN": 1.1},
    "BYTE_ARRAY": {
        "DICTIONARY": 1.0,
        "PLAIN": 1.0,
        "DELTA_LENGTH_BYTE_ARRAY": 1.05,
        "DELTA_BYTE_ARRAY": 1.15,
    },
    "FIXED_LEN_BYTE_ARRAY": {"DICTIONARY": 1.0, "PLAIN": 1.0},
}

# What each trial uses for the columns of a physical type; all columns are tried at once.
_TRIALS: tuple[dict[str, str], ...] = (
    dict.fromkeys(_FACTORS, "DICTIONARY"),
    dict.fromkeys(_FACTORS, "PLAIN"),
    {
        "FLOAT": "BYTE_STREAM_SPLIT",
        "DOUBLE": "BYTE_STREAM_SPLIT",
        "INT32": "DELTA_BINARY_PACKED",
        "INT64": "DELTA_BINARY_PACKED",
        "BYTE_ARRAY": "DELTA_LENGTH_BYTE_ARRAY",
    },
    {"BYTE_ARRAY": "DELTA_BYTE_ARRAY"},
)


# Arrow dictionaries are written as such: pyarrow cannot read other encodings into dictionaries.
_KEPT = "DICTIONARY"


@dataclass(frozen=True, slots=True)
class Encodings:
    """What the writer is told of each leaf column, by its dotted path.

    Attributes:
        dictionary: True or False for all columns, or the paths of those that have one.
        columns: the encodings of columns without a dictionary.
        bulky: top-level columns whose values are too long for statistics.
    """

    dictionary: bool | list[str] = True
    columns: dict[str, str] = field(default_factory=dict)
    bulky: frozenset[str] = frozenset()


def choose_encodings(first: pa.RecordBatch, options: ParquetSinkOptions) -> Encodings:
    """The encoding of each leaf column that is smallest on the first rows, or nearly so.

    Args:
        first: the first chunk; at most 16,384 rows or 4 MiB of it are encoded, a few times over.
        options: the sink's; ``dictionary`` and ``encodings`` narrow the choice.
    """
    bulky = _bulky(first)
    fixed = options.encodings == "plain"
    if options.dictionary == "on" or (fixed and options.dictionary == "off"):
        return Encodings(dictionary=options.dictionary == "on", bulky=bulky)
    sample = _sample(first)
    kinds = _leaf_kinds(sample.schema)
    best: dict[str, tuple[float, str]] = {}
    for trial in _TRIALS[:2] if fixed else _TRIALS:
        plan = {path: trial[kind] for path, kind in kinds.items() if kind in trial}
        if options.dictionary == "off":
            plan = {path: name for path, name in plan.items() if name != "DICTIONARY"}
        if not plan:
            continue
        for path, size in _sizes(sample, plan, options, bulky).items():
            if path in plan:
                cost = size * _FACTORS[kinds[path]][plan[path]]
                if path not in best or cost < best[path][0]:
                    best[path] = (cost, plan[path])
    chosen = {path: name for path, (_, name) in best.items()}
    if options.dictionary == "auto":
        chosen |= {path: "DICTIONARY" for path, kind in kinds.items() if kind == _KEPT}
    return as_encodings(chosen, bulky)


def as_encodings(chosen: dict[str, str], bulky: frozenset[str]) -> Encodings:
    """Sort the names of encodings by leaf path into the two arguments that the writer has."""
    return Encodings(
        dictionary=[path for path, name in chosen.items() if name == "DICTIONARY"] or False,
        columns={path: name for path, name in chosen.items() if name != "DICTIONARY"},
        bulky=bulky,
    )


def _bulky(first: pa.RecordBatch) -> frozenset[str]:
    """Columns of long texts or bytes. Their bounds would be left out of the file as too long, but
    gathering them costs several copies of each value."""
    return frozenset(
        name
        for name, column in zip(first.schema.names, first.columns, strict=True)
        if _is_bytes(column.type) and column.nbytes > _BULKY_BYTES * max(1, first.num_rows)
    )


def _is_bytes(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_string(kind)
        or types.is_binary(kind)
        or types.is_large_string(kind)
        or types.is_large_binary(kind)
        or types.is_string_view(kind)
        or types.is_binary_view(kind)
    )


def _sample(first: pa.RecordBatch) -> pa.RecordBatch:
    rows = min(SAMPLE_ROWS, first.num_rows)
    size = first.nbytes
    if size > SAMPLE_BYTES:
        rows = max(1, min(rows, first.num_rows * SAMPLE_BYTES // size))
    return first.slice(0, rows)


def _leaf_kinds(schema: pa.Schema) -> dict[str, str]:
    """The physical type of each leaf by its path, or ``_KEPT`` where it is a dictionary already."""
    sink = pa.BufferOutputStream()
    pq.ParquetWriter(sink, schema).close()
    written = pq.read_metadata(pa.BufferReader(sink.getvalue())).schema
    columns = [written.column(i) for i in range(len(written))]
    types = [leaf for field in schema for leaf in leaf_types(field.type)]
    return {
        column.path: _KEPT if pa.types.is_dictionary(leaf) else column.physical_type
        for column, leaf in zip(columns, types, strict=True)
    }


def _sizes(
    sample: pa.RecordBatch,
    plan: dict[str, str],
    options: ParquetSinkOptions,
    bulky: frozenset[str],
) -> dict[str, int]:
    """What the leaf columns take that stand in ``plan``, and those beside them."""
    tops = {path.partition(".")[0] for path in plan}
    names = enumerate(sample.schema.names)
    some = sample.select([i for i, name in names if name.partition(".")[0] in tops])
    sink = pa.BufferOutputStream()
    with writer(sink, some.schema, options, as_encodings(plan, bulky)) as out:
        out.write_batch(some)
    group = pq.read_metadata(pa.BufferReader(sink.getvalue())).row_group(0)
    columns = [group.column(i) for i in range(group.num_columns)]
    return {column.path_in_schema: column.total_compressed_size for column in columns}


def writer(
    sink: pa.NativeFile, schema: pa.Schema, options: ParquetSinkOptions, encodings: Encodings
) -> pq.ParquetWriter:
    """A writer of one small file in memory."""
    statistics: bool | list[str] = options.statistics
    if statistics and encodings.bulky:
        statistics = [name for name in schema.names if name not in encodings.bulky]
    return pq.ParquetWriter(
        sink,
        schema,
        compression=options.compression,
        compression_level=options.compression_level,
        use_dictionary=encodings.dictionary,
        column_encoding=encodings.columns or None,
        write_statistics=statistics,
    )
