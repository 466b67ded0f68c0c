"""``http://`` and ``https://``: ranges by RFC 9110, through fsspec's session of aiohttp."""

from __future__ import annotations

import asyncio
import concurrent.futures
import re
import threading
from collections.abc import Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from arrowsmith.errors import OptionError, SourceError, TargetError
from arrowsmith.location.remote.options import StorageOptions, unknown
from arrowsmith.location.remote.store import Transient, Upload, changed, denied, missing
from arrowsmith.location.remote.url import Url, parse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

T = TypeVar("T")

_EDGE = 64 << 10
_HEADER = "header."
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_AGAIN = (408, 425, 429, 500, 502, 503, 504)
_WORDS = {429: "too many requests"}
_INSTALL = "pip install 'arrowsmith[http]'"


class HttpStore:
    """A web server. Proxies come from the environment, passwords from ``~/.netrc`` as well.

    Storage options: ``headers``, or ``header.NAME`` for one; ``client_kwargs`` for aiohttp's
    ``ClientSession``.
    """

    def __init__(self, url: Url, options: StorageOptions) -> None:
        try:
            import aiohttp
            import fsspec.implementations.http
        except ImportError as error:
            what = f"reading {url.scheme}:// needs fsspec and aiohttp"
            raise SourceError(what, path=url.shown, hint=_INSTALL) from error
        del fsspec
        rest = dict(options.rest)
        client = rest.pop("client_kwargs", None) or {}
        headers = dict(rest.pop("headers", None) or {})
        for key in [key for key in rest if key.startswith(_HEADER)]:
            headers[key.removeprefix(_HEADER)] = rest.pop(key)
        if rest:  # never sent: they may be secrets of another place
            raise unknown(list(rest), ["headers", "header.NAME", "client_kwargs"], url.scheme)
        if not all(isinstance(value, str) for value in headers.values()):
            raise OptionError("headers are text", path=url.shown)
        # Of what is compressed for the way, ranges would be ranges of something else.
        self._headers = {"Accept-Encoding": "identity", **headers}
        self._client = {"trust_env": True, "auto_decompress": False, **client}
        self._timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=options.timeout, sock_read=options.timeout
        )
        self._seconds = options.timeout
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._session: Any = None
        self._lock = threading.Lock()

    # --- the loop ---

    def run(self, job: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the store's loop, and wait for it."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                name = "arrowsmith-remote-loop"
                self._thread = threading.Thread(target=self._loop.run_forever, name=name)
                self._thread.daemon = True
                self._thread.start()
            loop = self._loop
        try:
            return asyncio.run_coroutine_threadsafe(job, loop).result()
        except concurrent.futures.CancelledError:
            raise Transient("the request was broken off") from None

    def interrupt(self) -> None:
        loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(_cancel_all, loop)

    def close(self) -> None:
        with self._lock:
            loop, self._loop = self._loop, None
            thread, self._thread = self._thread, None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._close_session(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        if thread is not threading.current_thread():
            thread.join()
            loop.close()

    async def _close_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _opened_session(self) -> Any:
        if self._session is None:
            from fsspec.implementations.http import HTTPFileSystem

            system = HTTPFileSystem(
                asynchronous=True, skip_instance_cache=True, client_kwargs=self._client
            )
            self._session = await system.set_session()
        return self._session

    @asynccontextmanager
    async def get(self, url: Url, headers: dict[str, str]) -> AsyncIterator[Any]:
        """One request; what fails on the way is told as ``Transient`` or ``SourceError``."""
        import aiohttp

        session = await self._opened_session()
        headers = {**self._headers, **headers}
        try:
            async with session.get(
                _encoded(url.key), headers=headers, timeout=self._timeout
            ) as response:
                _check_status(response, url)
                yield response
        except TimeoutError as error:
            raise Transient(f"no answer for {self._seconds:g} s") from error
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError) as error:
            what = f"no secure connection ({_reason(error)})"
            raise SourceError(
                what, path=url.shown, hint="check the host and its certificate"
            ) from None
        except aiohttp.ClientPayloadError as error:
            raise Transient("the answer broke off") from error
        except (aiohttp.InvalidURL, aiohttp.TooManyRedirects, ValueError) as error:
            what = "redirects without end" if "Redirect" in type(error).__name__ else "no valid URL"
            raise SourceError(what, path=url.shown) from None
        except (aiohttp.ClientError, OSError) as error:
            raise Transient(f"the connection failed ({_reason(error)})") from error

    # --- reading ---

    def open(self, key: str) -> HttpHandle | None:
        return self.run(self._open(parse(key)))

    async def _open(self, url: Url) -> HttpHandle | None:
        async with self.get(url, {"Range": f"bytes=0-{_EDGE - 1}"}) as response:
            if response.status in (404, 410):
                return None
            stamp = _stamp(response)
            if response.status == 416:  # there is no first byte
                return HttpHandle(self, url, 0, stamp, True, b"")
            head = await _up_to(response.content, _EDGE)
            total = _total(response)
            ranges = response.status == 206 and total is not None
            if response.status == 200:
                length = response.headers.get("Content-Length", "")
                total = int(length) if length.isdecimal() else None
                if len(head) < _EDGE:
                    total = len(head)
            response.close()
            return HttpHandle(self, url, total, stamp, ranges, head)

    def below(self, prefix: str) -> list[str]:
        raise missing(parse(prefix).shown, "web servers list no folders", "name each file")

    # --- writing ---

    def upload(self, key: str, data: BinaryIO, stopped: threading.Event) -> Upload:
        raise read_only(parse(key))


def read_only(url: Url) -> TargetError:
    what = "web servers know no way to publish a whole file at once"
    return TargetError(what, path=url.shown, hint="write to a file, s3:// or gs://")


class HttpHandle:
    """An object behind a URL. Every answer is compared with the first one's size and ETag."""

    checked = True

    def __init__(
        self, store: HttpStore, url: Url, size: int | None, stamp: str, ranges: bool, head: bytes
    ) -> None:
        self.size = size
        self.stamp = stamp
        self.ranges = ranges
        self.head = head
        self._store = store
        self._url = url

    def fill(self, offset: int, view: memoryview) -> int:
        return self._store.run(self._fill(offset, view))

    async def _fill(self, offset: int, view: memoryview) -> int:
        headers = {"Range": f"bytes={offset}-{offset + len(view) - 1}"}
        if self.stamp.startswith('"'):
            headers["If-Match"] = self.stamp
        done = 0
        try:
            async with self._store.get(self._url, headers) as response:
                self._check_same(response)
                if response.status != 206 or _start(response) != offset:
                    raise Transient("the server left the range out of account")
                async for piece in response.content.iter_any():
                    piece = piece[: len(view) - done]
                    view[done : done + len(piece)] = piece
                    done += len(piece)
                    if done == len(view):
                        break
        except Transient as trouble:
            trouble.got = done
            raise
        return done

    def _check_same(self, response: Any) -> None:
        if response.status in (404, 410):
            raise changed(self._url.shown, "it is gone")
        total = _total(response)
        if (
            response.status in (412, 416)
            or _stamp(response) != self.stamp
            or (total is not None and total != self.size)
        ):
            raise changed(self._url.shown)

    def stream(self) -> HttpAnswer:
        return HttpAnswer(self._store, self._store.get(self._url, {}), self._check_same)


class HttpAnswer:
    """The body of one answer, taken as it is wanted: aiohttp holds back the server meanwhile."""

    def __init__(self, store: HttpStore, request: Any, check: Callable[[Any], None]) -> None:
        self._store = store
        self._pieces = self._read_pieces(request, check)
        self._rest = memoryview(b"")

    async def _read_pieces(
        self, request: Any, check: Callable[[Any], None]
    ) -> AsyncIterator[bytes]:
        async with request as response:
            check(response)
            async for piece in response.content.iter_any():
                yield piece

    def read(self, size: int) -> bytes:
        if not self._rest:
            self._rest = memoryview(self._store.run(self._next()))
        data = bytes(self._rest[:size])
        self._rest = self._rest[size:]
        return data

    async def _next(self) -> bytes:
        return await anext(self._pieces, b"")

    def close(self) -> None:
        self._store.run(self._pieces.aclose())  # type: ignore[attr-defined]


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()


def _encoded(url: str) -> Any:
    from yarl import URL

    # What is encoded already stays so to the letter: signatures are made over it.
    return URL(url, encoded=url.isascii() and " " not in url)


def _check_status(response: Any, url: Url) -> None:
    """Pass answers that tell something about the object, and raise the others."""
    status = response.status
    if status in (200, 206, 404, 410, 412, 416):
        return
    told = f"HTTP {status} {_WORDS.get(status, response.reason or '')}".strip()
    if status in _AGAIN:
        wait = response.headers.get("Retry-After", "")
        raise Transient(f"the server answers {told}", after=float(wait) if wait.isdecimal() else 0)
    if status in (401, 403, 407):
        hint = (
            "give a header such as --storage-option header.Authorization='Bearer ...',"
            " a password in ~/.netrc, or a URL that has not expired"
        )
        raise denied(url.shown, told, hint)
    raise SourceError(f"the server answers {told}", path=url.shown)


def _stamp(response: Any) -> str:
    return response.headers.get("ETag") or response.headers.get("Last-Modified") or ""


def _total(response: Any) -> int | None:
    found = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
    return int(found[3]) if found and found[3] != "*" else None


def _start(response: Any) -> int | None:
    found = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
    return int(found[1]) if found and found[1] else None


async def _up_to(content: Any, size: int) -> bytes:
    data = b""
    while len(data) < size and (piece := await content.read(size - len(data))):
        data += piece
    return data


def _reason(error: BaseException) -> str:
    inner = getattr(error, "os_error", None) or error
    return getattr(inner, "strerror", None) or type(inner).__name__
