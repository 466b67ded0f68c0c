"""Runs that are stopped: by signals, by their consumers, by what they call. None of them hangs."""

from __future__ import annotations

import array
import contextlib
import fcntl
import gc
import json
import os
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import arrowsmith
from arrowsmith import PipelineConfig
from arrowsmith.pipeline.crew import Crew
from faults import cancels

PATIENCE = 20  # seconds until a run counts as hanging; its stacks are told then

# Runs a command line as the program does; tells the stacks of all threads if it hangs.
PROGRAM = f"""
import faulthandler
faulthandler.dump_traceback_later({PATIENCE}, exit=True)
from arrowsmith.cli import main
main()
"""

SIGNALS = [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
signals = pytest.mark.parametrize(("number", "code", "said"), SIGNALS, ids=["SIGINT", "SIGTERM"])


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Where things are written; in.csv of 3 MB and an empty tmp are beside it."""
    for name in ("out", "tmp"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.chdir(tmp_path)
    Path("in.csv").write_text("a,b\n" + "".join(f"{n},some text\n" for n in range(180_000)))
    return tmp_path / "out"


def start(*args: object, program: str = PROGRAM, **how: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **how,
    )


def until(true: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait for something that is bound to happen while the process lives."""
    while not true():
        assert process.poll() is None, process.communicate()
        time.sleep(0.001)


def assert_stopped(process: subprocess.Popen[str], code: int, said: str, folder: Path) -> None:
    stdout, stderr = process.communicate(timeout=PATIENCE + 10)
    assert (process.returncode, stdout, stderr) == (code, "", f"arrowsmith: {said}\n")
    assert names(folder) == []
    assert names("tmp") == []


def has_open(process: subprocess.Popen[str], part: str) -> bool:
    """Whether it has a file open whose path holds ``part``."""
    for fd in Path(f"/proc/{process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if part in str(fd.readlink()):
                return True
    return False


def names(folder: Path | str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def waiting(fd: int) -> int:
    """Bytes in a pipe that nobody has read yet."""
    count = array.array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, count)
    return count[0]


# --- signals -------------------------------------------------------------------------------------


@signals
def test_while_it_looks_at_the_inputs(folder, number, code, said):
    """Types are inferred from all of each file before the run begins."""
    process = start("convert", *["in.csv"] * 60, folder / "out.parquet", "-r", "infer=full")
    until(lambda: has_open(process, "in.csv"), process)
    process.send_signal(number)
    assert_stopped(process, code, said, folder)


@signals
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".arrows"])
def test_while_the_sink_waits_for_a_slow_reader(folder, number, code, said, suffix):
    os.mkfifo(f"pipe{suffix}")
    process = start("convert", *["in.csv"] * 5, f"pipe{suffix}")
    # Opened for reading at once, so that nothing waits here if the process ends early.
    with open(os.open(f"pipe{suffix}", os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as pipe:
        until(lambda: waiting(pipe.fileno()) > 0, process)
        process.send_signal(number)
        assert_stopped(process, code, said, folder)


@signals
def test_while_nobody_reads(folder, number, code, said):
    """Opening a pipe waits for its reader; what is read ahead meanwhile is let go."""
    os.mkfifo("pipe.csv")
    process = start("convert", "in.csv", "pipe.csv", "--rejects", folder / "bad.jsonl")
    # It has opened its rejects file, a nameless one, before it waits for the pipe's reader.
    until(lambda: has_open(process, str(folder)), process)
    process.send_signal(number)
    assert_stopped(process, code, said, folder)


MIDWAY = f"""
import faulthandler, os, sys, threading
faulthandler.dump_traceback_later({PATIENCE}, exit=True)
import arrowsmith
source, target, way = sys.argv[1:]
ds = arrowsmith.open([source] * 40)
def function(batch):
    os.write(1, b".")
    return batch
try:
    if way == "write":
        ds.map(function).write(target)
    elif way == "batches":
        for batch in ds.map(function).batches():
            pass
    else:
        ds.map(function).to_table()
except KeyboardInterrupt:
    print("interrupted", threading.active_count())
"""


@pytest.mark.parametrize("way", ["write", "batches", "to_table"])
def test_ctrl_c_in_a_program(folder, way):
    process = start("in.csv", folder / "out.parquet", way, program=MIDWAY)
    assert process.stdout.read(1) == "."
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=PATIENCE + 10)
    assert stdout.strip(".\n") == "interrupted 1"
    assert stderr == ""
    assert names(folder) == []


@signals
def test_again_and_again(folder, number, code, said):
    """Signals while it unwinds change nothing."""
    process = start("convert", *["in.csv"] * 20, folder / "out.parquet", "--threads", "4")
    until(lambda: has_open(process, str(folder)), process)
    process.send_signal(number)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=PATIENCE + 10)
    assert process.returncode == code, stderr
    assert "Traceback" not in stderr
    assert names(folder) == []


