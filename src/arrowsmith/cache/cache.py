"""Entries of the cache: found, built by one process while others wait, evicted when unused."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from arrowsmith.cache import locks
from arrowsmith.cache.held import HeldFile
from arrowsmith.cache.index import NAME, Index
from arrowsmith.cache.settings import cache_error, cache_folder, cache_limit, make_folder
from arrowsmith.errors import TargetError
from arrowsmith.fingerprint import FileState, file_fingerprint
from arrowsmith.location import sweep

SUFFIX = ".arrow"
KEY_METADATA = b"arrowsmith:cache"
"""In the schema of a cached file: the key of what it holds."""
LABEL_METADATA = b"arrowsmith:source"
"""In the schema of a cached file: what was decoded, for people."""

_NAME = re.compile(r"[0-9a-f]{32}\.arrow")
_LOCKED = re.compile(r"[0-9a-f]{32}\.lock")
_AT_REST = 2_000_000_000  # nanoseconds after which a change cannot bear the same time
_QUICKLY_READ = 8 << 20  # bytes that are hashed about as soon as looked up
_ATTEMPTS = 5

Valid = Callable[[HeldFile], bool]


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the cache.

    Attributes:
        key: of what it holds.
        path: of the file.
        nbytes: its size.
        used: when it was last opened, as Unix time.
        label: what was decoded, for people; empty where the file alone is left and does not tell.
    """

    key: str
    path: Path
    nbytes: int
    used: float
    label: str


