"""Targets: complete under their names, or not there at all."""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pytest

from arrowsmith.errors import TargetError, TargetExists, UsageError
from arrowsmith.location import FileTarget, check_not_source, resolve, sweep
from arrowsmith.location.directory import DirectoryTarget


@pytest.fixture(params=["unnamed", "hidden"])
def way(request, monkeypatch):
    """Both ways of writing: with O_TMPFILE, and with a hidden file where there is none."""
    if request.param == "hidden":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    return request.param


def write(path, data, **options) -> None:
    with FileTarget(path, **options) as target:
        with target.open() as stream:
            stream.write(data)
        target.publish()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_and_be_interrupted(target: FileTarget) -> None:
    with target:
        target.open().write(b"new")
        raise KeyboardInterrupt


# --- atomicity -----------------------------------------------------------------------------------


def test_nothing_is_seen_before_it_is_published(tmp_path, way):
    path = tmp_path / "a.csv"
    before = psutil.Process().num_fds()
    with FileTarget(path) as target:
        stream = target.open()
        stream.write(b"x\n")
        assert not path.exists()
        assert len(names(tmp_path)) == (way == "hidden")
        target.publish()
        assert path.read_bytes() == b"x\n"
    assert names(tmp_path) == ["a.csv"]
    assert psutil.Process().num_fds() == before


@pytest.mark.parametrize("old", [None, b"old"])
@pytest.mark.parametrize("how", ["exception", "leaving", "abort"])
def test_what_is_not_published_is_gone(tmp_path, way, old, how):
    path = tmp_path / "a.csv.gz"
    if old:
        path.write_bytes(old)
    before = psutil.Process().num_fds()
    target = FileTarget(path, overwrite=True)
    if how == "exception":
        with pytest.raises(KeyboardInterrupt):
            write_and_be_interrupted(target)
    elif how == "leaving":
        with target, target.open() as stream:
            stream.write(b"new")
    else:
        target.open().write(b"new")
        target.abort()
        target.abort()
    assert names(tmp_path) == ([path.name] if old else [])
    assert not old or path.read_bytes() == old
    assert psutil.Process().num_fds() == before
    with pytest.raises(TargetError, match="nothing to publish"):
        target.publish()


def test_overwrite_replaces_and_keeps_the_permission_bits(tmp_path, way):
    path = tmp_path / "a.csv"
    path.write_bytes(b"old")
    path.chmod(0o640)
    with FileTarget(path, overwrite=True) as target:
        target.open().write(b"new")
        modes = [stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()]
        assert path.read_bytes() == b"old"
        target.publish()
    assert path.read_bytes() == b"new"
    assert {*modes, stat.S_IMODE(path.stat().st_mode)} == {0o640}
    assert names(tmp_path) == ["a.csv"]
    write(tmp_path / "b.csv", b"", overwrite=True)
    assert names(tmp_path) == ["a.csv", "b.csv"]


def test_umask_holds_for_new_files(tmp_path, way):
    old = os.umask(0o027)
    try:
        write(tmp_path / "a.csv", b"x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a.csv").stat().st_mode) == 0o640


def test_an_existing_file_needs_overwrite(tmp_path, way):
    path = tmp_path / "a.csv"
    path.write_bytes(b"old")
    with pytest.raises(TargetExists, match=r"a\.csv: exists already; --overwrite") as caught:
        FileTarget(path)
    assert isinstance(caught.value, UsageError)
    assert caught.value.exit_code == 2


def test_of_two_writers_without_overwrite_one_wins(tmp_path, way):
    path = tmp_path / "a.csv"
    ready = threading.Barrier(4)
    results: list[object] = []

    def run(number: int) -> None:
        with FileTarget(path) as target:
            target.open().write(b"%d" % number)
            ready.wait()
            try:
                target.publish()
                results.append(number)
            except TargetExists as error:
                results.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = (result for result in results if isinstance(result, int))
    assert len(results) == 4
    assert path.read_bytes() == b"%d" % winner
    assert names(tmp_path) == ["a.csv"]


def test_with_overwrite_the_last_writer_wins(tmp_path, way):
    path = tmp_path / "a.csv"
    with FileTarget(path, overwrite=True) as one, FileTarget(path, overwrite=True) as two:
        one.open().write(b"one")
        two.open().write(b"two")
        two.publish()
        one.publish()
    assert path.read_bytes() == b"one"
    assert names(tmp_path) == ["a.csv"]