# --- consumers -----------------------------------------------------------------------------------


@pytest.fixture
def threads() -> Iterator[None]:
    """No thread is left behind."""
    before = threading.active_count()
    yield
    assert threading.active_count() == before


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("taken", [0, 1, 2, 17])
def test_closing_batches(folder, taken):
    ds = arrowsmith.open("in.csv", config=PipelineConfig(batch_rows=1000, worker_threads=4))
    batches = ds.batches()
    for _ in range(taken):
        assert next(batches).num_rows
    batches.close()
    assert next(batches, None) is None
    assert sum(batch.num_rows for batch in ds.batches()) == 180_000  # and once more


@pytest.mark.usefixtures("threads")
def test_closing_from_another_thread(folder):
    batches = arrowsmith.open("in.csv").batches(batch_rows=10)
    next(batches)
    closer = threading.Thread(target=batches.close)
    closer.start()
    closer.join(PATIENCE)
    assert not closer.is_alive()


@pytest.mark.usefixtures("threads")
def test_forgetting_batches(folder):
    for _ in arrowsmith.open("in.csv").batches(batch_rows=10):
        break


@pytest.mark.usefixtures("threads")
def test_an_abandoned_run_that_one_of_its_threads_collects(folder, monkeypatch):
    """While it holds the lock of the run, as any allocation there may begin a collection."""
    review, abandoned = Crew.review, threading.Event()

    def collecting(self, *level):
        if abandoned.is_set():
            gc.collect()
        return review(self, *level)

    monkeypatch.setattr(Crew, "review", collecting)
    gc.disable()
    try:
        batches = arrowsmith.open("in.csv", range_bytes=4096).batches(50)
        next(batches)
        cycle = [batches]
        cycle.append(cycle)
        del batches, cycle
        abandoned.set()
        late = time.monotonic() + PATIENCE
        while threading.active_count() > 1 and time.monotonic() < late:
            os.sched_yield()
    finally:
        gc.enable()


@pytest.mark.usefixtures("threads")
def test_mapped_after_batches_that_were_closed(folder, monkeypatch):
    monkeypatch.setenv("ARROWSMITH_CACHE", str(folder / "cache"))
    ds = arrowsmith.open("in.csv")
    batches = ds.batches(100)
    next(batches)
    batches.close()
    assert len(ds.mapped()) == 180_000


@pytest.mark.usefixtures("threads")
def test_an_exception_in_the_loop(folder):
    def loop():
        for batch in arrowsmith.open("in.csv").batches(batch_rows=100):
            raise LookupError(batch.num_rows)

    with pytest.raises(LookupError):
        loop()


@pytest.mark.usefixtures("threads")
def test_two_runs_at_once_of_which_one_ends(folder):
    ds = arrowsmith.open("in.csv")
    first, second = ds.batches(batch_rows=1000), ds.batches(batch_rows=1000)
    next(first), next(second)
    first.close()
    assert sum(batch.num_rows for batch in second) == 179_000


@pytest.mark.usefixtures("threads")
def test_closing_early_publishes_no_rejects(folder):
    with Path("bad.csv").open("w") as file:
        file.write("a,b\n" + ("1,2\n" * 100 + "1\n") * 5000)
    rejects = str(folder / "bad.jsonl")
    ds = arrowsmith.open("bad.csv", on_error="quarantine", rejects=rejects)
    batches = ds.batches(batch_rows=100)
    next(batches)
    batches.close()
    assert names(folder) == []


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, MemoryError])
def test_raised_inside_a_function(folder, kind):
    def function(batch):
        if batch.num_rows:
            raise kind("here")
        return batch

    with pytest.raises(kind, match="here"):
        arrowsmith.open("in.csv").map(function).write(folder / "out.csv")
    assert names(folder) == []


@pytest.mark.usefixtures("threads")
def test_raised_by_the_progress_callback(folder):
    """It is the user's code, as any other: what it raises ends the run."""

    def progress(stats):
        raise LookupError("enough")

    config = PipelineConfig(memory_check_interval=0.001)
    with pytest.raises(LookupError, match="enough"):
        arrowsmith.open(["in.csv"] * 20).write(
            folder / "out.parquet", progress=progress, config=config
        )
    assert names(folder) == []


@pytest.mark.parametrize("seed", [1, 2])
def test_stopped_at_random(folder, seed):
    process = start(folder, seed, 25, program=Path(cancels.__file__).read_text())
    stdout, stderr = process.communicate(timeout=PATIENCE + 10)
    assert process.returncode == 0, stderr
    told = json.loads(stdout)
    assert told["wrong"] == []
    assert stderr == ""
    for way in ("in_map", "in_sink", "in_consumer", "in_progress"):
        assert set(told["ends"].pop(way)) <= {"stopped", "ran to its end"}
    assert told["ends"] == {}
