"""The cache: Arrow files that were decoded once, and fingerprints of files that were read once.

A folder of files named by what they hold. Each bears its key, so that the SQLite index beside them
only makes things faster and may be lost. Safe for processes that use it at once and are killed.

Example:
    >>> import os, tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Cache(Path(folder)).entries()
    []
"""

from __future__ import annotations

from arrowsmith.cache.cache import KEY_METADATA, LABEL_METADATA, Cache, Entry
from arrowsmith.cache.held import HeldFile
from arrowsmith.cache.index import Index
from arrowsmith.cache.settings import cache_folder, cache_limit

__all__ = [
    "KEY_METADATA",
    "LABEL_METADATA",
    "Cache",
    "Entry",
    "HeldFile",
    "Index",
    "cache_folder",
    "cache_limit",
]