def test_without_hard_links_a_hidden_file_is_renamed(tmp_path, monkeypatch):
    def no_links(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    monkeypatch.setattr(os, "link", no_links)
    write(tmp_path / "a.csv", b"x")
    assert names(tmp_path) == ["a.csv"]
    with FileTarget(tmp_path / "b.csv") as target:
        target.open().write(b"mine")
        (tmp_path / "b.csv").write_bytes(b"other")
        with pytest.raises(TargetExists):
            target.publish()
    assert (tmp_path / "b.csv").read_bytes() == b"other"
    assert names(tmp_path) == ["a.csv", "b.csv"]


def test_symbolic_links_are_written_through(tmp_path, way):
    (tmp_path / "there").mkdir()
    (tmp_path / "there/real.csv").write_bytes(b"old")
    (tmp_path / "link.csv").symlink_to("there/real.csv")
    (tmp_path / "new.csv").symlink_to("there/made.csv")
    with pytest.raises(TargetExists):
        FileTarget(tmp_path / "link.csv")
    write(tmp_path / "link.csv", b"new", overwrite=True)
    write(tmp_path / "new.csv", b"made")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "there/real.csv").read_bytes() == b"new"
    assert (tmp_path / "there/made.csv").read_bytes() == b"made"
    assert names(tmp_path / "there") == ["made.csv", "real.csv"]


def test_relative_home_and_url_targets(tmp_path, monkeypatch, way):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    target = FileTarget("a.csv")
    assert (target.path, target.name) == ("a.csv", "a.csv")
    write("a.csv", b"1")
    write("~/b.csv", b"2")
    write(f"file://{tmp_path}/c%20d.csv", b"3")
    write("x" * 250, b"4")
    assert names(tmp_path) == ["a.csv", "b.csv", "c d.csv", "x" * 250]


# --- kills and full disks ------------------------------------------------------------------------

CHILD = """
import os, sys
if sys.argv[2] == "hidden" and hasattr(os, "O_TMPFILE"):
    del os.O_TMPFILE
from arrowsmith.location import FileTarget
with FileTarget(sys.argv[1], overwrite=True) as target:
    stream = target.open()
    if sys.argv[3] == "publish":
        os.replace = lambda *a, **k: (print("ready", flush=True), sys.stdin.read())
    stream.write(b"new" * 100_000)
    if sys.argv[3] == "write":
        print("ready", flush=True)
        sys.stdin.read()
    target.publish()
"""


@pytest.mark.parametrize("moment", ["write", "publish"])
def test_a_killed_writer_leaves_the_old_file_and_the_next_sweeps(tmp_path, way, moment):
    path = tmp_path / "a.csv"
    path.write_bytes(b"old")
    command = [sys.executable, "-c", CHILD, str(path), way, moment]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"ready\n"
        litter = [name for name in names(tmp_path) if name != "a.csv"]
        assert len(litter) == (way == "hidden" or moment == "publish")
        assert sweep(tmp_path) == []  # its writer lives
        child.send_signal(signal.SIGKILL)
    assert path.read_bytes() == b"old"
    assert [name for name in names(tmp_path) if name != "a.csv"] == litter
    write(tmp_path / "b.csv", b"next run")
    assert names(tmp_path) == ["a.csv", "b.csv"]


def test_sweep_takes_nothing_else(tmp_path):
    (tmp_path / "a.arrowsmith-tmp").touch()
    (tmp_path / ".a.tmp").touch()
    (tmp_path / ".folder.arrowsmith-tmp").mkdir()
    (tmp_path / ".link.arrowsmith-tmp").symlink_to("a.arrowsmith-tmp")
    os.mkfifo(tmp_path / ".pipe.arrowsmith-tmp")
    before = names(tmp_path)
    (tmp_path / ".a.csv.0123abcd.arrowsmith-tmp").touch()
    assert sweep(tmp_path) == [".a.csv.0123abcd.arrowsmith-tmp"]
    assert names(tmp_path) == before
    assert sweep(tmp_path / "nowhere") == []


LIMITED = """
import os, resource, sys
if sys.argv[2] == "hidden" and hasattr(os, "O_TMPFILE"):
    del os.O_TMPFILE
from arrowsmith.errors import TargetError
from arrowsmith.location import FileTarget
import pyarrow
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
with FileTarget(sys.argv[1], overwrite=True) as target:
    stream = target.open()
    try:
        for _ in range(100):
            stream.write(os.urandom(10_000))
        stream.close()
        print("no error")
    except TargetError as error:
        print(error)
    try:
        stream.close()
        target.publish()
        print("published")
    except TargetError as error:
        print(error)
"""


