"""Run the contestants of this task in turn, each as a whole process: `python timed.py DIR [N]`.

Prints wall and CPU seconds, medians of N runs (3 by default), and the largest anonymous memory,
polled in a run of its own. Whoever prints other sums than the first is told so.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

from made import write_all

HERE = Path(__file__).resolve().parent


def once(script: Path, source: Path, *, poll: bool) -> tuple[float, float, float, str]:
    """Wall and CPU seconds, megabytes (0 unless polled), and what was printed."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, script, source], stdout=subprocess.PIPE, text=True)
    peak = 0
    while poll and process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        except OSError:
            break
        if found := re.search(r"Anonymous:\s+(\d+)", status):
            peak = max(peak, int(found[1]))
        time.sleep(0.005)
    assert process.stdout is not None
    printed = process.stdout.read().strip()
    before = os.times()
    process.wait()
    after = os.times()
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    return time.perf_counter() - began, cpu, peak / 1000, printed


def main() -> None:
    folder = Path(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    scripts = sorted(HERE.glob("with_*.py"))
    for source in write_all(folder):
        sums = ""
        for script in scripts:
            runs = [once(script, source, poll=False) for _ in range(rounds)]
            peak = once(script, source, poll=True)[2]
            sums = sums or runs[0][3]
            wall = statistics.median(run[0] for run in runs)
            cpu = statistics.median(run[1] for run in runs)
            wrong = "" if runs[0][3] == sums else f"  OTHER SUMS {runs[0][3]}"
            name = script.stem.removeprefix("with_")
            print(f"{source.stem:9} {name:10} {wall:6.2f} s {cpu:6.2f} s CPU {peak:6.1f} MB{wrong}")


if __name__ == "__main__":
    main()
