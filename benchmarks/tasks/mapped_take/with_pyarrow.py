"""Map an Arrow file, and take 1,000 of its 10 million rows: pyarrow."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
from timed import decoded, report


def make(path: Path) -> None:
    with pyarrow.csv.open_csv(sys.argv[1]) as reader, pa.ipc.new_file(path, reader.schema) as out:
        for batch in reader:
            out.write_batch(batch)


path = decoded(sys.argv[1], ".pyarrow.arrow", make)


def take(rows: list[int]) -> list[int]:
    table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    return table.take(rows)["id"].to_pylist()


report(take)