@pytest.mark.parametrize("name", ["a.csv", "a.gz", "a.bz2", "a.xz", "a.zst", "a.lz4"])
def test_a_full_disk_is_one_line_and_leaves_the_old_file(tmp_path, way, name):
    path = tmp_path / name
    path.write_bytes(b"old")
    command = [sys.executable, "-c", LIMITED, str(path), way]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert first.startswith(f"{path}: no space left: the file would be larger than the system")
    assert "not written completely" in second
    assert done.stderr == ""
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == [name]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".xz", ".zst", ".lz4"])
def test_no_space_left(tmp_path, suffix):
    (tmp_path / f"full{suffix}").symlink_to("/dev/full")
    with FileTarget(tmp_path / f"full{suffix}") as target:
        stream = target.open()
        with pytest.raises(TargetError, match=r"full.*: no space left on the disk; make room"):
            write_and_close(stream, os.urandom(10_000))
        with pytest.raises((TargetError, ValueError)):
            stream.write(b"more")
        with pytest.raises(TargetError, match="not written completely"):
            target.publish()


def write_and_close(stream, data: bytes) -> None:
    stream.write(data)
    stream.close()


def test_a_file_that_was_not_written_is_not_published(tmp_path):
    with pytest.raises(TargetError, match="nothing to publish"), FileTarget(tmp_path / "a") as t:
        t.publish()
    with FileTarget(tmp_path / "a") as target:
        target.open()
        with pytest.raises(ValueError, match="opened once"):
            target.open()
        target.publish()
    assert (tmp_path / "a").read_bytes() == b""


# --- streams -------------------------------------------------------------------------------------


def arrow_decompress(data: bytes, codec: str) -> bytes:
    with pa.CompressedInputStream(pa.BufferReader(data), codec) as stream:
        return stream.read()


DECOMPRESS = {
    "": bytes,
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
    ".zst": lambda data: arrow_decompress(data, "zstd"),
    ".lz4": lambda data: arrow_decompress(data, "lz4"),
}


@pytest.mark.parametrize("suffix", list(DECOMPRESS))
def test_any_buffer_is_written_compressed_as_the_suffix_says(tmp_path, way, suffix):
    numbers = np.arange(12, dtype=np.int64).reshape(3, 4)
    big = os.urandom(1_200_001)
    pieces = [
        b"bytes",
        bytearray(b"array"),
        memoryview(b"view")[1:],
        pa.py_buffer(b"arrow"),
        numbers,
        b"",
        pa.py_buffer(b""),
        numbers[:0],
        big,
    ]
    for name in ("a.csv", "b.csv"):
        with FileTarget(tmp_path / (name + suffix)) as target:
            stream = target.open()
            sizes = [stream.write(piece) for piece in pieces]
            stream.flush()
            assert sizes == [5, 5, 3, 5, 96, 0, 0, 0, len(big)]
            assert stream.tell() == sum(sizes)
            assert (stream.writable(), stream.readable(), stream.seekable()) == (True, False, False)
            target.publish()
    packed = (tmp_path / ("a.csv" + suffix)).read_bytes()
    assert DECOMPRESS[suffix](packed) == b"bytesarrayiewarrow" + numbers.tobytes() + big
    assert packed == (tmp_path / ("b.csv" + suffix)).read_bytes()


@pytest.mark.parametrize("suffix", list(DECOMPRESS))
def test_what_is_written_can_be_read(tmp_path, suffix):
    data = b"id\n" + b"1\n" * 500_000
    write(tmp_path / ("a.csv" + suffix), data)
    (source,) = resolve(tmp_path / ("a.csv" + suffix))
    with source, source.open() as stream:
        assert stream.read() == data
    write(tmp_path / ("b.csv" + suffix), b"")
    (source,) = resolve(tmp_path / ("b.csv" + suffix))
    with source, source.open() as stream:
        assert stream.read() == b""


def test_gzip_names_neither_time_nor_file(tmp_path):
    write(tmp_path / "a.csv.gz", b"x")
    header = (tmp_path / "a.csv.gz").read_bytes()[:9]
    assert header[:8] == b"\x1f\x8b\x08\0\0\0\0\0"


