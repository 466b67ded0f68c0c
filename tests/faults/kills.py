"""Kills conversions at random moments, and tells what each left behind.

Run as ``python kills.py FOLDER SOURCE_A SOURCE_B SUFFIX WAY OLD KILLS SEED``; prints a line of
JSON. With the suffix ``.shards`` the target is a directory of files. The processes that are killed
are forked from this one, which has all modules loaded and no thread, so that a kill costs a few
milliseconds and falls into the conversion, not the imports.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from importlib import import_module
from pathlib import Path

if len(sys.argv) > 5 and sys.argv[5] == "hidden" and hasattr(os, "O_TMPFILE"):
    del os.O_TMPFILE  # as on file systems that have no files without a name

MODULES = (
    "arrowsmith.cli.convert",
    "arrowsmith.cli.progress",
    "arrowsmith.dataset",
    "arrowsmith.formats.csv.reader",
    "arrowsmith.formats.csv.sink",
    "arrowsmith.formats.parquet.sink",
    "arrowsmith.formats.arrow.sink",
    "arrowsmith.location.directory",
    "arrowsmith.location.parts",
    "arrowsmith.location.writing",
    "arrowsmith.predicate",
    "pyarrow.compute",
    "pyarrow.csv",
    "pyarrow.parquet",
)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def whole(path: Path) -> object:
    """What a file or a directory of files holds; None where there is none."""
    if path.is_dir():
        return {inner.name: inner.read_bytes() for inner in path.iterdir()}
    return path.read_bytes() if path.exists() else None


def convert(*args: str) -> int:
    from arrowsmith.cli.app import app

    try:
        app.main(["convert", *args])
    except SystemExit as exit_:
        return int(exit_.code or 0)


def forked(work, seconds: float | None) -> bool:
    """Run ``work`` in a child; after so many seconds kill it. True if it ended by itself, well."""
    ready, started = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(ready)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            code = work(lambda: os.write(started, b"."))
        finally:
            os._exit(code)
    os.close(started)
    os.read(ready, 1)
    os.close(ready)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0


def main(
    folder: str, first: str, second: str, suffix: str, way: str, old: str, kills: int, seed: int
) -> None:
    from arrowsmith.location import directory, sweep

    if way == "hidden":
        directory.exchange = lambda *_: False  # as where two names cannot be exchanged
    out = Path(folder)
    target, bad = out / f"out{suffix}", out / "bad.jsonl"
    rejects = ["--rejects", str(bad), "--threads", "2"]
    if suffix == ".shards":
        rejects += ["--to", "csv", "--rows-per-file", "500"]

    def once(source: str):
        def work(started) -> int:
            started()
            return convert(source, str(target), "--overwrite", *rejects)

        return work

    expected = []
    for source in (first, second):
        assert forked(once(source), None)
        expected.append((whole(target), whole(bad)))
    targets, logs = zip(*expected, strict=True)

    def endless(started) -> int:
        started()
        for turn in range(10_000):
            source = (first, second)[turn % 2]
            if old == "old":
                code = convert(source, str(target), *rejects, "--overwrite")
            else:
                code = convert(source, str(out / f"{turn}{suffix}"), *rejects, "--overwrite")
            if code:
                return code
        return 0

    choose = random.Random(seed)
    seen = {"kills": 0, "litter": 0, "first": 0, "second": 0, "several": 0}
    wrong = []
    for number in range(kills):
        if forked(endless, choose.uniform(0, 0.08)):
            wrong.append(f"kill {number}: the child ended by itself")
        if way == "hidden" and suffix == ".shards":
            sweep(out)  # between two renames the old directory waits for it
        made = [path for path in out.iterdir() if path.name.endswith(suffix)]
        made = [path for path in made if path.name[0] != "."]
        if old == "old" and made != [target]:
            wrong.append(f"kill {number}: the old target is gone")
        for path in made:
            if whole(path) not in targets:
                wrong.append(f"kill {number}: {path.name} is neither old nor new")
        if whole(bad) not in logs:
            wrong.append(f"kill {number}: the rejects file is neither old nor new")
        seen["kills"] += 1
        seen["litter"] += bool(names(out) - {bad.name, *(path.name for path in made)})
        seen["first" if whole(bad) == logs[0] else "second"] += 1
        seen["several"] += len(made) > 2
        if old == "none":
            for path in made:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        if not forked(once(choose.choice((first, second))), None):
            wrong.append(f"kill {number}: the next run failed")
        if names(out) != {target.name, bad.name}:
            wrong.append(f"kill {number}: the next run left {sorted(names(out))}")
        if names(Path(os.environ["TMPDIR"])):
            wrong.append(f"kill {number}: in TMPDIR: {names(Path(os.environ['TMPDIR']))}")
    print(json.dumps({"seen": seen, "wrong": wrong}))


if __name__ == "__main__":
    for name in MODULES:
        import_module(name)
    from arrowsmith.catalog import get_catalog

    get_catalog().plugins()
    folder, first, second, suffix, way, old, kills, seed = sys.argv[1:]
    main(folder, first, second, suffix, way, old, int(kills), int(seed))
