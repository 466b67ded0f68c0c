"""Reads damaged copies of a format's files, judges what comes of each, and prints the tally.

Run as ``python damaged_files.py FORMAT CASES FOLDER``, since a reader that is not up to it may end
its process. Each case stands in FOLDER while it is read. A case is either refused, by an
``ArrowsmithError`` of one line that names the file, or gives a table that the format's judge agrees
with: an independent reader of the same bytes, or the sound file where checksums ought to have told.
"""

from __future__ import annotations

import csv
import faulthandler
import io
import json
import resource
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.feather
import pyarrow.parquet as pq

import every_type
from arrowsmith.catalog import get_catalog
from arrowsmith.errors import ArrowsmithError
from arrowsmith.plugin import ScanRequest
from arrowsmith.testing.checks import KitContext, opened
from arrowsmith.testing.mutations import mutations
from arrowsmith.testing.peak import peak_since

MB = 1 << 20
BUDGET = 64 * MB
PATIENCE, WATCHED = 120, 50  # seconds that so many cases may take, on a busy machine


@dataclass(frozen=True)
class Sample:
    """A sound file.

    Attributes:
        name: of the file.
        data: its bytes.
        places: where its parts begin and end.
        judge: told the damaged bytes and the table, gives what is wrong, or None.
        options: of the reader.
    """

    name: str
    data: bytes
    places: Iterable[int]
    judge: Callable[[bytes, pa.Table], str | None]
    options: Mapping[str, Any] = field(default_factory=dict)


def table(rows: int = 16) -> pa.Table:
    """Numbers, texts and nulls."""
    return pa.table(
        {
            "id": pa.array(range(rows), pa.int64()),
            "score": pa.array([None if n % 7 == 0 else n / 8 for n in range(rows)]),
            "word": pa.array(
                [("a,b", 'say "x"', "", "é")[n % 4] + str(n % 9) for n in range(rows)]
            ),
            "flag": pa.array([n % 3 == 0 for n in range(rows)]),
        }
    )


def nested(rows: int = 16) -> pa.Table:
    """Lists, structs and a dictionary beside them."""
    marks = [None if n % 5 == 0 else list(range(n % 4)) for n in range(rows)]
    pairs = [{"n": n, "s": str(n)} for n in range(rows)]
    kinds = pa.array([f"kind {n % 3}" for n in range(rows)]).dictionary_encode()
    columns = {"marks": pa.array(marks, pa.list_(pa.int16())), "pair": pa.array(pairs)}
    found = table(rows)
    for name, column in {**columns, "kind": kinds}.items():
        found = found.append_column(name, column)
    return found


# --- Parquet: checksums of pages tell, the footer has none ---------------------------------------


def parquet(name: str, rows: pa.Table, **options: Any) -> Sample:
    """A file whose pages have checksums."""
    out = io.BytesIO()
    pq.write_table(rows, out, row_group_size=10, write_page_checksum=True, **options)
    data = out.getvalue()
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    meta = pq.read_metadata(io.BytesIO(data))
    places = [footer, len(data) - 8, len(data) - 4, *range(footer, len(data), 7)]
    for group in range(meta.num_row_groups):
        for leaf in range(meta.num_columns):
            column = meta.row_group(group).column(leaf)
            starts = (column.dictionary_page_offset, column.data_page_offset)
            places += [at + step for at in starts if at for step in (0, 6, 12, 18)]

    def judge(damaged: bytes, found: pa.Table) -> str | None:
        if damaged[4:footer] == data[4:footer] or damaged[footer:] != data[footer:]:
            return None  # the footer says what the values are, and nothing tells of the footer
        return None if same(found, rows) else "other values, in pages that have checksums"

    return Sample(name, data, places, judge, {"verify_checksums": True})


def parquet_types() -> pa.Table:
    """The types that Parquet gives back as they are."""
    names = set(every_type.columns()) - {"date64", "time32 s", "timestamp s", "zoned s"}
    return every_type.table().select([name for name in every_type.columns() if name in names])


