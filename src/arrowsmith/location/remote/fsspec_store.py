"""``memory://`` and every other place that an installed fsspec package knows."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, BinaryIO, TypeVar

from arrowsmith.errors import Cancelled, OptionError, SourceError, TargetError
from arrowsmith.location.remote.options import StorageOptions
from arrowsmith.location.remote.store import Transient, Upload, changed, denied
from arrowsmith.location.remote.url import Url

T = TypeVar("T")

_KNOWN = "s3, gs, http, https, memory, and what fsspec knows with its packages (abfs, hf ...)"


class FsspecStore:
    """A file system of fsspec's; storage options are its arguments."""

    def __init__(self, url: Url, options: StorageOptions) -> None:
        self._url = url
        try:
            import fsspec
        except ImportError as error:
            what = f"{url.scheme}:// needs fsspec"
            hint = f"pip install 'arrowsmith[fsspec]'; there are {_KNOWN}"
            raise SourceError(what, path=url.shown, hint=hint) from error
        try:
            kind = fsspec.get_filesystem_class(url.scheme)
        except ValueError as error:
            what = f"{url.scheme}:// is not known"
            raise SourceError(what, path=url.shown, hint=f"there are {_KNOWN}") from error
        except ImportError as error:
            what = f"{url.scheme}:// needs a package that is not installed ({error})"
            raise SourceError(what, path=url.shown) from error
        try:
            self._system: Any = kind(**options.rest)
        except (TypeError, ValueError) as error:
            what = f"{url.scheme}:// lacks a storage option, or does not take one of these"
            hint = f"they are the arguments of fsspec's {kind.__name__}, such as its host"
            raise OptionError(what, path=url.shown, hint=hint) from error
        self._prefix = "/" if url.scheme == "memory" else ""

    def _asked(self, key: str, call: Callable[[], T]) -> T:
        shown = self._url.root + key
        try:
            return call()
        except FileNotFoundError:
            raise
        except (TimeoutError, ConnectionError) as error:
            raise Transient(f"the connection failed ({type(error).__name__})") from error
        except PermissionError as error:
            hint = f"check the credentials for {self._url.scheme}://"
            raise denied(shown, type(error).__name__, hint) from error
        except (SourceError, Transient):
            raise
        except Exception as error:  # its packages raise what they like, with what they like in it
            raise SourceError(f"cannot be read ({type(error).__name__})", path=shown) from error

    # --- reading ---

    def open(self, key: str) -> FsspecHandle | None:
        name = self._prefix + key
        try:
            info = self._asked(key, lambda: self._system.info(name))
            if info.get("type") != "file":
                return None
            stamp = self._asked(key, lambda: str(self._system.ukey(name)))
        except FileNotFoundError:
            return None
        return FsspecHandle(self, key, int(info["size"]), stamp)

    def below(self, prefix: str) -> list[str]:
        name = self._prefix + prefix
        try:
            found = self._asked(prefix, lambda: self._system.find(name.rstrip("/")))
        except FileNotFoundError:
            return []
        return [one.removeprefix(self._prefix) for one in found]

    def fill(self, key: str, offset: int, view: memoryview) -> int:
        name = self._prefix + key
        end = offset + len(view)
        try:
            data = self._asked(key, lambda: self._system.cat_file(name, start=offset, end=end))
        except FileNotFoundError as error:
            raise changed(self._url.root + key, "it is gone") from error
        view[: len(data)] = data
        return len(data)

    # --- writing ---

    def upload(self, key: str, data: BinaryIO, stopped: threading.Event) -> Upload:
        if stopped.is_set():
            raise Cancelled("writing was interrupted")
        return FsspecUpload(self._system, self._prefix + key, self._url.root + key, data)

    def interrupt(self) -> None:
        """fsspec cannot: a request ends by its file system's own timeout."""

    def close(self) -> None:
        """Its file systems keep their connections, and are shared."""


class FsspecHandle:
    """An object of an fsspec file system, as its ``ukey`` told it apart when it was opened."""

    ranges = True
    head = b""
    checked = False

    def __init__(self, store: FsspecStore, key: str, size: int, stamp: str) -> None:
        self.size: int | None = size
        self.stamp = stamp
        self._store = store
        self._key = key

    def fill(self, offset: int, view: memoryview) -> int:
        return self._store.fill(self._key, offset, view)

    def stream(self) -> Any:
        raise NotImplementedError("it is read by ranges")


class FsspecUpload:
    """A file that is sent when it is to appear: what an unfinished upload shows differs."""

    def __init__(self, system: Any, name: str, shown: str, data: BinaryIO) -> None:
        self._system = system
        self._name = name
        self._shown = shown
        self._data = data

    def complete(self) -> None:
        try:
            if self._system.protocol == "memory":  # put_file would show it while it grows
                self._system.pipe_file(self._name, self._data.read())
            else:
                # The file has no name, so that nothing of it is left when the process is killed.
                self._system.put_file(f"/dev/fd/{self._data.fileno()}", self._name)
        except Exception as error:
            what = f"cannot be written ({type(error).__name__})"
            raise TargetError(what, path=self._shown) from error

    def abandon(self) -> None:
        """Nothing was sent yet."""
