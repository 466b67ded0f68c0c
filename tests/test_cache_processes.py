"""The cache among processes: one builds and the others wait; those killed leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import arrowsmith
from arrowsmith.cache import Cache
from arrowsmith.dataset import decoded
from faults.measure import measure

MB = 1 << 20

# A process that maps the source, and stops at a place until it is told to go on.
BUILDER = """
import sys
import arrowsmith
from arrowsmith.cache import Cache, Index
from arrowsmith.dataset import decoded
from arrowsmith.location import FileTarget

def stop(cls, name, after=False):
    original = getattr(cls, name)
    def stopped(*args, **kwargs):
        result = original(*args, **kwargs) if after else None
        print("at", name, flush=True)
        sys.stdin.readline()
        return result if after else original(*args, **kwargs)
    setattr(cls, name, stopped)

place = sys.argv[2]
if place == "locked":
    stop(decoded._CacheSink, "__init__")
elif place == "writing":
    stop(decoded._CacheSink, "append", after=True)
elif place == "written":
    stop(FileTarget, "publish")
elif place == "published":
    stop(FileTarget, "publish", after=True)
elif place == "indexed":
    stop(Index, "add", after=True)
mapped = arrowsmith.open(sys.argv[1]).mapped()
print("rows", len(mapped), mapped.path, flush=True)
if place == "mapped":
    sys.stdin.readline()
    print("sum", sum(mapped.to_table()["id"].to_pylist()), flush=True)
