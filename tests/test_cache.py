"""The cache: what is found again and what is not, what is damaged, evicted and cleared."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

import arrowsmith
from arrowsmith.cache import Cache, cache_folder, cache_limit
from arrowsmith.cli.app import app
from arrowsmith.errors import OptionError, TargetError

ROWS = 1000


@pytest.fixture
def folder(tmp_path, monkeypatch):
    path = tmp_path / "cache"
    monkeypatch.setenv("ARROWSMITH_CACHE", str(path))
    return path


@pytest.fixture
def source(tmp_path, table, folder):
    path = tmp_path / "a.parquet"
    pq.write_table(table, path)
    return path


def mapped_path(what, **options) -> Path:
    with arrowsmith.open(what, **options).mapped() as mapped:
        return Path(mapped.path)


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.arrow"))


def state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


# --- found again, or not -------------------------------------------------------------------------


def test_the_second_time_nothing_is_decoded(source, folder):
    first = mapped_path(source)
    before = state(first)
    assert mapped_path(source) == first
    assert state(first) == before
    assert entries(folder) == [first.name]


def test_a_file_that_was_touched_is_found_again(source):
    first = mapped_path(source)
    before = state(first)
    os.utime(source, (1, 1))
    assert mapped_path(source) == first
    assert state(first) == before


def test_what_changed_is_decoded_anew(source, table):
    first = mapped_path(source)
    pq.write_table(table.slice(1), source)
    second = arrowsmith.open(source).mapped()
    assert Path(second.path) != first
    assert second.to_table().equals(table.slice(1))


def test_options_verbs_paths_and_policy_have_entries_of_their_own(tmp_path, folder):
    path = tmp_path / "a.csv"
    path.write_text("a;b,c\n1;2,3\n4;5,6\n")
    other = tmp_path / "b.csv"
    other.write_bytes(path.read_bytes())
    dataset = arrowsmith.open(path)
    column = dataset.schema.names[0]
    found = {
        mapped_path(path),
        mapped_path(path, delimiter=";"),
        mapped_path(path, on_error="skip"),
        mapped_path(path, file_path_column="file"),
        mapped_path(other),
        mapped_path([path, other]),
        mapped_path([other, path]),
    }
    for chain in (
        dataset.limit(1),
        dataset.limit(2),
        dataset.select(column),
        dataset.rename({column: "x"}),
        dataset.filter(f"`{column}` is not null"),
        dataset.rename({column: "x"}).limit(1),
    ):
        with chain.mapped() as mapped:
            found.add(Path(mapped.path))
    assert len(found) == 13
    assert len(entries(folder)) == 13


def test_memory_and_threads_make_no_other_entry(source, folder):
    config = arrowsmith.PipelineConfig(worker_threads=1, batch_rows=7)
    assert mapped_path(source, budget="32MB", config=config) == mapped_path(source)


def test_the_same_bytes_whatever_the_threads(source, folder):
    one = mapped_path(source).read_bytes()
    Cache().clear()
    config = arrowsmith.PipelineConfig(worker_threads=3, batch_rows=11)
    assert mapped_path(source, config=config).read_bytes() == one


# --- damage --------------------------------------------------------------------------------------


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def overwritten(path: Path) -> None:
    path.write_bytes(os.urandom(path.stat().st_size))


def longer(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"ARROW1")


def of_another_key(path: Path) -> None:
    pa.ipc.new_file(path, pa.schema([("x", pa.int64())])).close()


DAMAGE = [cut, emptied, overwritten, longer, of_another_key]


@pytest.mark.parametrize("index", ["kept", "lost"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_made_anew(source, table, folder, damage, index):
    path = mapped_path(source)
    damage(path)
    if index == "lost":
        for file in folder.glob("index*"):
            file.unlink()
    with arrowsmith.open(source).mapped() as mapped:
        assert mapped.to_table().equals(table)
        assert Path(mapped.path) == path


def test_an_entry_that_was_written_to_is_made_anew(source, table):
    """Its size is right, and so are its ends."""
    path = mapped_path(source)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with arrowsmith.open(source).mapped() as mapped:
        assert mapped.to_table().equals(table)


@pytest.mark.parametrize("damage", [cut, emptied, overwritten])
def test_a_damaged_index_is_begun_anew(source, folder, damage):
    path = mapped_path(source)
    before = state(path)
    damage(folder / "index.sqlite3")
    assert mapped_path(source) == path
    assert state(path) == before
    assert [entry.key for entry in Cache().entries()] == [path.stem]
    with sqlite3.connect(folder / "index.sqlite3") as db:
        assert db.execute("select key from entries").fetchall() == [(path.stem,)]


def test_an_index_of_another_version_is_begun_anew(source, folder):
    path = mapped_path(source)
    with sqlite3.connect(folder / "index.sqlite3") as db:
        db.execute("pragma user_version = 999")
        db.execute("drop table files")
    assert mapped_path(source) == path


def test_the_index_uses_a_write_ahead_log(source, folder):
    mapped_path(source)
    with sqlite3.connect(folder / "index.sqlite3") as db:
        assert db.execute("pragma journal_mode").fetchone() == ("wal",)


# --- its folder ----------------------------------------------------------------------------------


def test_its_folder_is_the_users_alone(source, folder):
    mapped_path(source)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_where_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("ARROWSMITH_CACHE", str(tmp_path / "c"))
    assert cache_folder() == tmp_path / "c"
    monkeypatch.delenv("ARROWSMITH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache_folder() == tmp_path / "x" / "arrowsmith"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "arrowsmith"


def test_how_large_it_may_be(monkeypatch, tmp_path):
    monkeypatch.setenv("ARROWSMITH_CACHE_SIZE", "20MB")
    assert cache_limit(tmp_path) == 20 << 20
    monkeypatch.delenv("ARROWSMITH_CACHE_SIZE")
    assert 0 < cache_limit(tmp_path) < os.statvfs(tmp_path).f_blocks * 4096
    monkeypatch.setenv("ARROWSMITH_CACHE_SIZE", "much")
    with pytest.raises(OptionError, match="ARROWSMITH_CACHE_SIZE"):
        cache_limit(tmp_path)


def test_a_folder_in_which_others_write_is_refused(source, folder):
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(TargetError, match=r"other users.*ARROWSMITH_CACHE"):
        arrowsmith.open(source).mapped()


def test_a_file_in_its_place_is_told(source, folder):
    folder.write_text("")
    with pytest.raises(TargetError, match=r"cache cannot be written.*ARROWSMITH_CACHE"):
        arrowsmith.open(source).mapped()


def test_a_failed_run_leaves_nothing(tmp_path, folder):
    path = tmp_path / "bad.csv"
    path.write_text("a,b\n1,2\n" * 1 + "3\n")
    with pytest.raises(arrowsmith.errors.DataError):
        arrowsmith.open(path).mapped()
    assert [one.name for one in folder.iterdir() if not one.name.startswith("index")] == []


# --- eviction ------------------------------------------------------------------------------------


@pytest.fixture
def sources(tmp_path, table, folder):
    paths = []
    for number in range(4):
        paths.append(tmp_path / f"{number}.parquet")
        pq.write_table(table.slice(number), paths[-1])
    return paths


def test_what_was_not_used_for_longest_goes_first(sources, folder, monkeypatch):
    names = [mapped_path(path).name for path in sources[:3]]
    size = (folder / names[0]).stat().st_size
    monkeypatch.setenv("ARROWSMITH_CACHE_SIZE", str(3 * size))
    mapped_path(sources[0])  # is now the one used last
    last = mapped_path(sources[3]).name
    assert entries(folder) == sorted([names[0], names[2], last])


def test_what_is_in_use_stays(sources, table, folder, monkeypatch):
    monkeypatch.setenv("ARROWSMITH_CACHE_SIZE", "1")
    with arrowsmith.open(sources[0]).mapped() as mapped:
        mapped_path(sources[1])
        last = mapped_path(sources[2])
        assert entries(folder) == sorted([Path(mapped.path).name, last.name])
        assert mapped.to_table().equals(table)
        kept = mapped[5:6]
    mapped_path(sources[3])
    assert len(entries(folder)) == 2, "a slice still lies over the file"
    assert kept["id"].to_pylist() == [5]


# --- the command ---------------------------------------------------------------------------------


def command(*args: str) -> Result:
    return CliRunner().invoke(app, ["cache", *args])


def test_list_and_clear(sources, folder):
    assert "empty" in command("list").stdout
    names = [mapped_path(path).stem for path in sources]
    listed = json.loads(command("list", "--json").stdout)
    assert [one["key"] for one in listed] == names[::-1]
    assert all(Path(one["path"]).stat().st_size == one["bytes"] for one in listed)
    assert all("parquet" in one["holds"] for one in listed)
    text = command("list").stdout
    assert all(name[:12] in text for name in names)
    assert "4 files" in text
    done = command("clear", names[0], names[1][:8])
    assert done.exit_code == 0
    assert "2 files removed" in done.stdout
    assert "2 files removed" in command("clear").stdout
    assert entries(folder) == []
    assert "0 files removed" in command("clear").stdout


def test_clear_keeps_what_is_in_use(sources, folder):
    with arrowsmith.open(sources[0]).mapped() as mapped:
        mapped_path(sources[1])
        assert "1 file removed" in command("clear").stdout
        assert "1 file in use kept" in command("clear").stdout
        assert entries(folder) == [Path(mapped.path).name]


def test_clear_what_is_old(sources, folder):
    names = [mapped_path(path).stem for path in sources[:2]]
    old = folder / f"{names[0]}.arrow"
    os.utime(old, (old.stat().st_atime - 90_000, old.stat().st_mtime))
    assert "0 files removed" in command("clear", "--older-than", "2d").stdout
    assert "1 file removed" in command("clear", "--older-than", "1d").stdout
    assert entries(folder) == [f"{names[1]}.arrow"]


@pytest.mark.parametrize("args", [["clear", "zz"], ["clear", ""], ["clear", "--older-than", "x"]])
def test_a_wrong_use_is_told(sources, folder, args):
    for path in sources[:2]:
        mapped_path(path)
    done = command(*args)
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1
    assert len(entries(folder)) == 2


def test_list_tells_without_the_index(sources, folder):
    mapped_path(sources[0])
    for path in folder.glob("index*"):
        path.unlink()
    [one] = json.loads(command("list", "--json").stdout)
    assert "0.parquet" in one["holds"]


def test_foreign_files_stay(source, folder):
    mapped_path(source)
    (folder / "notes.txt").write_text("mine")
    (folder / "other.arrow").write_text("mine")
    command("clear")
    assert sorted(p.name for p in folder.iterdir() if not p.name.startswith("index")) == [
        "notes.txt",
        "other.arrow",
    ]


# --- info ----------------------------------------------------------------------------------------


def test_info_shows_the_fingerprint(source):
    import xxhash

    expected = xxhash.xxh3_128_hexdigest(source.read_bytes())
    done = CliRunner().invoke(app, ["info", "--json", str(source)])
    assert json.loads(done.stdout)["fingerprint"] == expected
    assert expected in CliRunner().invoke(app, ["info", str(source)]).stdout


def test_info_reads_large_files_only_when_asked(source, monkeypatch):
    import xxhash

    monkeypatch.setattr("arrowsmith.cli.info._QUICKLY_READ", 10)
    shown = json.loads(CliRunner().invoke(app, ["info", "--json", str(source)]).stdout)
    assert shown["fingerprint"] is None
    text = CliRunner().invoke(app, ["info", str(source)]).stdout
    assert "--fingerprint" in text
    done = CliRunner().invoke(app, ["info", "--json", "--fingerprint", str(source)])
    expected = xxhash.xxh3_128_hexdigest(source.read_bytes())
    assert json.loads(done.stdout)["fingerprint"] == expected