def parquet_samples() -> list[Sample]:
    delta = {"id": "DELTA_BINARY_PACKED", "score": "BYTE_STREAM_SPLIT", "word": "DELTA_BYTE_ARRAY"}
    return [
        parquet("plain.parquet", table(), use_dictionary=False, compression="none"),
        parquet("nested.parquet", nested(), compression="zstd"),
        parquet("pages.parquet", table(), data_page_size=64, write_batch_size=8),
        parquet("types.parquet", parquet_types()),
        parquet("v2.parquet", nested(), data_page_version="2.0", compression="gzip"),
        parquet(
            "delta.parquet",
            table(),
            use_dictionary=False,
            column_encoding=delta,
            compression="lz4",
            write_page_index=True,
        ),
    ]


# --- Arrow: no checksums; pyarrow reads the same --------------------------------------------------


def arrow(name: str, rows: pa.Table, codec: str | None = None) -> Sample:
    """A file or a stream of four batches."""
    out = io.BytesIO()
    stream = name.endswith(".arrows")
    make = pa.ipc.new_stream if stream else pa.ipc.new_file
    with make(out, rows.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_table(rows, max_chunksize=6)
    data = out.getvalue()
    places = [at for at in range(0, len(data), 8) if data[at : at + 4] == b"\xff" * 4]
    places = [at + step for at in places for step in (0, 4, 8, 16, 32, 64, 128)]
    footer = int.from_bytes(data[-10:-6], "little") if not stream else 0
    places += range(len(data) - 10 - footer, len(data), 4) if not stream else []

    def judge(damaged: bytes, found: pa.Table) -> str | None:
        reader = pa.ipc.open_stream if stream else pa.ipc.open_file
        theirs = reader(pa.BufferReader(damaged)).read_all()
        return None if same(found, theirs) else "pyarrow reads another table"

    return Sample(name, data, places, judge)


def feather() -> Sample:
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pyarrow.feather.write_feather(table(), out, version=1)
    data = out.getvalue()
    footer = int.from_bytes(data[-8:-4], "little")

    def judge(damaged: bytes, found: pa.Table) -> str | None:
        return None  # pyarrow's own reader of this layout crashes on some of these files

    return Sample("v1.feather", data, range(len(data) - 8 - footer, len(data), 4), judge)


def arrow_samples() -> list[Sample]:
    return [
        arrow("file.arrow", nested()),
        arrow("stream.arrows", nested()),
        arrow("packed.arrow", nested(), "zstd"),
        arrow("packed.arrows", nested(), "lz4"),
        arrow("types.arrow", every_type.table()),
        feather(),
    ]


# --- CSV and JSON: no redundancy; the standard library reads the same ----------------------------


def csv_samples() -> list[Sample]:
    out = io.BytesIO()
    pacsv.write_csv(table(), out)
    mixed = b'id,word\n1,plain\n2,"a, ""b"""\n3,"two\nlines"\n4,\n5,"\xc3\xa9"\n' * 4
    options = {"infer": "none", "delimiter": ",", "header": True}
    samples = {"rows.csv": out.getvalue(), "mixed.csv": mixed}
    samples["windows.csv"] = mixed.replace(b"\n", b"\r\n")
    marks = b',"\n\r'
    return [
        Sample(name, data, [at for at, byte in enumerate(data) if byte in marks], as_csv, options)
        for name, data in samples.items()
    ]


def as_csv(damaged: bytes, found: pa.Table) -> str | None:
    """What Python's reader makes of it; it knows no null, and skips no empty line."""
    text = damaged.removeprefix(b"\xef\xbb\xbf").decode()
    head, *rows = (row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row)
    if any(name and name not in found.column_names for name in head):  # twice: one is renamed
        return "Python's csv reads other names"
    mine = [list(row) for row in zip(*map(texts, found.columns), strict=True)]
    return None if rows == mine else "Python's csv reads other rows"


def texts(column: pa.ChunkedArray) -> list[str]:
    return ["" if value is None else value for value in column.to_pylist()]


KINDS = {"id": "int64", "score": "float64", "word": "string", "flag": "bool"}


def json_samples() -> list[Sample]:
    rows = table().to_pylist()
    lines = "".join(
        json.dumps(row, ensure_ascii=number % 2 == 0) + "\n" for number, row in enumerate(rows)
    ).encode()
    array = json.dumps(rows, indent=1).encode()
    options = {"types": KINDS, "unknown_fields": "ignore"}
    marks = b'{}[]:,"\\\n'
    return [
        Sample(name, data, [at for at, byte in enumerate(data) if byte in marks], as_json, options)
        for name, data in {"rows.jsonl": lines, "rows.json": array}.items()
    ]


def as_json(damaged: bytes, found: pa.Table) -> str | None:
    """What Python's reader makes of it; a name that was damaged is a column, or is left out."""
    rows = records(damaged.removeprefix(b"\xef\xbb\xbf").decode())
    wanted = [{name: row.get(name) for name in found.column_names} for row in rows]
    if not KINDS.keys() <= set(found.column_names):
        return "a column is missing"
    return None if found.to_pylist() == wanted else "Python's json reads other rows"


def records(text: str) -> list[dict[str, Any]]:
    """The objects of an array, or one after another."""
    decoder = json.JSONDecoder()
    found: list[dict[str, Any]] = []
    at = 0
    while at < len(text):
        if text[at] in " \t\r\n":
            at += 1
            continue
        value, at = decoder.raw_decode(text, at)
        found += value if isinstance(value, list) else [value]
    return found


# --- the run -------------------------------------------------------------------------------------

SAMPLES: dict[str, Callable[[], list[Sample]]] = {
    "parquet": parquet_samples,
    "arrow": arrow_samples,
    "csv": csv_samples,
    "json": json_samples,
}


def same(one: pa.Table, other: pa.Table) -> bool:
    """Equal columns, types and values; NaN equals NaN."""
    if one.schema.names != other.schema.names or one.schema.types != other.schema.types:
        return False
    return one.equals(other) or one.to_string(preview_cols=99) == other.to_string(preview_cols=99)


def read(sample: Sample, path: Path) -> pa.Table:
    """The table, as a run with a small budget reads it."""
    name = {".jsonl": "jsonl"}.get(path.suffix)
    catalog = get_catalog()
    spec = catalog.reader(name) if name else catalog.reader(sys.argv[1])
    with opened(spec, path, sample.options, KitContext(memory_limit=BUDGET)) as reader:
        batches = list(reader.scan(ScanRequest()))
        for batch in batches:
            batch.validate(full=True)
        return pa.Table.from_batches(batches, reader.schema)


def outcome(sample: Sample, path: Path, damaged: bytes) -> str:
    """What came of a case; AssertionError if that is not allowed."""
    path.write_bytes(damaged)
    message, found = None, None
    with peak_since() as peak:
        try:
            found = read(sample, path)
        except ArrowsmithError as error:
            message = str(error)
    assert peak.growth() <= BUDGET, f"takes {peak.growth() // MB} MB"
    if found is None:
        assert message
        assert "\n" not in message, f"more than one line: {message}"
        assert str(path) in message, f"the file is not named: {message}"
        return "refused"
    wrong = sample.judge(damaged, found)
    assert wrong is None, wrong
    return "read"


def main() -> None:
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    samples, folder = SAMPLES[sys.argv[1]](), Path(sys.argv[3])
    each = -(-int(sys.argv[2]) // len(samples))
    tally: Counter[str] = Counter()
    for sample in samples:
        others = [one.data for one in samples if one is not sample]
        assert sample.judge(sample.data, read(sample, stored(folder, sample))) is None, sample.name
        for what, damaged in mutations(sample.data, others, each, sample.places):
            if not tally.total() % WATCHED:
                faulthandler.dump_traceback_later(PATIENCE, exit=True)
            try:
                tally[outcome(sample, folder / sample.name, damaged)] += 1
            except BaseException as error:
                raise AssertionError(f"{sample.name} {what}: {error!r}") from error
    faulthandler.cancel_dump_traceback_later()
    print(json.dumps(tally))


def stored(folder: Path, sample: Sample) -> Path:
    path = folder / sample.name
    path.write_bytes(sample.data)
    return path


if __name__ == "__main__":
    main()
