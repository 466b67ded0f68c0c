"""Where data comes from and where it goes: names to files, compression peeled, targets published.

Importing this package imports the standard library only; pyarrow is imported where it is needed.

Example:
    >>> import os, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> with FileTarget(os.path.join(folder.name, "a.csv.gz")) as target:
    ...     _ = target.open().write(b"x\\n1\\n")
    ...     target.publish()
    >>> [source] = resolve(folder.name + "/*.csv.gz")
    >>> source.name, source.compression, source.open().read()
    ('a.csv', 'gzip', b'x\\n1\\n')
    >>> folder.cleanup()
"""

from __future__ import annotations

from arrowsmith.location.compression import format_suffix
from arrowsmith.location.files import InputFile, Interruptible, OutputFile, WaitingFile
from arrowsmith.location.leftovers import sweep
from arrowsmith.location.overlap import check_not_source
from arrowsmith.location.places import open_target, remote_scheme
from arrowsmith.location.resolve import resolve
from arrowsmith.location.source import FileSource
from arrowsmith.location.target import FileTarget

__all__ = [
    "FileSource",
    "FileTarget",
    "InputFile",
    "Interruptible",
    "OutputFile",
    "WaitingFile",
    "check_not_source",
    "format_suffix",
    "open_target",
    "remote_scheme",
    "resolve",
    "sweep",
]
