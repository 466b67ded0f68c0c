"""Fingerprints: what bytes and values are, in 128 bits that do not depend on their names.

XXH3-128 (https://xxhash.com): not made to withstand an attacker, and as fast as memory.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, BinaryIO

import xxhash

from arrowsmith.errors import SourceChanged, SourceError, SourceNotFound

_BLOCK = 1 << 20  # stays in the processor's cache between being read and being hashed

Check = Callable[[], None]
"""Called between blocks; may raise to give up."""


def _nothing() -> None:
    """No check."""


@dataclasses.dataclass(frozen=True, slots=True)
class FileState:
    """What the file system tells of a file, all of it: while it is equal, so are the bytes.

    Attributes:
        device, inode: which file it is.
        size: in bytes.
        modified, changed: of its bytes, and of anything about it, in nanoseconds. The latter
            cannot be set back.
    """

    device: int
    inode: int
    size: int
    modified: int
    changed: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileState:
        return cls(
            status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
        )


def file_fingerprint(
    path: str | os.PathLike[str], *, check: Check = _nothing
) -> tuple[str, FileState]:
    """The XXH3-128 of a file's bytes in 32 hexadecimal digits, and the file that had them.

    Reads ranges into one buffer without the GIL, so that other threads go on.

    Args:
        path: a regular file.
        check: called now and then; what it raises ends the reading.

    Raises:
        SourceNotFound, SourceError: it cannot be read.
        SourceChanged: it changed meanwhile.

    Example:
        >>> file_fingerprint("in.csv")[0]
        '68601c470cae679bcb9bd26b3db45e37'
    """
    name = os.fspath(path)
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NONBLOCK)
        try:
            before = FileState.of(os.fstat(fd))
            found = _hashed(fd, before.size, check)
            after = FileState.of(os.fstat(fd))
        finally:
            os.close(fd)
    except FileNotFoundError:
        raise SourceNotFound("no such file or directory", path=name) from None
    except OSError as error:
        what = f"cannot be read ({error.strerror or error})"
        raise SourceError(what, path=name) from error
    if before != after:
        raise SourceChanged(
            "changed while it was read", path=name, hint="run again when it is at rest"
        )
    return found, after


def _hashed(fd: int, size: int, check: Check) -> str:
    """Of so many bytes: one may be appended for every byte that is read."""
    state = xxhash.xxh3_128()
    buffer = memoryview(bytearray(_BLOCK))
    at = 0
    while at < size and (got := os.preadv(fd, [buffer[: size - at]], at)):
        state.update(buffer[:got])
        at += got
        check()
    return state.hexdigest()


def stream_fingerprint(stream: BinaryIO, *, check: Check = _nothing) -> str:
    """The XXH3-128 of all that a stream has left.

    Example:
        >>> import io
        >>> stream_fingerprint(io.BytesIO(b"")) == xxhash.xxh3_128_hexdigest(b"")
        True
    """
    state = xxhash.xxh3_128()
    while block := stream.read(_BLOCK):
        state.update(block)
        check()
    return state.hexdigest()


def combined(fingerprints: Iterable[str]) -> str:
    """One fingerprint for a list of them, in their order; that of a single one is itself."""
    found = list(fingerprints)
    return found[0] if len(found) == 1 else value_fingerprint(found)


class NoIdentityError(ValueError):
    """A value that does not tell what it is, such as a function."""


def value_fingerprint(value: Any) -> str:
    """The fingerprint of a plain value: equal for equal values, in any process.

    Plain are None, booleans, numbers, text, bytes, types of Arrow and NumPy, enumeration members,
    paths, and lists, tuples, sets, mappings and dataclasses of such.

    Raises:
        NoIdentityError: some part of it is none of these.

    Example:
        >>> value_fingerprint({"a": 1, "b": 2}) == value_fingerprint({"b": 2, "a": 1})
        True
    """
    text = json.dumps(_plain(value), ensure_ascii=True, separators=(",", ":"))
    return xxhash.xxh3_128_hexdigest(text.encode())


def _plain(value: Any) -> Any:
    """The value as JSON, tagged where two types would look the same."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, enum.Enum):
        return ["enum", type(value).__qualname__, value.name]
    if isinstance(value, int):
        return ["int", str(value)]
    if isinstance(value, float):
        return ["float", value.hex()]
    if isinstance(value, bytes):
        return ["bytes", value.hex()]
    if isinstance(value, list | tuple):
        return ["list", *map(_plain, value)]
    if isinstance(value, set | frozenset):
        return ["set", *sorted(json.dumps(_plain(one)) for one in value)]
    if isinstance(value, Mapping):
        pairs = [[_plain(key), _plain(one)] for key, one in value.items()]
        return ["map", *sorted(pairs, key=json.dumps)]
    if isinstance(value, os.PathLike):
        return ["path", os.fspath(value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
        return ["dataclass", type(value).__qualname__, _plain(fields)]
    return _foreign(value)


def _foreign(value: Any) -> Any:
    kind = type(value)
    home = kind.__module__.partition(".")[0]
    if home == "pyarrow" and hasattr(value, "serialize") and hasattr(value, "names"):
        return ["schema", bytes(value.serialize()).hex()]
    if home == "pyarrow" and kind.__name__.endswith(("Type", "Field")):
        return ["arrow", str(value), repr(getattr(value, "metadata", None))]
    if home == "pyarrow" and kind.__name__ == "Expression":  # its text cuts long lists short
        return ["expression", *(bytes(part).hex() for part in value.__reduce__()[1])]
    if home == "numpy" and hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return _plain(value.item())
    raise NoIdentityError(f"a {kind.__name__} does not tell what it is")
