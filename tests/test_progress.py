"""The progress line: on a terminal through the real program, and its estimate by a fake clock."""

from __future__ import annotations

import errno
import fcntl
import gzip
import itertools
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from rich.cells import cell_len

import arrowsmith
from arrowsmith import PipelineConfig, RunStats
from arrowsmith.cli.progress import Forecast, Progress

MB = 1 << 20
ROWS = 60_000


# --- the line ------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def running(**figures) -> RunStats:
    known = {
        "rows_in": 1_234_567,
        "bytes_read": 64 * MB,
        "bytes_total": 256 * MB,
        "files_read": 2,
        "files_total": 120,
        "current_file": "raw/part-2.csv",
        "done": 0.25,
    }
    return RunStats(**{**known, **figures})


def line(stats: RunStats, columns: int = 200, seconds: float = 2.0) -> str:
    clock = Clock()
    progress = Progress(clock=clock)
    progress(stats)
    clock.now += seconds
    return progress.line(stats, columns)


def test_the_line_tells_everything():
    told = line(running(rejected=3))
    assert told.startswith("3 of 120: part-2.csv  25%  1,234,567 rows  3 rejected  ")
    assert "64.0 MB of 256.0 MB  32.0 MB/s  memory " in told
    assert told.endswith("  0:06 left")


def test_of_a_pipe_there_is_neither_share_nor_end():
    told = line(running(bytes_total=None, done=None, files_total=1))
    assert told.startswith("1,234,567 rows  64.0 MB  32.0 MB/s  memory ")
    assert "%" not in told
    assert "left" not in told
    assert " of " not in told


def test_nothing_is_foretold_in_the_first_second():
    assert "left" not in line(running(), seconds=0.9)
    assert "left" in line(running(), seconds=1.0)


def test_no_end_in_sight_when_nothing_moves():
    assert "left" not in line(running(done=0.0, bytes_read=0), seconds=5)


def test_all_is_not_there_before_it_is():
    assert "  99%  " in line(running(done=0.9999))


@pytest.mark.parametrize("columns", [*range(1, 40), 60, 79, 100])
@pytest.mark.parametrize("name", ["part.csv", "数据" * 40 + ".csv", "e\u0301" * 60, "x" * 500])
def test_it_never_wraps(columns, name):
    assert cell_len(line(running(current_file=name, rejected=5), columns)) <= columns


def test_what_matters_least_goes_first():
    assert "memory" not in line(running(), 70)
    assert line(running(), 30) == "25%  1,234,567 rows  0:06 left"
    assert line(running(), 16) == "1,234,567 rows"


def test_names_cannot_move_the_cursor():
    told = line(running(current_file="raw/a\x1b[2Jb\n\u202ec.csv"))
    assert "\x1b" not in told
    assert "\n" not in told
    assert "a\\x1b[2Jb\\n\\u202ec.csv" in told


def test_names_that_are_no_text():
    assert "a\\udcff.csv" in line(running(current_file=os.fsdecode(b"raw/a\xff.csv")))


def test_hours_and_more():
    assert line(running(done=0.0001)).endswith("5:33:18 left")
    assert line(running(done=1e-12)).endswith("99:59:59 left")


# --- the estimate --------------------------------------------------------------------------------


def test_a_steady_run_is_foretold_exactly():
    forecast = Forecast(0.0)
    for tick in range(1, 50):
        now = tick * 0.2
        forecast.note(running(done=now / 20, bytes_read=int(now * MB)), now)
        assert forecast.rate == pytest.approx(MB, rel=1e-5)
        if now >= 1:
            assert forecast.left == pytest.approx(20 - now)


def test_a_run_that_slows_down_is_foretold_longer_bit_by_bit():
    forecast, done, left = Forecast(0.0), 0.0, []
    for tick in range(1, 200):
        done += 0.01 if tick <= 25 else 0.001
        forecast.note(running(done=done), tick * 0.2)
        left.append(forecast.left or 0.0)
    steps = [later - earlier for earlier, later in itertools.pairwise(left[5:])]
    assert max(steps) < 2  # seconds, where the speed itself fell to a tenth at once
    assert left[-1] == pytest.approx((1 - done) / 0.005, rel=0.05)


def test_a_stall_keeps_what_is_known():
    forecast = Forecast(0.0)
    forecast.note(running(done=0.5), 2.0)
    for tick in range(100):
        forecast.note(running(done=0.5), 2.0)
        forecast.note(running(done=0.5), 2.0 + tick / 100)
    assert forecast.left is not None


def test_another_pass_begins_anew(clock):
    progress = Progress(clock=clock)
    first, second = running(done=0.9), running(done=0.0, bytes_read=0)
    progress(first)
    clock.now += 10
    assert "left" in progress.line(first, 200)
    progress(second)
    clock.now += 0.5
    second.done = 0.01
    assert "left" not in progress.line(second, 200)
    clock.now += 1.5
    second.done = 0.04
    assert progress.line(second, 200).endswith("0:48 left")


# --- where the figures come from -----------------------------------------------------------------


