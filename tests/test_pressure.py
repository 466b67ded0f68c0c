"""Memory around a run: what is taken away and given back, and how many workers are awake."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import arrowsmith
from arrowsmith import MemoryBudget, Pipeline, PipelineConfig, RunStats
from arrowsmith.memory import Room, Surroundings, memory_cgroups
from arrowsmith.pipeline.crew import Crew
from arrowsmith.pipeline.pressure import PressureMonitor

MB = 1 << 20
GB = 1 << 30
PLENTY = Room(total=GB, available=GB // 2)
NOTHING = Room(total=GB, available=0)
SHORT = Room(total=GB, available=int(GB * 0.075))  # half-way between the two marks


class Clock:
    """A clock, and the readings of a machine, that tests set."""

    def __init__(self, *rooms: Room) -> None:
        self.now = 100.0
        self.rooms = list(rooms)
        self.readings = 0

    def __call__(self) -> float:
        return self.now

    def read(self) -> list[Room]:
        self.readings += 1
        return self.rooms


def monitored(*rooms: Room) -> tuple[PressureMonitor, Clock]:
    clock = Clock(*rooms)
    return PressureMonitor(clock.read, interval=0.1, clock=clock), clock


def after(monitor: PressureMonitor, clock: Clock, seconds: float) -> list[float]:
    """The levels of the next seconds, ten readings in each."""
    levels = []
    for _ in range(round(seconds * 10)):
        clock.now += 0.1001
        levels.append(monitor.sample())
    return levels


# --- the monitor ---------------------------------------------------------------------------------


def test_with_room_nothing_is_taken():
    monitor, clock = monitored(PLENTY)
    assert set(after(monitor, clock, 3)) == {1.0}
    assert (monitor.events, monitor.seconds, monitor.lowest) == (0, 0.0, GB // 2)


def test_what_cannot_be_read_takes_nothing():
    monitor, clock = monitored()
    assert set(after(monitor, clock, 1)) == {1.0}
    assert monitor.lowest is None


def test_what_gets_short_is_taken_at_once():
    monitor, clock = monitored(PLENTY, SHORT)
    assert monitor.sample() == pytest.approx(0.5)
    clock.rooms = [PLENTY, NOTHING]
    assert after(monitor, clock, 0.1) == [0.0]
    assert (monitor.events, monitor.lowest) == (1, 0)


def test_a_cgroup_counts_as_the_machine_does():
    monitor, _ = monitored(PLENTY, Room(total=64 * MB, available=2 * MB))
    assert monitor.sample() == 0.0


def test_five_percent_of_a_large_machine_are_not_short():
    monitor, _ = monitored(Room(total=512 * GB, available=2 * GB))
    assert monitor.sample() == 1.0


def test_waiting_for_memory_is_pressure_whatever_is_left():
    stalled = [Room(GB, GB // 2, stalled) for stalled in (5.0, 30.0, 80.0)]
    assert [monitored(room)[0].sample() for room in stalled] == [1.0, 0.5, 0.0]


def test_what_was_taken_comes_back_step_by_step():
    monitor, clock = monitored(NOTHING)
    assert monitor.sample() == 0.0
    clock.rooms = [PLENTY]
    levels = after(monitor, clock, 4)
    assert levels == sorted(levels)
    assert levels[:4] == [0.0] * 4
    assert levels[-1] == 1.0
    steps = [b - a for a, b in itertools.pairwise(levels)]
    assert max(steps) <= 0.25
    assert monitor.events == 1
    assert 1.5 < monitor.seconds < 4


def test_memory_that_hovers_at_the_mark_does_not_swing():
    monitor, clock = monitored(Room(GB, int(GB * 0.099)))
    level = monitor.sample()
    assert 0.9 < level < 1
    for _ in range(20):
        clock.rooms = [Room(GB, int(GB * 0.101))]
        assert after(monitor, clock, 0.3) == [level] * 3
        clock.rooms = [Room(GB, int(GB * 0.0991))]
        assert after(monitor, clock, 0.3) == [level] * 3
    assert monitor.events == 1


def test_a_short_relief_gives_nothing_back():
    monitor, clock = monitored(NOTHING)
    monitor.sample()
    for _ in range(10):
        clock.rooms = [PLENTY]
        assert set(after(monitor, clock, 0.3)) == {0.0}
        clock.rooms = [NOTHING]
        assert set(after(monitor, clock, 0.3)) == {0.0}


def test_part_of_it_comes_back_where_part_of_it_is_there():
    monitor, clock = monitored(NOTHING)
    monitor.sample()
    clock.rooms = [SHORT]
    levels = after(monitor, clock, 5)
    assert 0 < levels[-1] < 0.5


def test_readings_are_rare():
    monitor, clock = monitored(PLENTY)
    for _ in range(1000):
        clock.now += 0.001
        monitor.sample()
    assert clock.readings <= 11


# --- runs under pressure -------------------------------------------------------------------------


@pytest.fixture
def table(tmp_path):
    rows = 60_000
    found = pa.table({"id": range(rows), "text": [f"row {i % 977}" for i in range(rows)]})
    pa.csv.write_csv(found, tmp_path / "in.csv")
    return found


def under(monkeypatch, *rooms: Room) -> None:
    """Have every run find such surroundings."""
    monkeypatch.setattr(Surroundings, "rooms", lambda self: list(rooms))


def convert(folder: Path, name: str, threads: int = 4, **options) -> tuple[bytes, RunStats]:
    ds = arrowsmith.open(folder / "in.csv", range_bytes="64KB")
    stats = Pipeline(
        ds,
        ["flatten"],
        folder / name,
        budget=MemoryBudget("256MB"),
        config=PipelineConfig(worker_threads=threads),
        options={"row_group_rows": 8192},
        **options,
    ).run()
    return (folder / name).read_bytes(), stats


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("room", [NOTHING, SHORT])
def test_under_pressure_the_bytes_are_the_same(room, threads, table, tmp_path, monkeypatch):
    under(monkeypatch, PLENTY)
    expected, free = convert(tmp_path, "free.parquet")
    assert (free.pressure_events, free.pressure_seconds) == (0, 0.0)
    assert free.lowest_available == PLENTY.available
    under(monkeypatch, PLENTY, room)
    found, stats = convert(tmp_path, "short.parquet", threads)
    assert found == expected
    assert pq.read_table(tmp_path / "short.parquet")["text"].equals(table["text"])
    assert stats.pressure_events == 1
    assert stats.lowest_available == room.available
    if room is NOTHING:
        assert stats.workers == 1.0
    assert not [one for one in threading.enumerate() if one.name.startswith("arrowsmith")]


def test_an_iterator_goes_on_under_pressure(table, tmp_path, monkeypatch):
    under(monkeypatch, NOTHING)
    stats = RunStats()
    found = pa.Table.from_batches(
        arrowsmith.open(tmp_path / "in.csv", range_bytes="64KB").batches(100, stats=stats)
    )
    assert found["id"].equals(table["id"])
    assert stats.pressure_events == 1


def test_shards_and_partitions_go_on_under_pressure(table, tmp_path, monkeypatch):
    under(monkeypatch, NOTHING)
    ds = arrowsmith.open(tmp_path / "in.csv", range_bytes="64KB")
    ds.write(tmp_path / "shards", format="parquet", rows_per_file=7_000)
    assert (
        pq.read_table(tmp_path / "shards")["id"]
        .combine_chunks()
        .equals(table["id"].combine_chunks())
    )
    small = ds.filter("id < 2000").select("id", "text")
    small.write(tmp_path / "parts", format="parquet", partition_by="text")
    assert pq.read_table(tmp_path / "parts").num_rows == 2000


def test_pressure_that_comes_and_goes(table, tmp_path, monkeypatch):
    under(monkeypatch, PLENTY)
    expected, _ = convert(tmp_path, "free.parquet")
    turns = itertools.cycle([[PLENTY], [NOTHING], [SHORT]])
    monkeypatch.setattr(Surroundings, "rooms", lambda self: next(turns))
    found, stats = convert(tmp_path, "turns.parquet")
    assert found == expected
    assert stats.rows_out == table.num_rows


@pytest.mark.parametrize(("room", "asked"), [(PLENTY, False), (NOTHING, True)])
def test_under_pressure_the_allocators_are_asked_to_give_back(
    room, asked, table, tmp_path, monkeypatch
):
    calls: list[str] = []
    monkeypatch.setattr(
        "arrowsmith.pipeline.ledger.release_unused",
        lambda: calls.append(threading.current_thread().name),
    )
    under(monkeypatch, room)
    ds = arrowsmith.open(tmp_path / "in.csv", range_bytes="64KB", budget="4GB")
    ds.write(tmp_path / "out.parquet")
    assert bool(calls) is asked


def test_limits_and_errors_end_a_run_under_pressure(table, tmp_path, monkeypatch):
    under(monkeypatch, NOTHING)
    ds = arrowsmith.open(tmp_path / "in.csv", range_bytes="64KB")
    assert ds.limit(10).to_table().num_rows == 10
    with pytest.raises(arrowsmith.errors.ArrowsmithError):
        ds.transform("cast", columns={"text": "int64"}).to_table()
    assert not [one for one in threading.enumerate() if one.name.startswith("arrowsmith")]


# --- a real cgroup -------------------------------------------------------------------------------

LIMITED = """
import json, os, sys
folder, source, target = sys.argv[1:]
with open(os.path.join(folder, "cgroup.procs"), "w") as file:
    file.write(str(os.getpid()))
