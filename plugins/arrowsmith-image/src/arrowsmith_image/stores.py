"""Where the bytes of pictures lie: files, and the members of zip and tar archives.

A member's name is a label, never a path: nothing is unpacked to the disk, links are not followed.
Sizes are checked before anything is read.

Formats: POSIX ustar and pax (https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html),
GNU long names; zip by the standard library.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from arrowsmith.errors import DataError, SourceError
from arrowsmith.plugin import RunContext, Source
from arrowsmith_image.pillow import BadPictureError

_BLOCK = 512
_LONGEST = 1 << 20  # bytes of a long name, or of what pax tells of a member
_ENTRY_COST = 16  # memory that an entry of a zip's directory takes, per byte of it
_FILES = (b"0", b"\0", b"7")
_FOLDER = b"5"
_PIECE = 1 << 20
_MEMBER_COST = 1500  # memory that is held for a member of an archive until the run ends
_SHARE = 2  # all members may take one part of so many of the budget
ZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError),
    *(ValueError, OverflowError, MemoryError, IndexError),
)


class Store(Protocol):
    """Reads entries. Thread-safe."""

    def read(self, where: Any, size: int) -> bytes:
        """The first bytes of an entry, fewer at its end.

        Raises:
            BadPictureError: this entry cannot be read; others may be.
        """
        ...


@dataclass(slots=True)
class Entry:
    """A file, or a member of an archive.

    Attributes:
        path: for messages and the column ``path``.
        name: relative to the folder that was opened, or as the archive has it.
        size: in bytes; None where only reading tells.
        archive: the path of the archive, None of a file.
        offset: of its bytes in the archive, where these lie there as they are.
    """

    path: str
    name: str
    size: int | None
    store: Store
    where: Any
    archive: str | None = None
    offset: int | None = None

    def read(self, size: int) -> bytes:
        """The first ``size`` bytes."""
        return self.store.read(self.where, size)

    @property
    def held(self) -> int:
        """Bytes that it has in memory."""
        return len(self.where) if isinstance(self.store, HeldStore) else 0

    def let_go(self) -> None:
        """Give up the bytes in memory, which cannot be read again."""
        if isinstance(self.store, HeldStore):
            self.store, self.where = LostStore(), None

    def check(self, limit: int) -> None:
        """Raise ``BadPictureError`` where it is known to have more bytes than ``limit``."""
        if self.size is not None and self.size > limit:
            raise BadPictureError(f"has {self.size} bytes, above the limit of {limit} (max_bytes)")

    def whole(self, limit: int) -> bytes:
        """All bytes; ``BadPictureError`` for more than ``limit``."""
        self.check(limit)
        data = self.read(limit + 1 if self.size is None else self.size)
        if len(data) > limit:
            raise BadPictureError(f"has more bytes than the limit of {limit} (max_bytes)")
        return data


class FileStore:
    """Files of their own."""

    def read(self, where: Source, size: int) -> bytes:
        with where:  # type: ignore[attr-defined]
            if where.seekable:
                return where.read_at(0, size)
            with where.open() as stream:
                return stream.read(size)


class TarStore:
    """An archive that is read at offsets."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def read(self, where: int, size: int) -> bytes:
        data = self._source.read_at(where, size)
        if len(data) < size:
            raise BadPictureError("is cut off with the archive")
        return data


class HeldStore:
    """Bytes that are there already: of an archive that is read front to end."""

    def read(self, where: bytes, size: int) -> bytes:
        return where[:size]


class LostStore:
    """Bytes of an archive that is read front to end, and that were more than memory holds."""

    def read(self, where: None, size: int) -> bytes:
        raise BadPictureError("is larger than memory lets an archive be read that cannot be sought")


