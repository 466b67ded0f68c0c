"""A web server that knows ranges, counts what it is asked for, and misbehaves when told to."""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

PATIENCE = 20.0  # seconds for what must happen; nothing waits so long unless it is broken


@dataclass
class Request:
    """One GET: its path with the query, the range it asked for, and its headers."""

    path: str
    range: tuple[int, int] | None
    headers: dict[str, str]


Fault = Callable[["Handler", Request], bool]
"""Answers a request instead of the server; False to have the server answer after all."""


@dataclass
class Page:
    """What stands at a path.

    Attributes:
        data: the bytes.
        ranges: whether requests for ranges are honoured.
        length: whether the length is told; else the end of the connection tells it.
        tagged: whether there is an ETag.
        faults: what happens to the next requests, one each.
    """

    data: bytes
    ranges: bool = True
    length: bool = True
    tagged: bool = True
    faults: deque[Fault] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.tag = f'"{hashlib.md5(self.data).hexdigest()}"'


class Web:
    """A server on a port of its own.

    Attributes:
        pages: what is there, by path; may be changed at any time.
        requests: what was asked for so far.
    """

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.requests: list[Request] = []
        self.released = threading.Event()
        self.stalled = threading.Event()
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.web = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def put(self, path: str, data: bytes, **how: bool) -> str:
        """Set a page; its URL."""
        self.pages[path] = Page(data, **how)
        return self.url + path

    def ranges(self, path: str) -> list[tuple[int, int]]:
        """The ranges asked for at a path."""
        asked = [one.range for one in self.requests if urlsplit(one.path).path == path]
        return [one for one in asked if one is not None]

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close() waits for them
    web: Web

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.connections: set[socket.socket] = set()

    def process_request(self, request: socket.socket, client_address: object) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:
        self.connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End the threads that wait for another request."""
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients hang up on purpose here."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE
    server: _Server

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        web = self.server.web
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        wanted = (int(found[1]), int(found[2])) if found else None
        request = Request(self.path, wanted, dict(self.headers))
        web.requests.append(request)
        page = web.pages.get(urlsplit(self.path).path)
        if page is None:
            self.plain(404)
        elif not (page.faults and page.faults.popleft()(self, request)):
            self.answer(page, request)

    def plain(self, status: int, **headers: str) -> None:
        """An answer without a body."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def answer(self, page: Page, request: Request, cut: int | None = None) -> None:
        """The page, or the range of it; with ``cut`` it breaks off after so many bytes."""
        data, tag = page.data, page.tag
        if request.headers.get("If-Match", tag) != tag:
            return self.plain(412)
        ranged = page.ranges and request.range is not None
        if ranged and request.range[0] >= len(data):
            return self.plain(416, Content_Range=f"bytes */{len(data)}", ETag=tag)
        body = data[request.range[0] : request.range[1] + 1] if ranged else data
        self.send_response(206 if ranged else 200)
        if ranged:
            start = request.range[0]
            self.send_header("Content-Range", f"bytes {start}-{start + len(body) - 1}/{len(data)}")
        if page.tagged:
            self.send_header("ETag", tag)
        if page.length:
            self.send_header("Content-Length", str(len(body)))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body[:cut])
        if cut is not None or not page.length:
            self.close_connection = True
        return None


# --- what may go wrong ---------------------------------------------------------------------------


def status(code: int, **headers: str) -> Fault:
    """Answer with a status."""

    def fault(handler: Handler, _: Request) -> bool:
        handler.plain(code, **headers)
        return True

    return fault


def truncate(size: int) -> Fault:
    """Break off after so many bytes of the body."""

    def fault(handler: Handler, request: Request) -> bool:
        web = handler.server.web
        handler.answer(web.pages[urlsplit(request.path).path], request, cut=size)
        return True

    return fault


def stall(handler: Handler, _: Request) -> bool:
    """Say nothing until the server is closed."""
    web = handler.server.web
    web.stalled.set()
    web.released.wait(PATIENCE)
    handler.close_connection = True
    return True


def reset(handler: Handler, _: Request) -> bool:
    """Close the connection without an answer."""
    handler.close_connection = True
    return True


def fine(handler: Handler, _: Request) -> bool:
    """Answer as ever."""
    return False


def together(parties: int) -> Fault:
    """Answer when so many requests have come; a server error when they do not all come."""
    barrier = threading.Barrier(parties)

    def fault(handler: Handler, _: Request) -> bool:
        try:
            barrier.wait(PATIENCE)
        except threading.BrokenBarrierError:
            handler.plain(501)
            return True
        return False

    return fault