"""
PLACES = ["locked", "writing", "written", "published", "indexed"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    path = tmp_path / "cache"
    monkeypatch.setenv("ARROWSMITH_CACHE", str(path))
    return path


@pytest.fixture
def source(tmp_path, table, folder):
    path = tmp_path / "a.parquet"
    pq.write_table(table, path)
    return path


@contextmanager
def builder(source: Path, place: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", BUILDER, str(source), place],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def left_over(folder: Path) -> list[str]:
    """What is neither an entry nor the index."""
    return [p.name for p in folder.iterdir() if p.suffix != ".arrow" or p.name.startswith(".")
            if not p.name.startswith("index")]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_a_killed_builder_blocks_nobody(source, table, folder, place):
    with builder(source, place) as process:
        assert line(process).startswith("at ")
        process.send_signal(signal.SIGKILL)
        process.wait()
    with arrowsmith.open(source).mapped() as mapped:
        assert mapped.to_table().equals(table)
    Cache().clear()
    assert left_over(folder) == []
    assert Cache().entries() == []


@pytest.mark.parametrize("place", ["writing", "published"])
def test_others_wait_for_the_one_who_builds(source, folder, place):
    with builder(source, place) as first:
        assert line(first).startswith("at ")
        with builder(source, "nowhere") as second:
            inode = [p.stat().st_ino for p in folder.glob("*.arrow")]
            go_on(first)
            while not (told := line(first)).startswith("rows"):
                go_on(first)
            assert line(second) == told
            [entry] = Cache().entries()
            assert told.split()[1:] == ["1000", str(entry.path)]
            assert inode in ([], [entry.path.stat().st_ino])
            assert first.wait() == second.wait() == 0
    assert left_over(folder) == []


def test_one_who_waits_takes_over_from_the_killed(source, folder):
    with builder(source, "writing") as first:
        assert line(first).startswith("at ")
        with builder(source, "nowhere") as second:
            first.kill()
            assert line(second).startswith("rows 1000")
            assert second.wait() == 0
    assert left_over(folder) == []


def test_many_at_once_make_one_entry(source, folder):
    code = (
        "import sys, arrowsmith; sys.stdin.readline();"
        "print(sum(arrowsmith.open(sys.argv[1]).mapped().to_table()['id'].to_pylist()))"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(source)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    for process in processes:
        go_on(process)
    assert [process.communicate()[0] for process in processes] == ["499500\n"] * 4
    assert len(Cache().entries()) == 1
    assert left_over(folder) == []


def test_what_another_process_has_mapped_stays(source, folder):
    with builder(source, "mapped") as process:
        assert line(process).startswith("rows")
        removed, kept = Cache().clear()
        assert (len(removed), len(kept)) == (0, 1)
        go_on(process)
        assert line(process) == "sum 499500\n"
        process.wait()
    assert len(Cache().clear()[0]) == 1


def test_a_read_only_cache_is_read(source, table, folder):
    if os.geteuid() == 0:
        pytest.skip("root writes to any folder")
    with arrowsmith.open(source).mapped():
        pass
    folder.chmod(0o500)
    try:
        with arrowsmith.open(source).mapped() as mapped:
            assert mapped.to_table().equals(table)
        with pytest.raises(arrowsmith.errors.TargetError, match="ARROWSMITH_CACHE"):
            arrowsmith.open(source).limit(3).mapped()
    finally:
        folder.chmod(0o700)


def test_a_full_disk_is_one_line(tmp_path, folder):
    """A limit on the size of files stands for it."""
    path = tmp_path / "a.csv"
    path.write_text("a\n" + "".join(f"{n}\n" for n in range(200_000)))
    code = (
        "import resource, signal, sys, arrowsmith\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "try: arrowsmith.open(sys.argv[1]).mapped()\n"
        "except arrowsmith.errors.TargetError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert "no space left" in done.stdout
    assert len(done.stdout.splitlines()) == 1
    assert left_over(folder) == []
    assert Cache().entries() == []


BUDGET = 64 * MB

LARGE = """
import sys
import arrowsmith
import numpy as np
from arrowsmith.memory import anonymous_memory
mapped = arrowsmith.open(sys.argv[1], budget=int(sys.argv[2])).mapped()
before = anonymous_memory()
rows = np.random.default_rng(1).integers(0, len(mapped), 1000)
found = mapped.take(rows)
assert found["id"].to_pylist() == rows.tolist()
total = mapped.to_table()
print(anonymous_memory() - before, mapped.nbytes)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="what a process holds is told by smaps_rollup")
def test_taking_rows_loads_no_more_than_these(tmp_path, folder):
    rows = 4_000_000
    path = tmp_path / "a.parquet"
    ids = pa.array(range(rows), pa.int64())
    pq.write_table(pa.table({"id": ids, "text": ids.cast(pa.string()), "twice": ids}), path)
    done = subprocess.run(
        [sys.executable, "-c", LARGE, str(path), str(BUDGET)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    grown, size = map(int, done.stdout.split())
    assert size > 100 * MB
    assert grown < 8 * MB


@pytest.mark.skipif(sys.platform != "linux", reason="what a process holds is told by smaps_rollup")
def test_decoding_stays_within_the_budget(tmp_path, folder):
    rows = 8_000_000
    path = tmp_path / "a.parquet"
    ids = pa.array(range(rows), pa.int64())
    pq.write_table(
        pa.table({"id": ids, "text": ids.cast(pa.string()), "twice": ids}),
        path,
        row_group_size=200_000,
    )
    run = measure("mapped", {"source": str(path), "budget": BUDGET})
    assert run.code == 0, run.stderr
    assert run.report["nbytes"] > 3 * BUDGET
    assert run.growth <= BUDGET


EVICTOR = """
import os, pathlib, signal, sys
import arrowsmith
from arrowsmith.cache import Index

def killed(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[2] == "before":
    pathlib.Path.unlink = lambda path, **_: killed() if path.suffix == ".arrow" else None
else:
    Index.drop = killed
os.environ["ARROWSMITH_CACHE_SIZE"] = "1KB"
arrowsmith.open(sys.argv[1]).limit(3).mapped()
"""


@pytest.mark.parametrize("place", ["before", "after"])
def test_killed_while_it_evicts(source, table, folder, place):
    """Before an entry is unlinked, or before the index knows that it is gone."""
    old = arrowsmith.open(source).mapped()
    path = Path(old.path)
    del old
    done = subprocess.run([sys.executable, "-c", EVICTOR, str(source), place], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.exists() == (place == "before")
    listed = {entry.path for entry in Cache().entries()}
    assert listed == set(folder.glob("*.arrow"))
    with arrowsmith.open(source).mapped() as mapped:
        assert mapped.to_table().equals(table)
    removed, kept = Cache().clear()
    assert len(removed) == 2
    assert kept == []
    assert left_over(folder) == []


def test_a_source_that_changes_while_it_is_decoded(tmp_path, folder, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_text("a\n" + "".join(f"{n}\n" for n in range(400_000)))
    begin = decoded._CacheSink.__enter__

    def changed(sink):
        with path.open("a") as file:
            file.write("1\n")
        return begin(sink)

    monkeypatch.setattr(decoded._CacheSink, "__enter__", changed)
    with pytest.raises(arrowsmith.errors.SourceChanged, match=r"a\.csv"):
        arrowsmith.open(path).mapped()
    assert Cache().entries() == []
    assert left_over(folder) == []
    monkeypatch.undo()
    monkeypatch.setenv("ARROWSMITH_CACHE", str(folder))
    assert len(arrowsmith.open(path).mapped()) == len(path.read_text().split()) - 1
