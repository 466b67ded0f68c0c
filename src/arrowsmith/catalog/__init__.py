"""Which formats and transforms are installed, and which of them reads a source.

Example:
    >>> from arrowsmith.catalog import get_catalog
    >>> isinstance(get_catalog().readers(), dict)
    True
"""

from __future__ import annotations

import threading

from arrowsmith.catalog.catalog import Catalog
from arrowsmith.catalog.discovery import BrokenPlugin, PluginInfo

__all__ = ["BrokenPlugin", "Catalog", "PluginInfo", "get_catalog"]

_lock = threading.Lock()
_shared: Catalog | None = None


def get_catalog() -> Catalog:
    """The catalog of this process: one for all threads, nothing scanned before it is asked."""
    global _shared
    with _lock:
        if _shared is None:
            _shared = Catalog()
        return _shared