import arrowsmith
stats = arrowsmith.open(source).write(target, overwrite=True)
print(json.dumps(stats.as_dict()))
"""


@pytest.fixture
def group():
    """A cgroup of its own below that of the tests, for one child process."""
    if sys.platform != "linux" or not memory_cgroups():
        pytest.skip("there are no memory cgroups here")
    own = memory_cgroups()[0]
    folder = own.folder / f"arrowsmith-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"a cgroup cannot be made here: {error}")
    limit = folder / ("memory.max" if own.version == 2 else "memory.limit_in_bytes")
    try:
        try:
            limit.write_text(str(400 * MB))
        except OSError as error:
            pytest.skip(f"a cgroup's memory cannot be limited here: {error}")
        yield folder
    finally:
        folder.rmdir()


def test_a_real_cgroup_is_what_is_left(group, table, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, group, tmp_path / "in.csv", tmp_path / "out.parquet"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    stats = json.loads(done.stdout)
    assert stats["memory_limit"] == 100 * MB
    assert stats["lowest_available"] < 400 * MB
    assert stats["rows_out"] == table.num_rows


# --- how many workers are awake ------------------------------------------------------------------


class Shift:
    """A crew of which a test says who works when, in steps of ten milliseconds."""

    def __init__(self, most: int, cores: int) -> None:
        self.now = self.used = self.idle = 0.0
        self.cores = cores
        self.crew = Crew(
            most,
            cores,
            clock=lambda: self.now,
            processor=lambda: self.used,
            idle=lambda: self.idle,
        )

    def run(self, seconds: float, work: float, *, processor: float = 1.0, others: float = 0) -> int:
        """Let ``work`` workers' worth of work come in each second; those awake share it.

        Args:
            processor: seconds of processor time for each second of work.
            others: cores that other processes use.
        """
        crew = self.crew
        for _ in range(round(seconds * 100)):
            share = min(1.0, work / crew.active)
            for number in range(crew.active):
                crew.begin(number)
            self.now += 0.01 * share
            for number in range(crew.active):
                crew.end(number)
            self.now += 0.01 * (1 - share)
            used = min(crew.active * share * processor, self.cores - others)
            self.used += 0.01 * used
            self.idle += 0.01 * (self.cores - others - used)
            crew.review()
        return crew.active


def test_all_stay_awake_who_have_work():
    shift = Shift(4, 4)
    assert shift.run(2, work=10) == 4
    assert shift.crew.mean == pytest.approx(4)


def test_few_are_enough_for_little_work_and_all_are_woken_for_more():
    shift = Shift(8, 8)
    assert shift.run(0.5, work=0.5) == 1
    assert shift.run(0.5, work=20) == 8
    assert shift.run(1, work=2) == 3
    assert 1 < shift.crew.mean < 8


def test_one_is_always_awake():
    assert Shift(4, 4).run(2, work=0) == 1
    assert Shift(1, 4).run(2, work=0) == 1


def test_what_is_asked_for_is_the_most():
    assert Shift(2, 8).run(2, work=20) == 2


def test_more_than_the_cores_do_not_help_who_computes():
    assert Shift(8, 2).run(2, work=20) == 2


def test_nor_do_they_help_where_others_use_the_cores():
    assert Shift(8, 2).run(2, work=20, processor=0.5, others=1.9) == 2


def test_more_than_the_cores_are_woken_for_work_that_waits():
    assert Shift(8, 2).run(2, work=20, processor=0.05) == 8


def test_those_beyond_the_cores_sleep_again_when_the_waiting_ends():
    shift = Shift(8, 2)
    assert shift.run(1, work=20, processor=0.05) == 8
    assert shift.run(1, work=20) == 2


def test_a_long_piece_of_work_is_no_idling():
    shift = Shift(2, 2)
    shift.crew.begin(0)
    shift.crew.begin(1)
    for _ in range(200):
        shift.now += 0.01
        shift.crew.review()
    assert shift.crew.active == 2


def test_memory_takes_workers_and_gives_them_back():
    shift = Shift(8, 8)
    crew = shift.crew
    assert not crew.review(0.5)
    assert crew.active == 4
    assert not crew.review(0.0)
    assert crew.active == 1
    assert crew.review(1.0)
    assert crew.active == 8


def test_a_run_tells_how_many_were_awake(table, tmp_path):
    _, stats = convert(tmp_path, "out.parquet", threads=3)
    assert stats.threads == 3
    assert 1 <= stats.workers <= 3
