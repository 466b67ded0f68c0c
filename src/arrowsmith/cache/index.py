"""The index of the cache: a SQLite database that may be lost without harm.

A connection lives for one question, so that threads and forked processes share none. A database
that is damaged is put aside and begun anew; one that cannot be written is done without.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from arrowsmith.fingerprint import FileState

NAME = "index.sqlite3"
_VERSION = 1
_WAIT = 10.0  # seconds for another process's write
_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    device TEXT, inode TEXT, size INTEGER, modified INTEGER, changed INTEGER,
    fingerprint TEXT, sound INTEGER, seen REAL,
    PRIMARY KEY (device, inode)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entries (
    key TEXT PRIMARY KEY, size INTEGER, modified INTEGER, label TEXT
) WITHOUT ROWID;
"""
_REMOTE = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "lustre", "gpfs", "fuse")
_MOST_FILES = 100_000  # fingerprints that are remembered, the latest

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Known:
    """What the index tells of an entry.

    Attributes:
        size, modified: of the file as it was published.
        label: what was decoded, for people.
    """

    size: int
    modified: int
    label: str


class Index:
    """What is remembered of the files of the cache and of the files that were decoded.

    Args:
        path: of the database.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    # --- fingerprints of files anywhere ---

    def fingerprint(self, state: FileState) -> str | None:
        """The fingerprint of a file that has not changed since it was remembered."""
        return self._file(state, "fingerprint")

    def is_sound(self, state: FileState) -> bool:
        """Whether every value of a file was found valid, and it has not changed since."""
        return bool(self._file(state, "sound"))

    def _file(self, state: FileState, column: str) -> str | None:
        if not self.path.exists():
            return None
        query = (
            f"SELECT {column} FROM files WHERE device = ? AND inode = ? AND size = ?"
            " AND modified = ? AND changed = ?"
        )
        row = self._run(lambda db: db.execute(query, _row(state)).fetchone(), None)
        return row[0] if row else None

    def remember(self, state: FileState, fingerprint: str | None, *, sound: bool = False) -> None:
        """Keep what was found out about a file, for as long as it does not change."""

        def write(db: sqlite3.Connection) -> None:
            db.execute(
                "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (device, inode) DO UPDATE SET size = excluded.size,"
                " fingerprint = CASE WHEN modified = excluded.modified"
                " AND changed = excluded.changed"
                " THEN coalesce(excluded.fingerprint, fingerprint) ELSE excluded.fingerprint END,"
                " sound = CASE WHEN modified = excluded.modified AND changed = excluded.changed"
                " THEN max(excluded.sound, sound) ELSE excluded.sound END,"
                " modified = excluded.modified, changed = excluded.changed, seen = excluded.seen",
                (*_row(state), fingerprint, int(sound), time.time()),
            )
            db.execute(
                "DELETE FROM files WHERE seen < (SELECT seen FROM files ORDER BY seen DESC"
                " LIMIT 1 OFFSET ?)",
                (_MOST_FILES,),
            )

        self._run(write, None)

    # --- entries of the cache ---

    def entries(self) -> dict[str, Known]:
        """All entries by their keys."""
        query = "SELECT key, size, modified, label FROM entries"
        none: list[tuple[Any, ...]] = []
        rows = self._run(lambda db: db.execute(query).fetchall(), none)
        return {key: Known(*rest) for key, *rest in rows}

    def entry(self, key: str) -> Known | None:
        """One entry."""
        query = "SELECT size, modified, label FROM entries WHERE key = ?"
        row = self._run(lambda db: db.execute(query, (key,)).fetchone(), None)
        return Known(*row) if row else None

    def add(self, key: str, size: int, modified: int, label: str) -> None:
        """An entry that was published now."""
        row = (key, size, modified, label)
        self._run(lambda db: db.execute("REPLACE INTO entries VALUES (?, ?, ?, ?)", row), None)

    def drop(self, key: str) -> None:
        """An entry that is no more."""
        self._run(lambda db: db.execute("DELETE FROM entries WHERE key = ?", (key,)), None)

    # --- inside ---

    def _run(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """The result of ``work`` on the database; ``otherwise`` where that cannot be used."""
        for _ in range(2):
            try:
                with self._connected() as db, db:
                    return work(db)
            except sqlite3.OperationalError:  # busy, read-only, full
                return otherwise
            except (sqlite3.DatabaseError, UnicodeDecodeError):
                if not self._put_aside():
                    return otherwise
        return otherwise

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self.path, timeout=_WAIT)
        try:
            if db.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
                _begin(db, self.path)
            db.execute("PRAGMA synchronous = NORMAL")
            yield db
        finally:
            db.close()

    def _put_aside(self) -> bool:
        """Have a damaged database out of the way."""
        try:
            os.replace(self.path, self.path.with_suffix(".damaged"))  # noqa: PTH105
            for suffix in ("-wal", "-shm", "-journal"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        except FileNotFoundError:
            return True  # another process was faster
        except OSError:
            return False
        return True


def _row(state: FileState) -> tuple[str, str, int, int, int]:
    # Numbers of devices and inodes may be beyond SQLite's integers.
    return str(state.device), str(state.inode), state.size, state.modified, state.changed


def _begin(db: sqlite3.Connection, path: Path) -> None:
    """Make the tables, or make them anew where another version of them is found."""
    if not _is_remote(path):  # processes on several machines share no memory, which WAL needs
        with contextlib.suppress(sqlite3.OperationalError):
            db.execute("PRAGMA journal_mode = WAL")
    with db:
        db.execute("BEGIN IMMEDIATE")
        if db.execute("PRAGMA user_version").fetchone()[0] == _VERSION:
            return
        for table in ("files", "entries"):
            db.execute(f"DROP TABLE IF EXISTS {table}")
        for statement in _SCHEMA.split(";"):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {_VERSION}")


def _is_remote(path: Path) -> bool:
    """Whether a file lies on a file system that several machines may mount."""
    try:
        lines = Path("/proc/self/mounts").read_text(errors="replace").splitlines()
    except OSError:
        return False
    mounts = [line.split(" ")[1:3] for line in lines if line.count(" ") >= 2]
    around = [(len(where), kind) for where, kind in mounts if path.is_relative_to(where)]
    return bool(around) and max(around)[1].startswith(_REMOTE)
