"""Steps and figures that grow beyond their input stay inside the memory budget."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

BUDGET = 96 << 20
RUN = """
import sys
import arrowsmith
ds = arrowsmith.open(sys.argv[1], budget=int(sys.argv[2]))
{work}
"""
ONE_HOT = """
ds = ds.transform("one_hot", column="k", max_categories=2000)
print(ds.write(sys.argv[1] + ".arrow").peak_memory)
"""
STATS = """
peaks = []
found = ds.stats(progress=lambda stats: peaks.append(stats.peak_memory))["s"]
assert (found.count, found.distinct, found.length["max"]) == (12_000, 12_000, 20_000), found
print(max(peaks))
"""


def peak(path, work):
    command = [sys.executable, "-c", RUN.format(work=work), str(path), str(BUDGET)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_one_hot_of_many_categories(tmp_path):
    codes = np.arange(400_000) % 1000
    table = pa.table({"k": pa.array(codes.astype(np.int16))})
    with pa.ipc.new_file(tmp_path / "in.arrow", table.schema) as out:
        out.write_table(table)
    assert peak(tmp_path / "in.arrow", ONE_HOT) <= BUDGET


def test_stats_of_long_texts_that_all_differ(tmp_path):
    with pq.ParquetWriter(
        tmp_path / "in.parquet",
        pa.schema([("s", pa.string())]),
        use_dictionary=False,
        compression="zstd",
    ) as out:
        for group in range(24):
            texts = [f"{group * 500 + row:08d}" * 2500 for row in range(500)]
            out.write_table(pa.table({"s": texts}))
    assert peak(tmp_path / "in.parquet", STATS) <= BUDGET
