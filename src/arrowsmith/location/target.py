"""A local file to write: complete under its name, or not there at all.

The bytes go to a file without a name in the target's folder (``O_TMPFILE``), or where there is no
such thing to a hidden one that is locked while its writer lives, so that the next writer in that
folder can tell a left-over and sweep it. Publishing is one link or rename. Nothing is forced to the
disk first: a killed process or a full disk leaves no half file, but what was published in the
seconds before a power cut may be lost, as with any copy (a sync takes as long as the disk is slow).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from types import TracebackType
from typing import BinaryIO, Self, cast

from arrowsmith.errors import TargetError, TargetExists
from arrowsmith.location.compression import format_suffix
from arrowsmith.location.copying import copy_head
from arrowsmith.location.leftovers import SUFFIX, lock, sweep
from arrowsmith.location.resolve import local_path
from arrowsmith.location.source import FileSource, kind_of
from arrowsmith.location.writing import TargetStream, check_writable, may, target_error

_FOLDER_FLAGS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY


class FileTarget:
    """A file that appears under its name when it is published. Implements ``plugin.Target``.

    Leaving the ``with`` block without :meth:`publish` discards it. A symbolic link is written
    through to the file that it leads to; a replaced file's permission bits are kept. Named pipes
    and character devices (``/dev/null``) are written directly, and cannot be taken back.

    Args:
        path: or a ``file://`` URL; a leading ``~`` is the home directory.
        overwrite: replace a file that is there.

    Attributes:
        path: as the user knows it.
        name: its last part.
        compression: by suffix: ``"gzip"``, ``"zstd"``, ``"bz2"``, ``"xz"``, ``"lz4"`` or None.
        direct: it is a pipe or device: what was written cannot be taken back.

    Raises:
        TargetExists: the file is there and ``overwrite`` is False; also from ``publish()``, when it
            came into being in the meantime.
        TargetError: the folder is missing, the right to write is, the name is a directory's, or
            later on the disk is full.

    Example:
        >>> import os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with FileTarget(os.path.join(folder, "a.txt")) as target:
        ...         _ = target.open().write(b"all or nothing")
        ...         before = os.listdir(folder)
        ...         target.publish()
        ...     before, os.listdir(folder)
        ([], ['a.txt'])
    """

    path: str
    name: str
    compression: str | None

    def __init__(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        self.path = local_path(os.fspath(path), TargetError)
        self.name = os.path.basename(self.path)
        self.compression = format_suffix(self.path)[1]
        self._overwrite = overwrite
        self._way_out = "--overwrite replaces it"
        self._stream: TargetStream | None = None
        self._fd: int | None = None
        self._folder_fd: int | None = None
        self._old_fd: int | None = None  # of the file that is kept, locked
        self._temporary: str | None = None  # the hidden file's name while there is one
        self._kept: tuple[FileSource, int] | None = None
        self._size: int | None = None
        status = self._checked()
        self.direct = status is not None and not stat.S_ISREG(status.st_mode)
        # realpath would make nothing of /dev/stdout, a link to a pipe without a name.
        self._real = os.path.abspath(self.path) if self.direct else os.path.realpath(self.path)
        self._folder, self._base = os.path.split(self._real)
        if not self.direct:
            self._check_folder()

    def __repr__(self) -> str:
        return f"FileTarget({self.path!r})"

    def _checked(self) -> os.stat_result | None:
        """What is there now, if it may be written to or replaced."""
        if not self.name or "\0" in self.path:
            if self.name or not os.path.isdir(self.path):
                raise TargetError("is not the name of a file", path=self.path or "''")
            raise target_error(IsADirectoryError(errno.EISDIR, ""), self.path)
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise target_error(error, self.path) from error
        kind = kind_of(status.st_mode)
        if stat.S_ISDIR(status.st_mode):
            raise target_error(IsADirectoryError(errno.EISDIR, ""), self.path)
        if stat.S_ISSOCK(status.st_mode) or stat.S_ISBLK(status.st_mode):
            raise TargetError(f"is {kind}, not a file", path=self.path)
        if kind is None and not self._overwrite:
            raise self._exists()
        if not may(self.path, os.W_OK):
            raise TargetError("is read-only", path=self.path, hint="make it writable or remove it")
        return status

    def _exists(self) -> TargetExists:
        return TargetExists("exists already", path=self.path, hint=self._way_out)

    def _check_folder(self) -> None:
        if not os.path.isdir(self._folder):
            there = os.path.lexists(self._folder)
            number = errno.ENOTDIR if there else errno.ENOENT
            raise target_error(OSError(number, ""), self.path)
        check_writable(self._folder, self.path)

    # --- writing ---

    @property
    def nbytes(self) -> int:
        """Bytes in the file so far, before compression until it is finished."""
        if self._size is not None:
            return self._size
        return self._stream.tell() if self._stream is not None else 0

    def keep(self, source: FileSource | None, nbytes: int = 0) -> None:
        """Begin the new file with the first bytes of the one that is there, to go on behind them.

        Args:
            source: the file that is there, opened; it must not change until ``publish()``. None
                where there is none, and must be none by then.
            nbytes: how much of it is kept.
        """
        if source is None:
            self._overwrite, self._way_out = False, "another run has made it: run again"
        else:
            self._kept = source, nbytes

    def open(self) -> BinaryIO:
        """The writable stream, compressed as the suffix asks; call it once.

        ``write()`` takes any buffer, writes all of it, and raises ``TargetError`` (as ``close()``
        does) when the disk is full. Without compression there is a ``fileno()``.
        """
        if self._stream is not None:
            raise ValueError(f"{self.path}: a target is opened once")
        try:
            if self.direct:
                self._fd = os.open(self._real, os.O_WRONLY)
            else:
                sweep(self._folder)
                self._folder_fd = os.open(self._folder, _FOLDER_FLAGS)
                self._fd = self._open_unnamed()
                if self._fd is None:
                    self._fd = self._open_hidden()
            if self._kept is not None:
                copy_head(self._kept[0].path, self._fd, self._kept[1])
        except OSError as error:
            self.abort()
            if error.errno == errno.ENOENT and os.path.isdir(self._folder):  # as /proc answers
                what = f"no file can be made in {self._folder}"
                raise TargetError(what, path=self.path, hint="write elsewhere") from error
            raise target_error(error, self.path) from error
        self._stream = TargetStream(self._fd, self.path, self.compression)
        return cast(BinaryIO, self._stream)

    def _mode(self) -> int | None:
        """The permission bits of the file that is replaced."""
        try:
            return os.stat(self._base, dir_fd=self._folder_fd).st_mode & 0o777
        except FileNotFoundError:
            return None

    def _creation_mode(self) -> int:
        mode = self._mode()
        return 0o666 if mode is None else mode  # what is private stays so while it is written

    def _open_unnamed(self) -> int | None:
        flag = getattr(os, "O_TMPFILE", None)
        if flag is None:
            return None
        try:
            fd = os.open(".", flag | os.O_WRONLY, self._creation_mode(), dir_fd=self._folder_fd)
        except OSError as error:
            if error.errno in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT):
                return None
            raise
        if not os.path.exists(f"/proc/self/fd/{fd}"):  # without /proc it could not get a name
            os.close(fd)
            return None
        lock(fd)
        return fd

    def _open_hidden(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        while True:
            name = self._hidden_name()
            fd = os.open(name, flags, self._creation_mode(), dir_fd=self._folder_fd)
            lock(fd)
            if os.fstat(fd).st_nlink:  # else swept between its creation and its lock
                self._temporary = name
                return fd
            os.close(fd)

    def _hidden_name(self) -> str:
        return f".{self._base[:40]}.{os.urandom(4).hex()}{SUFFIX}"

    # --- the end ---

    def finish(self) -> None:
        """Close the stream: all that a full disk can spoil has been written when this returns.

        Raises:
            TargetError: a write has failed, now or before, or nothing was opened.
        """
        if self._stream is None or self._fd is None:
            raise TargetError("there is nothing to publish", path=self.path)
        try:
            self._stream.close()
        except OSError as error:
            raise target_error(error, self.path) from error
        if not self._stream.complete:
            raise TargetError("was not written completely, so is not kept", path=self.path)
        status = os.fstat(self._fd)
        if stat.S_ISREG(status.st_mode):
            self._size = status.st_size

    def publish(self) -> None:
        """Give the file its name, complete. The stream is closed first if it is not yet.

        Raises:
            TargetExists: another file has that name now and ``overwrite`` is False.
            TargetError: a write has failed before, nothing was opened, or the disk is full.
        """
        try:
            self.finish()
            if self._kept is not None:
                self._check_kept(self._kept[0])
            if not self.direct and self._fd is not None:
                mode = self._mode()
                if mode is not None:
                    os.fchmod(self._fd, mode)
                # A network file system may tell of a full disk only when a descriptor is closed.
                os.close(os.dup(self._fd))
                self._give_name(self._fd)
        except OSError as error:
            raise target_error(error, self.path) from error
        finally:
            self.abort()  # drops what is left: the hidden name and the descriptors

    def _check_kept(self, source: FileSource) -> None:
        """Raise if the old file has changed; from here on no other run that appends replaces it."""
        try:
            self._old_fd = os.open(source.absolute, os.O_RDONLY | os.O_NONBLOCK)
            fcntl.flock(self._old_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TargetError(
                "is locked by another program", path=self.path, hint="run again when it is at rest"
            ) from None
        except OSError:
            pass  # gone, or on a file system without locks, where looking is the best there is
        source.check_unchanged()

    def _give_name(self, fd: int) -> None:
        try:
            if not self._overwrite or self._temporary is None:
                self._link(fd, self._base)
                return
        except FileExistsError:
            if not self._overwrite:
                raise self._exists() from None
        except OSError as error:
            if self._temporary is None or error.errno not in (errno.EPERM, errno.EOPNOTSUPP):
                raise
            # No hard links here (FAT and the like): looking first is the best there is.
            if os.path.lexists(self._real):
                raise self._exists() from None
        if self._temporary is None:
            name = self._hidden_name()
            self._link(fd, name)
            self._temporary = name
        os.replace(
            self._temporary, self._base, src_dir_fd=self._folder_fd, dst_dir_fd=self._folder_fd
        )
        self._temporary = None

    def _link(self, fd: int, name: str) -> None:
        """Fails if the name exists, which makes it the test for that, too."""
        # Only with a directory descriptor does os.link call linkat, which can follow /proc/self/fd.
        source = f"/proc/self/fd/{fd}" if self._temporary is None else self._temporary
        os.link(
            source,
            name,
            src_dir_fd=self._folder_fd,
            dst_dir_fd=self._folder_fd,
            follow_symlinks=self._temporary is None,
        )

    def abort(self) -> None:
        """Discard what was written, unless it is published; harmless when called again."""
        if self._stream is not None:
            self._stream.discard()
        if self._temporary is not None:
            with contextlib.suppress(OSError):  # the next sweep takes it then
                os.unlink(self._temporary, dir_fd=self._folder_fd)
            self._temporary = None
        for fd in (self._fd, self._folder_fd, self._old_fd):
            if fd is not None:
                os.close(fd)
        self._fd = self._folder_fd = self._old_fd = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.abort()