class ZipStore:
    """An archive with a directory."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def read(self, where: zipfile.ZipInfo, size: int) -> bytes:
        try:
            if where.flag_bits & 1:
                raise BadPictureError("is encrypted")
            with self._archive.open(where) as stream:
                return stream.read(min(size, where.file_size))
        except ZIP_ERRORS as error:
            raise BadPictureError(f"cannot be unpacked ({error})") from error


def bounded(entries: Iterable[Entry], path: str, ctx: RunContext) -> Iterator[Entry]:
    """The entries, as long as memory holds them all.

    Raises:
        DataError: there are more of them.
    """
    most = max(ctx.memory_limit // _SHARE // _MEMBER_COST, 10_000)
    for number, entry in enumerate(entries):
        if number == most:
            raise DataError(
                f"has more than {most:,} members, for which memory does not suffice",
                path=path,
                hint="give more memory, or divide the archive",
            )
        yield entry


# --- zip -----------------------------------------------------------------------------------------


def zip_entries(source: Source, ctx: RunContext) -> list[Entry]:
    """The files of a zip, in the order of its directory.

    Raises:
        SourceError: the archive is compressed as a whole or a pipe.
        DataError: its directory is damaged.
    """
    if not source.seekable:
        raise SourceError(
            "a zip can only be read from a file", path=source.path, hint="unpack or save it first"
        )
    try:
        archive = zipfile.ZipFile(_Bounded(source, max(ctx.memory_limit // _ENTRY_COST, _PIECE)))
    except ZIP_ERRORS as error:
        raise DataError(
            f"the zip is damaged or of an unknown kind ({error})",
            path=source.path,
            hint="copy or download it again",
        ) from error
    store = ZipStore(archive)
    return [
        Entry(f"{source.path}/{name}", name, info.file_size, store, info, source.path)
        for info in archive.infolist()
        if info.filename and not info.is_dir() and not _is_hidden(name := _plain(info.filename))
    ]


def _plain(name: str) -> str:
    """A member's name as its folders have it: ``tar cf x.tar .`` puts ``./`` before all."""
    while name.startswith("./"):
        name = name[2:].lstrip("/")
    return name


def _is_hidden(name: str) -> bool:
    """Whether it is one of the names that are passed over in folders, too, or macOS's own."""
    parts = name.split("/")
    return parts[0] == "__MACOSX" or any(part[:1] == "." and part != ".." for part in parts)


class _Bounded(io.RawIOBase):
    """The archive as a file, of which no more than so much is read at once."""

    def __init__(self, source: Source, most: int) -> None:
        self._source = source
        self._most = most
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._source.size or 0}
        if base[whence] + offset < 0:
            raise zipfile.BadZipFile("a place before its beginning")
        self._at = base[whence] + offset
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        left = max((self._source.size or 0) - self._at, 0)
        size = left if size is None or size < 0 else min(size, left)
        if size > self._most:
            raise zipfile.BadZipFile(f"its directory of {size} bytes needs more memory")
        data = self._source.read_at(self._at, size)
        self._at += len(data)
        return data


# --- tar -----------------------------------------------------------------------------------------


def tar_entries(source: Source, ctx: RunContext, max_bytes: int) -> Iterator[Entry]:
    """The regular files of a tar, in order; links, devices and folders are passed over.

    Of a tar that can only be read front to end each entry holds its bytes, if those are no more
    than ``max_bytes``.

    Raises:
        DataError: a header is damaged or the archive cut short.
    """
    bytes_of = _AtOffsets(source) if source.seekable else _FrontToEnd(source)
    store = TarStore(source)
    held = HeldStore()
    at, told, links, zeros = 0, _Told(), 0, False
    while True:
        ctx.check_cancelled()
        head = bytes_of.header(at, zeros)
        if not head.strip(b"\0"):
            if len(head) < _BLOCK:
                break
            at, zeros = at + _BLOCK, True
            continue
        if len(head) < _BLOCK or _checksum(head) != _number(head[148:156]):
            if zeros:
                ctx.warn(f"{source.path}: what stands behind its end, at byte {at}, is passed over")
                break
            raise _damaged(source, "the checksum of a tar header does not hold", at)
        if zeros:
            ctx.warn(f"{source.path}: goes on behind an end, at byte {at}")
            zeros = False
        size, kind = _number(head[124:136]), head[156:157]
        if size < 0:
            raise _damaged(source, "a tar header has no size", at)
        body = at + _BLOCK
        if kind in (b"L", b"x"):
            if size > _LONGEST:
                raise _damaged(source, f"a tar header of {size} bytes", at)
            told.add(kind, bytes_of.read(body, size))
        elif kind not in (b"g", b"K"):
            size = size if told.size is None else told.size
            name = _plain(told.name or _name(head))
            if kind not in _FILES or told.sparse:
                links += kind != _FOLDER
            elif not _is_hidden(name):
                path = f"{source.path}/{name}"
                entry = Entry(path, name, size, store, body, source.path, body)
                if not source.seekable:
                    fits = size <= max_bytes
                    entry.store = held if fits else LostStore()
                    entry.where = bytes_of.read(body, size) if fits else None
                yield entry
            told = _Told()
        at = body + size + -size % _BLOCK
    if links:
        ctx.warn(f"{source.path}: {links} links, devices or sparse files, passed over")


