"""The memory contract: a run adds no more than its budget to the process, as seen from outside.

Each run is a process of its own, whose anonymous memory this one polls; inputs are several times
larger than the budget.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from arrowsmith.plugin.options import parse_size
from faults import inputs
from faults.measure import Measured, measure

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="what a process holds is measured by /proc/PID/smaps_rollup"
)

MB = 1 << 20
BUDGET = 64 * MB
# The kernel's counters are exact to some pages a thread, and two pollers see different moments.
TOLERANCE = 16 * MB  # the two pollers see short peaks at different moments

MAKERS: dict[str, Callable[[Path], Path]] = {
    "plain.csv": functools.partial(inputs.csv, nbytes=200 * MB),
    "small.csv": functools.partial(inputs.csv, nbytes=130 * MB),
    "plain.csv.gz": functools.partial(inputs.csv, nbytes=130 * MB),
    "wide.csv": functools.partial(inputs.wide_csv, nbytes=100 * MB),
    "long.csv": functools.partial(inputs.long_fields_csv, nbytes=100 * MB, field=5 * MB),
    "plain.jsonl": functools.partial(inputs.json, nbytes=200 * MB),
    "array.json": functools.partial(inputs.json, nbytes=130 * MB),
    "groups.parquet": functools.partial(inputs.parquet, count=3 << 20),
    "plain.arrow": functools.partial(inputs.arrow, count=3 << 20),
}

# source, target, threads; each source and each target with one thread, two and four
RUNS = [
    ("plain.csv", ".parquet", 4),
    ("small.csv", ".parquet", 1),
    ("small.csv", ".arrow", 2),
    ("small.csv", ".csv", 4),
    ("plain.csv.gz", ".parquet", 2),
    ("wide.csv", ".parquet", 2),
    ("wide.csv", ".arrow", 1),
    ("long.csv", ".parquet", 2),
    ("long.csv", ".csv", 4),
    ("plain.jsonl", ".parquet", 2),
    ("plain.jsonl", ".arrow", 4),
    ("array.json", ".parquet", 2),
    ("groups.parquet", ".csv", 1),
    ("groups.parquet", ".csv", 4),
    ("groups.parquet", ".csv", 2),
    ("groups.parquet", ".arrow", 4),
    ("groups.parquet", ".parquet", 2),
    ("plain.arrow", ".parquet", 2),
    ("plain.arrow", ".csv", 4),
]


@pytest.fixture(scope="session")
def source(tmp_path_factory) -> Callable[[str], Path]:
    """The input of a name, made when it is first asked for."""
    folder = tmp_path_factory.mktemp("large")

    @functools.cache
    def made(name: str) -> Path:
        return MAKERS[name](folder / name)

    return made


def assert_inside(run: Measured, budget: int = BUDGET) -> None:
    assert run.code == 0, run.stderr
    grown, told = run.growth / MB, run.report["peak"] / MB
    assert grown <= budget / MB, f"grew by {grown:.1f} MB, reported {told:.1f}"
    assert abs(grown - told) * MB <= TOLERANCE, f"grew by {grown:.1f} MB, reported {told:.1f}"


@pytest.mark.parametrize(("name", "suffix", "threads"), RUNS)
def test_conversions(source, tmp_path, name, suffix, threads):
    given = {"source": str(source(name)), "target": str(tmp_path / f"out{suffix}")}
    run = measure("write", {**given, "budget": BUDGET, "threads": threads})
    Path(given["target"]).unlink(missing_ok=True)
    assert_inside(run)


@pytest.mark.parametrize(
    ("name", "suffix"), [("small.csv", ".parquet"), ("groups.parquet", ".csv")]
)
def test_the_command(source, tmp_path, name, suffix):
    target = tmp_path / f"out{suffix}"
    run = measure("cli", ["convert", str(source(name)), str(target), "--memory", "64MB"])
    target.unlink(missing_ok=True)
    assert_inside(run)


@pytest.mark.parametrize("name", ["small.csv", "groups.parquet", "plain.arrow"])
@pytest.mark.parametrize("threads", [1, 4])
def test_batches_for_a_slow_consumer(source, name, threads):
    """The readers wait, rather than fill the memory with what nobody has taken yet."""
    given = {"source": str(source(name)), "budget": BUDGET, "threads": threads, "work": 2}
    run = measure("batches", given)
    assert_inside(run)
    assert run.report["rows"] > 10**6


# --- what does not fit ---------------------------------------------------------------------------


def one_long_record(path: Path) -> Path:
    return inputs.long_fields_csv(path, nbytes=20 * MB, field=20 * MB)


def one_large_row(path: Path) -> Path:
    text = "".join(chr(97 + i * i % 26) for i in range(10_000)) * 2000
    table = pa.table({"id": [1, 2], "body": [text, "short"]})
    pq.write_table(table, path)
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".arrow"])
@pytest.mark.parametrize("source_suffix", [".csv", ".parquet"])
def test_a_record_larger_than_the_budget(tmp_path, source_suffix, suffix):
    """It says how much would do, and that does."""
    make = one_long_record if source_suffix == ".csv" else one_large_row
    given = {
        "source": str(make(tmp_path / f"in{source_suffix}")),
        "target": str(tmp_path / f"out{suffix}"),
    }
    refused = measure("write", {**given, "budget": 16 * MB, "threads": 2})
    assert refused.code == 0, refused.stderr
    assert refused.growth <= 16 * MB
    assert not Path(given["target"]).exists()
    named = sizes_in(refused.report["error"])[-1]
    assert named >= refused.report["needed"] > 16 * MB
    run = measure("write", {**given, "budget": named, "threads": 2})
    assert "error" not in run.report, run.report
    assert run.code == 0, run.stderr
    # the run is too short for two pollers to see the same peak
    assert max(run.growth, run.report["peak"]) <= named


def sizes_in(message: str) -> list[int]:
    return [parse_size(f"{size}MB") for size in re.findall(r"(\d+) ?Mi?B", message)]
