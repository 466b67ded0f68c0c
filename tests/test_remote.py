"""Remote places in general: names, options, memory://, and what is imported when."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import Future

import fsspec
import pyarrow as pa
import pytest

import arrowsmith
from arrowsmith.errors import (
    Cancelled,
    OptionError,
    SourceChanged,
    SourceError,
    SourceNotFound,
    TargetError,
    TargetExists,
)
from arrowsmith.location import open_target, remote_scheme, resolve
from arrowsmith.location.remote.ahead import AHEAD, BLOCK, Ahead
from arrowsmith.location.remote.options import storage_options
from arrowsmith.location.remote.pool import Pool
from arrowsmith.location.remote.store import Transient
from arrowsmith.location.remote.url import parse


@pytest.fixture
def memory():
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()
    assert not [one.name for one in threading.enumerate() if "arrowsmith" in one.name]


# --- memory:// -----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["parquet", "csv", "csv.gz", "arrow", "jsonl.zst"])
def test_a_round_trip(memory, table, suffix):
    memory.pipe_file("/in.arrow", b"")
    local = arrowsmith.open(written(memory, table))
    stats = local.write(f"memory://out/a.{suffix}")
    assert stats.bytes_out == memory.size(f"/out/a.{suffix}")
    back = arrowsmith.open(f"memory://out/a.{suffix}").to_table()
    assert back.select(["id", "lang"]).equals(table.select(["id", "lang"]))


def written(memory, table: pa.Table) -> str:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    memory.pipe_file("/in.arrow", sink.getvalue().to_pybytes())
    return "memory://in.arrow"


def test_finding_reading_and_change(memory):
    for name in ("b.csv", "a.csv", "_tmp.csv", "deep/c.csv"):
        memory.pipe_file(f"/d/{name}", b"x\n1\n")
    assert [one.path for one in resolve("memory://d/")] == [
        "memory://d/a.csv",
        "memory://d/b.csv",
        "memory://d/deep/c.csv",
    ]
    assert [one.name for one in resolve("memory://d/?.csv")] == ["a.csv", "b.csv"]
    with pytest.raises(SourceNotFound, match=r"did you mean memory://d/a\.csv"):
        resolve("memory://d/aa.csv")
    [source] = resolve("memory://d/a.csv")
    with source:
        source.check_unchanged()
        memory.pipe_file("/d/a.csv", b"x\n2\n")
        with pytest.raises(SourceChanged):
            source.check_unchanged()


def test_hive_partitions(memory):
    for year in (2023, 2024):
        memory.pipe_file(f"/t/year={year}/part.csv", b"x\n%d\n" % year)
    table = arrowsmith.open("memory://t/").to_table()
    assert table.to_pydict() == {"x": [2023, 2024], "year": [2023, 2024]}


def test_writing(memory):
    with open_target("memory://a.txt.gz") as target:
        target.open().write(b"all or nothing")
        assert not memory.exists("/a.txt.gz")
        target.publish()
    assert gzip.decompress(memory.cat_file("/a.txt.gz")) == b"all or nothing"
    with pytest.raises(TargetExists):
        open_target("memory://a.txt.gz")
    with open_target("memory://b.txt") as target:
        target.open().write(b"dropped")
    assert not memory.exists("/b.txt")


@pytest.mark.parametrize("scheme", ["memory", "file-like"])
def test_what_waits_to_be_sent_has_no_name_that_a_kill_could_leave(
    memory, monkeypatch, tmp_path, scheme
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with open_target("memory://a.txt") as target:
        target.open().write(b"all or nothing")
        assert not list(tmp_path.iterdir())
        if scheme != "memory":  # as every file system but memory:// is sent to
            monkeypatch.setattr(type(memory), "protocol", "elsewhere")
        target.publish()
    assert memory.cat_file("/a.txt") == b"all or nothing"
    assert not list(tmp_path.iterdir())


def test_a_full_scratch_disk_is_told(memory, monkeypatch):
    with open_target("memory://a.txt") as target:
        stream = target.open()
        full = open("/dev/full", "wb", buffering=0)  # noqa: SIM115
        monkeypatch.setattr(stream.spool, "write", full.write)
        with pytest.raises(TargetError, match=r"No space left.*TMPDIR"):
            stream.write(b"x" * 100)
        with pytest.raises(TargetError, match="not written completely"):
            target.publish()
        full.close()
    assert not memory.exists("/a.txt")


# --- names and options ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown", "key"),
    [
        ("s3://b/a?b#c.csv", "s3://b/a?b#c.csv", "b/a?b#c.csv"),
        ("S3A://b/a", "S3A://b/a", "b/a"),
        ("https://me:pw@h:8/a.csv?sig=1#x", "https://h:8/a.csv", "https://me:pw@h:8/a.csv?sig=1"),
        ("http://h?sig=1", "http://h", "http://h?sig=1"),
        ("memory:///a/b", "memory:///a/b", "a/b"),
    ],
)
def test_urls(url, shown, key):
    parsed = parse(url)
    assert (parsed.shown, parsed.key) == (shown, key)
    assert remote_scheme(url) is not None


@pytest.mark.parametrize(
    "wrong", [{"timeout": "soon"}, {"timeout": 0}, {"attempts": 0}, {"backoff": -1}]
)
def test_wrong_options(wrong):
    with pytest.raises(OptionError, match="storage option"):
        storage_options(wrong)
    with pytest.raises(OptionError, match="storage option"):
        arrowsmith.open("s3://bucket/a.csv", storage_options=wrong)


def test_secrets_are_in_no_representation():
    assert "hush" not in repr(storage_options({"secret": "hush"}))


def test_an_unknown_scheme_is_told_with_the_known_ones():
    with pytest.raises(SourceError, match=r"nosuch:// is not known; there are s3, gs, http"):
        arrowsmith.open("nosuch://a/b.csv")


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    monkeypatch.setitem(sys.modules, "fsspec.implementations.http", None)
    with pytest.raises(SourceError, match=r"pip install 'arrowsmith\[http\]'"):
        arrowsmith.open("https://example.invalid/a.csv")
    with pytest.raises(SourceError, match=r"pip install 'arrowsmith\[fsspec\]'"):
        arrowsmith.open("memory://a.csv")
    with pytest.raises(TargetError, match=r"pip install 'arrowsmith\[fsspec\]'"):
        open_target("memory://a.csv")


def test_local_work_imports_nothing_of_it(tmp_path):
    (tmp_path / "a.csv").write_text("x\n1\n")
    work = (
        "import json, sys, arrowsmith; arrowsmith.open('a.csv').write('b.parquet');"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", work], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout))
    assert "arrowsmith.location" in loaded
    assert not loaded & {"fsspec", "aiohttp", "arrowsmith.location.remote"}


# --- reading ahead and trying again --------------------------------------------------------------


class Asked:
    """Answers requests when told to, and counts what waits."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.waiting: list[tuple[Future[None], int, memoryview]] = []
        self.spans: list[tuple[int, int]] = []

    def fetch(self, offset: int, view: memoryview) -> Future[None]:
        future: Future[None] = Future()
        self.spans.append((offset, len(view)))
        view[:] = self.data[offset : offset + len(view)]
        future.set_result(None)
        return future


