"""Fixtures that several files of tests share."""

from __future__ import annotations

import gc
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import settings

from arrowsmith.pipeline.config import usable_cores

# How long an example takes depends on what else the machine does. (--hypothesis-profile comes
# later and wins; Hypothesis' own profile for CI has no deadline either.)
settings.register_profile("unhurried", settings(), deadline=None)
settings.load_profile("unhurried")
settings.register_profile("ci", settings.get_profile("ci"), max_examples=30)

ROWS = 1000
PATIENCE = 10  # seconds


def pytest_xdist_auto_num_workers() -> int:
    """More than there are cores: many tests wait for what they have started."""
    return -(-usable_cores() * 3 // 2)


def pytest_configure() -> None:
    """Take Ctrl-C even where the run was started in the background of a shell, which has it
    ignored: the processes that tests start would ignore it, too."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module", autouse=True)
def what_stays_is_left_alone() -> None:
    """Leave the many thousand collected tests, and what modules before this one have imported, out
    of every later collection of garbage, which the tests of leaks ask for often."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """What was left out is to be freed at the end, or extension modules complain of leaks."""
    gc.unfreeze()


@pytest.fixture
def table() -> pa.Table:
    """A thousand rows of four columns, the middle two with nulls."""
    numbers = range(ROWS)
    return pa.table(
        {
            "id": pa.array(numbers, pa.int64()),
            "score": pa.array([None if n % 7 == 0 else n / 4 for n in numbers], pa.float64()),
            "lang": pa.array([None if n % 5 == 0 else ("en", "de")[n % 2] for n in numbers]),
            "good": pa.array([n % 3 == 0 for n in numbers]),
        }
    )


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cache's folder while tests run, here and in the processes that they start."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARROWSMITH_CACHE", str(folder))
        yield folder


@pytest.fixture
def no_leaks(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """After the test: no thread of a run, no open file and no scratch file is left."""
    before = run_threads()
    scratch = tmp_path_factory.mktemp("scratch")  # other tests may run at the same time
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    yield
    assert run_threads() <= before
    gc.collect()  # an exception and its frames may hold one another, and a mapping with them
    assert left_open(tmp_path) == []
    assert left_open(scratch) == []
    assert list(scratch.glob("arrowsmith-*")) == []
    assert [path.name for path in tmp_path.rglob(".*")] == []


def run_threads() -> set[threading.Thread]:
    """Threads that runs have started; those of other libraries have other names."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("arrowsmith")}


def left_open(folder: Path) -> list[str]:
    """The files under ``folder`` that stay open. (pyarrow's own readers, which tests compare with,
    let go of a file a moment after they have given its table.)"""
    late = time.monotonic() + PATIENCE
    while (found := open_files(folder)) and time.monotonic() < late:
        time.sleep(0.01)
    return found


def open_files(folder: Path) -> list[str]:
    """The files under ``folder`` that this process has open."""
    found = []
    for entry in Path("/proc/self/fd").iterdir() if Path("/proc/self/fd").is_dir() else ():
        try:
            path = entry.readlink()
        except OSError:
            continue
        if path.is_relative_to(folder):
            found.append(str(path))
    return found
