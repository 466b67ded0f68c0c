"""A remote object to write: complete under its name, or not there at all.

pyarrow can finish an upload but not abort it, and what drops its stream finishes it. So the bytes
go to a temporary file first, and are sent when all of them are known to be good.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self, TypeVar, cast

from arrowsmith.errors import SourceError, TargetError, TargetExists
from arrowsmith.location.compression import format_suffix
from arrowsmith.location.encoding import encoder
from arrowsmith.location.remote.options import storage_options
from arrowsmith.location.remote.pool import Pool
from arrowsmith.location.remote.session import Session
from arrowsmith.location.remote.store import Upload
from arrowsmith.location.remote.url import Url, parse

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

T = TypeVar("T")


class RemoteTarget:
    """An object that appears when it is published. Implements ``OutputFile``.

    Leaving the ``with`` block without :meth:`publish` discards it; nothing was sent by then unless
    :meth:`finish` had been called. Needs room for the whole object where temporary files are made.

    Args:
        url: of the object; for http there are none that can be written.
        overwrite: replace an object that is there.
        options: storage options.

    Attributes:
        path: the URL without secrets.
        name: its last part.
        compression: by suffix.
        nbytes: bytes stored, once finished.

    Raises:
        TargetExists: the object is there and ``overwrite`` is False; also from ``publish()``.
        TargetError: it cannot be written.

    Example:
        >>> with RemoteTarget("memory://docs/a.txt", overwrite=True) as target:
        ...     _ = target.open().write(b"all or nothing")
        ...     target.publish()
        >>> from arrowsmith.location import resolve
        >>> resolve("memory://docs/a.txt")[0].head(3)
        b'all'
    """

    def __init__(
        self, url: str, *, overwrite: bool = False, options: Mapping[str, Any] | None = None
    ) -> None:
        self._url = parse(url)
        self.path = self._url.shown
        self.name = self.path.rpartition("/")[2]
        self.compression = format_suffix(self.path)[1]
        self.nbytes = 0
        self._overwrite = overwrite
        self._stream: _SpoolStream | None = None
        self._upload: Upload | None = None
        self._pool: Pool | None = None
        _check_name(self._url)
        try:
            self._session = Session(self._url, storage_options(options))
            if not overwrite:
                self._check_free()
        except SourceError as error:
            raise _as_target(error) from error
        finally:
            self._leave()

    def __repr__(self) -> str:
        return f"RemoteTarget({self.path!r})"

    def _on_pool(self, job: Callable[[Pool], T]) -> T:
        if self._pool is None:
            self._pool = self._session.enter()
        pool = self._pool
        return pool.run(lambda: job(pool))

    def _leave(self) -> None:
        if self._pool is not None:
            self._pool = None
            self._session.leave()

    def _check_free(self) -> None:
        store, key = self._session.store, self._url.key
        if self._on_pool(lambda pool: pool.attempts(lambda: store.open(key), self.path)):
            raise TargetExists("exists already", path=self.path, hint="--overwrite replaces it")

    def open(self) -> BinaryIO:
        """The writable stream, compressed as the suffix asks; call it once."""
        if self._stream is not None:
            raise ValueError(f"{self.path}: a target is opened once")
        self._stream = _SpoolStream(self.compression)
        return cast(BinaryIO, self._stream)

    def finish(self) -> None:
        """Close the stream and send everything; the object does not appear yet.

        Raises:
            TargetError: a write has failed, or sending has; nothing was opened.
        """
        if self._upload is not None:
            return
        if self._stream is None:
            raise TargetError("there is nothing to publish", path=self.path)
        self._stream.close()
        if not self._stream.complete:
            raise TargetError("was not written completely, so is not kept", path=self.path)
        spool = self._stream.spool
        self.nbytes = spool.tell()
        spool.seek(0)
        self._upload = self._on_pool(
            lambda pool: self._session.store.upload(
                self._url.key, cast(BinaryIO, spool), pool.stopped
            )
        )

    def publish(self) -> None:
        """Make the object appear, complete.

        Raises:
            TargetExists: it has come into being meanwhile and ``overwrite`` is False. (Another
                writer that publishes in the same moment is not noticed; the last one wins.)
            TargetError: as ``finish()``.
        """
        try:
            self.finish()
            if not self._overwrite:
                self._check_free()
            upload, self._upload = self._upload, None
            if upload is not None:
                self._on_pool(lambda _: upload.complete())
        except SourceError as error:
            raise _as_target(error) from error
        finally:
            self.abort()

    def abort(self) -> None:
        """Discard what was written, unless it is published; harmless when called again."""
        upload, self._upload = self._upload, None
        if upload is not None:
            upload.abandon()
        self._leave()
        if self._stream is not None:
            self._stream.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.abort()


def _check_name(url: Url) -> None:
    if url.web:
        from arrowsmith.location.remote.http_store import read_only

        raise read_only(url)
    if url.key.endswith("/") or not url.key:
        hint = "name one object; remote folders cannot be written yet"
        raise TargetError("is a prefix, not the name of an object", path=url.shown, hint=hint)
    if url.scheme in ("s3", "gs") and "/" not in url.key:
        hint = f"name one object in it: {url.shown}/NAME"
        raise TargetError("is a bucket", path=url.shown, hint=hint)


def _as_target(error: SourceError) -> TargetError:
    return TargetError(error.what, path=error.path, place=error.place, hint=error.hint)


class _SpoolStream(io.RawIOBase):
    """Writes to a temporary file, compressed on the way.

    Attributes:
        spool: the file.
        complete: closed, and every byte was written.
    """

    def __init__(self, compression: str | None) -> None:
        self.spool = tempfile.TemporaryFile(prefix="arrowsmith-", buffering=0)  # noqa: SIM115
        self.complete = False
        self._failed = False
        self._written = 0
        self._discarded = False
        self._encoder = encoder(compression, self._write_all) if compression else None

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._written

    def write(self, data: ReadableBuffer, /) -> int:
        if self.closed:
            raise ValueError("write to a closed stream")
        if self._failed:
            raise TargetError("an earlier write failed", path=tempfile.gettempdir())
        view = memoryview(data)
        if not view.nbytes:
            return 0
        view = view.cast("B")
        failed, self._failed = self._failed, True  # until it is done
        if self._encoder is None:
            self._write_all(view)
        else:
            self._encoder.write(view)
        self._failed = failed
        self._written += len(view)
        return len(view)

    def _write_all(self, data: ReadableBuffer) -> None:
        if self._discarded:
            return  # a compressor that is dropped may still flush
        view = memoryview(data).cast("B")
        try:
            while len(view):
                view = view[self.spool.write(view) :]
        except OSError as error:
            raise TargetError(
                f"no temporary file can be written ({error.strerror or error})",
                path=tempfile.gettempdir(),
                hint="make room there, or set TMPDIR to a folder on a larger disk",
            ) from error

    def close(self) -> None:
        if self.closed:
            return
        try:
            if self._encoder is not None and not self._failed:
                self._failed = True
                self._encoder.finish()
                self._failed = False
            self.complete = not self._failed
        finally:
            self._encoder = None
            super().close()

    def discard(self) -> None:
        """Close without another byte written; the temporary file is gone."""
        self._failed = self._discarded = True
        self.close()
        self.spool.close()
