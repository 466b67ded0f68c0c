"""moto's S3 on the loopback interface, behind a gate that can misbehave."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server


class S3:
    """A server with one bucket, ``data``.

    Attributes:
        url: its endpoint.
        client: boto3's, an independent judge.
        requests: (method, path and query, range) of each request so far.
        gate: called with each; a status to answer with instead of moto's answer, or None.
    """

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.requests: list[tuple[str, str, str]] = []
        self.gate: Callable[[str, str], int | None] = lambda method, path: None
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.port}"
        self.client = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="judge",
            aws_secret_access_key="judge",
        )
        self.client.create_bucket(Bucket="data")
        self.requests.clear()

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["RAW_URI"]
        self.requests.append((method, path, environ.get("HTTP_RANGE", "")))
        code = self.gate(method, path)
        if code is None:
            return self._moto(environ, start)
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start(f"{code} gate", [("Content-Length", "0")])
        return [b""]

    def put(self, key: str, data: bytes = b"x\n1\n") -> str:
        """Store an object; its URL."""
        self.client.put_object(Bucket="data", Key=key, Body=data)
        return f"s3://data/{key}"

    def get(self, key: str) -> bytes:
        return self.client.get_object(Bucket="data", Key=key)["Body"].read()

    def keys(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket="data").get("Contents", [])
        return [entry["Key"] for entry in found]

    def uploads(self) -> list[str]:
        """The keys of multipart uploads that are neither complete nor aborted."""
        found = self.client.list_multipart_uploads(Bucket="data").get("Uploads", [])
        return [entry["Key"] for entry in found]

    def clear(self) -> None:
        """Remove everything; moto keeps buckets for all servers of the process."""
        self.gate = lambda method, path: None
        for entry in self.client.list_multipart_uploads(Bucket="data").get("Uploads", []):
            self.client.abort_multipart_upload(
                Bucket="data", Key=entry["Key"], UploadId=entry["UploadId"]
            )
        for key in self.keys():
            self.client.delete_object(Bucket="data", Key=key)
        self.requests.clear()

    def close(self) -> None:
        self.client.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
