"""From a URL (an object, a prefix, a pattern) to objects."""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from arrowsmith.errors import OptionError, SourceEmpty, SourceError, SourceNotFound
from arrowsmith.location.files import InputFile
from arrowsmith.location.remote.options import storage_options
from arrowsmith.location.remote.pool import THREADS, Pool
from arrowsmith.location.remote.session import Session
from arrowsmith.location.remote.source import RemoteSource, Seen, look
from arrowsmith.location.remote.store import missing
from arrowsmith.location.remote.url import Url, parse

_MAGIC = re.compile(r"[*?\[]")
_KEPT = 32  # files of which head and tail are kept between probing and reading
_NEAR = 0.8


def find(
    url: str, *, max_ratio: float = 1000.0, options: Mapping[str, Any] | None = None
) -> list[InputFile]:
    """The objects behind a URL, in the byte order of their keys.

    An object of that very name comes first, then a prefix with objects under it, then a pattern,
    in which ``**`` stands for any number of levels. Keys with a part that begins with ``.`` or
    ``_`` below the prefix are passed over, as locally. Over http there are objects only.

    Args:
        url: what to find.
        max_ratio: how many bytes each byte of a compressed object may become.
        options: storage options.

    Raises:
        SourceNotFound: nothing of that name, or nothing matches.
        SourceEmpty: only hidden objects.
        SourceError: no access, no answer, or a kind of place that is not known.
        OptionError: a storage option is not known.
    """
    if not max_ratio > 0:
        raise OptionError(f"max_ratio must be above 0, not {max_ratio}")
    parsed = parse(url)
    session = Session(parsed, storage_options(options))
    pool = session.enter()
    try:
        seen = None
        if parsed.key and not parsed.key.endswith("/"):
            seen = pool.run(lambda: look(session, pool, parsed))
        if seen is not None:
            return [RemoteSource(parsed, session, seen, max_ratio=max_ratio, keep=True)]
        if parsed.web:
            raise _no_page(parsed)
        urls = [_at(parsed, key) for key in _keys(parsed, session, pool)]
        found = _looked_at(urls, session, pool)
        return [
            RemoteSource(one, session, seen, max_ratio=max_ratio, keep=number < _KEPT)
            for number, (one, seen) in enumerate(zip(urls, found, strict=True))
        ]
    finally:
        session.leave()


def _at(url: Url, key: str) -> Url:
    return Url(url.full[: url.full.index("://") + 3] + key, url.scheme, key, url.root + key)


def _no_page(url: Url) -> SourceNotFound:
    hint = "web servers list nothing: name each file" if "*" in url.key else "check the address"
    return missing(url.shown, "there is nothing at this address (HTTP 404)", hint)


def _looked_at(urls: list[Url], session: Session, pool: Pool) -> list[Seen]:
    """Open all, several at a time."""
    waiting: deque[tuple[Url, Future[Seen | None]]] = deque()
    found: list[Seen] = []

    def collect() -> None:
        url, future = waiting.popleft()
        seen = future.result()
        if seen is None:
            hint = "run again when it is at rest"
            raise missing(url.shown, "is gone since it was listed", hint)
        if len(found) >= _KEPT:
            seen.head = b""
        found.append(seen)

    for url in urls:
        if len(waiting) == 2 * THREADS:
            collect()
        waiting.append((url, pool.submit(lambda url=url: look(session, pool, url))))  # type: ignore[misc]
    while waiting:
        collect()
    return found


def _keys(url: Url, session: Session, pool: Pool) -> list[str]:
    pattern = _MAGIC.search(url.key)
    if not url.bucket or (pattern and pattern.start() < len(url.bucket)):
        raise SourceError("which bucket is not told", path=url.shown, hint="name the bucket")
    prefix = url.key.rstrip("/") + "/" if url.key else ""
    if prefix:
        below = _below(prefix, url, session, pool)
        shown = [key for key in below if not _hidden(key.removeprefix(prefix))]
        if shown:
            return sorted(shown, key=_order)
        if below:
            hint = "names that begin with '.' or '_' are passed over"
            raise SourceEmpty("the prefix has no objects", path=url.shown, hint=hint)
    if not pattern:
        raise _nothing(url, session, pool)
    folder = url.key[: url.key.rindex("/", 0, pattern.start()) + 1]
    keys = _matching(url.key, _below(folder, url, session, pool))
    if not keys:
        raise SourceNotFound("no object matches", path=url.shown)
    return sorted(keys, key=_order)


def _below(prefix: str, url: Url, session: Session, pool: Pool) -> list[str]:
    return pool.run(lambda: pool.attempts(lambda: session.store.below(prefix), url.shown))


def _hidden(rest: str) -> bool:
    return any(part.startswith((".", "_")) for part in rest.split("/"))


def _order(key: str) -> bytes:
    return key.encode("utf-8", "surrogateescape")


def _matching(pattern: str, keys: list[str]) -> list[str]:
    """The keys that a pattern matches, or that lie under a prefix which it matches."""
    parts = [part for part in pattern.split("/") if part]
    return [key for key in keys if _matches(parts, [part for part in key.split("/") if part])]


def _matches(pattern: list[str], parts: list[str]) -> bool:
    if not pattern or pattern == ["**"]:
        return not _hidden("/".join(parts))
    if pattern[0] == "**":
        if _matches(pattern[1:], parts):
            return True
        return bool(parts) and parts[0][0] != "." and _matches(pattern, parts[1:])
    if not parts or (parts[0][0] == "." and pattern[0][0] != "."):
        return False
    return fnmatch.fnmatchcase(parts[0], pattern[0]) and _matches(pattern[1:], parts[1:])


def _nothing(url: Url, session: Session, pool: Pool) -> SourceNotFound:
    """The error for a name that stands for nothing, with names that are like it."""
    folder = url.key.rstrip("/").rpartition("/")[0] + "/"
    hint = None
    if "/" in url.key.rstrip("/"):
        names = {
            folder + key.removeprefix(folder).partition("/")[0]
            for key in _below(folder, url, session, pool)
        }
        close = difflib.get_close_matches(url.key, sorted(names)[:10_000], n=2, cutoff=_NEAR)
        hint = f"did you mean {' or '.join(url.root + key for key in close)}?" if close else None
    return missing(url.shown, "no such object, and none below it", hint)
