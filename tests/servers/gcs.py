"""As much of Google Cloud Storage's JSON API as pyarrow uses to read and write objects.

https://cloud.google.com/storage/docs/json_api
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit
from urllib.request import Request, urlopen

_OBJECTS = "/storage/v1/b/data/o"


class Gcs:
    """A server with one bucket, ``data``, in a process of its own.

    pyarrow waits for the first bytes of an object with the interpreter locked, so that a server in
    the same process could not answer.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{self._process.stdout.readline().strip()}"
        self.options = {
            "anon": "true",
            "endpoint_url": self.url,
            "attempts": "2",
            "timeout": "3",
        }

    def put(self, name: str, data: bytes) -> None:
        url = f"{self.url}/upload?name={quote(name, safe='')}"
        urlopen(Request(url, data=data, method="PUT"), timeout=20).close()

    def get(self, name: str) -> bytes:
        with urlopen(
            f"{self.url}{_OBJECTS}/{quote(name, safe='')}?alt=media", timeout=20
        ) as answer:
            return answer.read()

    def names(self) -> list[str]:
        with urlopen(self.url + _OBJECTS, timeout=20) as answer:
            return [item["name"] for item in json.load(answer)["items"]]

    def close(self) -> None:
        self._process.communicate()  # it ends with its standard input


class _Place:
    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.versions: dict[str, int] = {}
        self.sent: dict[str, bytes] = {}

    def put(self, name: str, data: bytes) -> None:
        self.objects[name] = data
        self.versions[name] = self.versions.get(name, 0) + 1


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _send(self, code: int, body: bytes | dict = b"", **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _facts(self, name: str) -> dict:
        place = self.server.place
        version = place.versions[name]
        when = f"2024-01-01T00:00:{version:02}Z"
        return {
            "kind": "storage#object", "bucket": "data", "name": name, "etag": str(version),
            "generation": str(version), "metageneration": "1", "updated": when,
            "timeCreated": when, "size": str(len(place.objects[name])),
        }  # fmt: skip

    def do_GET(self) -> None:
        place, url = self.server.place, urlsplit(self.path)
        query = parse_qs(url.query)
        if url.path == _OBJECTS:
            prefix = query.get("prefix", [""])[0]
            names = [name for name in sorted(place.objects) if name.startswith(prefix)]
            items = [self._facts(name) for name in names]
            return self._send(200, {"kind": "storage#objects", "items": items})
        name = unquote(url.path.removeprefix(_OBJECTS + "/"))
        if name not in place.objects:
            return self._send(404, {"error": {"code": 404, "message": "Not Found"}})
        if query.get("alt") != ["media"]:
            return self._send(200, self._facts(name))
        if query.get("generation", [str(place.versions[name])]) != [str(place.versions[name])]:
            return self._send(404, {"error": {"code": 404, "message": "Not Found"}})
        data = place.objects[name]
        version = str(place.versions[name])
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if found is None:
            return self._send(200, data, x_goog_generation=version)
        start, end = int(found[1]), min(int(found[2] or len(data)), len(data) - 1)
        told = f"bytes {start}-{end}/{len(data)}"
        return self._send(206, data[start : end + 1], Content_Range=told, x_goog_generation=version)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        name = parse_qs(urlsplit(self.path).query)["name"][0]
        host = self.headers["Host"]
        self.server.place.sent[name] = b""
        self._send(200, b"", Location=f"http://{host}/upload?name={name}&upload_id=1")

    def do_PUT(self) -> None:
        place = self.server.place
        name = parse_qs(urlsplit(self.path).query)["name"][0]
        place.sent.setdefault(name, b"")
        place.sent[name] += self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Range", "").endswith("/*"):
            return self._send(308, b"", Range=f"bytes=0-{len(place.sent[name]) - 1}")
        place.put(name, place.sent.pop(name))
        return self._send(200, self._facts(name))


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.place = _Place()
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
