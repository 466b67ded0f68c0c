"""``s3://`` and ``gs://`` through pyarrow's own file systems."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from arrowsmith.errors import Cancelled, OptionError, SourceError, TargetError
from arrowsmith.location.remote.options import StorageOptions, flag, unknown
from arrowsmith.location.remote.store import Transient, Upload, changed, denied, missing
from arrowsmith.location.remote.url import Url

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

T = TypeVar("T")

_PART = 8 << 20  # bytes sent at once
_CONNECT = 10.0  # seconds to connect in at most

# The names that pyarrow, s3fs and Polars' object_store have for the same thing.
_S3_NAMES = {
    "access_key": ("key", "access_key", "aws_access_key_id", "access_key_id"),
    "secret_key": ("secret", "secret_key", "aws_secret_access_key", "secret_access_key"),
    "session_token": ("token", "session_token", "aws_session_token"),
    "anonymous": ("anon", "anonymous", "skip_signature", "aws_skip_signature"),
    "region": ("region", "aws_region", "region_name", "aws_default_region"),
    "endpoint_override": ("endpoint_url", "endpoint_override", "endpoint", "aws_endpoint_url"),
    "role_arn": ("role_arn",),
    "external_id": ("external_id",),
    "proxy_options": ("proxy",),
    "force_virtual_addressing": ("force_virtual_addressing",),
    "tls_ca_file_path": ("tls_ca_file_path",),
}
_GS_NAMES = {
    "anonymous": ("anon", "anonymous"),
    "endpoint_override": ("endpoint_url", "endpoint_override", "endpoint"),
    "target_service_account": ("target_service_account",),
    "project_id": ("project", "project_id"),
}
_SWITCHES = ("anonymous", "force_virtual_addressing")

_DENIED = re.compile(
    r"ACCESS_DENIED|INVALID_ACCESS_KEY_ID|SIGNATURE_DOES_NOT_MATCH|EXPIRED_TOKEN|INVALID_CLIENT"
    r"|UNRECOGNIZED_CLIENT|MISSING_AUTHENTICATION|NOT_SIGNED|PERMISSION_DENIED|UNAUTHENTICATED"
    r"|HTTP status 40[13]|credentials",
    re.IGNORECASE,
)
_MISSING = re.compile(r"NO_SUCH_BUCKET|NO_SUCH_KEY|RESOURCE_NOT_FOUND|NOT_FOUND|HTTP status 404")
_ELSEWHERE = re.compile(r"HTTP status 30[17]|PERMANENT_?REDIRECT", re.IGNORECASE)
_PASSING = re.compile(
    r"NETWORK_CONNECTION|SLOW_DOWN|THROTTLING|INTERNAL_FAILURE|SERVICE_UNAVAILABLE"
    r"|REQUEST_TIMEOUT|UNAVAILABLE|DEADLINE_EXCEEDED|RESOURCE_EXHAUSTED|curlCode"
    r"|HTTP status (?:408|429|50[0234])|Unexpected EOF|truncated",
    re.IGNORECASE,
)
_CHANGED = re.compile(r"HTTP status 41[26]|INVALID_RANGE|InvalidRange")
_HINTS = {
    "s3": (
        "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or the profile;"
        " for a public bucket say --storage-option anon=true"
    ),
    "gs": (
        "check GOOGLE_APPLICATION_CREDENTIALS; for a public bucket say --storage-option anon=true"
    ),
}


class ArrowStore:
    """A bucket of S3 or of Google Cloud Storage, or of what speaks their protocols.

    Credentials come from where the SDKs look for them, or from storage options.
    """

    def __init__(self, url: Url, options: StorageOptions) -> None:
        self._url = url
        self._options = options
        names = _S3_NAMES if url.scheme == "s3" else _GS_NAMES
        self._arguments = _translated(options.rest, names, url.scheme)
        self._systems: dict[int, FileSystem] = {}
        self._lock = threading.Lock()

    def _system(self, attempts: int = 1) -> FileSystem:
        """The file system that itself tries a request so often."""
        with self._lock:
            if attempts not in self._systems:
                make = _s3 if self._url.scheme == "s3" else _gs
                try:
                    self._systems[attempts] = make(
                        self._arguments, self._options.timeout, attempts, self._url.bucket
                    )
                except (ValueError, TypeError) as error:
                    what = f"the storage options for {self._url.scheme}:// do not go together"
                    raise OptionError(what, path=self._url.shown) from error
            return self._systems[attempts]

    def _asked(self, shown: str, call: Callable[[], T]) -> T:
        """What a call of pyarrow gives; its errors told apart."""
        try:
            return call()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise _told(str(error), shown, self._url.scheme) from error

    def _shown(self, key: str) -> str:
        return self._url.root + key

    # --- reading ---

    def open(self, key: str) -> ArrowHandle | None:
        if not key.partition("/")[2] or key.endswith("/"):
            return None
        shown = self._shown(key)
        try:
            if self._url.scheme == "s3":
                file = self._asked(shown, lambda: self._system().open_input_file(key))
                return ArrowHandle(file, int(file.size()), _etag(file), shown, "s3")
            # What a file of GCS's tells of itself it asks for with the interpreter locked.
            info = self._asked(shown, lambda: self._system().get_file_info(key))
            if not info.is_file:
                return None
            file = self._asked(shown, lambda: self._system().open_input_file(key))
        except FileNotFoundError:
            return None
        return ArrowHandle(file, info.size, str(info.mtime_ns), shown, "gs")

    def below(self, prefix: str) -> list[str]:
        from pyarrow.fs import FileSelector, FileType

        # For S3 the error tells whether it is the bucket that is missing.
        lenient = self._url.scheme == "gs"
        selector = FileSelector(prefix.rstrip("/"), recursive=True, allow_not_found=lenient)
        shown = self._shown(prefix)
        try:
            infos = self._asked(shown, lambda: self._system().get_file_info(selector))
        except FileNotFoundError:
            return []
        return [info.path for info in infos if info.type == FileType.File]

    # --- writing ---

    def upload(self, key: str, data: BinaryIO, stopped: threading.Event) -> Upload:
        stream: Any = None
        try:
            system = self._system(self._options.attempts)
            # Without a word it would compress what has a suffix.
            stream = system.open_output_stream(key, compression=None)
            while piece := data.read(_PART):
                if stopped.is_set():
                    raise Cancelled("writing was interrupted")
                stream.write(piece)
        except BaseException as error:
            if stream is not None:
                ArrowUpload(stream, self._shown(key), self._url.scheme).abandon()
            if isinstance(error, OSError):
                raise _target_error(error, self._shown(key), self._url.scheme) from error
            raise
        return ArrowUpload(stream, self._shown(key), self._url.scheme)

    def interrupt(self) -> None:
        """The SDKs cannot: a request ends by its timeout."""

    def close(self) -> None:
        with self._lock:
            self._systems.clear()


class ArrowHandle:
    """An object of a bucket. pyarrow knows no conditional requests, so a look at the end is due."""

    ranges = True
    head = b""
    checked = False

    def __init__(self, file: Any, size: int, stamp: str, shown: str, scheme: str) -> None:
        self._file = file
        self._shown = shown
        self._scheme = scheme
        self.size: int | None = size
        self.stamp = stamp

    def fill(self, offset: int, view: memoryview) -> int:
        try:
            data = self._file.read_at(len(view), offset)
        except FileNotFoundError as error:
            raise changed(self._shown, "it is gone") from error
        except OSError as error:
            raise _told(str(error), self._shown, self._scheme) from error
        view[: len(data)] = data
        return len(data)

    def stream(self) -> Any:
        raise NotImplementedError("buckets know ranges")


_abandoned: list[Any] = []
"""Streams that must never be closed, which would publish what they hold: dropping one does so.

