"""Remote names: their scheme, what of them may be shown, and the key behind them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from arrowsmith.errors import UsageError

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)
_ALIASES = {"s3a": "s3", "s3n": "s3", "gcs": "gs"}
_WEB = ("http", "https")


@dataclass(frozen=True, slots=True)
class Url:
    """A name taken apart.

    Attributes:
        full: as it was given, secrets and all; never shown.
        scheme: in lower case, aliases resolved.
        key: what stands behind ``://``, the whole URL for http.
        shown: without a user's name and password, and for http without query and fragment.
    """

    full: str
    scheme: str
    key: str
    shown: str

    @property
    def web(self) -> bool:
        return self.scheme in _WEB

    @property
    def root(self) -> str:
        """What stands before every key in ``shown``."""
        return "" if self.web else self.shown[: self.shown.index("://") + 3]

    @property
    def bucket(self) -> str:
        return self.key.partition("/")[0]


def parse(url: str) -> Url:
    """Take a URL apart.

    Raises:
        UsageError: a password stands in the name of a bucket.

    Example:
        >>> parse("https://me:secret@host/a.csv?signature=x").shown
        'https://host/a.csv'
        >>> parse("s3a://bucket/a?b.csv").key
        'bucket/a?b.csv'
    """
    found = _URL.fullmatch(url)
    assert found is not None, "the caller has seen that it is a URL"
    scheme = found[1].lower()
    scheme = _ALIASES.get(scheme, scheme)
    rest = found[2]
    host, slash, path = rest.partition("/")
    bare = host.rpartition("@")[2]
    if scheme in _WEB:
        shown = re.split(r"[?#]", f"{found[1]}://{bare}{slash}{path}", maxsplit=1)[0]
        return Url(url, scheme, url.partition("#")[0], shown)
    shown = f"{found[1]}://{bare}{slash}{path}"
    if ":" in host.rpartition("@")[0]:
        raise UsageError(
            "a password must not stand in the name",
            path=shown,
            hint="set it in the environment, or say --storage-option or storage_options=",
        )
    return Url(url, scheme, rest.lstrip("/") if scheme == "memory" else rest, shown)
