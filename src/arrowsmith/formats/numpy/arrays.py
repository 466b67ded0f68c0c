"""The arrays of a file: one of ``.npy``, the members of ``.npz``; where each lies in a mapping."""

from __future__ import annotations

import mmap
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pyarrow as pa

from arrowsmith.errors import DataError, RatioExceeded
from arrowsmith.formats.numpy.archive import STORED, ArchiveError, Member, members, unpacked
from arrowsmith.formats.numpy.header import Header, HeaderError, header_size, read_header
from arrowsmith.plugin import RunContext, Source

_SUFFIX = ".npy"
_SHORTEST = 12  # bytes that say how long a header is
_COPY_BYTES = 1 << 20
_ALIGNED = 64
# As for files that are compressed as a whole: small ones may grow as they like.
_HIGHEST_RATIO = 1_000
_UNCHECKED = 64 << 20


class StoredArray:
    """An array where it lies.

    Attributes:
        name: of the member without its suffix; empty for a ``.npy`` file.
        header: its type and shape.
        member: None for a ``.npy`` file.
    """

    def __init__(self, name: str, header: Header, member: Member | None) -> None:
        self.name = name
        self.header = header
        self.member = member
        self.values: np.ndarray | None = None

    @property
    def row_bytes(self) -> int:
        return self.header.size // self.header.rows if self.header.rows else 0

    def lay(self, buffer: pa.Buffer, at: int) -> None:
        """Let the array's bytes be those at ``at`` of ``buffer``."""
        header = self.header
        shape = header.shape or (1,)
        if not header.size:
            self.values = np.zeros(shape, header.dtype)
            return
        place = at + header.start
        order: Any = "F" if header.fortran else "C"
        self.values = np.ndarray(shape, header.dtype, buffer, place, None, order)


class ArrayFile:
    """The arrays of a source; deflated ones are unpacked to a scratch file when first needed.

    Args:
        source: an ``.npy`` or ``.npz`` file, which it is tells its content.
        ctx: lends scratch files.
        only: the member that is asked for; if there is such, the others are not looked at.

    Attributes:
        arrays: in the order of the file.
        archive: it is an ``.npz`` file.

    Raises:
        DataError: it is damaged, or holds Python objects.
        RatioExceeded: it would grow more than a thousandfold.
    """

    def __init__(self, source: Source, ctx: RunContext, only: str | None = None) -> None:
        self._source = source
        self._ctx = ctx
        self._lock = threading.Lock()
        self._buffer: pa.Buffer | None = self._mapped()
        data = memoryview(self._buffer)
        self.archive = bytes(data[:2]) == b"PK"
        try:
            self.arrays = list(self._members(data, only)) if self.archive else [self._single(data)]
        except (HeaderError, ArchiveError) as error:
            raise self._damaged(error) from error

    def load(self, arrays: Iterable[StoredArray]) -> None:
        """See to it that ``values`` of the arrays are there.

        Raises:
            DataError: a member cannot be unpacked.
        """
        with self._lock:
            packed: list[StoredArray] = []
            for array in arrays:
                member = array.member
                if array.values is None and (member is None or member.method == STORED):
                    array.lay(self._buffer, member.start if member else 0)
                elif array.values is None and array not in packed:
                    packed.append(array)
            if packed:
                self._unpack(packed)

    def close(self) -> None:
        """Let go of the mappings; they live on as long as batches over them do."""
        self._buffer = None
        for array in self.arrays:
            array.values = None

    def _unpack(self, arrays: list[StoredArray]) -> None:
        """All in one scratch file, each aligned, which is mapped as a whole."""
        self._source.check_unchanged()
        data = memoryview(self._buffer or b"")
        places: list[int] = []
        with self._ctx.scratch() as scratch:
            at = 0
            for array in arrays:
                assert array.member is not None
                gap = -(at + array.header.start) % _ALIGNED
                scratch.write(bytes(gap))
                places.append(at + gap)
                try:
                    for piece in unpacked(data, array.member, self._ctx.check_cancelled):
                        scratch.write(piece)
                except ArchiveError as error:
                    raise self._damaged(error) from error
                at += gap + array.member.size
            buffer = _mapping(scratch)
        for array, place in zip(arrays, places, strict=True):
            array.lay(buffer, place)

    def _mapped(self) -> pa.Buffer:
        if self._source.mappable:
            if not self._source.size:
                raise self._short()
            return self._source.map()
        with ExitStack() as stack:
            scratch = stack.enter_context(self._ctx.scratch())
            stream = stack.enter_context(self._source.open())
            size = 0
            while block := stream.read(_COPY_BYTES):
                self._ctx.check_cancelled()
                size += scratch.write(block)
            if not size:
                raise self._short()
            return _mapping(scratch)

    def _single(self, data: memoryview) -> StoredArray:
        wanted = header_size(bytes(data[:_SHORTEST]))
        return StoredArray("", read_header(bytes(data[:wanted]), len(data)), None)

    def _members(self, data: memoryview, only: str | None) -> Iterator[StoredArray]:
        others: list[str] = []
        found = members(data)
        asked = [member for member in found if member.name in (only, f"{only}{_SUFFIX}")]
        found = asked if only is not None and asked else found
        self._check_ratio(found, len(data))
        for member in found:
            if not member.name.endswith(_SUFFIX):
                others.append(member.name)
                continue
            try:
                header = _member_header(data, member, self._ctx.check_cancelled)
            except HeaderError as error:
                raise HeaderError(f"member {member.name!r}: {error}", error.hint) from error
            yield StoredArray(member.name.removesuffix(_SUFFIX), header, member)
        if len(others) == len(found):
            raise ArchiveError(
                "it is a zip archive without an array", "the names of its members end in .npy"
            )
        if others:
            self._ctx.warn(f"{self._source.path}: left out what is no array: {_some(others)}")

    def _check_ratio(self, found: list[Member], stored: int) -> None:
        size = sum(member.size for member in found)
        if size > _UNCHECKED and size > stored * _HIGHEST_RATIO:
            raise RatioExceeded(
                f"its {stored} bytes would become {size}, more than {_HIGHEST_RATIO} times as many",
                path=self._source.path,
                hint="if it is sound, write it anew with np.savez",
            )

    def _damaged(self, error: HeaderError | ArchiveError) -> DataError:
        return DataError(str(error), path=self._source.path, hint=error.hint)

    def _short(self) -> DataError:
        return DataError("it has no bytes", path=self._source.path, hint="the file is cut short")


def _member_header(data: memoryview, member: Member, check: Callable[[], None]) -> Header:
    """A member's header: of a deflated one, no more is unpacked than that."""
    if member.method == STORED:
        stored = data[member.start : member.start + member.size]
        wanted = header_size(bytes(stored[:_SHORTEST]))
        return read_header(bytes(stored[:wanted]), member.size)
    head = b""
    pieces = unpacked(data, member, check)
    wanted = _SHORTEST
    while len(head) < wanted:
        piece = next(pieces, b"")
        if not piece:
            break
        head += piece
        if len(head) >= _SHORTEST:
            wanted = header_size(head[:_SHORTEST])
    pieces.close()  # type: ignore[attr-defined]
    return read_header(head[: max(wanted, _SHORTEST)], member.size)


def _mapping(scratch: Any) -> pa.Buffer:
    """A scratch file's bytes, which stay as long as the buffer does."""
    scratch.flush()
    return pa.py_buffer(mmap.mmap(scratch.fileno(), 0, access=mmap.ACCESS_READ))


def _some(names: list[str]) -> str:
    return ", ".join(map(repr, names[:5])) + (", ..." if len(names) > 5 else "")
