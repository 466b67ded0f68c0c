"""Reading over http: ranges, several at once, and everything that a server may do wrong."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections import deque

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import arrowsmith
from arrowsmith import PipelineConfig
from arrowsmith.errors import (
    ArrowsmithError,
    CorruptCompression,
    OptionError,
    SourceChanged,
    SourceEmpty,
    SourceError,
    SourceNotFound,
    TargetError,
)
from arrowsmith.location import open_target, resolve
from arrowsmith.location.remote.ahead import AHEAD, BLOCK
from servers.web import Page, Web, fine, reset, stall, status, together, truncate

QUICK = {"backoff": "0.001", "attempts": "3"}
MIB = 1 << 20


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", os.devnull)


@pytest.fixture
def web():
    server = Web()
    yield server
    server.close()
    assert not [one.name for one in threading.enumerate() if "arrowsmith" in one.name]


def some_bytes(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def one(url: str, **options):
    [source] = resolve(url, storage_options={**QUICK, **options})
    return source


def csv_text(rows: int) -> bytes:
    return b"id,text\n" + b"".join(b"%d,row %d\n" % (i, i) for i in range(rows))


# --- reading -------------------------------------------------------------------------------------


def test_a_source_tells_what_it_is(web):
    data = some_bytes(3 * MIB)
    source = one(web.put("/a/data.bin", data) + "?token=hush#part")
    with source:
        assert (source.path, source.name) == (web.url + "/a/data.bin", "data.bin")
        assert (source.size, source.disk_bytes) == (len(data), len(data))
        assert (source.seekable, source.mappable, source.compression) == (True, False, None)
        assert source.head(10) == data[:10]
        assert source.tail(10) == data[-10:]
        assert source.read_at(MIB, 100) == data[MIB : MIB + 100]
        assert source.read_at(len(data) - 3, 100) == data[-3:]
        assert source.read_at(len(data) + 3, 100) == b""
        buffer = bytearray(50)
        assert source.read_into(len(data) - 20, buffer) == 20
        assert buffer[:20] == data[-20:]
        with source.open() as stream:
            assert stream.read() == data
        source.check_unchanged()
        with pytest.raises(SourceError, match="cannot be mapped"):
            source.map()
    assert all("token=hush" in request.path for request in web.requests)
    assert not any(request.headers.get("Accept-Encoding") != "identity" for request in web.requests)


def test_random_reads_ask_for_their_bytes_alone(web):
    data = some_bytes(16 * MIB)
    with one(web.put("/a", data)) as source:
        del web.requests[:]
        for offset in (9 * MIB, 3 * MIB, 14 * MIB, 6 * MIB):
            assert source.read_at(offset, 1000) == data[offset : offset + 1000]
        assert web.ranges("/a") == [
            (offset, offset + 999) for offset in (9 * MIB, 3 * MIB, 14 * MIB, 6 * MIB)
        ]


def test_a_large_read_is_several_requests_at_once(web):
    data = some_bytes(9 * MIB)
    with one(web.put("/a", data)) as source:
        source.head(1)
        del web.requests[:]
        meet = together(4)
        web.pages["/a"].faults.extend([meet] * 4)
        assert source.read_at(MIB, 4 * BLOCK) == data[MIB : MIB + 4 * BLOCK]
        assert len(web.ranges("/a")) == 4


def test_a_stream_reads_ahead_at_once_and_within_bounds(web):
    data = some_bytes(40 * MIB)
    with one(web.put("/a", data)) as source:
        del web.requests[:]
        with source.open() as stream:
            taken = stream.read(20 * MIB)
            # So many requests are under way together once the stream is known to be one.
            meet = together(2)
            web.pages["/a"].faults.extend([meet] * 2)
            taken += stream.read()
        assert taken == data
        asked = web.ranges("/a")
        assert max(end + 1 - start for start, end in asked) <= BLOCK
        assert sum(end + 1 - start for start, end in asked) <= len(data)
        assert len(asked) < 40


def test_reading_the_start_does_not_fetch_the_rest(web):
    web.put("/big.csv", csv_text(2_000_000))
    size = len(web.pages["/big.csv"].data)
    rows = arrowsmith.open(web.url + "/big.csv", storage_options=QUICK).limit(5).to_table()
    assert rows.num_rows == 5
    fetched = sum(end + 1 - start for start, end in web.ranges("/big.csv"))
    assert fetched < min(size, AHEAD + 4 * MIB)


def test_a_small_parquet_file_takes_few_requests(web, table):
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=100)
    url = web.put("/x.parquet", sink.getvalue())
    assert arrowsmith.open(url, storage_options=QUICK).to_table().equals(table)
    assert len(web.requests) <= 3


def test_parquet_projection_fetches_the_columns_alone(web):
    draw = random.Random(5)
    wide = pa.table({f"c{i}": [draw.random() for _ in range(60_000)] for i in range(20)})
    sink = io.BytesIO()
    pq.write_table(wide, sink, row_group_size=30_000, use_dictionary=False, compression="none")
    url = web.put("/wide.parquet", sink.getvalue())
    got = arrowsmith.open(url, storage_options=QUICK).select("c3", "c11").to_table()
    assert got.equals(wide.select(["c3", "c11"]))
    fetched = sum(
        min(end + 1, len(sink.getvalue())) - start for start, end in web.ranges("/wide.parquet")
    )
    assert fetched < 0.3 * len(sink.getvalue())


def test_csv_equals_the_local_file(web, tmp_path):
    text = csv_text(300_000)
    local = tmp_path / "a.csv"
    local.write_bytes(text)
    there = arrowsmith.open(web.put("/a.csv", text), storage_options=QUICK).to_table()
    assert there.equals(arrowsmith.open(local).to_table())
    assert there.num_rows == 300_000


@pytest.mark.parametrize("ranges", [True, False])
def test_compression_is_peeled_by_content(web, ranges):
    text = csv_text(100_000)
    url = web.put("/a.data", gzip.compress(text), ranges=ranges)
    source = one(url)
    assert (source.compression, source.seekable, source.size) == ("gzip", False, None)
    with source, source.open() as stream:
        assert stream.read() == text
    assert source.head(20) == text[:20]
    source.close()
    assert arrowsmith.open(url, storage_options=QUICK).count() == 100_000


def test_damaged_compression_is_told(web):
    packed = gzip.compress(some_bytes(500_000))
    with (
        one(web.put("/a.gz", packed[:-1000])) as source,
        source.open() as stream,
        pytest.raises(CorruptCompression, match="ends too early"),
    ):
        stream.read()


@pytest.mark.parametrize("length", [True, False])
def test_a_server_without_ranges_is_read_as_a_stream(web, length):
    text = csv_text(200_000)
    url = web.put("/a.csv", text, ranges=False, length=length)
    source = one(url)
    with source:
        assert not source.seekable
        assert source.disk_bytes == (len(text) if length else None)
        with source.open() as stream:
            assert stream.read() == text
        with pytest.raises(SourceError, match="knows no ranges"):
            source.read_at(5, 5)
        with pytest.raises(TypeError):
            pickle.dumps(source)
    assert arrowsmith.open(url, storage_options=QUICK).count() == 200_000


def test_parquet_from_a_server_without_ranges(web, table):
    sink = io.BytesIO()
    pq.write_table(table, sink)
    url = web.put("/x.parquet", sink.getvalue(), ranges=False)
    assert arrowsmith.open(url, storage_options=QUICK).to_table().equals(table)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_program_ends_that_holds_on_to_a_dataset(web, table, ranges):
    sink = io.BytesIO()
    pq.write_table(table, sink)
    url = web.put("/x.parquet", sink.getvalue(), ranges=ranges)
    # A cycle is left to the end of the interpreter, where no other thread runs any more.
    program = f"import arrowsmith; ds = [arrowsmith.open({url!r})]; ds.append(ds); print(len(ds))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "2\n", "")


def test_empty_and_one_row(web):
    with pytest.raises(SourceEmpty, match=r"/empty\.csv: the file is empty"):
        arrowsmith.open(web.put("/empty.csv", b""), storage_options=QUICK)
    with pytest.raises(SourceEmpty):
        arrowsmith.open(web.put("/e2.csv", b"", ranges=False), storage_options=QUICK)
    assert arrowsmith.open(web.put("/one.csv", b"x\n1\n")).to_table().to_pydict() == {"x": [1]}


def test_a_source_can_be_pickled(web):
    data = some_bytes(MIB)
    source = one(web.put("/a", data))
    copy = pickle.loads(pickle.dumps(source))
    with copy:
        assert copy.read_at(500_000, 10) == data[500_000:500_010]
    source.close()


def test_redirects_are_followed(web):
    data = some_bytes(100_000)
    web.put("/real", data)
    web.pages["/link"] = Page(b"", faults=deque([status(302, Location="/real")] * 9))
    with one(web.url + "/link") as source:
        assert source.read_at(90_000, 10) == data[90_000:90_010]
    web.pages["/loop"] = Page(b"", faults=deque([status(302, Location="/loop")] * 99))
    with pytest.raises(SourceError, match=r"/loop: redirects without end"):
        one(web.url + "/loop")


def test_headers_and_passwords(web):
    web.put("/a", b"x\n1\n")
    one(web.url + "/a", **{"header.Authorization": "Bearer abc"}).close()
    assert web.requests[-1].headers["Authorization"] == "Bearer abc"
    host = web.url.removeprefix("http://")
    source = one(f"http://me:secret@{host}/a")
    source.close()
    assert web.requests[-1].headers["Authorization"].startswith("Basic ")
    assert source.path == web.url + "/a"


# --- what goes wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_server_errors_are_tried_again(web, code):
    data = some_bytes(2 * MIB)
    web.put("/a", data)
    web.pages["/a"].faults.extend([status(code), status(code), fine, status(code), reset])
    with one(web.url + "/a") as source, source.open() as stream:
        assert stream.read() == data


def test_attempts_end(web):
    web.put("/a.csv", b"x\n1\n")
    web.pages["/a.csv"].faults.extend([status(503)] * 99)
    with pytest.raises(SourceError) as caught:
        one(web.url + "/a.csv?key=hush")
    text = str(caught.value)
    assert text.startswith(f"{web.url}/a.csv: the server answers HTTP 503")
    assert "tried 3 times" in text
    assert "hush" not in text
    assert len(web.requests) == 3


def test_the_server_may_ask_for_patience(web):
    web.put("/a", b"abc")
    web.pages["/a"].faults.append(status(429, Retry_After="0"))
    assert one(web.url + "/a").head(3) == b"abc"


@pytest.mark.parametrize("ranges", [True, False])
def test_an_answer_that_breaks_off_is_gone_on_with(web, ranges):
    data = some_bytes(3 * MIB)
    web.put("/a", data, ranges=ranges)
    source = one(web.url + "/a")
    web.pages["/a"].faults.extend([truncate(50_000), truncate(1000)])
    del web.requests[:]
    with source, source.open() as stream:
        assert stream.read() == data
    if ranges:  # what had arrived is not fetched again
        starts = [start for start, _ in web.ranges("/a")]
        assert starts[0] + 50_000 in starts


def test_a_truncating_server_ends_as_an_error(web):
    data = some_bytes(3 * MIB)
    web.put("/a", data)
    source = one(web.url + "/a")
    web.pages["/a"].faults.extend([truncate(10)] * 50)
    with source, pytest.raises(SourceError, match=r"broke off.*tried 3 times"):
        source.read_at(MIB, 1000)


def test_a_stalled_server_is_given_up(web):
    data = some_bytes(MIB)
    source = one(web.put("/a", data), timeout="0.2", attempts="2")
    web.pages["/a"].faults.extend([stall, fine])
    with source:
        assert source.read_at(500_000, 10) == data[500_000:500_010]
        web.pages["/a"].faults.extend([stall, stall])
        with pytest.raises(SourceError, match=r"no answer for 0.2 s; tried 2 times"):
            source.read_at(700_000, 10)


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        (401, SourceError, "access denied (HTTP 401"),
        (403, SourceError, "access denied (HTTP 403"),
        (404, SourceNotFound, "nothing at this address (HTTP 404)"),
        (410, SourceNotFound, "nothing at this address"),
        (400, SourceError, "HTTP 400"),
    ],
)
def test_what_will_not_pass_is_told_at_once(web, code, error, words):
    web.put("/a.csv", b"x\n1\n")
    web.pages["/a.csv"].faults.extend([status(code)] * 9)
    with pytest.raises(error) as caught:
        one(web.url + "/a.csv?sig=hush")
    assert words in str(caught.value)
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(web.requests) == 1


def test_nobody_there():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(SourceError, match=r"the connection failed .*tried 3 times"):
            one(f"http://127.0.0.1:{port}/a")


@pytest.mark.parametrize("tagged", [True, False])
def test_a_change_in_between_is_noticed(web, tagged):
    web.put("/a", some_bytes(4 * MIB), tagged=tagged)
    with one(web.url + "/a") as source:
        source.read_at(MIB, 10)
        web.put("/a", some_bytes(4 * MIB + 1, seed=2), tagged=tagged)
        with pytest.raises(SourceChanged, match=r"/a: changed while it was read"):
            source.read_at(2 * MIB, 10)


def test_a_change_between_two_runs_is_noticed(web):
    dataset = arrowsmith.open(web.put("/a.csv", b"x\n1\n"), storage_options=QUICK)
    assert dataset.to_table().num_rows == 1
    web.put("/a.csv", b"x\n1\n2\n")
    with pytest.raises(SourceChanged):
        dataset.to_table()
    del web.pages["/a.csv"]
    with pytest.raises(SourceChanged, match="gone"):
        dataset.to_table()


def test_a_change_of_a_small_file_before_it_is_read_is_noticed(web):
    dataset = arrowsmith.open(web.put("/a.csv", b"x\n1\n"), storage_options=QUICK)
    web.put("/a.csv", b"x\n2\n")
    with pytest.raises(SourceChanged):
        dataset.to_table()


def test_patterns_and_folders_are_not_for_the_web(web):
    web.put("/odd*name.csv", b"x\n1\n")
    assert arrowsmith.open(web.url + "/odd*name.csv").count() == 1
    with pytest.raises(SourceNotFound, match="web servers list nothing"):
        resolve(web.url + "/*.csv")
    with pytest.raises(SourceNotFound):
        resolve(web.url + "/")


def test_the_web_cannot_be_written(web):
    with pytest.raises(TargetError, match="web servers know no way to publish"):
        open_target(web.url + "/a.csv")
    with pytest.raises(TargetError, match="web servers"):
        arrowsmith.open(web.put("/a.csv", b"x\n1\n")).write(web.url + "/b.csv")


def test_storage_options_are_checked(web):
    web.put("/a", b"x")
    with pytest.raises(OptionError, match="storage option attempts"):
        one(web.url + "/a", attempts="many")
    del web.requests[:]
    with pytest.raises(OptionError, match="has no storage option 'secret'") as caught:
        one(web.url + "/a", secret="hush")
    assert "hush" not in str(caught.value)
    assert not web.requests


# --- threads, memory, interruption ---------------------------------------------------------------


def test_nothing_is_left_behind(web):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            source = one(web.put("/a", some_bytes(6 * MIB)))
            stream = source.open()
            stream.read(3 * MIB)
            source.close()
            stream.close()
    assert not [thread.name for thread in threading.enumerate() if "arrowsmith" in thread.name]


def test_many_threads_may_share_a_source(web):
    data = some_bytes(8 * MIB)
    found: list[bool] = []
    with one(web.put("/a", data)) as source:

        def read(start: int) -> None:
            for offset in range(start, start + 2 * MIB, 300_000):
                found.append(source.read_at(offset, 300_000) == data[offset : offset + 300_000])

        threads = [threading.Thread(target=read, args=(i * 2 * MIB,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) == 28
    assert all(found)


def test_reading_can_be_interrupted(web):
    data = some_bytes(MIB)
    source = one(web.put("/a", data), timeout="600")
    web.pages["/a"].faults.append(stall)
    raised: list[BaseException] = []

    def read() -> None:
        try:
            source.read_at(500_000, 10)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    assert web.stalled.wait(20)
    source.interrupt()
    thread.join(20)
    assert [type(error).__name__ for error in raised] == ["Cancelled"]
    source.close()
    assert source.read_at(500_000, 10) == data[500_000:500_010]  # and used again
    source.close()


def test_passes_over_a_limit_whose_reading_was_interrupted(web):
    """The first ends while more is being read; the next ones read the same file again."""
    url = web.put("/a.csv", csv_text(400_000))
    config = PipelineConfig(worker_threads=2)
    for _ in range(5):
        ds = arrowsmith.open(url, config=config).limit(100)
        scaled = ds.transform("min_max_scale", columns=["id"])
        found = scaled.transform("ordinal", columns=["text"]).to_table()
        assert found.num_rows == 100


def test_a_later_run_can_be_interrupted_too(web):
    url = web.put("/a.csv", csv_text(400_000))
    ds = arrowsmith.open(url, storage_options={"timeout": "600"})
    assert ds.count() == 400_000

    def late(handler, request):
        return request.range is not None and request.range[0] > MIB and stall(handler, request)

    web.pages["/a.csv"].faults.extend([late] * 100)
    batches = ds.batches(1000)
    assert next(batches).num_rows == 1000
    assert web.stalled.wait(20)
    closing = threading.Thread(target=batches.close, daemon=True)
    closing.start()
    closing.join(15)
    assert not closing.is_alive()


RUN = """
import sys
from arrowsmith.cli import main
sys.argv = ["arrowsmith", *{args!r}]
main()
"""


def command(*args: str) -> list[str]:
    return [sys.executable, "-W", "error", "-c", RUN.format(args=args)]


def test_ctrl_c_ends_a_run_that_waits_for_a_stalled_server(web, tmp_path):
    url = web.put("/a.csv", csv_text(400_000))
    web.pages["/a.csv"].faults.extend([fine] * 5 + [stall] * 50)
    target = tmp_path / "out.parquet"
    with subprocess.Popen(
        command("convert", url, str(target)), stderr=subprocess.PIPE, text=True
    ) as process:
        assert web.stalled.wait(20)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, told = process.communicate(timeout=20)
        assert time.monotonic() - began < 10  # and not the 30 s that a request may take
    assert process.returncode == 130
    assert told.strip() == "arrowsmith: interrupted"
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_reads_urls(web, table):
    sink = io.BytesIO()
    pq.write_table(table, sink)
    url = web.put("/x.parquet", sink.getvalue()) + "?sig=hush"
    shown = subprocess.run(
        command("head", url, "-n", "2", "--json", "--storage-option", "header.X-Key=k"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    assert len(shown.stdout.splitlines()) == 2
    assert web.requests[-1].headers["X-Key"] == "k"
    told = subprocess.run(
        command("info", url, "--json"), capture_output=True, text=True, check=False
    )
    assert "hush" not in told.stdout + told.stderr
    wrong = subprocess.run(
        command("head", url, "--storage-option", "hush"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert wrong.returncode == 2
    assert "hush" not in wrong.stderr


def test_a_missing_extra_is_named(web, monkeypatch):
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(SourceError, match=r"pip install 'arrowsmith\[http\]'"):
        arrowsmith.open(web.put("/a.csv", b"x\n1\n"))
    assert not web.requests


def test_all_errors_are_ours(web):
    for url in ("http://", "http://[", "http://127.0.0.1:99999/a", "https://" + web.url[7:] + "/a"):
        with pytest.raises(ArrowsmithError) as caught:
            one(url)
        assert "\n" not in str(caught.value)
