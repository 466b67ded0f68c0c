"""Fingerprints: those of the ``xxhash`` package, and the same in every process."""

from __future__ import annotations

import dataclasses
import enum
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

import arrowsmith
from arrowsmith.cache import Cache
from arrowsmith.errors import SourceChanged, SourceError, SourceNotFound
from arrowsmith.fingerprint import (
    FileState,
    NoIdentityError,
    file_fingerprint,
    value_fingerprint,
)

MB = 1 << 20
LONG_AGO = 1_600_000_000_000_000_000


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


def rested(path: Path) -> Path:
    """Modified long ago, and with a change time that is said to be as old."""
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    return path


@pytest.mark.parametrize("size", [0, 1, MB - 1, MB, MB + 1, 3 * MB + 17])
def test_of_a_file_is_that_of_its_bytes(tmp_path, size):
    path = tmp_path / "file"
    path.write_bytes(os.urandom(size))
    found, state = file_fingerprint(path)
    assert found == xxhash.xxh3_128_hexdigest(path.read_bytes())
    assert state == FileState.of(path.stat())


def test_what_cannot_be_read_is_told(tmp_path):
    with pytest.raises(SourceNotFound, match="no such file"):
        file_fingerprint(tmp_path / "nothing")
    with pytest.raises(SourceError, match="cannot be read"):
        file_fingerprint(tmp_path)


def test_a_file_that_changes_meanwhile_is_told(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 3 * MB)

    def change() -> None:
        with path.open("ab") as file:
            file.write(b"y")

    with pytest.raises(SourceChanged):
        file_fingerprint(path, check=change)


def test_the_check_ends_the_reading(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 3 * MB)
    seen = []

    def stop() -> None:
        seen.append(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        file_fingerprint(path, check=stop)
    assert len(seen) == 1


# --- of a dataset --------------------------------------------------------------------------------


def test_of_a_dataset_is_that_of_its_bytes_wherever_they_are(tmp_path, table):
    pq.write_table(table, tmp_path / "a.parquet")
    shutil.copy(tmp_path / "a.parquet", tmp_path / "b.parquet")
    one, other = (arrowsmith.open(tmp_path / name) for name in ("a.parquet", "b.parquet"))
    expected = xxhash.xxh3_128_hexdigest((tmp_path / "a.parquet").read_bytes())
    assert one.fingerprint() == other.fingerprint() == expected
    assert one.select("id").fingerprint() == expected


def test_of_compressed_files_is_that_of_the_bytes_as_stored(tmp_path):
    import gzip

    data = gzip.compress(b"a,b\n1,2\n")
    (tmp_path / "a.csv.gz").write_bytes(data)
    assert arrowsmith.open(tmp_path / "a.csv.gz").fingerprint() == xxhash.xxh3_128_hexdigest(data)


def test_of_several_files_depends_on_their_order(tmp_path):
    (tmp_path / "a.csv").write_text("x\n1\n")
    (tmp_path / "b.csv").write_text("x\n2\n")
    names = [str(tmp_path / "a.csv"), str(tmp_path / "b.csv")]
    found = [arrowsmith.open(what).fingerprint() for what in (names, names[::-1], names[:1])]
    assert len(set(found)) == 3


def test_a_dataset_whose_file_has_changed_has_none(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("x\n1\n")
    dataset = arrowsmith.open(path)
    path.write_text("x\n1\n2\n")
    with pytest.raises(SourceChanged):
        dataset.fingerprint()


# --- remembered ----------------------------------------------------------------------------------


class Reads:
    """Counts how often a file is read for its fingerprint."""

    def __init__(self, monkeypatch):
        self.count = 0
        monkeypatch.setattr("arrowsmith.cache.cache.file_fingerprint", self.read)
        # Changing a file is what the tests do; none of them waits until it is at rest.
        monkeypatch.setattr("arrowsmith.cache.cache._AT_REST", -1)
        monkeypatch.setattr("arrowsmith.cache.cache._QUICKLY_READ", 0)

    def read(self, *args, **kwargs):
        self.count += 1
        return file_fingerprint(*args, **kwargs)


def test_a_file_is_read_once_while_it_does_not_change(tmp_path, cache, monkeypatch):
    reads = Reads(monkeypatch)
    path = tmp_path / "a"
    path.write_bytes(b"one")
    assert cache.known_fingerprint(str(path)) is None
    first = cache.fingerprint(str(path))
    assert Cache(cache.folder).fingerprint(str(path)) == first == cache.known_fingerprint(str(path))
    assert reads.count == 1


def test_a_change_that_keeps_size_and_time_is_seen(tmp_path, cache, monkeypatch):
    reads = Reads(monkeypatch)
    path = tmp_path / "a"
    path.write_bytes(b"one")
    rested(path)
    first = cache.fingerprint(str(path))
    path.write_bytes(b"two")
    rested(path)
    second = cache.fingerprint(str(path))
    assert first != second == xxhash.xxh3_128_hexdigest(b"two")
    assert reads.count == 2


def test_another_file_of_that_name_is_read(tmp_path, cache, monkeypatch):
    Reads(monkeypatch)
    path = tmp_path / "a"
    path.write_bytes(b"one")
    cache.fingerprint(str(path))
    (tmp_path / "b").write_bytes(b"two")
    (tmp_path / "b").replace(path)
    assert cache.fingerprint(str(path)) == xxhash.xxh3_128_hexdigest(b"two")


def test_a_file_that_may_still_be_written_is_not_remembered(tmp_path, cache):
    path = tmp_path / "a"
    path.write_bytes(b"x" * 9 * MB)
    cache.fingerprint(str(path))
    assert cache.known_fingerprint(str(path)) is None


# --- of values -----------------------------------------------------------------------------------


class Kind(enum.Enum):
    A = 1


@dataclasses.dataclass
class Options:
    a: int = 1
    b: str | None = None


DIFFERENT = [
    None, True, False, 0, 1, 1.0, -0.0, "", "1", "None", b"", b"1", [], [1], ["1"], [[1]], [1, 2],
    {}, {"a": 1}, {"a": "1"}, {"a": 1, "b": 2}, set(), {1}, Kind.A, Options(), Options(2),
    Path("1"), 10**30, float("inf"), pa.int64(), pa.int32(), pa.timestamp("us", "UTC"),
    pa.schema([("a", pa.int64())]), pa.schema([("a", pa.int32())]),
]  # fmt: skip


def test_values_that_differ_have_fingerprints_that_differ():
    assert len({value_fingerprint(value) for value in DIFFERENT}) == len(DIFFERENT)


def test_the_same_in_another_process():
    code = (
        "from arrowsmith.fingerprint import value_fingerprint as f;"
        "print(f({'b': {'x', 'y', 'z'}, 'a': [1, 2.5, None]}))"
    )
    env = {**os.environ, "PYTHONHASHSEED": "7"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True)
    expected = value_fingerprint({"a": (1, 2.5, None), "b": frozenset("zyx")})
    assert done.stdout.decode().strip() == expected


@pytest.mark.parametrize("value", [len, lambda: 1, object(), [object()], {"a": print}])
def test_what_does_not_tell_what_it_is_has_none(value):
    with pytest.raises(NoIdentityError):
        value_fingerprint(value)


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.booleans()))
def test_the_order_of_keys_does_not_matter(value):
    assert value_fingerprint(value) == value_fingerprint(dict(reversed(value.items())))