@pytest.fixture
def table():
    return pa.table({"id": range(ROWS), "text": [f"a row of text {i % 977}" for i in range(ROWS)]})


@pytest.fixture
def files(table, tmp_path):
    """The same rows in every shape, each large enough for several tasks."""
    csv = tmp_path / "plain.csv"
    pa.csv.write_csv(table, csv)
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(csv.read_bytes()))
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=10_000)
    pa.feather.write_feather(table, tmp_path / "rows.arrow", chunksize=10_000)
    with pa.ipc.new_stream(tmp_path / "stream.arrows", table.schema) as sink:
        sink.write_table(table, max_chunksize=10_000)
    return tmp_path


OPTIONS = {
    "plain.csv": {"range_bytes": "64KB"},
    "packed.csv.gz": {"range_bytes": "64KB"},
    "rows.parquet": {},
    "rows.arrow": {},
    "stream.arrows": {},
}


def followed(path, target, **options) -> tuple[list[tuple], RunStats]:
    """The figures at each batch, and those of the end."""
    seen: list[tuple] = []
    lock = threading.Lock()

    def progress(stats: RunStats) -> None:
        with lock:
            seen.append((stats.bytes_read, stats.done, stats.current_file, stats.files_read))

    config = PipelineConfig(worker_threads=1, memory_check_interval=0.0005)
    stats = arrowsmith.open(path, **options).write(target, progress=progress, config=config)
    return seen, stats


@pytest.mark.parametrize("name", OPTIONS)
def test_bytes_read_go_up_to_the_size_of_the_file(name, files):
    seen, stats = followed(files / name, files / "out.jsonl", **OPTIONS[name])
    size = (files / name).stat().st_size
    read = [bytes_read for bytes_read, *_ in seen]
    assert read == sorted(read)
    assert all(0 <= figure <= size for figure in read)
    assert all(done is None or 0 <= done <= 1 for _, done, *_ in seen)
    assert (stats.bytes_read, stats.bytes_total) == (size, size)
    assert (stats.files_read, stats.files_total, stats.current_file) == (1, 1, None)
    assert stats.done == 1.0


def positions(path, **options) -> list[float]:
    """Where the tasks of a source end, as shares of it."""
    from arrowsmith.context import Context
    from arrowsmith.inputs import open_input
    from arrowsmith.plugin.protocols import ScanRequest

    found = []
    with open_input(path, Context(memory_limit=1 << 30), options=options) as source:
        for task in source.tasks(ScanRequest()):
            for _ in task.read():
                pass
            found.append(task.mark.reached() / source.nbytes())
    return found


@pytest.mark.parametrize("name", ["plain.csv", "packed.csv.gz", "rows.parquet", "rows.arrow"])
def test_each_task_brings_it_forward(name, files):
    shares = positions(files / name, **OPTIONS[name])
    assert len(shares) >= 3
    assert shares == sorted(shares)
    assert shares[-1] > 0.9
    assert 0 < shares[0] < 0.9


def test_files_are_counted_as_they_are_done(files):
    paths = [files / name for name in ("plain.csv", "packed.csv.gz", "rows.parquet")]
    seen, stats = followed(list(map(str, paths)), files / "out.jsonl", range_bytes="64KB")
    names = [Path(name).name for _, _, name, _ in seen if name is not None]
    order = [path.name for path in paths]
    assert [order.index(name) for name in names] == sorted(order.index(name) for name in names)
    assert stats.files_read == stats.files_total == 3
    assert stats.bytes_read == stats.bytes_total == sum(path.stat().st_size for path in paths)


def test_files_that_are_left_out_count_as_done(files):
    for year in (2023, 2024):
        folder = files / "hive" / f"year={year}"
        folder.mkdir(parents=True)
        (folder / "a.csv").write_text("x\n1\n")
    stats = arrowsmith.open(files / "hive").filter("year = 2023").write(files / "out.csv")
    assert (stats.files_read, stats.files_total, stats.bytes_read) == (2, 2, 8)


def test_a_limit_is_an_end_too(files):
    stats = (
        arrowsmith.open(files / "plain.csv", range_bytes="64KB").limit(100).write(files / "out.csv")
    )
    assert stats.done == 1.0
    assert stats.bytes_read < stats.bytes_total


def test_a_run_that_fails_is_not_done(files):
    stats = RunStats()
    ds = arrowsmith.open(files / "plain.csv").transform("cast", columns={"text": "int64"})
    with pytest.raises(arrowsmith.errors.ArrowsmithError):
        list(ds.batches(stats=stats))
    assert stats.done != 1.0


def test_an_iterator_that_is_dropped_is_not_done(files):
    stats = RunStats()
    batches = arrowsmith.open(files / "plain.csv", range_bytes="64KB").batches(stats=stats)
    next(batches)
    batches.close()
    assert stats.done != 1.0


def test_a_count_tells_its_figures(files):
    seen: list[int] = []
    config = PipelineConfig(memory_check_interval=0.0005)
    ds = arrowsmith.open(files / "plain.csv", range_bytes="64KB", config=config)
    assert ds.count(progress=lambda stats: seen.append(stats.rows_in)) == ROWS
    assert seen == sorted(seen)


