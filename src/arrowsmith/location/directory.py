"""A directory to write: complete under its name, or not there at all.

Its files are written into a hidden, locked directory beside the target. Publishing renames that to
the target's name. Where a directory is replaced, the two are exchanged in one step
(``renameat2(RENAME_EXCHANGE)``, Linux); elsewhere the old one first moves into a hidden directory,
from which the next run in that folder brings it back if the process was killed just then.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from arrowsmith.errors import ArrowsmithError, TargetError, TargetExists
from arrowsmith.location.compression import format_suffix
from arrowsmith.location.exchange import exchange
from arrowsmith.location.leftovers import hidden_folder, lock, restore, sweep
from arrowsmith.location.parts import DIGITS, PartFile, number_of, numbered, width_of
from arrowsmith.location.resolve import local_path
from arrowsmith.location.writing import check_writable, target_error

_NOT_DATA = frozenset({"_SUCCESS", "_metadata", "_common_metadata"})  # as Spark leaves them


class DirectoryTarget:
    """A directory of files that appears under its name when it is published.

    Leaving the ``with`` block without :meth:`publish` discards what was written. A symbolic link is
    written through to the directory that it leads to.

    Args:
        path: or a ``file://`` URL; a leading ``~`` is the home directory.
        overwrite: replace a directory that is there, if it holds nothing but data files of this
            format.
        append: put new files beside those that are there.
        extensions: the suffixes of data files of this format, for ``overwrite``.
        tree: files and folders have names of a sink's own.

    Attributes:
        path: as the user knows it.
        nbytes: bytes of the files that are finished.

    Raises:
        TargetExists: there is a directory that is not empty, and neither ``overwrite`` nor
            ``append`` is set.
        TargetError: the name is a file's, the right to write is missing, or the directory holds
            what must not be deleted.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        append: bool = False,
        extensions: Iterable[str] = (),
        tree: bool = False,
    ) -> None:
        self.path = local_path(os.fspath(path), TargetError)
        self.nbytes = 0
        self._append = append
        self._overwrite = overwrite
        self._extensions = tuple(extensions)
        self._tree = tree
        self._made: set[str] = set()
        self._files: dict[str, list[str]] = {}  # folder in the directory: names of its files
        self._next: dict[str, int] = {}
        self._staging: str | None = None
        self._fd: int | None = None
        if not self.path.strip("/") or "\0" in self.path:
            raise TargetError("is not the name of a directory to write", path=self.path or "''")
        self._real = os.path.realpath(self.path)
        self._folder, self._base = os.path.split(self._real)
        self._check()

    def __repr__(self) -> str:
        return f"DirectoryTarget({self.path!r})"

    # --- what is there ---------------------------------------------------------------------------

    def _check(self) -> None:
        try:
            status = os.stat(self._real)
        except FileNotFoundError:
            self._check_folder()
            return
        except OSError as error:
            raise target_error(error, self.path) from error
        if not stat.S_ISDIR(status.st_mode):
            raise TargetError(
                "is a file, not a directory", path=self.path, hint="name another or remove it"
            )
        if os.path.ismount(self._real):  # nothing can be renamed to it, nor moved into it
            raise TargetError(
                "is a mount point, so is not replaced",
                path=self.path,
                hint="name a directory in it",
            )
        self._check_folder()
        if self._append:
            check_writable(self._real, self.path)
            return
        if self._is_empty():
            return
        if not self._overwrite:
            raise TargetExists(
                "is there already and not empty",
                path=self.path,
                hint="--overwrite replaces it, --append adds to it",
            )
        self._check_replaceable()

    def _check_folder(self) -> None:
        if not os.path.isdir(self._folder):
            raise target_error(OSError(errno.ENOENT, ""), self.path)
        check_writable(self._folder, self.path)

    def _is_empty(self) -> bool:
        try:
            with os.scandir(self._real) as entries:
                return next(entries, None) is None
        except FileNotFoundError:
            return True
        except OSError as error:
            raise target_error(error, self.path) from error

    def _check_replaceable(self) -> None:
        """Replacing deletes: refuse where that could take what nobody meant."""
        for place, what in ((os.getcwd(), "current"), (os.path.expanduser("~"), "home")):
            if _is_within(os.path.realpath(place), self._real):
                raise TargetError(
                    f"is or holds the {what} directory, so is not replaced", path=self.path
                )
        for folder, folders, files in os.walk(self._real):
            for name in folders:
                plain = self._tree or "=" in name
                if not plain or os.path.islink(os.path.join(folder, name)):
                    raise self._foreign(folder, name)
            for name in files:
                if not self._is_ours(os.path.join(folder, name)):
                    raise self._foreign(folder, name)

    def _is_ours(self, path: str) -> bool:
        name = os.path.basename(path)
        if os.path.islink(path):
            return False
        if name in _NOT_DATA or (name.startswith(".") and name.endswith(".crc")):
            return True
        return format_suffix(name)[0] in self._extensions and not name.startswith(".")

    def _foreign(self, folder: str, name: str) -> TargetError:
        there = os.path.relpath(os.path.join(folder, name), self._real)
        return TargetError(
            f"holds {there!r}, which is no data file of this format, so is not replaced",
            path=self.path,
            hint="write elsewhere, or remove the directory first",
        )

    def holds(self, path: str) -> bool:
        """Whether a file of this machine is below the directory."""
        return _is_within(os.path.realpath(path), self._real)

    def next_number(self, folder: str = "") -> int:
        """The number for the next file ``part-N`` of a folder: one above those that are there."""
        if not self._append:
            return 0
        if folder not in self._next:
            self._next[folder] = self._number_after(folder)
        return self._next[folder]

    def _number_after(self, folder: str) -> int:
        try:
            names = os.listdir(os.path.join(self._real, folder))
        except (FileNotFoundError, NotADirectoryError):
            return 0
        numbers = [number for name in names if (number := number_of(name)) is not None]
        return max(numbers, default=-1) + 1

    # --- writing ---------------------------------------------------------------------------------

    def part(self, name: str) -> PartFile:
        """A file to be, such as ``"lang=en/part-00000.parquet"``."""
        return PartFile(self, name)

    def open_part(self, name: str) -> int:
        """Create a file; a descriptor to write it by."""
        staging = self._opened()
        folder, base = os.path.split(name)
        try:
            if folder not in self._made:
                os.makedirs(os.path.join(staging, folder), exist_ok=True)
                self._made.add(folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            fd = os.open(os.path.join(staging, name), flags, 0o666)
        except OSError as error:
            raise target_error(error, os.path.join(self.path, name)) from error
        if not self._tree:  # whose names nobody numbers
            self._files.setdefault(folder, []).append(base)
        return fd

    def forget_part(self, name: str) -> None:
        """Remove a file that is not to be published."""
        folder, base = os.path.split(name)
        if base in self._files.get(folder, ()):
            self._files[folder].remove(base)
            os.unlink(os.path.join(self._opened(), name))

    def _opened(self) -> str:
        if self._staging is None:
            sweep(self._folder)
            self._make_staging()
        assert self._staging is not None
        return self._staging

    def _make_staging(self) -> None:
        while True:
            path = os.path.join(self._folder, hidden_folder(self._base, "new"))
            try:
                os.mkdir(path)
                self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            except FileNotFoundError:
                continue  # swept between its creation and its lock
            except OSError as error:
                raise target_error(error, self.path) from error
            lock(self._fd)
            if os.path.isdir(path) and os.path.samestat(os.stat(path), os.fstat(self._fd)):
                self._staging = path
                return
            os.close(self._fd)

    # --- the end ---------------------------------------------------------------------------------

    def finish(self) -> None:
        """All files are written. Where there are more than 100,000 in a folder, all names get as
        many digits as the last."""
        staging = self._opened()
        for folder, names in self._files.items():
            width, place = width_of(names), os.path.join(staging, folder)
            wide = [numbered(name, 0, width) for name in names] if width > DIGITS else names
            for name, other in zip(names, wide, strict=True):
                if name != other:
                    os.rename(os.path.join(place, name), os.path.join(place, other))
            self._files[folder] = wide

    def publish(self) -> None:
        """Give the directory its name, complete.

        Raises:
            TargetExists: there is one with files by now, and ``overwrite`` is not set.
            TargetError: it cannot be renamed.
        """
        staging = self._opened()
        try:
            self._keep_mode(staging)
            try:
                os.rename(staging, self._real)  # also onto a directory that is empty
                self._staging = None
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                if self._append:
                    self._add(staging)
                    return
                if not self._overwrite:
                    raise TargetExists(
                        "has come into being and is not empty",
                        path=self.path,
                        hint="--overwrite replaces it",
                    ) from error
                self._check_replaceable()
                self._replace(staging)
        except ArrowsmithError:
            raise
        except OSError as error:
            raise target_error(error, self.path) from error
        finally:
            self.abort()

    def _keep_mode(self, staging: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.chmod(staging, stat.S_IMODE(os.stat(self._real).st_mode))

    def _replace(self, staging: str) -> None:
        if exchange(staging, self._real):
            return  # what is hidden now is the old one, and abort() removes it
        old = os.path.join(self._folder, hidden_folder(self._base, "old"))
        os.mkdir(old)
        fd = os.open(old, os.O_RDONLY | os.O_DIRECTORY)
        try:
            lock(fd)
            os.rename(self._real, os.path.join(old, self._base))
            try:
                os.rename(staging, self._real)
            except BaseException:
                restore(old)
                os.rmdir(old)
                raise
            self._staging = None
            shutil.rmtree(old, ignore_errors=True)  # the next sweep takes what is left
        finally:
            os.close(fd)

    def _add(self, staging: str) -> None:
        """Move the files, one by one: readers of the directory may see some of them before all.

        Numbers that another run has taken meanwhile are passed over; runs do this in turn.
        """
        fd = os.open(self._real, os.O_RDONLY | os.O_DIRECTORY)
        moved: list[tuple[str, str]] = []
        try:
            lock(fd)
            for folder, names in self._files.items():
                place = os.path.join(self._real, folder)
                os.makedirs(place, exist_ok=True)
                taken = self._number_after(folder) - self.next_number(folder)
                for name in names:
                    free = numbered(name, taken, width_of([name]))
                    source, target = os.path.join(staging, folder, name), os.path.join(place, free)
                    os.rename(source, target)
                    moved.append((source, target))
        except BaseException:
            for source, target in reversed(moved):
                with contextlib.suppress(OSError):
                    os.rename(target, source)
            raise
        finally:
            os.close(fd)

    def abort(self) -> None:
        """Discard what was written, unless it is published; harmless when called again."""
        if self._staging is not None:
            shutil.rmtree(self._staging, ignore_errors=True)
            self._staging = None
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.abort()


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
