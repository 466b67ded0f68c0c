"""Standard input, pipes and terminals as sources, with real processes and real pipes."""

from __future__ import annotations

import fcntl
import gzip
import io
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import arrowsmith
from arrowsmith.errors import OptionError, SourceError
from arrowsmith.location import resolve
from arrowsmith.location.pipe import Pipe

PROGRAM = [sys.executable, "-m", "arrowsmith"]
PATIENCE = 60.0  # seconds after which a test gives up on another process


def run(*arguments: object, data: bytes = b"", **settings: Any) -> subprocess.CompletedProcess[str]:
    if "stdin" not in settings:
        settings["input"] = data
    command = [*PROGRAM, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False, **settings)
    return subprocess.CompletedProcess(
        command, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def encoded(kind: str, table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    if kind == "csv":
        pyarrow.csv.write_csv(table, sink)
    elif kind == "parquet":
        pq.write_table(table, sink, row_group_size=300)
    else:
        make = pa.ipc.new_file if kind == "arrow" else pa.ipc.new_stream
        with make(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=300)
    return sink.getvalue().to_pybytes()


@contextmanager
def piped(data: bytes, *, hold: bool = False) -> Iterator[int]:
    """The reading end of a pipe into which a thread writes; ``hold`` leaves it open behind."""
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(os.dup(writing), "wb", buffering=0) as stream:
            try:
                rest = memoryview(data)
                while len(rest):
                    rest = rest[stream.write(rest) :]
            except BrokenPipeError:
                pass
        if not hold:
            os.close(writing)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        yield reading
    finally:
        os.close(reading)
        writer.join(PATIENCE)
        if hold:
            os.close(writing)
        assert not writer.is_alive()


# --- every format, every command -----------------------------------------------------------------


@pytest.mark.parametrize("codec", ["plain", "gz"])
@pytest.mark.parametrize("kind", ["csv", "parquet", "arrow", "arrows"])
def test_a_pipe_is_converted(kind, codec, table, tmp_path):
    data = encoded(kind, table)
    data = gzip.compress(data) if codec == "gz" else data
    target = tmp_path / "out.parquet"
    done = run("convert", "-", target, "--where", "id >= 700", data=data)
    assert done.returncode == 0, done.stderr
    assert pq.read_table(target).equals(table.slice(700))


@pytest.mark.parametrize("kind", ["csv", "parquet", "arrows"])
def test_the_commands_that_look_take_a_pipe(kind, table):
    data = encoded(kind, table)
    assert run("count", "-", data=data).stdout == "1000\n"
    schema = json.loads(run("schema", "-", "--json", data=data).stdout)
    assert [column["type"] for column in schema["columns"]] == list(map(str, table.schema.types))
    head = run("head", "-", "-n", 2, "--json", data=data).stdout.splitlines()
    assert [json.loads(row)["id"] for row in head] == [0, 1]
    told = json.loads(run("info", "-", "--count", "--json", data=data).stdout)
    assert (told["format"], told["rows"]) == ("arrow" if kind == "arrows" else kind, 1000)
    assert (told["bytes"], told["paths"]) == (len(data), ["-"])


def test_size_and_rows_of_a_pipe_are_not_known_beforehand(tmp_path):
    data = b"a,b\n" + b"1,2\n" * 100_000
    told = json.loads(run("info", "-", "--json", data=data).stdout)
    assert (told["bytes"], told["rows"], told["compression"]) == (None, None, None)
    assert "not known without reading all" in run("info", "-", data=data).stdout


@pytest.mark.parametrize("name", ["-", "/dev/stdin", "/dev/fd/0"])
def test_names_of_standard_input(name):
    done = run("head", name, "--json", data=b"a,b\n1,2\n")
    assert json.loads(done.stdout) == {"a": 1, "b": 2}, done.stderr


def test_a_pipe_among_files(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,x\n")
    other = tmp_path / "b.parquet"
    pq.write_table(pa.table({"a": [3], "c": [0.5]}), other)
    done = run("head", tmp_path / "a.csv", "-", other, "--json", data=b"b\ta\ny\t2\nz\t4\n")
    assert [json.loads(row) for row in done.stdout.splitlines()] == [
        {"a": 1, "b": "x", "c": None},
        {"a": 2, "b": "y", "c": None},
        {"a": 4, "b": "z", "c": None},
        {"a": 3, "b": None, "c": 0.5},
    ]


# --- a file on standard input --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
def test_a_file_on_standard_input_is_read_as_a_file(name, table, tmp_path):
    path = tmp_path / "in.parquet"
    pq.write_table(table, path)
    with path.open("rb") as stdin:
        told = json.loads(run("info", name, "--json", stdin=stdin).stdout)
    assert (told["bytes"], told["rows"], told["paths"]) == (path.stat().st_size, 1000, ["-"])


def test_a_target_that_is_on_standard_input_is_refused(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("a,b\n1,2\n")
    with path.open("rb") as stdin:
        done = run("convert", "-", path, "--overwrite", stdin=stdin)
    assert done.returncode == 1
    assert "is also a source (-)" in done.stderr
    assert path.read_text() == "a,b\n1,2\n"


def test_its_suffix_tells_what_content_cannot(tmp_path):
    path = tmp_path / "in.tsv"
    path.write_text("a\n1\n")
    with path.open("rb") as stdin:
        assert json.loads(run("head", "-", "--json", stdin=stdin).stdout) == {"a": 1}


def test_what_was_read_from_it_before_is_not_read_again(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("# a line for somebody else\na,b\n1,2\n")
    program = f'read -r line; "{sys.executable}" -m arrowsmith head - --json'
    with path.open("rb") as stdin:
        done = subprocess.run(
            ["sh", "-c", program], stdin=stdin, capture_output=True, text=True, check=False
        )
    assert json.loads(done.stdout) == {"a": 1, "b": 2}, done.stderr


def test_a_file_without_a_name_on_standard_input(table, tmp_path):
    path = tmp_path / "in.parquet"
    pq.write_table(table, path)
    with path.open("rb") as stdin:
        path.unlink()
        assert run("count", "-", stdin=stdin).stdout == "1000\n"


# --- again and again -----------------------------------------------------------------------------


def test_a_wrong_guess_begins_again(tmp_path):
    numbers = list(map(str, range(300_000)))
    numbers[250_000] = "x"
    target = tmp_path / "out.parquet"
    data = ("n,m\n" + "".join(f"{n},1\n" for n in numbers)).encode()
    done = run("convert", "-", target, "--json", data=data)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["restarts"] == 1
    assert pq.read_table(target)["n"].to_pylist() == numbers


def test_standard_input_is_opened_twice_from_its_first_byte():
    code = (
        "import arrowsmith; print(arrowsmith.open('-').schema.names);"
        "ds = arrowsmith.open('-'); print(ds.to_table().num_rows, ds.count(), ds.head(1).num_rows)"
    )
    data = b"a,b\n" + b"1,2\n" * 500_000
    done = subprocess.run(
        [sys.executable, "-c", code], input=data, capture_output=True, check=False
    )
    assert done.stdout.split(b"\n")[:2] == [b"['a', 'b']", b"500000 500000 1"], done.stderr


@pytest.mark.parametrize("rows", [10, 400_000])
def test_a_dataset_over_a_pipe_is_run_as_often_as_one_likes(rows, no_leaks):
    data = b"a,b\n" + b"1,x\n" * rows
    with piped(data) as fd:
        ds = arrowsmith.open(f"/dev/fd/{fd}")
        assert ds.head(2).to_pydict() == {"a": [1, 1], "b": ["x", "x"]}
        first, second = ds.batches(), ds.batches()
        got = [next(first).num_rows, next(second).num_rows]
        for number, batches in enumerate((first, second)):
            got[number] += sum(batch.num_rows for batch in batches)
        assert got == [rows, rows]
        assert (ds.count(), ds.nbytes) == (rows, len(data))


def test_a_named_pipe(tmp_path, table, no_leaks):
    path = tmp_path / "in.parquet"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(encoded("parquet", table),))
    writer.start()
    ds = arrowsmith.open(path)
    assert ds.to_table().equals(table)
    assert ds.filter("id = 5").select("lang").to_table().equals(table.slice(5, 1).select(["lang"]))
    writer.join()


def test_a_source_over_a_pipe(no_leaks):
    data = os.urandom(3 << 20)
    with piped(data) as fd:
        (source,) = resolve(f"/dev/fd/{fd}")
        assert (source.size, source.seekable, source.disk_bytes) == (None, False, None)
        assert source.head(100_000) == data[:100_000]
        assert source.tail(100) == b""
        with pytest.raises(SourceError, match="is a pipe and can only be read from front to end"):
            source.read_at(0, 10)
        streams = [source.open(), source.open()]
        assert streams[0].read(2 << 20) == data[: 2 << 20]
        assert [stream.read() for stream in streams] == [data[2 << 20 :], data]
        assert source.disk_bytes == len(data)
        source.settle()
        assert (source.size, source.seekable, source.mappable) == (len(data), True, True)
        assert source.read_at(1 << 20, 10) == data[1 << 20 : (1 << 20) + 10]
        assert source.read_at(len(data) - 3, 10) == data[-3:]
        assert source.tail(7) == data[-7:]
        assert source.map().to_pybytes() == data


# --- no more than it takes -----------------------------------------------------------------------


def test_head_leaves_the_rest_in_the_pipe():
    endless = f"import os\nwhile True: os.write(1, b'a,b\\n' * {1 << 12})"
    with subprocess.Popen([sys.executable, "-c", endless], stdout=subprocess.PIPE) as writer:
        done = run("head", "-", "-n", 1, "-r", "header=false", "--json", stdin=writer.stdout)
        assert writer.stdout is not None
        writer.stdout.close()
        assert writer.wait(PATIENCE) != 0  # nobody reads any more
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1


def test_a_pipe_much_larger_than_the_budget(tmp_path):
    """Written row by row elsewhere, so that neither side ever has all of it."""
    rows, block = 4_000_000, 100_000
    writer = (
        "import sys\nsys.stdout.write('id,name,score\\n')\n"
        f"for n in range({rows // block}):\n"
        f"    sys.stdout.write('123456789,somebody or other,0.125\\n' * {block})\n"
    )
    target = tmp_path / "out.parquet"
    with subprocess.Popen([sys.executable, "-c", writer], stdout=subprocess.PIPE) as feeding:
        done = run("convert", "-", target, "--memory", "48MB", "--json", stdin=feeding.stdout)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["rows_out"] == rows
    assert told["bytes_in"] > 2 * (48 << 20)
    assert told["peak_memory"] <= 48 << 20


# --- waiting -------------------------------------------------------------------------------------


def test_a_writer_that_stalls_does_not_keep_a_run_from_ending(no_leaks):
    data = b"a,b\n" + b"1,x\n" * 100_000
    with piped(data, hold=True) as fd:
        ds = arrowsmith.open(f"/dev/fd/{fd}", sample_bytes=4096, range_bytes=4096)
        batches = ds.batches(100)
        assert next(batches).num_rows == 100
        ended = threading.Thread(target=batches.close, daemon=True)
        ended.start()
        ended.join(PATIENCE)
        assert not ended.is_alive()
        assert ds.head(1).num_rows == 1


@pytest.mark.parametrize("suffix", ["parquet", "npy"])
def test_a_limit_does_not_wait_for_a_writer_that_stalls(suffix, tmp_path):
    """NumPy's sink asks whether the run was cancelled when it completes the file."""
    target = tmp_path / f"out.{suffix}"
    with piped(b"a\n" + b"1\n" * 500_000, hold=True) as fd:
        done = run("convert", "-", target, "--limit", 3, "--from", "csv", stdin=fd)
    assert done.returncode == 0, done.stderr
    assert arrowsmith.open(target).to_table().num_rows == 3


def unread(fd: int) -> int:
    return struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0" * 4))[0]


@pytest.mark.parametrize(
    ("data", "place"),
    [(b"a,b\n1,2\n", "opening"), (b"a,b\n" + b"1,2\n" * (1 << 20), "running")],
)
def test_ctrl_c_while_the_writer_stalls(data, place, tmp_path):
    target = tmp_path / "out.parquet"
    reading, writing = os.pipe()
    command = [*PROGRAM, "convert", "-", str(target)]
    with subprocess.Popen(command, stdin=reading, stderr=subprocess.PIPE) as program:
        try:
            rest = memoryview(data)
            while len(rest):
                rest = rest[os.write(writing, rest) :]
            late = time.monotonic() + PATIENCE
            while unread(reading) and time.monotonic() < late:
                os.sched_yield()
            program.send_signal(signal.SIGINT)
            _, said = program.communicate(timeout=PATIENCE)
        finally:
            program.kill()
            os.close(reading)
            os.close(writing)
    assert (program.returncode, said) == (130, b"arrowsmith: interrupted\n")
    assert list(tmp_path.iterdir()) == []


# --- what is no input ----------------------------------------------------------------------------


def test_a_terminal_is_not_waited_for():
    master, slave = os.openpty()
    try:
        done = run("head", "-", stdin=slave)
    finally:
        os.close(master)
        os.close(slave)
    assert done.returncode == 1
    assert done.stderr.startswith("arrowsmith: error: -: standard input is a terminal; pipe")
    assert done.stderr.count("\n") == 1


def test_standard_input_that_is_empty_or_closed():
    assert "-: nothing came in" in run("head", "-").stderr
    assert "-: nothing came in" in run("count", "-", stdin=subprocess.DEVNULL).stderr
    program = f'"{sys.executable}" -m arrowsmith head - <&-'
    closed = subprocess.run(["sh", "-c", program], capture_output=True, text=True, check=False)
    assert "-: standard input is closed" in closed.stderr


def test_a_pipe_that_is_named_twice():
    done = run("head", "-", "-", data=b"a,b\n1,2\n")
    assert done.returncode == 2
    assert "named twice" in done.stderr
    assert "named twice" in run("head", "-", "/dev/stdin", data=b"a,b\n1,2\n").stderr
    with piped(b"a,b\n1,2\n") as fd, pytest.raises(OptionError, match="named twice"):
        arrowsmith.open([f"/dev/fd/{fd}", f"/proc/self/fd/{fd}"])


def test_a_compressed_pipe_that_is_cut_short(tmp_path):
    data = gzip.compress(b"a,b\n" + b"".join(b"%d,%d\n" % (n, n * n) for n in range(50_000)))
    done = run("convert", "-", tmp_path / "out.csv", data=data[:-100])
    assert done.returncode == 1
    assert "the gzip data ends too early" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_room_for_what_comes_through_a_pipe():
    data = io.BytesIO()
    pyarrow.csv.write_csv(pa.table({"a": range(500_000), "b": range(500_000)}), data)
    code = (
        "import tempfile, arrowsmith; tempfile.tempdir = '/nowhere/at/all'\n"
        "try: arrowsmith.open('-').to_table()\n"
        "except arrowsmith.errors.SourceError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=data.getvalue(), capture_output=True, check=False
    )
    assert b"cannot be kept in /nowhere/at/all" in done.stdout, done.stderr
    assert b"TMPDIR" in done.stdout


def test_bytes_that_could_not_be_kept_are_missed_later(tmp_path, monkeypatch):
    """Reading on when there is room again would leave out what came through in between."""
    reading, writing = os.pipe()
    pipe = Pipe(reading, "-")
    with open(writing, "wb", buffering=0) as writer:
        writer.write(b"a" * 60_000)
        block = memoryview(bytearray(60_000))
        assert pipe.read_into(0, block, lambda: None) == 60_000
        monkeypatch.setattr("arrowsmith.location.pipe._IN_MEMORY", 60_000)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
        for tempdir in (tmp_path / "missing", tmp_path):
            monkeypatch.setattr(tempfile, "tempdir", str(tempdir))
            writer.write(b"b" * 100)
            with pytest.raises(SourceError, match="cannot be kept"):
                pipe.read_into(60_000, block, lambda: None)


def test_other_files_that_are_no_files(tmp_path):
    path = tmp_path / "socket"
    import socket

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        with pytest.raises(SourceError, match="is a socket, not a file"):
            arrowsmith.open(path)
    with pytest.raises(SourceError, match="is a character device, not a file"):
        arrowsmith.open("/dev/zero")
