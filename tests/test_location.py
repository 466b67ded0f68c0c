"""Sources: from names to files, and from files to decompressed bytes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickle
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.csv
import pytest
import xxhash

from arrowsmith.errors import (
    ArrowsmithError,
    CorruptCompression,
    OptionError,
    RatioExceeded,
    SourceChanged,
    SourceEmpty,
    SourceError,
    SourceNotFound,
)
from arrowsmith.location import FileSource, format_suffix, resolve

# --- compressed files, made without arrowsmith ---------------------------------------------------


def arrow_compress(data: bytes, codec: str) -> bytes:
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, codec) as stream:
        stream.write(data)
    return out.getvalue().to_pybytes()


def zstd_with_checksum(data: bytes) -> bytes:
    """A frame of one raw block by RFC 8878, since pyarrow writes no checksums."""
    head = b"\x28\xb5\x2f\xfd" + bytes([0b10100100]) + len(data).to_bytes(4, "little")
    block = (1 | len(data) << 3).to_bytes(3, "little") + data
    return head + block + (xxhash.xxh64_intdigest(data) & 0xFFFFFFFF).to_bytes(4, "little")


def lz4_with_checksum(data: bytes) -> bytes:
    """A frame of one stored block by lz4_Frame_format.md, its content checked."""
    descriptor = bytes([0b01100100, 0x40])
    check = xxhash.xxh32_intdigest(descriptor) >> 8 & 0xFF
    block = (len(data) | 1 << 31).to_bytes(4, "little") + data + bytes(4)
    tail = xxhash.xxh32_intdigest(data).to_bytes(4, "little")
    return b"\x04\x22\x4d\x18" + descriptor + bytes([check]) + block + tail


COMPRESS = {
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda data: arrow_compress(data, "zstd"),
    "lz4": lambda data: arrow_compress(data, "lz4"),
}
CHECKED = COMPRESS | {"zstd": zstd_with_checksum, "lz4": lz4_with_checksum}
SUFFIX = {"gzip": ".gz", "bz2": ".bz2", "xz": ".xz", "zstd": ".zst", "lz4": ".lz4"}
ALL = pytest.mark.parametrize("kind", list(COMPRESS))


def payload(size: int, seed: int = 1) -> bytes:
    """Half noise, half text that compresses."""
    return random.Random(seed).randbytes(size // 2) + b"id,name\n1,anna\n" * (size // 30)


def put(folder: Path, name: str, data: bytes) -> FileSource:
    (folder / name).write_bytes(data)
    return FileSource(folder / name)


def contents(source: FileSource) -> bytes:
    with source, source.open() as stream:
        return stream.read()


def drain(stream) -> int:
    """Read to the end, a block at a time; the number of bytes."""
    return sum(iter(lambda: len(stream.read(1 << 20)), 0))


@ALL
@pytest.mark.parametrize("size", [0, 1, 5000, 3_000_000])
def test_compressed_file_reads_as_what_was_compressed(tmp_path, kind, size):
    data = payload(size)
    source = put(tmp_path, "a.csv" + SUFFIX[kind], COMPRESS[kind](data))
    assert contents(source) == data
    assert (source.compression, source.name, source.seekable) == (kind, "a.csv", False)
    assert source.size is None
    assert source.disk_bytes == Path(source.path).stat().st_size
    assert source.head(100) == data[:100]
    assert source.head(100_000) == data[:100_000]
    assert source.tail(100) == b""


@ALL
def test_members_follow_one_another(tmp_path, kind):
    parts = [payload(70_000), b"", b"x", payload(300_000, seed=2), b""]
    packed = b"".join(COMPRESS[kind](part) for part in parts)
    assert contents(put(tmp_path, "a", packed)) == b"".join(parts)


def test_thousands_of_tiny_members(tmp_path):
    packed = b"".join(gzip.compress(b"%d\n" % n, mtime=0) for n in range(5000))
    assert contents(put(tmp_path, "a", packed)) == b"".join(b"%d\n" % n for n in range(5000))


@pytest.mark.parametrize("kind", ["gzip", "xz"])
@pytest.mark.parametrize("padding", [4, 512, 200_000])
def test_zero_padding_is_not_damage(tmp_path, kind, padding):
    member = COMPRESS[kind](b"abc")
    packed = member + bytes(padding) + member + bytes(padding)
    assert contents(put(tmp_path, "a", packed)) == b"abcabc"


@pytest.mark.parametrize("kind", ["zstd", "lz4"])
def test_skippable_frames(tmp_path, kind):
    skipped = b"\x53\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"
    frame = COMPRESS[kind](b"abc")
    for number, packed in enumerate(
        [skipped * 3 + frame, frame + skipped + frame, frame + skipped]
    ):
        source = put(tmp_path, f"{number}", packed)
        assert contents(source) == b"abc" * packed.count(frame)
        assert source.compression == kind
    only = put(tmp_path, "only" + SUFFIX[kind], skipped)
    assert contents(only) == b""
    assert only.compression == kind
    with pytest.raises(CorruptCompression, match="ends too early"):
        contents(put(tmp_path, "cut", frame + skipped[:-2]))


@ALL
@pytest.mark.parametrize("members", [1, 2])
def test_a_cut_file_is_an_error_at_its_end(tmp_path, kind, members):
    first, second = payload(40_000), payload(3_000, seed=2)
    packed = COMPRESS[kind](first)
    bounds = {0, len(packed)}
    if members == 2:
        packed += COMPRESS[kind](second)
    rng = random.Random(7)
    cuts = {*range(1, 24), *(len(packed) - n for n in range(1, 16))}
    cuts |= {rng.randrange(1, len(packed)) for _ in range(40)}
    cuts |= {bound + n for bound in bounds for n in (-2, -1, 1, 2, 3, 4, 8)}
    for cut in sorted(cuts - bounds):
        if not 0 < cut < len(packed):
            continue
        source = put(tmp_path, "a.csv" + SUFFIX[kind], packed[:cut])
        with pytest.raises(CorruptCompression) as caught:
            contents(source)
        assert caught.value.path == source.path
        assert caught.value.place == f"byte {cut}"
        assert "ends too early" in str(caught.value)


@ALL
def test_a_flipped_bit_is_an_error_or_changes_nothing(tmp_path, kind):
    data = [payload(2_000), payload(700, seed=2)]
    packed = b"".join(CHECKED[kind](part) for part in data)
    assert contents(put(tmp_path, "whole", packed)) == b"".join(data)
    rng = random.Random(3)
    bits = {*range(8 * 24), *(rng.randrange(8 * len(packed)) for _ in range(400))}
    harmless = 0
    places = set()
    for bit in sorted(bits):
        damaged = bytearray(packed)
        damaged[bit // 8] ^= 1 << bit % 8
        source = put(tmp_path, "a", bytes(damaged))
        if source.compression != kind:
            assert bit < 80, "only the magic bytes, and bzip2's level among them, are not damage"
            continue
        try:
            found = contents(source)
        except SourceError as error:  # or of a window too large
            places.add(error.place.rpartition(" ")[0])
        else:
            assert found == b"".join(data)
            harmless += 1
    assert places <= {"byte", "near byte"}
    assert harmless < len(bits) / 4


@ALL
def test_the_place_of_damage_is_near_it(tmp_path, kind):
    packed = bytearray(CHECKED[kind](random.Random(5).randbytes(60_000)) * 20)
    middle = len(packed) // 2
    packed[middle : middle + 2000] = b"\xff" * 2000
    with pytest.raises(CorruptCompression) as caught:
        contents(put(tmp_path, "a", bytes(packed)))
    # A block is checked at its end: bzip2's has up to 900 kB, here a member has 60 kB.
    assert abs(int(caught.value.place.split()[-1]) - middle) < 200_000


@ALL
def test_bytes_behind_the_last_member_are_damage(tmp_path, kind):
    with pytest.raises(CorruptCompression):
        contents(put(tmp_path, "a", COMPRESS[kind](b"abc") + b"garbage, and more of it" * 3))


def test_damage_stays_an_error_when_reading_on(tmp_path):
    stream = put(tmp_path, "a", gzip.compress(payload(100_000))[:-1000]).open()
    for _ in range(3):
        with pytest.raises(CorruptCompression):
            drain(stream)
    stream.close()


@ALL
def test_the_decompression_ratio_is_limited(tmp_path, kind):
    bomb = COMPRESS[kind](bytes(80 << 20))
    (tmp_path / "a").write_bytes(bomb)
    (source,) = resolve(tmp_path / "a", max_ratio=20)
    with source.open() as stream, pytest.raises(RatioExceeded, match="max_ratio") as caught:
        drain(stream)
    assert caught.value.path == source.path
    (source,) = resolve(tmp_path / "a", max_ratio=1e9)
    with source.open() as stream:
        assert drain(stream) == 80 << 20


def test_small_files_may_have_any_ratio(tmp_path):
    (tmp_path / "a").write_bytes(gzip.compress(bytes(1 << 20)))
    (source,) = resolve(tmp_path / "a", max_ratio=2)
    assert contents(source) == bytes(1 << 20)


def test_content_decides_not_the_name(tmp_path):
    plain = put(tmp_path, "a.csv.gz", b"x\n1\n")
    assert (plain.compression, plain.seekable, plain.name) == (None, True, "a.csv")
    assert contents(plain) == b"x\n1\n"
    packed = put(tmp_path, "b.csv", gzip.compress(b"x\n1\n"))
    assert (packed.compression, contents(packed)) == ("gzip", b"x\n1\n")


def test_a_header_that_asks_for_a_huge_window_is_refused(tmp_path):
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 512 << 20}]
    window = bytes([21 << 3])  # 2 GiB, by RFC 8878
    packed = {
        "xz": lzma.compress(b"abc", filters=filters),
        "zstd": b"\x28\xb5\x2f\xfd\x00" + window + (1 | 3 << 3).to_bytes(3, "little") + b"abc",
    }
    for name, data in packed.items():
        with pytest.raises(SourceError, match="needs more than 128 MiB") as caught:
            contents(put(tmp_path, name, data))
        assert type(caught.value) is SourceError


@ALL
def test_streams_work_with_io_and_pyarrow(tmp_path, kind):
    text = b"id,name\n" + b"".join(b"%d,n%d\n" % (n, n) for n in range(20_000))
    source = put(tmp_path, "a", COMPRESS[kind](text))
    with source.open() as stream:
        assert pyarrow.csv.read_csv(stream).num_rows == 20_000
    with source.open() as stream:
        lines = io.TextIOWrapper(stream)
        assert (next(lines), sum(1 for _ in lines)) == ("id,name\n", 20_000)
    with source.open() as stream:
        block = bytearray(10_000)
        assert stream.readinto(memoryview(block)[:7]) == 7
        assert stream.tell() == 7
        assert stream.readinto(block) == 10_000
        assert block == text[7:10_007]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.csv", (".csv", None)),
        ("a.csv.gz", (".csv", "gzip")),
        ("x.y/B.JSONL.ZST", (".jsonl", "zstd")),
        ("a.tsv.bz2", (".tsv", "bz2")),
        ("a.arrow.xz", (".arrow", "xz")),
        ("a.b.lz4", (".b", "lz4")),
        ("a.gz", ("", "gzip")),
        ("x.csv/a", ("", None)),
        (Path("a.parquet"), (".parquet", None)),
    ],
)
def test_format_suffix(path, expected):
    assert format_suffix(path) == expected


# --- plain files ---------------------------------------------------------------------------------


def test_reading_at_offsets(tmp_path):
    data = payload(300_000)
    with put(tmp_path, "a", data) as source:
        assert (source.size, source.disk_bytes, source.seekable) == (len(data), len(data), True)
        assert source.head(10) == data[:10]
        assert source.tail(10) == data[-10:]
        assert source.tail(1 << 40) == source.head(1 << 40) == data
        assert source.read_at(17, 1000) == data[17:1017]
        assert source.read_at(len(data) - 5, 1 << 50) == data[-5:]
        assert source.read_at(len(data) + 5, 10) == b""
        block = bytearray(1000)
        assert source.read_into(200, block) == 1000
        assert block == data[200:1200]
        assert source.read_into(len(data) - 3, memoryview(block)[10:20]) == 3
        assert block[10:13] == data[-3:]
        assert source.read_into(0, bytearray()) == 0


def test_streams_have_positions_of_their_own(tmp_path):
    data = payload(600_000)
    with put(tmp_path, "a", data) as source, source.open() as one, source.open() as two:
        assert one.read(10) == two.read(10) == data[:10]
        assert one.seek(-5, io.SEEK_END) == len(data) - 5
        assert one.read() == data[-5:]
        assert two.read() == data[10:]
        assert one.seek(3) == 3
        assert one.read(2) == data[3:5]


def test_map_lies_over_the_file_and_outlives_the_source(tmp_path):
    data = payload(100_000)
    with put(tmp_path, "a", data) as source:
        before = pa.total_allocated_bytes()
        buffer = source.map()
        assert pa.total_allocated_bytes() == before
    assert not buffer.is_mutable
    tail = buffer.slice(99_000)
    del buffer
    assert tail.to_pybytes() == data[99_000:]
    with put(tmp_path, "empty", b"") as source:
        assert source.map().size == 0


def test_compressed_files_have_no_offsets(tmp_path):
    source = put(tmp_path, "a", gzip.compress(b"abc"))
    for call in (
        lambda: source.map(),
        lambda: source.read_at(0, 1),
        lambda: source.read_into(0, bytearray(1)),
    ):
        with pytest.raises(SourceError, match=r"compressed \(gzip\)"):
            call()


def test_empty_file_is_a_source_of_no_bytes(tmp_path):
    for name in ("a.csv", "a.csv.gz"):
        source = put(tmp_path, name, b"")
        assert (source.size, source.compression, source.head(10)) == (0, None, b"")
        assert contents(source) == b""


def test_threads_share_a_source(tmp_path):
    data = payload(1_000_000)
    source = put(tmp_path, "a", data)
    wrong = []

    def read(start: int) -> None:
        for offset in range(start, len(data), 40_000):
            if source.read_at(offset, 10_000) != data[offset : offset + 10_000]:
                wrong.append(offset)

    threads = [threading.Thread(target=read, args=(10_000 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    source.close()
    assert wrong == []


def test_sources_survive_pickling(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, data in (("a", b"abc"), ("b", gzip.compress(b"abc"))):
        Path(name).write_bytes(data)
        source = FileSource(name)
        assert source.head(1) == b"a"
        copy = pickle.loads(pickle.dumps(source))
        assert (copy.path, copy.compression) == (source.path, source.compression)
        assert contents(copy) == contents(source) == b"abc"
    copy = pickle.dumps(FileSource("a"))
    Path("a").write_bytes(b"abcd")
    with pytest.raises(SourceChanged):
        pickle.loads(copy).read_at(0, 3)


@pytest.mark.parametrize("how", ["longer", "touched", "replaced", "removed"])
def test_a_changed_file_is_noticed(tmp_path, how):
    path = tmp_path / "a.csv"
    source = put(tmp_path, "a.csv", b"x\n1\n")
    assert source.read_at(0, 1) == b"x"
    source.check_unchanged()
    status = path.stat()
    if how == "longer":
        path.write_bytes(b"x\n1\n2\n")
    elif how == "touched":
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))
    elif how == "replaced":
        (tmp_path / "b").write_bytes(b"x\n7\n")
        os.utime(tmp_path / "b", ns=(status.st_atime_ns, status.st_mtime_ns))
        (tmp_path / "b").rename(path)
    else:
        path.unlink()
    with pytest.raises(SourceChanged) as caught:
        source.check_unchanged()
    assert caught.value.path == str(path)
    assert "\n" not in str(caught.value)
    source.close()
    with pytest.raises(SourceError):
        source.read_at(0, 1)


def test_no_descriptor_is_kept_by_unread_sources(tmp_path):
    for number in range(50):
        (tmp_path / f"{number}.csv.gz").write_bytes(gzip.compress(b"abc"))
    before = psutil.Process().num_fds()
    sources = resolve(tmp_path)
    assert (len(sources), psutil.Process().num_fds()) == (50, before)


# --- names ---------------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A folder of files, as the working directory."""
    for name in (
        "b.csv",
        "a.csv",
        "a/z.csv",
        "a/B.csv",
        "a/deep/er/q.csv",
        "a/.hidden.csv",
        "a/_SUCCESS",
        "a/.git/x.csv",
        "a/_temporary/x.csv",
        "é.csv",
        "a[1].csv",
        "a1.csv",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def paths(what, **options) -> list[str]:
    return [source.path for source in resolve(what, **options)]


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("a.csv", ["a.csv"]),
        (Path("a.csv"), ["a.csv"]),
        ("*.csv", ["a.csv", "a1.csv", "a[1].csv", "b.csv", "é.csv"]),
        ("[ab].csv", ["a.csv", "b.csv"]),
        ("?.csv", ["a.csv", "b.csv", "é.csv"]),
        ("[!a].csv", ["b.csv", "é.csv"]),
        ("a[1].csv", ["a[1].csv"]),
        ("a[[]1].csv", ["a[1].csv"]),
        ("a", ["a/B.csv", "a/deep/er/q.csv", "a/z.csv"]),
        ("a/**", ["a/B.csv", "a/deep/er/q.csv", "a/z.csv"]),
        ("a/**/*.csv", ["a/B.csv", "a/deep/er/q.csv", "a/z.csv"]),
        ("**/q.csv", ["a/deep/er/q.csv"]),
        ("a/*/er/../er/*", ["a/deep/er/../er/q.csv"]),
        ("a/.h*", ["a/.hidden.csv"]),
        ("./a.csv", ["./a.csv"]),
        (["b.csv", "a.csv", "a/[zB].csv"], ["b.csv", "a.csv", "a/B.csv", "a/z.csv"]),
    ],
)
def test_names_become_files(tree, what, expected):
    found = paths(what)
    if what == "a/**/*.csv":  # hidden folders are passed over, those that begin with _ are not
        assert found == ["a/B.csv", "a/_temporary/x.csv", "a/deep/er/q.csv", "a/z.csv"]
    else:
        assert found == expected


