"""Remote places: ``s3://``, ``gs://``, ``http(s)://``, ``memory://`` and what fsspec knows.

Imported only when a URL is given; what a place needs is imported when it is spoken to.
"""

from __future__ import annotations

from arrowsmith.location.remote.listing import find
from arrowsmith.location.remote.source import RemoteSource
from arrowsmith.location.remote.target import RemoteTarget

__all__ = ["RemoteSource", "RemoteTarget", "find"]