pyarrow cannot abort an upload. At the end of the process its libraries are shut down first.
"""


class ArrowUpload:
    """A multipart (S3) or resumable (GCS) upload that waits for its end."""

    def __init__(self, stream: Any, shown: str, scheme: str) -> None:
        self._stream = stream
        self._shown = shown
        self._scheme = scheme

    def complete(self) -> None:
        stream, self._stream = self._stream, None
        try:
            stream.close()
        except OSError as error:
            _abandoned.append(stream)
            raise _target_error(error, self._shown, self._scheme) from error

    def abandon(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            _abandoned.append(stream)

    def __del__(self) -> None:
        self.abandon()  # also when an interrupted caller never got to know of it


def _etag(file: Any) -> str:
    facts = file.metadata() or {}
    found = facts.get("ETag") or facts.get("Last-Modified") or b""
    return found.decode() if isinstance(found, bytes) else str(found)


def _translated(
    given: Mapping[str, Any], names: Mapping[str, tuple[str, ...]], scheme: str
) -> dict[str, Any]:
    """Storage options as arguments of pyarrow's file system."""
    flat = dict(given)
    flat.update(flat.pop("client_kwargs", None) or {})
    known = {name: argument for argument, all_ in names.items() for name in all_}
    if wrong := [key for key in flat if key.lower() not in known]:
        raise unknown(wrong, list(known), scheme)
    arguments = {known[key.lower()]: value for key, value in flat.items()}
    for name in _SWITCHES:
        if name in arguments:
            arguments[name] = flag(arguments[name], name)
    if any(not isinstance(value, str | bool) for value in arguments.values()):
        raise OptionError(f"storage options of {scheme}:// are text")
    return arguments


