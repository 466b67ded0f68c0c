"""The same input gives the same bytes, whatever the threads, budget, batches and allocator."""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import arrowsmith
from arrowsmith import MemoryBudget, PipelineConfig

SUFFIXES = [".parquet", ".arrow", ".csv"]
# threads, budget, rows of a batch: each value with each other at least once
SETTINGS = [
    (1, "64MB", 65_536),
    (1, "1GB", 1000),
    (2, "64MB", 1000),
    (2, "1GB", 1_000_000),
    (2, "1GB", 65_536),
    (4, "64MB", 1_000_000),
    (4, "1GB", 65_536),
    (4, "1GB", 1000),
    (1, "64MB", 1_000_000),
]


def plain(path: Path) -> Path:
    """Some 6 MB: several ranges of text, and more than one chunk of each sink."""
    choose = np.random.default_rng(5)
    count = 150_000
    columns = [
        choose.integers(0, 10**12, count).tolist(),
        choose.standard_normal(count).round(5).tolist(),
        [f"kind {n}" for n in choose.integers(0, 9, count)],
    ]
    with path.open("w") as file:
        file.write("id,x,kind\n")
        file.writelines(f"{a},{b},{c}\n" for a, b, c in zip(*columns, strict=True))
    return path


def with_faults(path: Path) -> Path:
    """Records that lack fields or have a wrong type, all over the file."""
    choose = random.Random(6)
    with path.open("w") as file:
        file.write("id,x,name\n")
        for number in range(120_000):
            if choose.random() < 0.003:
                file.write(choose.choice(["1,2\n", "1,2,3,4\n", '5,"a\nb"\n']))
            file.write(f'{number},{choose.random()},"n, {choose.randrange(10**6)}"\n')
    return path


def widening(path: Path) -> Path:
    """Integers, but for a few places that no sample looks at."""
    with path.open("w") as file:
        file.write("a,b,c\n")
        for number in range(250_000):
            odd = number in (90_000, 90_001, 200_000)
            file.write(f"{number},{'text' if odd else number * 7},{number / 4 if odd else 5}\n")
    return path


def ragged(path: Path) -> Path:
    """Texts from none to a megabyte: chunks are cut by bytes."""
    choose = random.Random(7)
    with path.open("w") as file:
        file.write("id,text\n")
        for number in range(20_000):
            size = choose.choice([0, 1, 10, 100, 1000])
            if choose.random() < 0.002:
                size = choose.randrange(1 << 20)
            file.write(f"{number},{format(choose.getrandbits(4 * size), 'x') if size else ''}z\n")
    return path


def nested(path: Path) -> Path:
    """Lists, structs, dictionaries, decimals and nulls in row groups of odd sizes."""
    choose = np.random.default_rng(8)
    count = 60_000
    lengths = choose.integers(0, 6, count)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    values = pa.array(choose.standard_normal(int(lengths.sum())))
    texts = pa.array([f"v{n}" for n in choose.integers(0, 50, count)])
    mask = pa.array(choose.random(count) < 0.1)
    table = pa.table(
        {
            "list": pa.ListArray.from_arrays(offsets, values),
            "struct": pa.StructArray.from_arrays(
                [pa.array(choose.integers(0, 99, count)), texts], ["n", "t"], mask=mask
            ),
            "dictionary": texts.dictionary_encode(),
            "decimal": pa.array(choose.integers(0, 10**6, count)).cast(pa.decimal128(21, 2)),
            "at": pa.array(choose.integers(0, 10**15, count)).cast(pa.timestamp("us", "UTC")),
        }
    )
    pq.write_table(table, path, row_group_size=17_001)
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def outcomes(source, suffix: str, folder: Path, settings=SETTINGS, **how) -> set[tuple[str, ...]]:
    """The different outputs, as digests of all files written, over all settings."""
    found = set()
    verbs = how.pop("verbs", lambda ds: ds)
    for number, (threads, budget, rows) in enumerate(settings):
        out = folder / f"{number}{suffix}"
        given = {}
        if how.get("on_error") == "quarantine":
            given["rejects"] = str(folder / f"{number}.bad.jsonl")
        ds = arrowsmith.open(
            source,
            budget=MemoryBudget(budget),
            config=PipelineConfig(worker_threads=threads, batch_rows=rows),
        )
        stats = verbs(ds).write(out, **how, **given)
        assert stats.rows_out > 0
        files = [out, *map(Path, given.values())]
        found.add(tuple(map(digest, files)))
        for file in files:
            file.unlink()
    return found


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    plain(folder / "plain.csv")
    with_faults(folder / "faults.csv")
    widening(folder / "widening.csv")
    ragged(folder / "ragged.csv")
    nested(folder / "nested.parquet")
    return folder


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".csv.gz", ".arrows", ".parquet.zst"])
def test_plain(inputs, tmp_path, suffix):
    assert len(outcomes(inputs / "plain.csv", suffix, tmp_path)) == 1


