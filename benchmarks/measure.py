"""Run one whole process and say what it took: wall, processor time, anonymous memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

POLL_SECONDS = 0.005
BLOCK_BYTES = 4 << 20

IMPORTS_ONLY = """
import pyarrow, pyarrow.compute, pyarrow.csv, pyarrow.parquet
for line in open("/proc/self/smaps_rollup"):
    if line.startswith("Anonymous:"):
        print(int(line.split()[1]) * 1024)
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One finished process. `wall` and `cpu` in seconds; `peak` in bytes, None if not polled."""

    wall: float
    cpu: float
    peak: int | None
    exit_code: int
    stdout: str
    stderr: str


def child_environment() -> dict[str, str]:
    """The environment of every contestant: bytecode is kept, allocator and threads are its own."""
    unwanted = {
        "PYTHONDONTWRITEBYTECODE",
        "ARROW_DEFAULT_MEMORY_POOL",
        "OMP_NUM_THREADS",
        "POLARS_MAX_THREADS",
    }
    return {key: value for key, value in os.environ.items() if key not in unwanted}


def _anonymous_bytes(descriptor: int) -> int:
    """`Anonymous:` of an open smaps_rollup; 0 once the process is gone."""
    try:
        text = os.pread(descriptor, 4096, 0)
    except OSError:
        return 0
    place = text.find(b"\nAnonymous:")
    return int(text[place + 11 :].split(None, 1)[0]) * 1024 if place >= 0 else 0


def _wait_polling(pid: int) -> tuple[int, float, int]:
    descriptor = os.open(f"/proc/{pid}/smaps_rollup", os.O_RDONLY)
    peak = 0
    try:
        while True:
            peak = max(peak, _anonymous_bytes(descriptor))
            done, status, usage = os.wait4(pid, os.WNOHANG)
            if done:
                return status, usage.ru_utime + usage.ru_stime, peak
            time.sleep(POLL_SECONDS)
    finally:
        os.close(descriptor)


def run(command: list[str], folder: Path, *, poll: bool = False) -> Run:
    """Run `command` in `folder` to its end. Polling disturbs it: such a run's times do not count.

    The first poll comes after exec (Popen returns then), so it sees the program, not a fork of us.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=folder,
            env=child_environment(),
        )
        peak: int | None = None
        try:
            if poll:
                status, cpu, peak = _wait_polling(process.pid)
            else:
                _, status, usage = os.wait4(process.pid, 0)
                cpu = usage.ru_utime + usage.ru_stime
        except BaseException:
            process.kill()
            process.wait()
            raise
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        return Run(wall, cpu, peak, process.returncode, out.read().decode(), err.read().decode())


def baseline_bytes(folder: Path, allocator: str | None) -> int:
    """Anonymous memory of a Python that has imported what a conversion needs, and done nothing."""
    program = IMPORTS_ONLY
    if allocator:
        program = f"import os; os.environ['ARROW_DEFAULT_MEMORY_POOL'] = {allocator!r}\n{program}"
    return int(run([sys.executable, "-c", program], folder).stdout)


def floor_seconds(source: Path, output_bytes: int, folder: Path) -> float:
    """The physical floor: the best of three at reading `source` and writing as many bytes out."""
    buffer = bytearray(BLOCK_BYTES)
    files = sorted(source.rglob("*.*")) if source.is_dir() else [source]
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        for path in files:
            with path.open("rb", buffering=0) as file:
                while file.readinto(buffer):
                    pass
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            for start in range(0, output_bytes, BLOCK_BYTES):
                file.write(memoryview(buffer)[: output_bytes - start])
        best = min(best, time.perf_counter() - started)
    return best
