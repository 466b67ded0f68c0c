"""From what a user names (a path, a pattern, a directory, a URL, a list of these) to files."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from arrowsmith.errors import (
    ArrowsmithError,
    OptionError,
    SourceEmpty,
    SourceError,
    SourceNotFound,
)
from arrowsmith.location.files import InputFile
from arrowsmith.location.leftovers import bring_back
from arrowsmith.location.places import STANDARD, remote_scheme
from arrowsmith.location.source import FileSource, source_error
from arrowsmith.location.standard_input import pipe_identity, pipe_input

Named = str | os.PathLike[str]

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_MAGIC = re.compile(r"[*?\[]")
_NEIGHBOURS = 10_000  # names looked at for a suggestion
_NEAR = 0.8  # likeness of two names that are taken for one: a letter of five may differ


def resolve(
    what: Named | Iterable[Named],
    *,
    max_ratio: float = 1000.0,
    storage_options: Mapping[str, Any] | None = None,
) -> list[InputFile]:
    """The files behind a path, a glob, a directory, a URL, ``-`` or a list of these.

    ``-`` is standard input, and a pipe may be named by its path; see :func:`pipe_input`.
    A file or directory that exists under the very name comes before the pattern that the name may
    also be. In a pattern ``**`` stands for any number of directories. Of a directory all files
    below it are taken but those whose names, or whose directories' names, begin with ``.`` or
    ``_``. What a pattern or directory gives is in the byte order of the paths; a list keeps its
    own order.

    Args:
        what: one name or several; a leading ``~`` is the home directory.
        max_ratio: how many bytes each byte of a compressed file may become.
        storage_options: for the remote names among them.

    Raises:
        SourceNotFound: no such file, or nothing matches.
        SourceEmpty: a directory without files.
        SourceError: not a regular file, not readable, or a kind of location that is not supported.

    Example:
        >>> resolve("no/such/*.csv")
        Traceback (most recent call last):
        arrowsmith.errors.SourceNotFound: no/such/*.csv: no file matches
    """
    if not max_ratio > 0:
        raise OptionError(f"max_ratio must be above 0, not {max_ratio}")
    names = [what] if isinstance(what, str | os.PathLike) else list(what)
    if not names:
        raise SourceNotFound("no source is named", hint="give a file, a pattern or a directory")
    _check_pipes([os.fspath(name) for name in names])
    texts = [os.fspath(name) for name in names]
    return [file for name in texts for file in _files(name, max_ratio, storage_options)]


def _check_pipes(names: list[str]) -> None:
    """A pipe gives its bytes once, so that it can be named once."""
    known: dict[tuple[int, int], str] = {}
    for name in names if len(names) > 1 else ():
        identity = pipe_identity(os.path.expanduser(name))
        if identity is None:
            continue
        if identity in known:
            raise OptionError(
                "standard input or a pipe is named twice, here and as " + known[identity],
                path=name,
                hint="it can be read once: name it once",
            )
        known[identity] = name


def _files(
    name: str, max_ratio: float, storage_options: Mapping[str, Any] | None
) -> list[InputFile]:
    if remote_scheme(name) is not None:
        from arrowsmith.location.remote import find

        return find(name, max_ratio=max_ratio, options=storage_options)
    path = name if name == STANDARD else local_path(name, SourceError)
    pipe = pipe_input(path, max_ratio=max_ratio)
    if pipe is not None:
        return [pipe]
    found = _expand(path)
    return [FileSource(path, max_ratio=max_ratio) for path in found]


def local_path(name: str, error: type[ArrowsmithError]) -> str:
    """A path of this machine from a path or a ``file://`` URL, ``~`` expanded.

    Raises:
        error: for standard input or output, and for URLs of other schemes or machines.
    """
    if name == "-":
        raise error("cannot be standard input or output here", path="-", hint="name a file")
    url = _URL.match(name)
    if url is None:
        return os.path.expanduser(name)
    scheme = url[1].lower()
    if scheme != "file":
        raise error(
            f"cannot be a remote location ({scheme}://) here", path=name, hint="name a local file"
        )
    from urllib.parse import unquote

    host, slash, path = name[url.end() :].partition("/")
    if host.lower() not in ("", "localhost"):
        raise error(
            f"a file:// URL of another machine ({host})",
            path=name,
            hint="write file:/// and the whole path",
        )
    return unquote(slash + path, errors="surrogateescape")


def _expand(path: str) -> list[str]:
    status = _stat(path)
    if status is None and bring_back(path):
        status = _stat(path)
    if status is None:
        if not _MAGIC.search(path):
            raise _not_found(path)
        return _matching(path)
    return _files_below(path) if stat.S_ISDIR(status.st_mode) else [path]


def _stat(path: str) -> os.stat_result | None:
    """None where there is nothing of that name."""
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except OSError as error:
        if _MAGIC.search(path):
            return None  # a pattern may be longer than any name
        raise source_error(error, path) from error


def _not_found(path: str) -> SourceNotFound:
    if not path:
        return SourceNotFound("the path is empty", hint="give a file, a pattern or a directory")
    if os.path.islink(path):
        return SourceNotFound(f"a symbolic link to nothing ({os.readlink(path)})", path=path)
    folder, name = os.path.split(path.rstrip("/") or path)
    if folder and "\0" not in folder and not os.path.isdir(folder):
        return SourceNotFound("no such file or directory", path=path, hint=f"{folder} is missing")
    import difflib

    try:
        with os.scandir(folder or ".") as entries:
            names = [entry.name for entry in islice(entries, _NEIGHBOURS)]
    except (OSError, ValueError):
        names = []
    close = difflib.get_close_matches(name, names, n=2, cutoff=_NEAR)
    near = " or ".join(os.path.join(folder, one) for one in close)
    hint = f"did you mean {near}?" if near else None
    return SourceNotFound("no such file or directory", path=path, hint=hint)


# --- directories ---------------------------------------------------------------------------------


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder or ".") as entries:
            return list(entries)
    except OSError as error:
        raise source_error(error, folder) from error


def _folders_below(folder: str, hidden: tuple[str, ...]) -> Iterator[str]:
    """A directory and all below it, each real one once: links may lead back, or twice to one.

    Directories behind links come last, so that a directory goes by its own name where it has one.
    """
    seen: set[tuple[int, int]] = set()
    waiting = [folder]
    linked: list[str] = []
    while waiting or linked:
        one = waiting.pop() if waiting else linked.pop(0)
        try:
            status = os.stat(one or ".")
        except OSError as error:
            raise source_error(error, one) from error
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        yield one
        for entry in sorted(_entries(one), key=_byte_order):
            if not entry.name.startswith(hidden) and _tells(entry.is_dir, entry):
                (linked if entry.is_symlink() else waiting).append(os.path.join(one, entry.name))


def _tells(test: Callable[[], bool], entry: os.DirEntry[str]) -> bool:
    try:
        return test()
    except OSError as error:  # links that go round in a circle
        raise source_error(error, entry.path) from error


def _byte_order(entry: os.DirEntry[str]) -> bytes:
    return os.fsencode(entry.name)


def _files_below(folder: str) -> list[str]:
    found: list[str] = []
    passed_over = False
    for one in _folders_below(folder, (".", "_")):
        for entry in _entries(one):
            if entry.name[0] in "._":
                passed_over = True
            elif _tells(entry.is_file, entry):
                found.append(os.path.join(one, entry.name))
            elif entry.is_symlink() and not os.path.exists(entry.path):
                raise _not_found(entry.path)
    if not found:
        hint = "names that begin with '.' or '_' are passed over" if passed_over else None
        raise SourceEmpty("the directory has no files", path=folder, hint=hint)
    there = set(found)  # an index of records beside its file is no data
    data = [one for one in found if not one.endswith(".index") or one[:-6] not in there]
    return _sorted(data)


# --- patterns ------------------------------------------------------------------------------------


def _matching(pattern: str) -> list[str]:
    """The files that match; a directory that matches stands for the files below it."""
    found: set[str] = set()
    only_empty: SourceEmpty | None = None
    for path in _walk_pattern(pattern):
        if not os.path.isdir(path):
            found.add(path)
            continue
        try:
            found.update(_files_below(path))
        except SourceEmpty as error:
            only_empty = error
    if not found:
        raise only_empty or SourceNotFound("no file matches", path=pattern)
    return _sorted(found)


def _sorted(paths: Iterable[str]) -> list[str]:
    """By their bytes."""
    return sorted(paths, key=None if all(map(str.isascii, paths)) else os.fsencode)


def _walk_pattern(pattern: str) -> Iterable[str]:
    # glob.glob follows a link that leads back forty times, and is silent on unreadable directories.
    root = "/" if pattern.startswith("/") else ""
    paths: Iterable[str] = [root]
    parts = [part for part in pattern.split("/") if part]
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "**":
            # The files below a directory that ends a pattern are found by _matching.
            paths = paths if last else _below_each(paths)
        elif _MAGIC.search(part):
            paths = _children(paths, part)
        else:
            paths = _child(paths, part)
    return [path for path in paths if path]


def _below_each(folders: Iterable[str]) -> Iterator[str]:
    for folder in folders:
        if os.path.isdir(folder or "."):
            yield from _folders_below(folder, (".",))


def _children(folders: Iterable[str], part: str) -> Iterator[str]:
    import fnmatch

    matches = re.compile(fnmatch.translate(part)).match
    for folder in folders:
        if os.path.isdir(folder or "."):
            for entry in _entries(folder):
                if matches(entry.name) and (part.startswith(".") or entry.name[0] != "."):
                    yield os.path.join(folder, entry.name)


def _child(folders: Iterable[str], part: str) -> Iterator[str]:
    for folder in folders:
        path = os.path.join(folder, part)
        if os.path.lexists(path):
            yield path