def test_order_is_that_of_the_bytes(tree):
    for what in ("*.csv", "."):
        found = paths(what)
        assert found == sorted(found, key=os.fsencode)


def test_home_and_urls(tree, monkeypatch):
    monkeypatch.setenv("HOME", str(tree))
    assert paths("~/a.csv") == [f"{tree}/a.csv"]
    (tree / "with space%.csv").write_bytes(b"")
    assert paths(f"file://{tree}/with%20space%25.csv") == [f"{tree}/with space%.csv"]
    assert paths(f"FILE://localhost{tree}/%C3%A9.csv") == [f"{tree}/é.csv"]
    assert paths(f"file://{tree}/[ab].csv") == [f"{tree}/a.csv", f"{tree}/b.csv"]


def test_links_that_lead_back(tree):
    (tree / "a/loop").symlink_to(tree)
    (tree / "a/deep/loop").symlink_to("..")
    (tree / "a/itself").symlink_to("itself")
    with pytest.raises(SourceError):  # a link to nothing would be data missed in silence
        resolve("a")
    (tree / "a/itself").unlink()
    names = [Path(path).name for path in paths("a")]
    assert len(names) == len(set(names)) == 8
    assert sorted(paths("a/**/q.csv")) == ["a/deep/er/q.csv"]


