"""``.npy`` and ``.npz`` within the memory contract, several times larger than the budget."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from faults import inputs
from faults.measure import measure

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="what a process holds is measured by /proc/PID/smaps_rollup"
)

MB = 1 << 20
BUDGET = 64 * MB
ROWS = 1 << 20


def mapped(path: Path) -> Path:
    np.save(path, np.arange(24 * ROWS, dtype=np.float64).reshape(-1, 8))
    return path


def fields(path: Path) -> Path:
    array = np.zeros(4 * ROWS, [("n", ">i8"), ("t", "<U6"), ("ok", "?"), ("p", "<f4", (2,))])
    array["n"] = np.arange(4 * ROWS)
    array["t"] = "text é"
    np.save(path, array)
    return path


def members(path: Path) -> Path:
    rows = np.arange(6 * ROWS)
    np.savez_compressed(path, n=rows % 1000, x=(rows % 999) / 7, t=(rows % 100).astype("U8"))
    return path


def table(path: Path) -> Path:
    return inputs.parquet(path, count=3 * ROWS)


SOURCES: dict[str, Callable[[Path], Path]] = {
    "mapped.npy": mapped,
    "fields.npy": fields,
    "members.npz": members,
    "table.parquet": table,
}


@pytest.mark.parametrize(
    ("name", "suffix", "threads"),
    [
        ("mapped.npy", ".parquet", 2),
        ("fields.npy", ".arrow", 4),
        ("members.npz", ".parquet", 2),
        ("table.parquet", ".npz", 4),
        ("table.parquet", ".npy", 1),
    ],
)
def test_conversions_stay_within_the_budget(tmp_path, name, suffix, threads):
    source = SOURCES[name](tmp_path / name)
    target = tmp_path / f"out{suffix}"
    given = {"source": str(source), "target": str(target), "budget": BUDGET, "threads": threads}
    run = measure("write", given)
    assert run.code == 0, run.stderr
    assert run.growth <= BUDGET, f"grew by {run.growth / MB:.1f} MB"
    if suffix == ".npz":
        with np.load(target) as arrays:
            assert len(arrays["id"]) == pq.ParquetFile(source).metadata.num_rows
