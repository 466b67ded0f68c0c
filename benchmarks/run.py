"""Time arrowsmith and its peers, each as a whole process, interleaved, outputs checked first.

python benchmarks/run.py --data DIR [--rounds 5] [--task NAME]... [--only CONTESTANT]...
                         [--json FILE] [--markdown]
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import checks
import data
import measure
import report

HERE = Path(__file__).resolve().parent
OURS = "arrowsmith"
OUR_ALLOCATOR = "jemalloc"
BUDGET_BYTES = 64_000_000
PEERS = (
    "pyarrow",
    "numpy",
    "duckdb",
    "polars",
    "pandas",
    "datasets",
    "tfrecord",
    "protobuf",
    "pillow",
    "simplejpeg",
    "opencv-python-headless",
)
STREAM_FACTS = frozenset({"count", "sum", "bytes", "min", "max", "level"})


@dataclass(frozen=True, slots=True)
class Task:
    """What every contestant of one table does.

    `suffix` is the output's, empty for a stream, of whose facts those named in `facts` count.
    `scripts` is the folder of the contestants, that of the task's name by default. With
    `own_clock` a contestant prints `seconds` of its own, which count in place of the process's,
    and checks what it did itself.
    """

    name: str
    title: str
    input: str
    suffix: str = ""
    budget: int | None = None
    scripts: str = ""
    facts: frozenset[str] = STREAM_FACTS
    own_clock: bool = False

    def commands(self) -> dict[str, list[str]]:
        """Contestants by name: ours, then the scripts `tasks/<scripts>/with_*.py`."""
        found = {}
        if self.suffix:
            found[OURS] = [sys.executable, "-m", "arrowsmith", "convert"]
            if self.budget:
                found[OURS] += ["--memory", f"{self.budget // 1_000_000}MB", "--json"]
        for script in sorted((HERE / "tasks" / (self.scripts or self.name)).glob("with_*.py")):
            found[script.stem.removeprefix("with_")] = [sys.executable, str(script)]
        return found


TASKS = (
    Task("csv_stream", "CSV stream: sum and count of each column", "main"),
    Task("text_stream", "Text stream: count and bytes of 10 million lines", "text"),
    Task("csv_to_parquet", "CSV to Parquet (zstd)", "main", ".parquet"),
    Task("csv_to_parquet_64mb", "CSV to Parquet, --memory 64MB", "main", ".parquet", BUDGET_BYTES),
    Task(
        "wide_to_parquet_64mb",
        "50 columns, CSV to Parquet, --memory 64MB",
        "wide",
        ".parquet",
        BUDGET_BYTES,
    ),
    Task(
        "huge_to_parquet_64mb",
        "5 MB fields, CSV to Parquet, --memory 64MB",
        "huge",
        ".parquet",
        BUDGET_BYTES,
    ),
    Task("jsonl_to_parquet", "JSON Lines to Parquet (2 million rows)", "lines", ".parquet"),
    Task("parquet_to_csv", "Parquet to CSV (2 million rows)", "pq", ".csv"),
    Task("parquet_to_jsonl", "Parquet to JSON Lines (2 million rows)", "pq", ".jsonl"),
    Task("parquet_to_arrow", "Parquet to Arrow file (2 million rows)", "pq", ".arrow"),
    Task(
        "csv_stats",
        "Statistics of each column of a CSV file",
        "main",
        facts=frozenset({"min", "max"}),
    ),
    Task(
        "mapped_take",
        "Reopen 10 million decoded rows and take 1,000, counted from after the imports",
        "main",
        own_clock=True,
    ),
    Task("tfrecord_read", "TFRecord: 500,000 Examples decoded", "examples"),
    Task(
        "tfrecord_awkward",
        "TFRecord: the same, features missing, names long, lists not packed",
        "awkward",
        scripts="tfrecord_read",
    ),
    Task(
        "tfrecord_images",
        "TFRecord: 20,000 Examples with 30 KB of bytes",
        "images",
        scripts="tfrecord_read",
    ),
    Task("image_decode", "10,000 JPEGs to 224 x 224 RGB in batches of 64", "pictures"),
)


@dataclass(slots=True)
class Result:
    """One contestant's figures: seconds, and bytes. `failure` says why there are none."""

    contestant: str
    failure: str = ""
    walls: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)
    peak: int = 0
    baseline: int | None = None
    told: int | None = None
    output: int | None = None

    @property
    def wall(self) -> float:
        """The median wall time."""
        return statistics.median(self.walls)

    @property
    def cpu(self) -> float:
        """The median user and system time."""
        return statistics.median(self.cpus)


class ContestantError(Exception):
    """A contestant that did not run, or whose output is wrong."""


def _told_peak(stdout: str) -> int | None:
    """`peak_memory` of the run statistics that a command prints with `--json`, if it does."""
    try:
        value = json.loads(stdout)["peak_memory"]
    except (ValueError, KeyError, TypeError):
        return None
    return int(value) if value is not None else None