# --- on a terminal -------------------------------------------------------------------------------

SLOWED = """
import sys, threading
import arrowsmith.pipeline.engine as engine
import arrowsmith.cli.progress as progress
progress._INTERVAL = 0.0  # draw at every look
drawn = threading.Event()
draw = progress.draw
def told(text):
    draw(text)
    drawn.set()
progress.draw = told
step = engine.Engine._advance
def advance(self, scan):
    drawn.wait(10)  # the run is faster than the first look at it
    step(self, scan)
if "--progress" in sys.argv:
    engine.Engine._advance = advance
from arrowsmith.cli import main
main()
"""


def on_terminal(*arguments: str, columns: int = 120, term: str = "xterm", stdin=None, cwd=None):
    """What the program writes to a terminal of so many columns; ``--progress`` holds it up until
    the line has been drawn once."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", SLOWED, *arguments],
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=subprocess.PIPE,
            stderr=theirs,
            env={**env, "TERM": term, "PYTHONUTF8": "1"},
            cwd=cwd,
        )
    finally:
        os.close(theirs)
    text = b""
    try:
        while piece := os.read(ours, 1 << 16):
            text += piece
    except OSError as error:  # how Linux tells that nobody has the other end any more
        if error.errno != errno.EIO:
            raise
    finally:
        os.close(ours)
    out, _ = process.communicate(timeout=60)
    return process.returncode, text.decode(), out.decode()


def lines_drawn(text: str) -> list[str]:
    return [part.rstrip("\r\n") for part in text.split("\r\x1b[K")]


def test_convert_draws_and_erases(files):
    arguments = ("convert", "plain.csv", "out.parquet", "-r", "range_bytes=64KB", "--progress")
    code, text, _ = on_terminal(*arguments, cwd=files)
    assert code == 0
    drawn = lines_drawn(text)
    assert any("rows  " in one and "memory " in one for one in drawn)
    assert any("%" in one for one in drawn)
    assert "\n" not in text.rstrip("\r\n").replace("\r\n", "")
    # what stays is the summary alone, written where the line was
    assert drawn[-1].startswith("out.parquet: 60,000 rows")
    assert text.count("\n") == 1


@pytest.mark.parametrize("columns", [20, 40, 70])
def test_no_line_is_wider_than_the_terminal(columns, files):
    sources = ["plain.csv", "packed.csv.gz"]
    _, text, _ = on_terminal(
        "convert", *sources, "out.parquet", "--progress", columns=columns, cwd=files
    )
    drawn = lines_drawn(text)[:-1]
    assert any(drawn)
    assert all(cell_len(one) < columns for one in drawn)


@pytest.mark.parametrize("command", [["stats"], ["count", "-r", "infer=full"]])
def test_stats_and_count_draw_too(command, files):
    code, text, out = on_terminal(*command, "plain.csv", "--progress", cwd=files)
    assert code == 0
    assert any("rows  " in one for one in lines_drawn(text))
    assert text.endswith("\r\x1b[K")
    assert "60" in out


def test_a_pipe_has_no_share(files):
    with open(files / "plain.csv", "rb") as source:
        cat = subprocess.Popen(["cat"], stdin=source, stdout=subprocess.PIPE)
        code, text, _ = on_terminal(
            "convert", "-", "out.parquet", "--progress", stdin=cat.stdout, cwd=files
        )
        assert cat.stdout is not None
        cat.stdout.close()
        cat.wait(10)
    assert code == 0
    assert any("rows  " in one for one in lines_drawn(text))


@pytest.mark.parametrize(
    ("more", "term"), [(("--no-progress",), "xterm"), ((), "dumb"), (("--no-progress",), "dumb")]
)
def test_quiet_where_it_is_not_wanted(more, term, files):
    code, text, _ = on_terminal("convert", "plain.csv", "out.parquet", *more, term=term, cwd=files)
    assert code == 0
    assert "memory" not in text.replace("peak memory", "")
    assert text.count("60,000 rows") == 1


@pytest.mark.parametrize("command", ["convert plain.csv out.parquet", "stats plain.csv",
                                     "count plain.csv"])  # fmt: skip
def test_quiet_when_piped(command, files):
    done = subprocess.run(
        [sys.executable, "-m", "arrowsmith", *command.split(), "--progress"],
        capture_output=True,
        text=True,
        cwd=files,
        timeout=60,
    )
    assert done.returncode == 0
    assert "\x1b" not in done.stderr
    assert "memory" not in done.stderr.replace("peak memory", "")


def test_an_error_stands_where_the_line_was(files):
    (files / "bad.csv").write_text("a,b\n" + "1,2\n" * 50_000 + "1,2,3\n")
    code, text, _ = on_terminal(
        "convert", "bad.csv", "out.parquet", "-r", "range_bytes=64KB", "--progress", cwd=files
    )
    assert code == 1
    assert lines_drawn(text)[-1].startswith("arrowsmith: error: bad.csv")
