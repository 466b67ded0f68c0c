"""What a kind of remote place has to be able to do, and the errors that are worth another try."""

from __future__ import annotations

import threading
from typing import BinaryIO, Protocol

from arrowsmith.errors import SourceChanged, SourceError, SourceNotFound
from arrowsmith.location.remote.options import StorageOptions
from arrowsmith.location.remote.url import Url


class Transient(Exception):  # noqa: N818 - it is not an error until it has lasted
    """A request failed in a way that may pass.

    Attributes:
        what: in a few words.
        got: bytes that had arrived.
        after: seconds that the server asks to wait, or 0.
    """

    def __init__(self, what: str, *, got: int = 0, after: float = 0.0) -> None:
        super().__init__(what)
        self.what = what
        self.got = got
        self.after = after


class Handle(Protocol):
    """An object as it was when it was opened.

    Attributes:
        size: in bytes; None where only reading tells.
        stamp: changes whenever the object does.
        ranges: ``fill`` works.
        head: its first bytes where opening gave them, else none.
        checked: every answer is compared with the stamp, so that no look at the end is needed.
    """

    size: int | None
    stamp: str
    ranges: bool
    head: bytes
    checked: bool

    def fill(self, offset: int, view: memoryview) -> int:
        """One request for the bytes from ``offset``; how many arrived.

        Raises:
            Transient: worth another try.
            SourceError: not so.
        """
        ...

    def stream(self) -> Streaming:
        """The bytes from the first, for an object without ranges; one request."""
        ...


class Streaming(Protocol):
    """An answer that arrives."""

    def read(self, size: int) -> bytes:
        """The next bytes; none at the end. Raises as ``Handle.fill``."""
        ...

    def close(self) -> None: ...


class Upload(Protocol):
    """An object that is yet to appear."""

    def complete(self) -> None:
        """Make it appear, whole, in place of what was there. Raises ``TargetError``."""
        ...

    def abandon(self) -> None:
        """Never let it appear."""
        ...


class Store(Protocol):
    """A bucket, a server or the like. All calls block, and run on threads of the pool."""

    def open(self, key: str) -> Handle | None:
        """The object of that very key, None without one. Raises as ``Handle.fill``."""
        ...

    def below(self, prefix: str) -> list[str]:
        """The keys of all objects that begin with ``prefix``, which ends with a slash.

        Raises as ``Handle.fill``; a bucket that is not there is ``SourceNotFound``.
        """
        ...

    def upload(self, key: str, data: BinaryIO, stopped: threading.Event) -> Upload:
        """Send what ``data`` holds from its start; nothing is to be seen of it yet.

        Raises:
            TargetError: it failed for good. ``Cancelled``: ``stopped`` was set.
        """
        ...

    def interrupt(self) -> None:
        """Have calls under way fail soon."""
        ...

    def close(self) -> None:
        """Give back connections and threads; the next call makes new ones."""
        ...


def make_store(url: Url, options: StorageOptions) -> Store:
    """The store for a URL; nothing is asked of it yet.

    Raises:
        SourceError: the scheme is not known, or what it needs is not installed.
        OptionError: a storage option is not known.
    """
    if url.scheme in ("s3", "gs"):
        from arrowsmith.location.remote.arrow_store import ArrowStore

        return ArrowStore(url, options)
    if url.web:
        from arrowsmith.location.remote.http_store import HttpStore

        return HttpStore(url, options)
    from arrowsmith.location.remote.fsspec_store import FsspecStore

    return FsspecStore(url, options)


def denied(path: str, what: str, hint: str) -> SourceError:
    return SourceError(f"access denied ({what})", path=path, hint=hint)


def missing(path: str, what: str = "no such object", hint: str | None = None) -> SourceNotFound:
    return SourceNotFound(what, path=path, hint=hint)


def changed(path: str, how: str = "its size, time or ETag differ") -> SourceChanged:
    hint = "run again when it is at rest"
    return SourceChanged(f"changed while it was read ({how})", path=path, hint=hint)