class Bench:
    """One task: its input in `folder`, its outputs in `scratch`, each removed once seen."""

    def __init__(self, task: Task, folder: Path, scratch: Path) -> None:
        self.task = task
        self.scratch = scratch
        self.source = data.ensure(task.input, folder)
        self.expected, self.kinds = checks.reference(task.input, folder)

    def once(
        self, command: list[str], *, poll: bool = False, check: bool = False
    ) -> tuple[measure.Run, int | None]:
        """Run once; answer the run and the output's size. The output is checked on request.

        Raises `ContestantError` for an exit code other than 0 and for a wrong output.
        """
        target = self.scratch / f"out{self.task.suffix}"
        paths = [str(self.source), *([str(target)] if self.task.suffix else [])]
        try:
            done = measure.run([*command, *paths], self.scratch, poll=poll)
            if done.exit_code:
                last = (done.stderr.strip() or "no message").splitlines()[-1]
                raise ContestantError(f"exit code {done.exit_code}: {last}")
            if check and self.task.suffix:
                checks.check_file(self.expected, self.kinds, target)
            elif check and not self.task.own_clock:
                checks.check_stream(self.expected, done.stdout, set(self.task.facts))
            return done, target.stat().st_size if self.task.suffix else None
        except checks.CheckError as error:
            raise ContestantError(f"wrong output: {error}") from error
        finally:
            target.unlink(missing_ok=True)

    def prepare(self, name: str, command: list[str], memory_rounds: int) -> Result:
        """The untimed runs: one that warms up and is checked, then those polled for memory."""
        result = Result(name)
        try:
            self.once(command, check=True)
            for _ in range(memory_rounds):
                done, result.output = self.once(command, poll=True)
                result.peak = max(result.peak, done.peak or 0)
                result.told = _told_peak(done.stdout) if self.task.budget else None
        except ContestantError as error:
            result.failure = str(error)
        if self.task.budget and name == OURS:
            result.baseline = measure.baseline_bytes(self.scratch, OUR_ALLOCATOR)
        return result

    def compete(
        self, commands: Mapping[str, list[str]], rounds: int, memory_rounds: int
    ) -> list[Result]:
        """All figures of all contestants; each round starts with another one."""
        results = []
        for name, command in commands.items():
            _progress(f"{self.task.name}: {name}, checking")
            results.append(self.prepare(name, command, memory_rounds))
        able = [result for result in results if not result.failure]
        for number in range(rounds):
            _progress(f"{self.task.name}: round {number + 1} of {rounds}")
            turn = number % len(able) if able else 0
            for result in able[turn:] + able[:turn]:
                try:
                    done, _ = self.once(commands[result.contestant])
                except ContestantError as error:
                    result.failure = str(error)
                    continue
                own = self.task.own_clock
                result.walls.append(json.loads(done.stdout)["seconds"] if own else done.wall)
                result.cpus.append(done.cpu)
        return results


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def machine() -> dict[str, str]:
    """Processor, cores, memory, versions and allocator: what a figure means nothing without."""
    cpus = [
        line
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    versions = [f"Python {platform.python_version()}"]
    for name in (OURS, *PEERS):
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{name} not installed")
    import pyarrow as pa

    return {
        "processor": cpus[0].partition(":")[2].strip() if cpus else platform.processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{total / 1e9:.1f} GB",
        "system": f"{platform.system()} {platform.release()}",
        "versions": ", ".join(versions),
        "allocator": f"arrowsmith {OUR_ALLOCATOR}, pyarrow {pa.default_memory_pool().backend_name}",
    }


def run_task(task: Task, arguments: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Compete in one task; the table as plain values."""
    commands = {
        name: command
        for name, command in task.commands().items()
        if not arguments.only or name in arguments.only
    }
    bench = Bench(task, arguments.data, scratch)
    results = bench.compete(commands, arguments.rounds, arguments.memory_rounds)
    outputs = [r.output for r in results if r.output and not r.failure]
    return {
        "task": task.name,
        "title": task.title,
        "input_bytes": data.size(bench.source),
        "budget": task.budget,
        "floor": None
        if task.own_clock
        else measure.floor_seconds(bench.source, min(outputs, default=0), scratch),
        "results": [
            asdict(r) | ({} if r.failure else {"wall": r.wall, "cpu": r.cpu}) for r in results
        ],
    }


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    names = [task.name for task in TASKS]
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--data", type=Path, default=data.default_folder(), help="the inputs' folder"
    )
    parser.add_argument(
        "--task", action="append", choices=names, metavar="NAME", help=", ".join(names)
    )
    parser.add_argument(
        "--only", action="append", metavar="CONTESTANT", help="such as arrowsmith, duckdb"
    )
    parser.add_argument("--rounds", type=int, default=5, help="timed runs of each (5)")
    parser.add_argument(
        "--memory-rounds", type=int, default=2, help="untimed runs polled for memory (2)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    parser.add_argument("--markdown", action="store_true", help="print a Markdown document")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.memory_rounds < 1:
        parser.error("--rounds and --memory-rounds start at 1")
    return arguments


def main() -> int:
    """Run the tasks asked for; 1 if any contestant failed."""
    arguments = parse_arguments()
    arguments.data.mkdir(parents=True, exist_ok=True)
    document: dict[str, Any] = {"machine": machine(), "rounds": arguments.rounds, "tasks": []}
    with tempfile.TemporaryDirectory(dir=arguments.data, prefix="run-") as scratch:
        for task in TASKS:
            if not arguments.task or task.name in arguments.task:
                document["tasks"].append(run_task(task, arguments, Path(scratch)))
    print(report.render(document, markdown=arguments.markdown))
    if arguments.json:
        arguments.json.write_text(json.dumps(document, indent=2) + "\n")
    failed = any(result["failure"] for task in document["tasks"] for result in task["results"])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
