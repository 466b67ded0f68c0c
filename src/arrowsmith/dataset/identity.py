"""What the rows of a dataset depend on, as the key of the cache."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from arrowsmith.cache import Cache
from arrowsmith.catalog import get_catalog
from arrowsmith.errors import OptionError
from arrowsmith.fingerprint import (
    NoIdentityError,
    combined,
    stream_fingerprint,
    value_fingerprint,
)
from arrowsmith.inputs import Input, members_of
from arrowsmith.location import FileSource, InputFile
from arrowsmith.pipeline.plan import Verb

if TYPE_CHECKING:
    from arrowsmith.dataset.dataset import Dataset

_LAYOUT = 1  # of the cached files; another number makes all older ones unreachable

Check = Callable[[], None]


def _go_on() -> None:
    """Nothing ends the reading early."""


def content_fingerprint(sources: Iterable[InputFile], cache: Cache, check: Check = _go_on) -> str:
    """The fingerprint of the bytes of files as stored, in their order; names do not count.

    Raises:
        SourceError: a file cannot be read, or has changed since it was opened.
    """
    return combined(_of_source(source, cache, check) for source in sources)


def known_fingerprint(sources: Iterable[InputFile], cache: Cache) -> str | None:
    """The same, where all of it is remembered; nothing is read."""
    found = []
    for source in sources:
        known = cache.known_fingerprint(source.path) if isinstance(source, FileSource) else None
        if known is None:
            return None
        found.append(known)
    return combined(found)


def _of_source(source: InputFile, cache: Cache, check: Check) -> str:
    if isinstance(source, FileSource):
        source.check_unchanged()
        found = cache.fingerprint(source.local_path, check)
        source.check_unchanged()
        return found
    version = getattr(source, "version", None)
    if version:  # what a remote store calls these bytes
        return value_fingerprint(["remote", source.path, source.disk_bytes, version])
    with source.open() as stream:
        return stream_fingerprint(stream, check=check)


def dataset_key(dataset: Dataset, source: Input, content: str, given: str | None) -> str:
    """The key of a dataset's rows in the cache.

    It covers the bytes of the files, their paths as given (readers may put them into rows), the
    formats and their options, the versions of what reads and transforms, and all verbs.

    Args:
        dataset: whose verbs and policy count.
        source: of the dataset.
        content: the fingerprint of its files.
        given: tells what verbs do that do not tell it themselves.

    Raises:
        OptionError: a verb does not tell what it does, and ``given`` is None.
    """
    catalog = get_catalog()
    files = [
        (
            [one.source.path, *(member.path for member in members_of(one.source))],
            one.spec.name,
            catalog.provider(one.spec),
            one.options,
        )
        for one in source.chosen
    ]
    parts = {
        "layout": _LAYOUT,
        "writer": catalog.provider(catalog.sink("arrow")),
        "pyarrow": pa.__version__.partition(".")[0],
        "content": content,
        "files": files,
        "schema": source.schema.remove_metadata(),
        "file_path_column": source.file_path_column,
        "on_error": dataset.errors.on_error,
        "verbs": [_verb_key(verb, given) for verb in dataset.verbs],
    }
    try:
        return value_fingerprint(parts)
    except NoIdentityError as error:
        raise OptionError(f"an option cannot be part of a key: {error}") from error


def _verb_key(verb: Verb, given: str | None) -> Any:
    key: Any = None
    if verb.key is not None:
        try:
            key = value_fingerprint([verb.key, verb.fit])
        except NoIdentityError:
            key = None
    if key is not None:
        return key
    if given is None:
        raise OptionError(
            f"mapped() cannot tell by itself what '{verb.label}' does",
            hint="name it, and change the name when it does something else: mapped(key='v1')",
        )
    return "given", verb.label, given
