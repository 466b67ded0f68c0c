"""The directory of a zip archive, read with every offset checked, and its members unpacked.

A member's name is never taken for a path. Format (APPNOTE):
https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

STORED, DEFLATED = 0, 8

_END = struct.Struct("<4s4H2LH")
_END64_PLACE = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_LONGEST_COMMENT = 0xFFFF
_MOST_MEMBERS = 1 << 16
_ENCRYPTED, _UTF8 = 1, 1 << 11
_HUGE, _MANY = 0xFFFFFFFF, 0xFFFF
_BLOCK = 256 << 10


class ArchiveError(ValueError):
    """The archive is damaged, or of a kind that is not read."""

    def __init__(self, what: str, hint: str = "the file is damaged") -> None:
        super().__init__(what)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Member:
    """A file of an archive.

    Attributes:
        name: as it stands there.
        method: ``STORED`` or ``DEFLATED``.
        start: of its bytes in the archive.
        packed: how many there are.
        size: how many it has when unpacked.
        crc: their checksum.
    """

    name: str
    method: int
    start: int
    packed: int
    size: int
    crc: int


def members(data: memoryview) -> list[Member]:
    """The members in the order of the directory.

    Raises:
        ArchiveError: the directory or a member's header makes no sense, two members overlap or
            have the same name, one is encrypted or packed by another method than deflate.
    """
    at, stop, count = _directory(data)
    found: list[Member] = []
    spans: list[tuple[int, int]] = []
    for _ in range(count):
        member, local, at = _entry(data, at, stop)
        found.append(member)
        spans.append((local, member.start + member.packed))
    spans.sort()
    for (_, end), (start, _) in pairwise(spans):
        if start < end:
            raise ArchiveError("two of its members lie over each other")
    if spans and spans[-1][1] > stop:
        raise ArchiveError("a member lies over the directory")
    names = [member.name for member in found]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ArchiveError(f"there are two members {twice!r}", "write the archive anew")
    return found


def unpacked(data: memoryview, member: Member, check: Callable[[], None]) -> Iterator[bytes]:
    """The bytes of a deflated member in blocks, no more than it declares.

    Raises:
        ArchiveError: it is damaged: other bytes, more or fewer than declared.
    """
    crc = done = 0
    try:
        for piece in _inflated(data, member, check):
            done += len(piece)
            if done > member.size:
                raise ArchiveError(f"member {member.name!r} is larger than it declares")
            crc = zlib.crc32(piece, crc)
            yield piece
    except zlib.error as error:
        raise ArchiveError(f"member {member.name!r} cannot be unpacked: {error}") from None
    if done < member.size:
        raise ArchiveError(f"member {member.name!r} ends after {done} of {member.size} bytes")
    if crc != member.crc:
        raise ArchiveError(f"the checksum of member {member.name!r} does not fit")


def _inflated(data: memoryview, member: Member, check: Callable[[], None]) -> Iterator[bytes]:
    packer = zlib.decompressobj(-zlib.MAX_WBITS)
    stop = member.start + member.packed
    for start in range(member.start, stop, _BLOCK):
        check()
        block: bytes | memoryview = data[start : min(start + _BLOCK, stop)]
        # Output may be left over when all of the input is taken: ask until there is none.
        while piece := packer.decompress(block, _BLOCK):
            yield piece
            block = packer.unconsumed_tail
        if packer.eof:
            if start + _BLOCK < stop or packer.unused_data:
                raise ArchiveError(f"member {member.name!r} ends before its bytes do")
            return
    raise ArchiveError(f"member {member.name!r} is cut short")


def _directory(data: memoryview) -> tuple[int, int, int]:
    """Where the directory starts and ends, and how many entries it has."""
    low = max(0, len(data) - _LONGEST_COMMENT - _END.size)
    tail = bytes(data[low:])
    found = tail.rfind(b"PK\x05\x06")
    while found >= 0 and found + _END.size > len(tail):
        found = tail.rfind(b"PK\x05\x06", 0, found)
    if found < 0:
        raise ArchiveError("it has no directory at its end", "the file is cut short")
    end = low + found
    _, disk, first, here, count, size, start, _ = _END.unpack_from(data, end)
    stop = end
    if _MANY in (here, count) or _HUGE in (size, start):
        place = end - _END64_PLACE.size
        if place < 0:
            raise ArchiveError("its directory is cut short")
        mark, disk, at, _ = _END64_PLACE.unpack_from(data, place)
        if mark != b"PK\x06\x07" or at + _END64.size > place:
            raise ArchiveError("its directory has no 64-bit end")
        mark, _, _, _, disk, first, here, count, size, start = _END64.unpack_from(data, at)
        if mark != b"PK\x06\x06":
            raise ArchiveError("its directory has no 64-bit end")
        stop = at
    if disk or first or here != count:
        raise ArchiveError("it is one part of several", "join them first")
    if start + size != stop:
        raise ArchiveError(f"its directory claims bytes {start} to {start + size}, not to {stop}")
    if count > _MOST_MEMBERS or count * _ENTRY.size > size:
        raise ArchiveError(f"its directory claims {count} members in {size} bytes")
    return start, stop, count


def _entry(data: memoryview, at: int, stop: int) -> tuple[Member, int, int]:
    """A member, where its own header stands, and where the next entry does."""
    if at + _ENTRY.size > stop:
        raise ArchiveError("its directory is cut short")
    fields = _ENTRY.unpack_from(data, at)
    mark, _, _, flags, method, _, _, crc, packed, size, named, extra, comment = fields[:13]
    local = fields[-1]
    after = at + _ENTRY.size + named + extra + comment
    if mark != b"PK\x01\x02" or after > stop:
        raise ArchiveError("an entry of its directory makes no sense")
    begin = at + _ENTRY.size
    name = _name(bytes(data[begin : begin + named]), flags)
    if _HUGE in (size, packed, local):
        more = bytes(data[begin + named : begin + named + extra])
        size, packed, local = _wide(more, size, packed, local)
    if flags & _ENCRYPTED:
        raise ArchiveError(f"member {name!r} is encrypted", "decrypt the archive first")
    if method not in (STORED, DEFLATED):
        raise ArchiveError(
            f"member {name!r} is packed by method {method}", "only deflate is read: pack it anew"
        )
    start = _data_start(data, local, name, method, stop)
    if start + packed > stop or (method == STORED and packed != size):
        raise ArchiveError(f"member {name!r} claims more bytes than there are")
    return Member(name, method, start, packed, size, crc), local, after


def _data_start(data: memoryview, local: int, name: str, method: int, stop: int) -> int:
    """Where a member's bytes begin: behind a header that repeats its name."""
    if local + _LOCAL.size > stop:
        raise ArchiveError(f"member {name!r} lies behind the end")
    mark, _, flags, again, *_, named, extra = _LOCAL.unpack_from(data, local)
    start = local + _LOCAL.size
    # The name's end decides where the bytes begin, so it has to be the one of the directory.
    same = _name(bytes(data[start : start + named]), flags) == name
    if mark != b"PK\x03\x04" or again != method or not same:
        raise ArchiveError(f"the header of member {name!r} is not what the directory says")
    return start + named + extra


def _name(raw: bytes, flags: int) -> str:
    try:
        return raw.decode("utf-8" if flags & _UTF8 else "cp437")
    except UnicodeDecodeError:
        raise ArchiveError("a member's name is no UTF-8") from None


def _wide(extra: bytes, size: int, packed: int, local: int) -> tuple[int, int, int]:
    """Sizes and place of an entry that 32 bits cannot hold."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        at += 4
        if kind == 1:
            numbers = iter(struct.unpack_from(f"<{min(length, len(extra) - at) // 8}Q", extra, at))
            try:
                size, packed, local = (
                    next(numbers) if number == _HUGE else number for number in (size, packed, local)
                )
            except (StopIteration, RuntimeError):
                break
            return size, packed, local
        at += length
    raise ArchiveError("an entry lacks its 64-bit sizes")