def test_linked_files_and_folders_are_read(tree):
    (tree / "links").mkdir()
    (tree / "links/one.csv").symlink_to(tree / "a.csv")
    (tree / "links/folder").symlink_to(tree / "a/deep")
    assert paths("links") == ["links/folder/er/q.csv", "links/one.csv"]
    (tree / "links/gone.csv").symlink_to("nowhere")
    for what in ("links", "links/*", "links/gone.csv"):
        with pytest.raises(SourceNotFound, match=r"links/gone.csv: .*\(nowhere\)|no such file"):
            resolve(what)


def test_names_that_are_not_utf8(tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff.csv"
    with open(path, "wb") as file:
        file.write(b"x\n")
    (source,) = resolve(tmp_path)
    assert os.fsencode(source.path) == path
    assert contents(source) == b"x\n"


@pytest.mark.parametrize(
    ("what", "kind", "message"),
    [
        ("a.cvs", SourceNotFound, "a.cvs: no such file or directory; did you mean a.csv"),
        ("a/zz.csv", SourceNotFound, "did you mean a/z.csv"),
        ("no/such.csv", SourceNotFound, "no/such.csv: no such file or directory; no is missing"),
        ("a.csv/x", SourceNotFound, "a.csv/x: no such file or directory"),
        ("*.txt", SourceNotFound, "*.txt: no file matches"),
        ("no/**/*.txt", SourceNotFound, "no/**/*.txt: no file matches"),
        ("", SourceNotFound, "the path is empty"),
        ("a\0b", SourceNotFound, "no such file or directory"),
        ("x" * 300, SourceError, "cannot be read (File name too long)"),
        ([], SourceNotFound, "no source is named"),
        (["a.csv", "nope"], SourceNotFound, "nope: no such file"),
        ("file://server/a.csv", SourceError, "another machine (server)"),
        ("empty", SourceEmpty, "empty: the directory has no files"),
        ("hidden", SourceEmpty, "begin with '.' or '_' are passed over"),
        ("empt*", SourceEmpty, "empty: the directory has no files"),
        ("p*pe", SourceError, "pipe: is a named pipe, not a file"),
        ("sock", SourceError, "sock: is a socket, not a file"),
        ("/dev/null", SourceError, "/dev/null: is a character device, not a file"),
        ("circle", SourceError, "circle: its symbolic links go round in a circle"),
    ],
)
def test_what_cannot_be_opened_is_one_line(tree, what, kind, message):
    (tree / "empty").mkdir()
    (tree / "hidden").mkdir()
    (tree / "hidden/_SUCCESS").touch()
    (tree / "circle").symlink_to("circle")
    os.mkfifo(tree / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("sock")
        with pytest.raises(ArrowsmithError) as caught:
            resolve(what)
    assert type(caught.value) is kind
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_directories_pass_over_what_is_no_file(tree):
    os.mkfifo(tree / "a/pipe")
    assert "a/pipe" not in paths("a")


def test_a_ratio_must_be_positive(tree):
    with pytest.raises(OptionError, match="max_ratio"):
        resolve("a.csv", max_ratio=0)


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
        for path in folder.rglob("*"):
            path.chmod(0o700)
        shutil.rmtree(folder)


def test_permission_denied(plain_user):
    secret = plain_user / "secret.csv"
    secret.write_bytes(b"x\n")
    secret.chmod(0)
    for what in (secret, plain_user, f"{plain_user}/*.csv"):
        with pytest.raises(SourceError, match=r"secret\.csv: permission denied"):
            resolve(what)
    secret.unlink()
    closed = plain_user / "closed"
    closed.mkdir(0)
    for what in (closed, plain_user, f"{plain_user}/**/*.csv", f"{plain_user}/*/*.csv"):
        with pytest.raises(SourceError, match="closed: permission denied"):
            resolve(what)


def test_importing_locations_loads_neither_pyarrow_nor_numpy():
    code = "import sys, arrowsmith.location; print({'pyarrow', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
