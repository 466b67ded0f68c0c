"""Budgets, limits of the machine and its cgroups, and the gauge of the process's memory."""

from __future__ import annotations

import mmap
import re
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from arrowsmith import MemoryBudget, errors, memory
from arrowsmith.memory import MemoryGauge, anonymous_memory, budget_exceeded, machine_memory

MB = 1 << 20


# --- budgets -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "limit"),
    [(4096, 4096), ("64MB", 64 * MB), ("1.5 GB", 1536 * MB), ("512k", 512 << 10), ("7", 7)],
)
def test_budget(given, limit):
    assert MemoryBudget(given).limit == limit
    assert repr(MemoryBudget(given)) == f"MemoryBudget({limit})"


@pytest.mark.parametrize("wrong", ["", "many", "-1MB", "1 2", 0, -5, True, 1.5])
def test_budget_that_is_none(wrong):
    with pytest.raises(errors.OptionError):
        MemoryBudget(wrong)


def test_default_budget_is_a_quarter():
    assert MemoryBudget().limit == machine_memory() // 4
    assert machine_memory() <= psutil.virtual_memory().total


def test_what_does_not_fit_names_a_budget_that_does():
    error = budget_exceeded("a row group", 100 * MB + 1, 64 * MB, "in.parquet")
    assert isinstance(error, errors.BudgetExceeded)
    assert str(error).startswith("in.parquet: a row group needs about 100 MB, more than")
    asked = re.search(r"--memory (\w+)", str(error))
    assert asked is not None
    assert MemoryBudget(asked[1]).limit >= error.needed == 100 * MB + 1


@pytest.mark.parametrize(
    ("needed", "limit", "said"),
    [
        (3 * MB // 2, 2048, "about 1.5 MB, more than the memory budget of 2 KB; "),
        (12 * MB, 10 * MB - MB // 2, "about 12 MB, more than the memory budget of 9.5 MB; "),
        (1024, 1, "about 1 KB, more than the memory budget of 1 B; "),
    ],
)
def test_small_sizes_have_small_units_and_the_advice_is_enough(needed, limit, said):
    text = str(budget_exceeded("it", needed, limit))
    assert said in text
    assert text.endswith("--memory 16MB or budget=MemoryBudget('16MB')")


# --- cgroups -------------------------------------------------------------------------------------


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """A tree of cgroups in a folder: lay out limits, and the line of /proc/self/cgroup."""
    root = tmp_path / "cgroup"
    own = tmp_path / "self"

    def lay(line: str, limits: dict[str, str]) -> list[int]:
        own.write_text(line)
        for name, value in limits.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(value)
        return sorted(memory._cgroup_limits(root))

    real = Path.read_text

    def read_text(path, *args, **kwargs):
        return real(own if str(path) == "/proc/self/cgroup" else path, *args, **kwargs)

    monkeypatch.setattr(Path, "read_text", read_text)
    return lay


def test_version_2_counts_every_level(groups):
    limits = {"a/b/memory.max": "300\n", "a/memory.max": "200\n", "memory.max": "max\n"}
    assert groups("0::/a/b\n", limits) == [200, 300]


def test_version_1_has_a_tree_of_its_own(groups):
    line = "5:cpu,cpuacct:/x\n4:memory:/a\n3:pids:/y\n"
    limits = {
        "memory/a/memory.limit_in_bytes": "500\n",
        "memory/memory.limit_in_bytes": "9223372036854771712\n",  # none
        "x/memory.max": "1\n",
    }
    assert groups(line, limits) == [500]


def test_a_container_that_sees_itself_as_the_root(groups):
    assert groups("0::/\n", {"memory.max": "700"}) == [700]


def test_a_path_outside_the_mounted_tree_still_finds_the_root(groups):
    assert groups("0::/not/mounted/here\n", {"memory.max": "800"}) == [800]
    assert groups("0::/../up\n", {"memory.max": "800"}) == [800]


@pytest.mark.parametrize("text", ["", "max", "none", "-5", "0", "1.5"])
def test_limits_that_say_nothing(text, groups):
    assert groups("0::/\n", {"memory.max": text}) == []


def test_no_cgroups(groups, monkeypatch):
    assert groups("", {}) == []

    def missing(path, *args, **kwargs):
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", missing)
    assert memory._cgroup_limits() == []
    assert machine_memory() == psutil.virtual_memory().total


# --- what the process holds ----------------------------------------------------------------------


def test_anonymous_memory_is_what_the_kernel_says():
    info = psutil.Process().memory_full_info()
    assert 0 < anonymous_memory() <= info.rss + 16 * MB


TOUCH = """
import mmap
from arrowsmith.memory import anonymous_memory
figures = [anonymous_memory()]
held = mmap.mmap(-1, 32 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
figures.append(anonymous_memory())
for offset in range(0, 32 << 20, mmap.PAGESIZE):
    held[offset] = 1
figures.append(anonymous_memory())
held.close()
figures.append(anonymous_memory())
print(*figures)
"""


def test_anonymous_memory_counts_pages_that_are_touched():
    """In a process of its own, where nothing else comes and goes."""
    done = subprocess.run([sys.executable, "-c", TOUCH], capture_output=True, text=True, check=True)
    before, mapped, touched, closed = map(int, done.stdout.split())
    assert mapped - before < 8 * MB
    assert touched - before > 24 * MB
    assert closed - before < 8 * MB


def test_mapped_files_do_not_count(tmp_path):
    path = tmp_path / "big"
    path.write_bytes(bytes(32 * MB))
    before = anonymous_memory()
    with pa.memory_map(str(path)) as file:
        view = memoryview(file.read_buffer())
        assert sum(view[:: mmap.PAGESIZE]) == 0
        assert anonymous_memory() - before < 8 * MB
        del view


GAUGE = """
import mmap
from arrowsmith.memory import MemoryGauge
gauge = MemoryGauge(interval=0.0)
held = mmap.mmap(-1, 32 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for offset in range(0, 32 << 20, mmap.PAGESIZE):
    held[offset] = 1
figures = [gauge.sample()]
held.close()
print(*figures, gauge.sample(), gauge.peak)
"""


def test_gauge_keeps_the_peak():
    done = subprocess.run([sys.executable, "-c", GAUGE], capture_output=True, text=True, check=True)
    full, closed, peak = map(int, done.stdout.split())
    assert full > 24 * MB
    assert closed < 8 * MB
    assert peak >= full


def test_gauge_reads_at_most_once_in_an_interval(monkeypatch):
    gauge = MemoryGauge(interval=1000.0)
    readings = iter([gauge.baseline + MB, gauge.baseline + 5 * MB])
    gauge._read = lambda: next(readings)
    assert [gauge.sample() for _ in range(50)] == [MB] * 50


def test_gauge_may_be_read_by_many_threads():
    gauge = MemoryGauge(interval=0.0)
    seen: list[int] = []
    threads = [
        threading.Thread(target=lambda: seen.extend(gauge.sample() for _ in range(200)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 800
    assert gauge.peak >= max(seen)