class _AtOffsets:
    def __init__(self, source: Source) -> None:
        self._source = source

    def read(self, at: int, size: int) -> bytes:
        data = self._source.read_at(at, size)
        if len(data) < size:
            raise _damaged(self._source, "the tar is cut short", at)
        return data

    def header(self, at: int, last: bool) -> bytes:
        """A block; where it may be the last, less at the end."""
        return self._source.read_at(at, _BLOCK) if last else self.read(at, _BLOCK)


class _FrontToEnd:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._stream = source.open()
        self._at = 0

    def read(self, at: int, size: int) -> bytes:
        self._skip(at)
        return self._exactly(size, at)

    def header(self, at: int, last: bool) -> bytes:
        """A block; where it may be the last, less at the end."""
        self._skip(at)
        return self._exactly(_BLOCK, at, last)

    def _skip(self, at: int) -> None:
        while self._at < at:
            self._exactly(min(at - self._at, _PIECE), at)

    def _exactly(self, size: int, at: int, last: bool = False) -> bytes:
        parts: list[bytes] = []
        left = size
        while left:
            part = self._stream.read(min(left, _PIECE))
            if not part and last:
                break
            if not part:
                raise _damaged(self._source, "the tar is cut short", at)
            parts.append(part)
            left -= len(part)
        self._at += size - left
        return b"".join(parts)


class _Told:
    """What extended headers tell of the member behind them."""

    def __init__(self) -> None:
        self.name: str | None = None
        self.size: int | None = None
        self.sparse = False

    def add(self, kind: bytes, body: bytes) -> None:
        if kind == b"L":
            self.name = body.rstrip(b"\0").decode("utf-8", "replace")
            return
        while body:
            length, _, _ = body.partition(b" ")
            if not length.isdigit() or not 0 < int(length[:9]) <= len(body):
                return
            record, body = body[: int(length)], body[int(length) :]
            key, _, value = record[len(length) + 1 : -1].partition(b"=")
            if key == b"path":
                self.name = value.decode("utf-8", "replace")
            elif key == b"size" and value.isdigit() and len(value) < 19:
                self.size = int(value)
            elif key.startswith(b"GNU.sparse"):
                self.sparse = True


def _checksum(head: bytes) -> int:
    """The sum of a header's bytes, its own place taken for spaces."""
    return sum(head) - sum(head[148:156]) + 8 * 32


def _number(field: bytes) -> int:
    """A number as a header has it, octal or base 256; -1 for none."""
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big") if field[0] == 0x80 else -1
    digits = field.strip(b" \0")
    try:
        return int(digits or b"0", 8)
    except ValueError:
        return -1


def _name(head: bytes) -> str:
    name = head[:100].split(b"\0")[0]
    prefix = head[345:500].split(b"\0")[0] if head[257:263] == b"ustar\0" else b""
    return (prefix + b"/" + name if prefix else name).decode("utf-8", "replace")


def _damaged(source: Source, what: str, at: int) -> DataError:
    return DataError(what, path=source.path, place=f"byte {at}", hint="copy or download it again")
