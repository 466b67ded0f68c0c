"""S3, by moto's server on the loopback interface and boto3 as the judge."""

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

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import arrowsmith
from arrowsmith.errors import (
    DataError,
    OptionError,
    SourceChanged,
    SourceEmpty,
    SourceError,
    SourceNotFound,
    TargetError,
    TargetExists,
    UsageError,
)
from arrowsmith.location import check_not_source, open_target, resolve
from arrowsmith.location.remote import RemoteTarget
from servers.s3 import S3

QUICK = {"backoff": "0.001", "attempts": "3", "timeout": "5"}
MIB = 1 << 20


@pytest.fixture(scope="module")
def server():
    server = S3()
    yield server
    server.close()


@pytest.fixture
def s3(server, monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    server.clear()
    yield server
    assert not [one.name for one in threading.enumerate() if "arrowsmith" in one.name]


def paths(url: str) -> list[str]:
    return [source.path.removeprefix("s3://data/") for source in resolve(url)]


def parquet(table: pa.Table, **how: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **how)
    return sink.getvalue()


# --- finding -------------------------------------------------------------------------------------


def test_prefixes_and_patterns(s3):
    for key in (
        "t/b.csv", "t/a.csv", "t/c.CSV.gz", "t/_SUCCESS", "t/.hidden.csv", "t/_tmp/x.csv",
        "t/y=1/part.csv", "t/y=2/part.csv", "t/é.csv", "t/", "top.csv", "t2/a.csv",
    ):  # fmt: skip
        s3.put(key, b"" if key.endswith("/") else b"x\n1\n")
    everything = ["t/a.csv", "t/b.csv", "t/c.CSV.gz", "t/y=1/part.csv", "t/y=2/part.csv", "t/é.csv"]
    assert paths("s3://data/t/") == everything
    assert paths("s3://data/t") == everything
    assert paths("s3://data/t/*.csv") == ["t/a.csv", "t/b.csv", "t/é.csv"]
    assert paths("s3://data/t/[ab].csv") == ["t/a.csv", "t/b.csv"]
    assert paths("s3://data/t/**/part.csv") == ["t/y=1/part.csv", "t/y=2/part.csv"]
    assert paths("s3://data/t/**") == everything
    assert paths("s3://data/t/y=*") == ["t/y=1/part.csv", "t/y=2/part.csv"]
    assert paths("s3://data/t*/?.csv") == ["t/a.csv", "t/b.csv", "t/é.csv", "t2/a.csv"]
    assert paths("s3a://data/top.csv") == ["s3a://data/top.csv"]
    assert paths("s3://data") == [*everything, "t2/a.csv", "top.csv"]


def test_a_key_that_looks_like_a_pattern(s3):
    s3.put("odd[1]*.csv")
    s3.put("odd1x.csv")
    assert paths("s3://data/odd[1]*.csv") == ["odd[1]*.csv"]


def test_nothing_there(s3):
    s3.put("raw/2024.csv")
    s3.put("only/_hidden.csv")
    with pytest.raises(SourceNotFound, match=r"did you mean s3://data/raw/2024\.csv\?"):
        resolve("s3://data/raw/2042.csv")
    with pytest.raises(SourceNotFound, match="no object matches"):
        resolve("s3://data/raw/*.parquet")
    with pytest.raises(SourceEmpty, match="passed over"):
        resolve("s3://data/only/")
    with pytest.raises(SourceNotFound, match="no such bucket"):
        resolve("s3://not-a-bucket/a.csv")
    with pytest.raises(SourceError, match="name the bucket"):
        resolve("s3://da*/a.csv")
    with pytest.raises(UsageError, match="password") as caught:
        resolve("s3://key:hush@data/a.csv")
    assert "hush" not in str(caught.value)


def test_many_objects_are_one_dataset(s3):
    for number in range(40):
        s3.put(f"many/{number:02}.csv", b"x\n%d\n" % number)
    dataset = arrowsmith.open("s3://data/many/*.csv", storage_options=QUICK)
    assert dataset.to_table()["x"].to_pylist() == list(range(40))


# --- reading -------------------------------------------------------------------------------------


def test_formats_and_compression(s3, table):
    s3.put("a.parquet", parquet(table, row_group_size=100))
    text = b"id,text\n" + b"".join(b"%d,row %d\n" % (n, n) for n in range(50_000))
    s3.put("a.csv.gz", gzip.compress(text))
    assert arrowsmith.open("s3://data/a.parquet").to_table().equals(table)
    assert arrowsmith.open("s3://data/a.csv.gz").count() == 50_000


def test_parquet_projection_reads_the_columns_alone(s3):
    draw = random.Random(3)
    wide = pa.table({f"c{i}": [draw.random() for _ in range(50_000)] for i in range(20)})
    data = parquet(wide, row_group_size=25_000, use_dictionary=False, compression="none")
    url = s3.put("wide.parquet", data)
    s3.requests.clear()
    assert arrowsmith.open(url).select("c3").to_table().equals(wide.select(["c3"]))
    spans = [span.removeprefix("bytes=").split("-") for *_, span in s3.requests if span]
    fetched = sum(min(int(end) + 1, len(data)) - int(start) for start, end in spans)
    assert 0 < fetched < 0.25 * len(data)


def test_a_stream_is_read_by_ranges(s3):
    data = random.Random(1).randbytes(9 * MIB)
    [source] = resolve(s3.put("big", data))
    with source, source.open() as stream:
        assert stream.read() == data
    spans = [span for *_, span in s3.requests if span]
    assert 4 < len(spans) < 40
    copy = pickle.loads(pickle.dumps(source))
    with copy:
        assert copy.read_at(5 * MIB, 9) == data[5 * MIB : 5 * MIB + 9]


def test_a_change_in_between_is_noticed(s3):
    [source] = resolve(s3.put("a", b"1" * 5 * MIB), storage_options=QUICK)
    with source:
        source.read_at(MIB, 10)
        s3.put("a", b"2" * 5 * MIB)  # of the same size
        with pytest.raises(SourceChanged, match="s3://data/a: changed"):
            source.check_unchanged()
        s3.put("a", b"2" * 50)
        with pytest.raises(SourceChanged):
            source.read_at(3 * MIB, 10)
        s3.client.delete_object(Bucket="data", Key="a")
        with pytest.raises(SourceChanged, match="gone"):
            source.read_at(4 * MIB, 10)


def test_a_run_over_an_object_that_changes_fails(s3):
    dataset = arrowsmith.open(s3.put("a.csv", b"x\n1\n"))
    s3.put("a.csv", b"x\n2\n")
    with pytest.raises(SourceChanged):
        dataset.to_table()


@pytest.mark.parametrize("code", [500, 503])
def test_server_errors_are_tried_again(s3, code):
    data = random.Random(2).randbytes(3 * MIB)
    url = s3.put("a", data)
    bad = iter([code, None] * 3)
    s3.gate = lambda method, path: next(bad, None)
    [source] = resolve(url, storage_options=QUICK)
    with source:
        assert source.read_at(MIB, 2 * MIB) == data[MIB:]
    s3.gate = lambda method, path: code
    s3.requests.clear()
    with source, pytest.raises(SourceError, match="tried 3 times"):
        source.read_at(MIB, 10)
    gets = [request for request in s3.requests if request[0] == "GET"]
    assert len(gets) == 3  # and not three times what the SDK makes of it


def test_no_access(s3):
    url = s3.put("a.csv")
    s3.gate = lambda method, path: 403
    s3.requests.clear()
    with pytest.raises(SourceError) as caught:
        arrowsmith.open(url)
    assert "access denied" in str(caught.value)
    assert "AWS_ACCESS_KEY_ID" in str(caught.value)
    assert "hush-hush" not in str(caught.value)
    assert len(s3.requests) == 1


def test_storage_options(s3, monkeypatch):
    url = s3.put("a.csv")
    s3.client.put_object_acl(Bucket="data", Key="a.csv", ACL="public-read")
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    ways = (
        {"key": "k", "secret": "s", "client_kwargs": {"endpoint_url": s3.url}},  # s3fs, pandas
        {"aws_access_key_id": "k", "aws_secret_access_key": "s", "aws_endpoint_url": s3.url},
        {"access_key": "k", "secret_key": "s", "endpoint_override": s3.url, "region": "us-east-1"},
        {"anon": "true", "endpoint_url": s3.url},
    )
    for options in ways:
        assert arrowsmith.open(url, storage_options=options).count() == 1
    with pytest.raises(OptionError, match="did you mean secret"):
        arrowsmith.open(url, storage_options={"secrt": "hush"})
    with pytest.raises(OptionError) as caught:  # one without the other
        arrowsmith.open(url, storage_options={"key": "hush", "endpoint_url": s3.url})
    assert "hush" not in str(caught.value)


# --- writing -------------------------------------------------------------------------------------


def test_a_target_appears_when_it_is_published(s3):
    data = random.Random(4).randbytes(20 * MIB)
    with open_target("s3://data/out/a.bin", storage_options=QUICK) as target:
        assert (target.path, target.name) == ("s3://data/out/a.bin", "a.bin")
        stream = target.open()
        for start in range(0, len(data), MIB):
            stream.write(data[start : start + MIB])
        assert s3.keys() == []
        target.finish()
        assert s3.keys() == []
        target.publish()
    assert s3.get("out/a.bin") == data
    assert s3.keys() == ["out/a.bin"]
    assert s3.uploads() == []


@pytest.mark.parametrize("size", [0, 10, 17 * MIB])
def test_what_is_discarded_leaves_nothing(s3, size):
    for leave in (RuntimeError, KeyboardInterrupt):
        target = open_target("s3://data/out/a.bin")
        target.__enter__()
        target.open().write(b"1" * size)
        target.__exit__(leave, leave(), None)
    assert s3.keys() == []
    assert s3.uploads() == []


def test_an_existing_object_is_kept_or_replaced(s3):
    s3.put("a.csv", b"before")
    with pytest.raises(TargetExists, match=r"s3://data/a\.csv: exists already"):
        open_target("s3://data/a.csv")
    with open_target("s3://data/a.csv", overwrite=True) as target:
        target.open().write(b"after")
        assert s3.get("a.csv") == b"before"
        target.publish()
    assert s3.get("a.csv") == b"after"
    with open_target("s3://data/b.csv") as target:
        target.open().write(b"mine")
        s3.put("b.csv", b"theirs")
        with pytest.raises(TargetExists):
            target.publish()
    assert s3.get("b.csv") == b"theirs"


def test_a_failing_upload_leaves_what_was_there(s3):
    s3.put("a.bin", b"before")

    def gate(method: str, path: str) -> int | None:
        return 403 if method == "PUT" and "partNumber=2" in path else None

    with open_target("s3://data/a.bin", overwrite=True, storage_options=QUICK) as target:
        target.open().write(random.Random(1).randbytes(25 * MIB))
        s3.gate = gate
        with pytest.raises(TargetError, match=r"s3://data/a\.bin"):
            target.publish()
    s3.gate = lambda method, path: None
    assert s3.keys() == ["a.bin"]
    assert s3.get("a.bin") == b"before"


BROKEN_OFF = """
import sys
from arrowsmith.location import open_target
with open_target("s3://data/a.bin") as target:
    target.open().write(b"1" * (25 << 20))
    target.finish()
    {end}
"""


@pytest.mark.parametrize(
    "end", ["raise SystemExit", "del target; sys.exit()", "import os; os.kill(os.getpid(), 9)"]
)
def test_an_upload_that_is_broken_off_never_appears(s3, end):
    subprocess.run(
        [sys.executable, "-c", BROKEN_OFF.format(end=end)], capture_output=True, check=False
    )
    assert s3.keys() == []


def test_an_upload_is_tried_again(s3):
    bad = iter([500, 500])

    def gate(method: str, path: str) -> int | None:
        return next(bad, None) if "partNumber=1" in path else None

    s3.gate = gate
    with open_target("s3://data/a.bin", storage_options=QUICK) as target:
        target.open().write(b"1" * (12 * MIB))
        target.publish()
    assert s3.get("a.bin") == b"1" * (12 * MIB)


@pytest.mark.parametrize(
    ("name", "unpack"), [("a.gz", gzip.decompress), ("a.zst", None), ("a.bin", bytes)]
)
def test_compression_by_suffix(s3, name, unpack):
    text = b"some text\n" * 10_000
    with open_target(f"s3://data/{name}") as target:
        target.open().write(text)
        target.publish()
    stored = s3.get(name)
    unpack = unpack or (lambda data: pa.input_stream(pa.py_buffer(data), compression="zstd").read())
    assert unpack(stored) == text
    assert target.nbytes == len(stored)


def written(url: str) -> None:
    with open_target(url, overwrite=True) as target:
        target.open().write(b"x")
        target.publish()


def test_what_cannot_be_a_target(s3):
    for url, words in (
        ("s3://data/out/", "is a prefix"),
        ("s3://data", "is a bucket"),
        ("s3://not-a-bucket/a.csv", "no such bucket"),
        ("ftpx://a/b", "ftpx:// is not known"),
    ):
        with pytest.raises(TargetError, match=words):
            written(url)
    with RemoteTarget("s3://data/a") as target:
        with pytest.raises(TargetError, match="nothing to publish"):
            target.publish()
        target.open()
        with pytest.raises(ValueError, match="opened once"):
            target.open()
    [source] = resolve(s3.put("a.csv"))
    with pytest.raises(TargetError, match="is also a source"):
        check_not_source("s3://data/a.csv", [source])


# --- runs ----------------------------------------------------------------------------------------


def test_a_conversion_from_bucket_to_bucket(s3, table):
    s3.put("in/a.parquet", parquet(table.slice(0, 600)))
    s3.put("in/b.parquet", parquet(table.slice(600)))
    stats = arrowsmith.open("s3://data/in/").write("s3://data/out/all.csv.gz")
    stored = s3.get("out/all.csv.gz")
    assert stats.bytes_out == len(stored)
    assert pl.read_csv(stored).height == table.num_rows
    with pytest.raises(TargetExists):
        arrowsmith.open("s3://data/in/").write("s3://data/out/all.csv.gz")
    with pytest.raises(TargetError, match="is also a source"):
        arrowsmith.open("s3://data/in/").write("s3://data/in/a.parquet", overwrite=True)


def test_a_run_that_fails_publishes_nothing(s3):
    s3.put("bad.csv", b"x,y\n" + b"1,2\n" * 100_000 + b"1,2,3\n")
    with pytest.raises(DataError):
        arrowsmith.open("s3://data/bad.csv").write("s3://data/out.parquet")
    assert s3.keys() == ["bad.csv"]
    assert s3.uploads() == []


def test_the_command_line(s3, table, tmp_path, monkeypatch):
    s3.put("a.parquet", parquet(table))
    monkeypatch.delenv("AWS_ENDPOINT_URL")

    def call(*args: str) -> subprocess.CompletedProcess[str]:
        command = ["arrowsmith", *args]
        run = f"import sys; sys.argv = {command!r}; import arrowsmith.cli as c; c.main()"
        return subprocess.run(
            [sys.executable, "-W", "error", "-c", run], capture_output=True, text=True, check=False
        )

    there = ("--storage-option", f"endpoint_url={s3.url}", "--storage-option", "region=us-east-1")
    done = call("convert", "s3://data/a.parquet", "s3://data/b.jsonl.zst", *there)
    assert done.returncode == 0, done.stderr
    assert "s3://data/b.jsonl.zst: 1,000 rows" in done.stderr
    assert call("count", "s3://data/b.jsonl.zst", *there).stdout.strip() == "1000"
    again = call("convert", "s3://data/a.parquet", "s3://data/b.jsonl.zst", *there)
    assert again.returncode == 2
    assert "exists already" in again.stderr


@pytest.mark.parametrize("command", [["count", "s3://b/o.csv"], ["convert", "in.csv", "s3://b/o"]])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_command_does_not_wait_for_a_bucket_that_stalls(
    command, number, code, tmp_path
):
    (tmp_path / "in.csv").write_text("a\n1\n")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        options = {
            "endpoint_url": f"http://127.0.0.1:{server.getsockname()[1]}",
            "key": "someone",
            "secret": "hush-hush",
            "timeout": "600",
        }
        given = [f"--storage-option={key}={value}" for key, value in options.items()]
        to = ["--to", "csv"] if command[0] == "convert" else []
        process = subprocess.Popen(
            [sys.executable, "-m", "arrowsmith", *command, *to, *given],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
        )
        try:
            asked, _ = server.accept()  # and never answered
            with asked:
                process.send_signal(number)
                _, told = process.communicate(timeout=60)
        finally:
            process.kill()
            process.wait()
    assert process.returncode == code, told
    assert told.count(b"\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]