def test_three_times_the_same(inputs, tmp_path):
    settings = [setting for setting in SETTINGS if setting[0] > 1] * 3
    assert len(outcomes(inputs / "plain.csv", ".parquet", tmp_path, settings)) == 1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_rejects(inputs, tmp_path, suffix):
    """The rejects file is the same, too."""
    found = outcomes(inputs / "faults.csv", suffix, tmp_path, on_error="quarantine")
    assert len(found) == 1


def test_rejects_of_a_run_that_is_cut_short(inputs, tmp_path):
    """How far the reader was ahead of the last row changes nothing."""
    found = outcomes(
        inputs / "faults.csv",
        ".csv",
        tmp_path,
        SETTINGS * 2,
        on_error="quarantine",
        verbs=lambda ds: ds.limit(50_123),
    )
    assert len(found) == 1


@pytest.mark.parametrize("most", [0, 5, 99])
def test_rejects_up_to_too_many(inputs, tmp_path, most):
    found = set()
    for threads, rows in itertools.product([1, 2, 4], [1000, 65_536]):
        bad = tmp_path / "bad.jsonl"
        config = PipelineConfig(worker_threads=threads, batch_rows=rows)
        ds = arrowsmith.open(inputs / "faults.csv", config=config)
        with pytest.raises(arrowsmith.errors.TooManyErrors) as raised:
            ds.write(tmp_path / "out.csv", rejects=str(bad), max_errors=most, overwrite=True)
        found.add((str(raised.value), digest(bad)))
    assert len(found) == 1
    assert len(bad.read_text().splitlines()) == most + 1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_filters_and_limits(inputs, tmp_path, suffix):
    for verbs in (
        lambda ds: ds.filter("x > 0.5 and kind = 'kind 3'"),
        lambda ds: ds.limit(70_001),
        lambda ds: ds.filter("x > 0").limit(40_000).select("kind", "id"),
        lambda ds: ds.cast({"x": "float32"}).rename({"x": "y"}),
    ):
        assert len(outcomes(inputs / "plain.csv", suffix, tmp_path, verbs=verbs)) == 1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_restart_that_widens(inputs, tmp_path, suffix):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        assert len(outcomes(inputs / "widening.csv", suffix, tmp_path)) == 1


def test_an_error_is_the_same_error(inputs, tmp_path):
    said = set()
    for threads, budget, rows in SETTINGS:
        config = PipelineConfig(worker_threads=threads, batch_rows=rows)
        ds = arrowsmith.open(inputs / "faults.csv", budget=budget, config=config)
        with pytest.raises(arrowsmith.errors.DataError) as raised:
            ds.write(tmp_path / "out.csv")
        said.add(str(raised.value))
    assert len(said) == 1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_texts_of_all_lengths(inputs, tmp_path, suffix):
    assert len(outcomes(inputs / "ragged.csv", suffix, tmp_path)) == 1


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".arrows"])
def test_nested_types(inputs, tmp_path, suffix):
    assert len(outcomes(inputs / "nested.parquet", suffix, tmp_path)) == 1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_several_inputs(inputs, tmp_path, suffix):
    small = tmp_path / "more.csv"
    small.write_text("kind,id,x\nnone,,\n" + "some,1,2\n" * 1000)
    several = [inputs / "plain.csv", small, inputs / "plain.csv"]
    assert len(outcomes(several, suffix, tmp_path)) == 1


@pytest.mark.parametrize("source", ["plain.csv", "nested.parquet"])
def test_through_another_format_and_back(inputs, tmp_path, source):
    """The rows, not the way they came, make the bytes."""
    ds = arrowsmith.open(inputs / source)
    ds.write(tmp_path / "direct.parquet")
    for number, rows in enumerate((1000, 33_333)):
        between = tmp_path / f"between{number}.arrow"
        ds.write(between, batch_rows=rows)
        arrowsmith.open(between).write(tmp_path / f"{number}.parquet")
        assert digest(tmp_path / f"{number}.parquet") == digest(tmp_path / "direct.parquet")


CHILD = """
import arrowsmith, sys
out, *sources = sys.argv[1:]
for number, source in enumerate(sources):
    for suffix in (".parquet", ".arrow"):
        arrowsmith.open(source).write(f"{out}{number}{suffix}", on_error="skip")
import pyarrow
print(pyarrow.default_memory_pool().backend_name)
"""


def test_any_allocator(inputs, tmp_path):
    """Nothing is written that was not read: other allocators leave other bytes behind."""
    sources = [inputs / name for name in ("plain.csv", "faults.csv", "nested.parquet")]
    pools = {}
    for pool in ("system", "mimalloc", None):
        env = {**os.environ, "MALLOC_PERTURB_": "165"}  # glibc fills what it hands out
        env.pop("ARROW_DEFAULT_MEMORY_POOL", None)
        if pool is not None:
            env["ARROW_DEFAULT_MEMORY_POOL"] = pool
        command = [sys.executable, "-c", CHILD, tmp_path / f"{pool}-", *sources]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        pools[pool] = done.stdout.splitlines()[-1]
    assert pools["system"] == "system"
    assert len(set(pools.values())) > 1
    for number in range(len(sources)):
        for suffix in (".parquet", ".arrow"):
            files = [tmp_path / f"{pool}-{number}{suffix}" for pool in pools]
            assert len(set(map(digest, files))) == 1
