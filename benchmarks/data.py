"""Benchmark inputs: seeded, vectorised, written once into a cache folder.

    python benchmarks/data.py --data DIR [NAME...]

| name | file         | what                                                                  |
|------|--------------|-----------------------------------------------------------------------|
| main | main.csv     | 10 million rows, six columns, about 600 MB                             |
| wide | wide.csv     | 50 columns of mixed types, some text quoted, about 300 MB              |
| huge | huge.csv     | 60 records with a text of 5 MB each, a third quoted with line breaks   |
| pq   | pq.parquet   | the first 2 million rows of main, zstd, pyarrow's own row groups       |
| lines | rows.jsonl  | the same rows as JSON Lines, about 213 MB                              |
| text | corpus.txt   | 10 million lines of words, about 1 GB                                  |
| examples | examples.tfrecord | 500,000 Examples of five features                             |
| awkward | awkward.tfrecord | the same, features missing, names long, lists not packed        |
| images | images.tfrecord | 20,000 Examples with 30 KB of bytes                               |
| pictures | pictures/   | 10,000 JPEGs of 256 x 256 pixels                                   |

A file is written beside its name and renamed, so that one which exists is complete.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

SEED = 20240101
CHUNK_ROWS = 1_000_000
MAIN_ROWS = 10_000_000
PQ_ROWS = 2_000_000
WIDE_ROWS = 720_000
WIDE_CHUNK_ROWS = 120_000
HUGE_ROWS = 60
HUGE_FIELD_BYTES = 5_000_000

LANGS = "ar cs da de el en es fi fr he hi hu it ja ko nl pl pt ru zh".split()
WORDS = (
    "amber basin cedar delta ember field grove harbor inlet jetty knoll lagoon meadow north "
    "ocean prairie quarry ridge shore tundra upland valley willow yonder zenith"
).split()
EPOCH_2024 = 1_704_067_200
SECONDS_A_YEAR = 366 * 86_400
HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
LETTERS = np.frombuffer(
    b"etaoinshrdlucmfwypvbgkjqxz     ETAOINSHRDLUCMFWYPVBGKJQXZ.-:;!?_", np.uint8
)


def default_folder() -> Path:
    """The cache folder used when no other is named."""
    return Path(tempfile.gettempdir()) / "arrowsmith-benchmarks"


def _hex_strings(rng: np.random.Generator, rows: int, digits: int) -> pa.Array:
    """`rows` strings of `digits` random hexadecimal digits."""
    data = HEX[rng.integers(0, 16, size=rows * digits, dtype=np.uint8)]
    offsets = np.arange(0, rows * digits + 1, digits, dtype=np.int32)
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(data))


def _pick(rng: np.random.Generator, values: list[str], rows: int) -> pa.Array:
    return pa.array(values).take(pa.array(rng.integers(0, len(values), size=rows, dtype=np.int32)))


def _text(rng: np.random.Generator, rows: int, digits: int, joiner: str = " ") -> pa.Array:
    return pc.binary_join_element_wise(
        _pick(rng, WORDS, rows), _hex_strings(rng, rows, digits), joiner
    )


def _timestamps(rng: np.random.Generator, rows: int) -> pa.Array:
    seconds = EPOCH_2024 + rng.integers(0, SECONDS_A_YEAR, size=rows, dtype=np.int64)
    return pa.array(seconds).cast(pa.timestamp("s"))


def main_batches(rows: int = MAIN_ROWS) -> Iterator[pa.RecordBatch]:
    """The rows of `main.csv`: id, score (one in a hundred null), lang, text, ts, flag."""
    rng = np.random.default_rng(SEED)
    for start in range(0, rows, CHUNK_ROWS):
        n = min(CHUNK_ROWS, rows - start)
        score = np.round(rng.random(n), 6)
        yield pa.record_batch(
            {
                "id": pa.array(np.arange(start, start + n, dtype=np.int64)),
                "score": pa.array(score, mask=rng.random(n) < 0.01),
                "lang": _pick(rng, LANGS, n),
                "text": _text(rng, n, 7),
                "ts": _timestamps(rng, n),
                "flag": pa.array(rng.random(n) < 0.5),
            }
        )


def _write_main(path: Path) -> None:
    options = pacsv.WriteOptions(include_header=False, quoting_style="none")
    with path.open("wb") as out:
        for number, batch in enumerate(main_batches()):
            if number == 0:
                out.write((",".join(batch.schema.names) + "\n").encode())
            pacsv.write_csv(batch, out, options)


def wide_batches() -> Iterator[pa.RecordBatch]:
    """Fifty columns: 15 int64, 15 float64, 6 short and 6 longer texts, 4 timestamps, 4 flags."""
    rng = np.random.default_rng(SEED + 1)
    for start in range(0, WIDE_ROWS, WIDE_CHUNK_ROWS):
        n = min(WIDE_CHUNK_ROWS, WIDE_ROWS - start)
        columns: dict[str, pa.Array] = {}
        for i in range(15):
            columns[f"int_{i}"] = pa.array(rng.integers(0, 10 ** (1 + i % 9), size=n))
            values = np.round(rng.normal(size=n) * 10 ** (i % 4), 4)
            columns[f"float_{i}"] = pa.array(values, mask=rng.random(n) < 0.05)
        for i in range(6):
            columns[f"kind_{i}"] = _pick(rng, LANGS, n)
            columns[f"text_{i}"] = _text(rng, n, 8, ", " if i < 2 else " ")
        for i in range(4):
            columns[f"time_{i}"] = _timestamps(rng, n)
            columns[f"flag_{i}"] = pa.array(rng.random(n) < 0.1 * (i + 1))
        yield pa.record_batch(columns)


def _write_wide(path: Path) -> None:
    import duckdb  # quotes a text only where it has to, as most exports do

    table = pa.Table.from_batches(wide_batches())
    with duckdb.connect() as db:
        db.register("wide", table)
        db.execute(f"COPY wide TO '{path}' (FORMAT csv, HEADER)")


def huge_batches() -> Iterator[pa.RecordBatch]:
    """id, title, body; every third body has commas, line breaks and quotes, so is quoted."""
    rng = np.random.default_rng(SEED + 2)
    for row in range(HUGE_ROWS):
        body = LETTERS[rng.integers(0, len(LETTERS), size=HUGE_FIELD_BYTES, dtype=np.uint8)]
        if row % 3 == 1:
            body[97::200] = ord(",")
            body[99::200] = ord("\n")
            body[1000::4000] = ord('"')
        offsets = np.array([0, len(body)], dtype=np.int32)
        text = pa.StringArray.from_buffers(1, pa.py_buffer(offsets), pa.py_buffer(body))
        yield pa.record_batch({"id": [row], "title": [f"document {row}"], "body": text})


def _write_huge(path: Path) -> None:
    with path.open("wb") as out:
        out.write(b"id,title,body\n")
        for batch in huge_batches():
            row = batch.to_pylist()[0]
            body = row["body"]
            if '"' in body:
                body = '"' + body.replace('"', '""') + '"'
            out.write(f"{row['id']},{row['title']},{body}\n".encode())


def _write_pq(path: Path) -> None:
    pq.write_table(pa.Table.from_batches(main_batches(PQ_ROWS)), path, compression="zstd")


def _write_lines(path: Path) -> None:
    import polars as pl  # writes a timestamp as most programs do, and nothing else is as quick

    with path.open("wb") as out:
        for batch in main_batches(PQ_ROWS):
            frame = pl.from_arrow(pa.Table.from_batches([batch]))
            assert isinstance(frame, pl.DataFrame)
            frame.write_ndjson(out)


TEXT_LINES = 10_000_000


def text_batches() -> Iterator[pa.RecordBatch]:
    """Lines of 6 to 25 words."""
    rng = np.random.default_rng(SEED + 3)
    for _ in range(0, TEXT_LINES, CHUNK_ROWS // 2):
        n = CHUNK_ROWS // 2
        counts = rng.integers(6, 26, size=n)
        ends = np.zeros(n + 1, np.int32)
        np.cumsum(counts, out=ends[1:])
        words = pa.ListArray.from_arrays(pa.array(ends), _pick(rng, WORDS, int(ends[-1])))
        yield pa.record_batch({"text": pc.binary_join(words, " ")})


def _write_text(path: Path) -> None:
    with path.open("wb") as out:
        for batch in text_batches():
            lines = pa.ListArray.from_arrays(
                pa.array([0, batch.num_rows], pa.int32()), batch.column("text")
            )
            out.write(pc.binary_join(lines, "\n")[0].as_buffer())
            out.write(b"\n")


FILES = {
    "main": "main.csv",
    "wide": "wide.csv",
    "huge": "huge.csv",
    "pq": "pq.parquet",
    "lines": "rows.jsonl",
    "text": "corpus.txt",
    "examples": "examples.tfrecord",
    "awkward": "awkward.tfrecord",
    "images": "images.tfrecord",
    "pictures": "pictures",
}
BATCHES: dict[str, Callable[[], Iterator[pa.RecordBatch]]] = {
    "main": main_batches,
    "wide": wide_batches,
    "huge": huge_batches,
    "pq": functools.partial(main_batches, PQ_ROWS),
    "lines": functools.partial(main_batches, PQ_ROWS),
    "text": text_batches,
}


def _write_records(name: str, path: Path) -> dict[str, Any]:
    import records

    return records.write(name, path)


def _write_pictures(path: Path) -> dict[str, Any]:
    import pictures

    return pictures.write(path)


# Tables answer nothing: what they hold is told by their batches. The others answer their facts.
WRITERS: dict[str, Callable[[Path], dict[str, Any] | None]] = {
    "main": _write_main,
    "wide": _write_wide,
    "huge": _write_huge,
    "pq": _write_pq,
    "lines": _write_lines,
    "text": _write_text,
    "examples": functools.partial(_write_records, "examples"),
    "awkward": functools.partial(_write_records, "awkward"),
    "images": functools.partial(_write_records, "images"),
    "pictures": _write_pictures,
}


def facts_path(name: str, folder: Path) -> Path:
    """Where the facts of input `name` are kept."""
    return folder / f"{name}.facts.json"


def ensure(name: str, folder: Path) -> Path:
    """The path of input `name` in `folder`, written first if it is not there."""
    target = folder / FILES[name]
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{os.getpid()}.{target.name}"
    started = time.perf_counter()
    try:
        facts = WRITERS[name](temporary)
        if facts is not None:
            facts_path(name, folder).write_text(json.dumps(facts))
        temporary.replace(target)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        temporary.unlink(missing_ok=True)
    seconds = time.perf_counter() - started
    print(f"{target}: {size(target) / 1e6:.1f} MB in {seconds:.1f} s", file=sys.stderr)
    return target


def size(source: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    files = source.rglob("*") if source.is_dir() else [source]
    return sum(file.stat().st_size for file in files if file.is_file())


def main() -> None:
    """Write the inputs named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(FILES)}; all if none"
    )
    parser.add_argument("--data", type=Path, default=default_folder(), help="the cache folder")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(FILES):
        parser.error(f"no such input: {', '.join(sorted(unknown))}")
    for name in arguments.names or FILES:
        print(ensure(name, arguments.data))


if __name__ == "__main__":
    main()