def test_pyarrow_writes_through_a_target(tmp_path, way):
    table = pa.table({"x": pa.array(np.arange(1000))})
    with FileTarget(tmp_path / "a.arrow") as target:
        with target.open() as stream, pa.ipc.new_file(stream, table.schema) as writer:
            writer.write_table(table)
        target.publish()
    with pa.memory_map(str(tmp_path / "a.arrow")) as file:
        assert pa.ipc.open_file(file).read_all().equals(table)


def test_fileno_is_for_uncompressed_targets(tmp_path):
    with FileTarget(tmp_path / "a.csv") as target:
        assert os.fstat(target.open().fileno()).st_size == 0
    with FileTarget(tmp_path / "a.csv.gz") as target:
        stream = target.open()
        with pytest.raises(OSError, match="fileno"):
            stream.fileno()


# --- pipes and devices ---------------------------------------------------------------------------


def test_null_device(tmp_path):
    before = Path("/dev/null").stat()
    write("/dev/null", b"x" * 100_000)
    write("/dev/null", b"x", overwrite=True)
    assert os.path.samestat(before, Path("/dev/null").stat())


def test_named_pipes_are_written_directly(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(path.read_bytes()))
    reader.start()
    write(path, b"x" * 200_000)
    reader.join()
    assert received == [b"x" * 200_000]
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_a_pipe_whose_reader_is_gone(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with FileTarget(path) as target:
        stream = target.open()
        os.close(reader)
        with pytest.raises(TargetError, match="the reader of the pipe is gone"):
            stream.write(b"x")


# --- what cannot be a target ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no/a.csv", "a.csv: its folder does not exist"),
        ("file/a.csv", "a.csv: its folder is not a directory"),
        ("folder", "folder: is a directory; name a file in it"),
        ("folder/", "folder/: is a directory; name a file in it"),
        ("", "is not the name of a file"),
        ("a\0b", "is not the name of a file"),
        ("x" * 300, "cannot be written (File name too long)"),
        ("-", "cannot be standard input or output here"),
        ("s3://bucket/a.csv", "cannot be a remote location (s3://) here"),
    ],
)
def test_what_cannot_be_written_is_one_line(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(TargetError) as caught:
        FileTarget(name, overwrite=True)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == ["file", "folder"]


def test_a_directory_that_comes_in_between(tmp_path, way):
    with FileTarget(tmp_path / "a", overwrite=True) as target:
        target.open().write(b"x")
        (tmp_path / "a").mkdir()
        with pytest.raises(TargetError, match="is a directory"):
            target.publish()
    assert names(tmp_path) == ["a"]


@pytest.fixture
def plain_user():
    """A folder, while the process has no rights beyond those of its user."""
    folder = Path(tempfile.mkdtemp())
    root = os.geteuid() == 0
    if root:
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o700)
        shutil.rmtree(folder)


def test_permission_denied(plain_user):
    (plain_user / "a.csv").touch(0o444)
    with pytest.raises(TargetError, match=r"a\.csv: is read-only; make it writable"):
        FileTarget(plain_user / "a.csv", overwrite=True)
    plain_user.chmod(0o500)
    with pytest.raises(TargetError, match=r"b\.csv: permission denied: nothing can be written in"):
        FileTarget(plain_user / "b.csv")
    with pytest.raises(TargetError, match=r"new: permission denied: nothing can be written in"):
        DirectoryTarget(plain_user / "new")
    plain_user.chmod(0o700)
    (plain_user / "old").mkdir(0o500)
    with pytest.raises(TargetError, match=r"old: permission denied: nothing can be written in"):
        DirectoryTarget(plain_user / "old", append=True)


def test_a_target_is_no_source(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"x\n")
    (tmp_path / "b.csv").write_bytes(b"x\n")
    (tmp_path / "soft.csv").symlink_to("a.csv")
    (tmp_path / "hard.csv").hardlink_to(tmp_path / "a.csv")
    sources = resolve([tmp_path / "b.csv", tmp_path / "a.csv"])
    for name in ("a.csv", "soft.csv", "hard.csv"):
        for target in (tmp_path / name, FileTarget(tmp_path / name, overwrite=True)):
            with pytest.raises(TargetError, match=rf"{name}: is also a source \(.*a\.csv\)"):
                check_not_source(target, sources)
    check_not_source(tmp_path / "new.csv", sources)
    check_not_source(tmp_path / "a.csv", sources[:1])