class Cache:
    """Decoded files by key. Any number of processes may use one folder; nothing is kept open.

    Args:
        folder: by default what the environment says, see ``cache_folder``.
        limit: bytes that it may hold; by default what the environment says.
    """

    def __init__(self, folder: Path | None = None, limit: int | None = None) -> None:
        self.folder = folder if folder is not None else cache_folder()
        self._limit = limit
        self.index = Index(self.folder / NAME)

    def path(self, key: str) -> Path:
        """Where the entry of a key is or would be."""
        return self.folder / f"{key}{SUFFIX}"

    # --- finding and building ---

    def find(self, key: str, valid: Valid) -> HeldFile | None:
        """The entry of a key, marked as used; a damaged one is as good as none.

        Args:
            key: 32 hexadecimal digits.
            valid: looks at the file itself, whose size is what it was when it was published.
        """
        held = HeldFile.opened(self.path(key))
        if held is None:
            return None
        known = self.index.entry(key)
        whole = known is None or (known.size, known.modified) == (held.size, held.modified)
        if whole and valid(held):
            if known is None:
                self.index.add(key, held.size, held.modified, _label(held.path))
            held.mark_used()
            return held
        held.close()
        return None

    def obtain(self, key: str, build: Callable[[Path], None], valid: Valid) -> HeldFile:
        """The entry of a key, built if need be by one process while the others wait.

        Args:
            key: 32 hexadecimal digits.
            build: writes the file in one step; nothing is at the path before, or something
                that is to be replaced.
            valid: as for :meth:`find`.

        Raises:
            TargetError: the cache cannot be written, or is full.
        """
        found = self.find(key, valid)
        if found is not None:
            return found
        make_folder(self.folder)
        limit = self._limit if self._limit is not None else cache_limit(self.folder)
        for _ in range(_ATTEMPTS):
            with self._building(key):
                found = self.find(key, valid)
                if found is None:
                    build(self.path(key))
                    found = HeldFile.opened(self.path(key))
                    if found is not None:
                        self.index.add(key, found.size, found.modified, _label(found.path))
            if found is not None:
                with contextlib.suppress(TargetError):  # what is wanted is there all the same
                    self.evict(limit)
                return found
        raise TargetError(
            "entries vanish as soon as they are made", path=str(self.folder), hint="try again"
        )

    @contextlib.contextmanager
    def _building(self, key: str) -> Iterator[None]:
        lock = locks.only_one(self.folder / f"{key}.lock")
        try:
            lock.__enter__()
        except OSError as error:
            raise cache_error(error, self.folder) from error
        with contextlib.ExitStack() as stack:
            stack.push(lock)
            yield

    # --- what there is, and less of it ---

    def entries(self) -> list[Entry]:
        """All entries, the most recently used first."""
        known = self.index.entries() if self.index.path.exists() else {}
        found = []
        for path, status in self._files(_NAME):
            key = path.stem
            label = known[key].label if key in known else _label(path)
            found.append(Entry(key, path, status.st_size, status.st_atime, label))
        return sorted(found, key=lambda entry: (-entry.used, entry.key))

    def _files(self, name: re.Pattern[str]) -> Iterator[tuple[Path, os.stat_result]]:
        try:
            with os.scandir(self.folder) as entries:
                paths = [Path(entry.path) for entry in entries if name.fullmatch(entry.name)]
        except FileNotFoundError:
            return
        except OSError as error:
            raise cache_error(error, self.folder) from error
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                yield path, path.stat()

    def evict(self, limit: int) -> list[Entry]:
        """Remove what was not used for the longest time until ``limit`` bytes or less are left.

        An entry that a process has open stays, even if the cache is too large for that.
        """
        entries = self.entries()
        excess = sum(entry.nbytes for entry in entries) - limit
        removed = []
        for entry in reversed(entries):
            if excess <= 0:
                break
            if self._remove(entry):
                excess -= entry.nbytes
                removed.append(entry)
        return removed

    def clear(
        self, keys: Iterable[str] | None = None, *, unused_for: float = 0.0
    ) -> tuple[list[Entry], list[Entry]]:
        """Remove entries, and what killed processes left.

        Args:
            keys: which; None for all.
            unused_for: only those that were not used for so many seconds.

        Returns:
            What was removed, and what stays since a process has it open.
        """
        wanted = None if keys is None else set(keys)
        before = time.time() - unused_for
        removed: list[Entry] = []
        kept: list[Entry] = []
        for entry in self.entries():
            if (wanted is None or entry.key in wanted) and (not unused_for or entry.used < before):
                (removed if self._remove(entry) else kept).append(entry)
        sweep(self.folder)
        self._sweep_locks()
        return removed, kept

    def _remove(self, entry: Entry) -> bool:
        try:
            # Where locks go over the network, an exclusive one needs the right to write.
            fd = os.open(entry.path, os.O_RDWR | os.O_NOFOLLOW)
        except FileNotFoundError:
            return True
        except OSError as error:
            raise cache_error(error, self.folder) from error
        try:
            if not locks.claim(fd):
                return False
            entry.path.unlink()
        except FileNotFoundError:
            return True
        except OSError as error:
            raise cache_error(error, self.folder) from error
        finally:
            os.close(fd)
        self.index.drop(entry.key)
        return True

    def _sweep_locks(self) -> None:
        """Remove the lock files of killed builders; one that is held stays."""
        for path, _ in self._files(_LOCKED):
            with contextlib.suppress(OSError):
                fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
                try:
                    if locks.claim(fd) and locks.same_file(fd, path):
                        path.unlink()
                finally:
                    os.close(fd)

    # --- fingerprints ---

    def known_fingerprint(self, path: str) -> str | None:
        """The fingerprint of a file where it is remembered; nothing is read."""
        with contextlib.suppress(OSError):
            return self.index.fingerprint(FileState.of(os.stat(path)))  # noqa: PTH116
        return None

    def fingerprint(self, path: str, check: Callable[[], None] = lambda: None) -> str:
        """The fingerprint of a file's bytes; one that has not changed is not read again.

        Raises:
            SourceError: it cannot be read, or changes meanwhile.
        """
        known = self.known_fingerprint(path)
        if known is not None:
            return known
        found, state = file_fingerprint(path, check=check)
        self.remember(state, found)
        return found

    def remember(self, state: FileState, fingerprint: str | None, *, sound: bool = False) -> None:
        """Keep what was found out about a file, where that is worth it and sure to hold."""
        rested = time.time_ns() - max(state.modified, state.changed) > _AT_REST
        if state.size < _QUICKLY_READ or not rested:
            return
        with contextlib.suppress(TargetError):
            make_folder(self.folder)
            self.index.remember(state, fingerprint, sound=sound)


def _label(path: Path) -> str:
    """What a file tells of itself."""
    import pyarrow as pa

    try:
        with pa.OSFile(str(path)) as file:
            metadata = pa.ipc.open_file(file).schema.metadata or {}
    except (pa.ArrowException, OSError, ValueError):
        return ""
    return bytes(metadata.get(LABEL_METADATA, b"")).decode("utf-8", "replace")
