"""Budgets, limits of the machine and its cgroups, and the gauge of the process's memory."""

from __future__ import annotations

import mmap
import re
import subprocess
import sys
import threading

import psutil
import pyarrow as pa
import pytest

from arrowsmith import MemoryBudget, errors
from arrowsmith.memory import (
    Cgroup,
    MemoryGauge,
    Room,
    Surroundings,
    anonymous_memory,
    budget_exceeded,
    machine_memory,
    memory_cgroups,
)

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
def groups(tmp_path):
    """A tree of cgroups in a folder: lay out files, and the line of /proc/self/cgroup."""
    root = tmp_path / "cgroup"
    own = tmp_path / "self"

    def lay(line: str, files: dict[str, str]) -> list[Cgroup]:
        own.write_text(line)
        for name, value in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(value)
        return memory_cgroups(root, own)

    return lay


def limits(found: list[Cgroup]) -> list[int]:
    return sorted(limit for group in found if (limit := group.limit()) is not None)


def test_version_2_counts_every_level(groups):
    files = {"a/b/memory.max": "300\n", "a/memory.max": "200\n", "memory.max": "max\n"}
    assert limits(groups("0::/a/b\n", files)) == [200, 300]


def test_version_2_is_slowed_above_high(groups):
    found = groups("0::/a\n", {"a/memory.max": "300\n", "a/memory.high": "250\n"})
    assert limits(found) == [250]
    found = groups("0::/b\n", {"b/memory.max": "300\n", "b/memory.high": "max\n"})
    assert limits(found) == [300]


def test_version_1_has_a_tree_of_its_own(groups):
    line = "5:cpu,cpuacct:/x\n4:memory:/a\n3:pids:/y\n"
    files = {
        "memory/a/memory.limit_in_bytes": "500\n",
        "memory/memory.limit_in_bytes": "9223372036854771712\n",  # none
        "x/memory.max": "1\n",
    }
    assert limits(groups(line, files)) == [500]


def test_a_container_that_sees_itself_as_the_root(groups):
    assert limits(groups("0::/\n", {"memory.max": "700"})) == [700]


def test_a_path_outside_the_mounted_tree_still_finds_the_root(groups):
    assert limits(groups("0::/not/mounted/here\n", {"memory.max": "800"})) == [800]
    assert limits(groups("0::/../up\n", {"memory.max": "800"})) == [800]


@pytest.mark.parametrize("text", ["", "max", "none", "-5", "0", "1.5"])
def test_limits_that_say_nothing(text, groups):
    assert limits(groups("0::/\n", {"memory.max": text})) == []


def test_no_cgroups(groups, tmp_path, monkeypatch):
    assert groups("", {}) == []
    assert memory_cgroups(tmp_path, tmp_path / "missing") == []
    monkeypatch.setattr("arrowsmith.memory.budget.memory_cgroups", list)
    assert machine_memory() == psutil.virtual_memory().total


# --- what is left --------------------------------------------------------------------------------

MEMINFO = "MemTotal:  1000 kB\nMemFree:  10 kB\nMemAvailable:  600 kB\nSwapTotal: 0 kB\n"


@pytest.fixture
def rooms(groups, tmp_path):
    """What is left by a /proc/meminfo and a tree of cgroups."""

    def read(line: str, files: dict[str, str], meminfo: str = MEMINFO) -> list[Room]:
        path = tmp_path / "meminfo"
        path.write_text(meminfo)
        return Surroundings(path, groups(line, files)).rooms()

    return read


def test_the_machine_has_a_room(rooms):
    assert rooms("", {}) == [Room(1000 << 10, 600 << 10)]
    assert rooms("", {}, "MemTotal: 1000 kB\n") == []  # a kernel before 3.14
    assert rooms("", {}, "") == []


def test_version_2_pages_of_files_can_be_dropped_unless_they_are_dirty(rooms):
    stat = (
        "anon 300\nfile 450\nactive_file 100\ninactive_file 300\nfile_dirty 40\nfile_writeback 10\n"
    )
    files = {
        "a/memory.max": "1000\n",
        "a/memory.current": "800\n",
        "a/memory.stat": stat,
        "a/memory.pressure": "some avg10=12.50 avg60=1.00 avg300=0 total=5\nfull avg10=99.00\n",
    }
    _, own = rooms("0::/a\n", files)
    assert own == Room(1000, 1000 - (800 - 350), 12.5)


def test_version_1_counts_the_groups_below(rooms):
    stat = "inactive_file 1\ntotal_inactive_file 200\ntotal_active_file 50\ntotal_dirty 30\n"
    files = {
        "memory/a/memory.limit_in_bytes": "1000\n",
        "memory/a/memory.usage_in_bytes": "900\n",
        "memory/a/memory.stat": stat,
    }
    assert rooms("4:memory:/a\n", files)[1:] == [Room(1000, 1000 - (900 - 220))]


@pytest.mark.parametrize("stat", ["", "odd", "inactive_file many", "inactive_file", "file_dirty 9"])
def test_a_stat_that_says_nothing_drops_nothing(stat, rooms):
    files = {"memory.max": "1000", "memory.current": "900", "memory.stat": stat}
    assert rooms("0::/\n", files)[1:] == [Room(1000, 100)]


def test_a_group_above_its_limit_has_nothing_left(rooms):
    files = {"memory.max": "1000", "memory.high": "800", "memory.current": "900"}
    assert rooms("0::/\n", files)[1:] == [Room(800, 0)]


def test_groups_that_cannot_be_read_say_nothing(rooms):
    assert rooms("0::/a\n", {"a/memory.max": "1000"}) == [Room(1000 << 10, 600 << 10)]


def test_the_real_machine():
    machine = Surroundings().rooms()[0]
    assert machine.total == pytest.approx(psutil.virtual_memory().total)
    assert 0 < machine.available <= machine.total


def test_elsewhere_psutil_knows(tmp_path):
    [machine] = Surroundings(tmp_path / "missing", []).rooms()
    assert machine.total == psutil.virtual_memory().total


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
