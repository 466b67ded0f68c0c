"""Runs in processes of their own, their anonymous memory watched from outside."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The child says what it holds when the run starts, and at the end what the run reports.
CHILD = """
import faulthandler, json, sys
faulthandler.dump_traceback_later(50, exit=True)
kind, given = sys.argv[1], json.loads(sys.argv[2])
import arrowsmith
from arrowsmith import Pipeline, PipelineConfig, RunStats
from arrowsmith.errors import BudgetExceeded


def say(**what):
    print(json.dumps(what), flush=True)


def held():
    for line in open("/proc/self/smaps_rollup"):
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) << 10


def watched(run):
    def start(self):
        say(baseline=held())
        sys.stdin.readline()
        stats = run(self)
        say(peak=stats.peak_memory, rows=stats.rows_out)
        return stats
    return start


Pipeline.run = watched(Pipeline.run)
try:
    if kind == "cli":
        from arrowsmith.cli import main
        sys.argv = ["arrowsmith", *given]
        main()
    elif kind == "write":
        config = PipelineConfig(worker_threads=given.pop("threads", None))
        source, target = given.pop("source"), given.pop("target")
        arrowsmith.open(source).write(target, config=config, overwrite=True, **given)
    elif kind == "batches":
        config = PipelineConfig(worker_threads=given["threads"])
        ds = arrowsmith.open(given["source"], budget=given["budget"], config=config)
        say(baseline=held())
        sys.stdin.readline()
        stats = RunStats()
        rows = 0
        for batch in ds.batches(stats=stats):
            rows += batch.num_rows
            for _ in range(given.get("work", 0)):  # a consumer that takes longer than the parser
                batch.validate(full=True)
        say(peak=stats.peak_memory, rows=rows)
    elif kind == "mapped":
        say(nbytes=arrowsmith.open(given["source"], budget=given["budget"]).mapped().nbytes)
except BudgetExceeded as error:
    say(needed=error.needed, error=str(error))
"""


@dataclass(frozen=True)
class Measured:
    """What a run in a child did.

    Attributes:
        growth: the most bytes of anonymous memory above the start of the run, as seen outside.
        report: what the child said: ``peak``, ``rows``, or ``needed`` and ``error``.
        stderr: as it is.
        code: the exit code.
    """

    growth: int
    report: dict[str, Any]
    stderr: str
    code: int


def measure(kind: str, given: Any, *, env: dict[str, str] | None = None) -> Measured:
    """Run ``CHILD``; see there for ``kind`` and ``given``."""
    command = [sys.executable, "-c", CHILD, kind, json.dumps(given)]
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    report: dict[str, Any] = {}
    peak = 0
    line = child.stdout.readline()
    if line:
        report |= json.loads(line)
        over = threading.Event()
        seen = [0]
        watcher = threading.Thread(target=_watch, args=(child.pid, seen, over))
        watcher.start()
        child.stdin.write("go\n")
        child.stdin.close()
        for line in child.stdout:
            report |= json.loads(line)
        over.set()
        watcher.join()
        peak = seen[0]
    stderr = child.stderr.read()
    child.stdin.close()
    child.stdout.close()
    child.stderr.close()
    code = child.wait()
    return Measured(peak - report.get("baseline", 0), report, stderr, code)


def _watch(pid: int, seen: list[int], over: threading.Event) -> None:
    rollup = Path(f"/proc/{pid}/smaps_rollup")
    while not over.wait(0.004):
        try:
            found = re.search(rb"^Anonymous:\s+(\d+) kB", rollup.read_bytes(), re.MULTILINE)
        except OSError:
            return
        if found:
            seen[0] = max(seen[0], int(found[1]) << 10)
