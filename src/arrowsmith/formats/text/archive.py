"""The members of zip and tar archives, one after another, as streams.

A member's name is a label, never a path: nothing is written, links are not followed. Sizes are
checked before anything is allocated. A tar is read from front to end, so that it may be compressed.

Formats: POSIX ustar and pax (https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html),
GNU long names (https://www.gnu.org/software/tar/manual/html_node/Standard.html), zip by the
standard library.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import IO

from arrowsmith.errors import DataError, RatioExceeded, SourceError
from arrowsmith.formats.text.ranges import Fill
from arrowsmith.plugin.feed import Feed
from arrowsmith.plugin.protocols import RunContext, Source

_BLOCK = 512
_LONGEST = 1 << 20  # bytes of a long name, or of what pax tells of a member
_RATIO, _RATIO_FLOOR = 1000, 64 << 20
_ENTRY_COST = 16  # memory that an entry of a zip's directory takes, per byte of it
_FILES = (b"0", b"\0", b"7")
_SCRAP = 1 << 16
_BUFFER = 1 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """A file of an archive.

    Attributes:
        name: as it stands there.
        size: bytes when unpacked.
        offset: of its header in the archive.
        fill: reads it, front to end, until the next member is asked for.
    """

    name: str
    size: int
    offset: int
    fill: Fill


def zip_members(source: Source, ctx: RunContext) -> Iterator[Member]:
    """The files of a zip, in the order of its directory.

    Raises:
        SourceError: the archive is compressed as a whole or a pipe.
        DataError: it is damaged, encrypted, or packed in an unknown way.
        RatioExceeded: a member claims to be much larger than its packed bytes can be.
    """
    if not source.seekable:
        raise SourceError(
            "a zip can only be read from a file", path=source.path, hint="unpack or save it first"
        )
    raw = _Bounded(source, max(ctx.memory_limit // _ENTRY_COST, _BUFFER))
    at: int | None = None
    try:
        with zipfile.ZipFile(raw) as archive:
            for info in archive.infolist():
                at = info.header_offset
                if info.is_dir():
                    continue
                _check_ratio(info, source)
                if info.flag_bits & 1:
                    raise _damaged(source, f"member {info.filename!r} is encrypted", at)
                with archive.open(info) as stream:
                    fill = _filling(stream, source, at)
                    yield Member(info.filename, info.file_size, at, fill)
    except _ZIP_ERRORS as error:
        raise _broken_zip(source, error, at) from error


def _broken_zip(source: Source, error: Exception, at: int | None) -> DataError:
    what = str(error) or type(error).__name__
    return _damaged(source, f"the zip is damaged or of an unknown kind ({what})", at)


_ZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError),
    *(ValueError, OverflowError, UnicodeDecodeError, MemoryError, OSError, IndexError),
)


def _check_ratio(info: zipfile.ZipInfo, source: Source) -> None:
    if info.file_size > max(_RATIO_FLOOR, info.compress_size * _RATIO):
        raise RatioExceeded(
            f"member {info.filename!r} unpacks {info.compress_size} bytes to {info.file_size}, "
            f"above the limit of {_RATIO} to 1",
            path=source.path,
            place=f"byte {info.header_offset}",
            hint="leave it out with -r members=PATTERN",
        )


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


def _filling(stream: IO[bytes], source: Source, at: int) -> Fill:
    """Fills whole buffers from a stream that may give less at a time."""

    def fill(view: memoryview) -> int:
        done = 0
        try:
            while done < len(view) and (data := stream.read(min(len(view) - done, _BUFFER))):
                view[done : done + len(data)] = data
                done += len(data)
        except _ZIP_ERRORS as error:
            raise _broken_zip(source, error, at) from error
        return done

    return fill


# --- tar -----------------------------------------------------------------------------------------


def tar_members(source: Source, ctx: RunContext) -> Iterator[Member]:
    """The regular files of a tar, in order; links, devices and folders are passed over.

    Raises:
        DataError: a header is damaged or the archive cut short.
    """
    with closing(Feed(source, 0, None)) as stream:
        at, told = 0, _Told()
        while True:
            ctx.check_cancelled()
            head = _exactly(stream, _BLOCK, source, at)
            if not head.strip(b"\0"):
                return
            if _number(head[148:156]) != sum(head) - sum(head[148:156]) + 8 * 32:
                raise _damaged(source, "the checksum of a tar header does not hold", at)
            size, kind = _number(head[124:136]), head[156:157]
            if size < 0:
                raise _damaged(source, "a tar header has no size", at)
            body = at + _BLOCK
            if kind in (b"L", b"x"):
                if size > _LONGEST:
                    raise _damaged(source, f"a tar header of {size} bytes", at)
                told.add(kind, _exactly(stream, size, source, body))
            elif kind in (b"g", b"K"):
                _pass(stream, size, source, body)
            else:
                size = size if told.size is None else told.size
                left = _Left(stream, size, source, body)
                if kind in _FILES and not told.sparse:
                    yield Member(told.name or _name(head), size, at, left.fill)
                left.drain()
                told = _Told()
            padding = -size % _BLOCK
            _exactly(stream, padding, source, body + size)
            at = body + size + padding


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


class _Left:
    """What is left to read of a member."""

    def __init__(self, stream: Feed, size: int, source: Source, at: int) -> None:
        self._stream, self._left, self._source, self._at = stream, size, source, at

    def fill(self, view: memoryview) -> int:
        view = view[: self._left]
        done = self._stream.fill(view)
        if done < len(view):
            raise _damaged(self._source, "the tar ends within a member", self._at)
        self._left -= done
        return done

    def drain(self) -> None:
        scrap = memoryview(bytearray(min(self._left, _SCRAP)))
        while self._left:
            self.fill(scrap)


def _pass(stream: Feed, size: int, source: Source, at: int) -> None:
    _Left(stream, size, source, at).drain()


def _exactly(stream: Feed, size: int, source: Source, at: int) -> bytes:
    data = bytearray(size)
    if stream.fill(memoryview(data)) < size:
        raise _damaged(source, "the tar is cut short", at)
    return bytes(data)


def _number(field: bytes) -> int:
    """A number as a header has it, octal or base 256; -1 for none."""
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big") if field[0] == 0x80 else -1
    digits = field.partition(b"\0")[0].strip(b" ")
    if digits.strip(b"01234567"):
        return -1
    return int(digits or b"0", 8)


def _name(head: bytes) -> str:
    name = head[:100].split(b"\0")[0]
    prefix = head[345:500].split(b"\0")[0] if head[257:263] == b"ustar\0" else b""
    return (prefix + b"/" + name if prefix else name).decode("utf-8", "replace")


def _damaged(source: Source, what: str, at: int | None) -> DataError:
    return DataError(
        what,
        path=source.path,
        place=None if at is None else f"byte {at}",
        hint="copy or download it again, or leave members out with -r members=PATTERN",
    )