def _s3(arguments: Mapping[str, Any], timeout: float, attempts: int, bucket: str) -> FileSystem:
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

    env = os.environ.get
    endpoint = arguments.get("endpoint_override") or env("AWS_ENDPOINT_URL_S3")
    endpoint = endpoint or env("AWS_ENDPOINT_URL") or None
    region = arguments.get("region") or env("AWS_REGION") or env("AWS_DEFAULT_REGION") or None
    if region is None and endpoint is None:
        region = _region_of(bucket)
    return S3FileSystem(
        **{**arguments, "region": region, "endpoint_override": endpoint},
        background_writes=False,  # else parts that wait to be sent pile up in memory
        connect_timeout=min(timeout, _CONNECT),
        request_timeout=timeout,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=attempts),
    )


def _region_of(bucket: str) -> str | None:
    from pyarrow.fs import resolve_s3_region

    try:
        return resolve_s3_region(bucket)
    except (OSError, ValueError):
        return None


def _gs(arguments: Mapping[str, Any], timeout: float, attempts: int, bucket: str) -> FileSystem:
    from pyarrow.fs import GcsFileSystem

    arguments = dict(arguments)
    scheme, found, host = arguments.get("endpoint_override", "").rpartition("://")
    if host:
        arguments["endpoint_override"] = host
    if found:
        arguments["scheme"] = scheme
    return GcsFileSystem(**arguments, retry_time_limit=timedelta(seconds=max(1.0, timeout)))


def _told(text: str, shown: str, scheme: str) -> Transient | SourceError:
    """An error of pyarrow's in our words."""
    if _DENIED.search(text):
        return denied(shown, _brief(text), _HINTS[scheme])
    if "NO_SUCH_BUCKET" in text:
        return missing(shown, "no such bucket", "check its name, region and endpoint")
    if _ELSEWHERE.search(text):
        hint = "name it with --storage-option region=... or AWS_REGION"
        return SourceError("the bucket is in another region", path=shown, hint=hint)
    if _CHANGED.search(text):
        return changed(shown)
    if _MISSING.search(text):
        return missing(shown)
    if _PASSING.search(text):
        return Transient(_brief(text))
    return SourceError(f"cannot be read ({_brief(text)})", path=shown)


def _target_error(error: OSError, shown: str, scheme: str) -> TargetError:
    told = _told(str(error), shown, scheme)
    if isinstance(told, SourceError):
        what = told.what.replace("cannot be read", "cannot be written")
        return TargetError(what, path=shown, hint=told.hint)
    return TargetError(f"cannot be written ({told.what})", path=shown, hint="try again later")


def _brief(text: str) -> str:
    """The part of an error of the SDKs' that says what happened."""
    text = re.sub(r"\s*\(Request ID:.*?\)|\s*\[?Details?:.*|; Details.*", "", text, flags=re.DOTALL)
    found = re.search(r"AWS Error (\w+).*?operation: (.*)", text, re.DOTALL)
    if found:
        text = f"{found[1].replace('_', ' ').lower()}: {found[2].strip()}".rstrip(": .")
    return " ".join(text.split())[:160]