def test_what_is_read_ahead_is_bounded_and_given_back():
    data = random.Random(1).randbytes(64 << 20)
    asked = Asked(data)
    many = [Ahead(asked.fetch, len(data), known=1) for _ in range(6)]
    buffer = bytearray(1 << 20)
    taken = 0
    for start in range(1, 12 << 20, len(buffer)):
        for ahead in many:  # six streams at once
            ahead.read(start, memoryview(buffer))
            assert buffer == data[start : start + len(buffer)]
        taken += len(buffer)
        fetched = sum(size for _, size in asked.spans)
        assert fetched - 6 * taken <= AHEAD + 6 * BLOCK
    for ahead in many:
        ahead.close()
    alone = Asked(data)
    last = Ahead(alone.fetch, len(data), known=1)
    for start in range(1, 12 << 20, len(buffer)):
        last.read(start, memoryview(buffer))
    # The whole allowance is there again for one that comes later.
    assert sum(size for _, size in alone.spans) - (start + len(buffer)) > AHEAD // 2
    last.close()


def test_any_reads_give_the_same_bytes():
    data = random.Random(2).randbytes(9 << 20)
    draw = random.Random(3)
    asked = Asked(data)
    ahead = Ahead(asked.fetch, len(data))
    place = 0
    for _ in range(400):
        if draw.random() < 0.3:
            place = draw.randrange(len(data))
        size = min(draw.choice([1, 10, 5000, 300_000, 3 << 20]), len(data) - place)
        buffer = bytearray(size)
        ahead.read(place, memoryview(buffer))
        assert buffer == data[place : place + size]
        place = min(place + size + draw.choice([0, 0, 0, 100, 100_000]), len(data) - 1)
    ahead.close()


def test_attempts_and_their_end():
    pool = Pool(storage_options({"attempts": 3, "backoff": 0}))
    tries: list[int] = []

    def fails() -> None:
        tries.append(1)
        raise Transient("no luck")

    with pytest.raises(SourceError, match=r"^x: no luck; tried 3 times; try again later"):
        pool.run(lambda: pool.attempts(fails, "x"))
    assert len(tries) == 3
    pool.close(lambda: None)
    with pytest.raises(Cancelled):
        pool.run(fails)


def test_waiting_for_the_next_attempt_ends_with_the_pool():
    pool = Pool(storage_options({"attempts": 3, "backoff": 3600}))
    begun = threading.Event()

    def fails() -> None:
        begun.set()
        raise Transient("no luck")

    future = pool.submit(lambda: pool.attempts(fails, "x"))
    assert begun.wait(20)
    pool.close(lambda: None)
    with pytest.raises(Cancelled):
        future.result(20)
    assert not [one.name for one in threading.enumerate() if "arrowsmith" in one.name]
