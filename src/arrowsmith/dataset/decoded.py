"""From a dataset to a mapped file: the source itself where it can be, else one that is cached."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from arrowsmith.cache import KEY_METADATA, LABEL_METADATA, Cache, HeldFile
from arrowsmith.catalog import get_catalog
from arrowsmith.context import Context
from arrowsmith.dataset.identity import content_fingerprint, dataset_key
from arrowsmith.dataset.mapped import Mapped
from arrowsmith.dataset.paging import LargePageTarget
from arrowsmith.errors import OptionError
from arrowsmith.fingerprint import FileState
from arrowsmith.inputs import Input
from arrowsmith.location import FileSource
from arrowsmith.pipeline.config import RunStats
from arrowsmith.pipeline.run import Pipeline
from arrowsmith.plugin.options import build_options
from arrowsmith.plugin.protocols import Chunk

if TYPE_CHECKING:
    from arrowsmith.dataset.dataset import Dataset

# A batch ends at the sink's bytes first, unless its rows are tiny: the fewer batches, the faster a
# row is found.
_BATCH_ROWS = 1 << 20
_FILE_MAGIC = b"ARROW1"
_DAMAGE = (pa.ArrowException, OSError, ValueError, OverflowError, IndexError)


def map_dataset(
    dataset: Dataset,
    source: Input,
    *,
    key: str | None,
    progress: Callable[[RunStats], None] | None,
) -> Mapped:
    """See :meth:`arrowsmith.Dataset.mapped`."""
    if dataset.errors.on_error == "quarantine":
        raise OptionError(
            "mapped() writes no rejects file, since rows that are cached are not read again",
            hint="open with on_error='skip', or write() a file and open that",
        )
    cache = Cache()
    if not dataset.verbs:
        mapped = _mapped_source(source, cache)
        if mapped is not None:
            return mapped
    content = content_fingerprint(source.sources, cache, source.context.check_cancelled)
    found = _Found(dataset_key(dataset, source, content, key))
    with cache.obtain(found.key, _builder(dataset, found.key, progress), found.is_valid) as held:
        return found.mapped or Mapped(str(held.path), held.fd)


class _Found:
    """Looks at a file of the cache before it is mapped for good."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.mapped: Mapped | None = None

    def is_valid(self, held: HeldFile) -> bool:
        """Whether the file is whole and holds what its name says."""
        try:
            if not _ends_well(held.fd, held.size):
                return False
            mapped = Mapped(str(held.path), held.fd)
        except _DAMAGE:
            return False
        if mapped.key != self.key:
            return False
        self.mapped = mapped
        return True


def _ends_well(fd: int, size: int) -> bool:
    return os.pread(fd, len(_FILE_MAGIC), size - len(_FILE_MAGIC)) == _FILE_MAGIC


# --- without a copy ------------------------------------------------------------------------------


def _mapped_source(source: Input, cache: Cache) -> Mapped | None:
    """The one source mapped as it is, if it is an Arrow file whose buffers are not compressed."""
    if len(source.chosen) != 1 or source.specs[0].name != "arrow":
        return None
    file = source.sources[0]
    if not isinstance(file, FileSource) or not file.mappable:
        return None
    if file.head(len(_FILE_MAGIC)) != _FILE_MAGIC or file.tail(len(_FILE_MAGIC)) != _FILE_MAGIC:
        return None
    file.check_unchanged()
    held = HeldFile.opened(Path(file.local_path), share=False)
    if held is None:
        return None
    with held:
        try:
            mapped = Mapped(file.local_path, held.fd)
        except _DAMAGE:
            return None  # the reader says better what is wrong with it
        file.check_unchanged()
        state = FileState.of(os.fstat(held.fd))
    same = mapped.schema.remove_metadata().equals(source.schema.remove_metadata())
    if not same or mapped.key or not mapped.is_without_copies():
        return None
    if not cache.index.is_sound(state):
        if not mapped.is_sound(source.context.check_cancelled):
            return None
        cache.remember(state, None, sound=True)
    return mapped


# --- into the cache ------------------------------------------------------------------------------


def _builder(
    dataset: Dataset, key: str, progress: Callable[[RunStats], None] | None
) -> Callable[[Path], None]:
    stamp = {KEY_METADATA: key.encode(), LABEL_METADATA: repr(dataset)[1:-1].encode()}

    def build(path: Path) -> None:
        Pipeline(
            dataset,
            (),
            lambda schema, context: _CacheSink(path, stamp, schema, context),
            budget=dataset.budget,
            config=dataset.config,
            errors=dataset.errors,
            progress=progress,
        ).run()

    return build


class _CacheSink:
    """The sink of the Arrow format on a file of the cache, which bears a stamp."""

    def __init__(
        self, path: Path, stamp: dict[bytes, bytes], schema: pa.Schema, context: Context
    ) -> None:
        catalog = get_catalog()
        spec = catalog.sink("arrow")
        options: Any = build_options(
            spec.options_class, {"batch_rows": _BATCH_ROWS, "stream": False}, owner="sink 'arrow'"
        )
        self._target = LargePageTarget(path, overwrite=True)
        stamped = schema.with_metadata({**(schema.metadata or {}), **stamp})
        self._sink = catalog.load(spec)(self._target, stamped, options, context)

    @property
    def chunk(self) -> Chunk:
        """As the format's own."""
        chunk: Chunk = self._sink.chunk
        return chunk

    def prepare(self, first: pa.RecordBatch) -> None:
        """Hand on."""
        self._sink.prepare(first)

    def encode(self, chunk: pa.RecordBatch) -> Any:
        """Hand on."""
        return self._sink.encode(chunk)

    def append(self, encoded: Any) -> None:
        """Hand on."""
        self._sink.append(encoded)

    def write(self, batch: pa.RecordBatch) -> None:
        """Hand on."""
        self._sink.write(batch)

    def commit(self) -> None:
        """Complete the file and give it its name."""
        self._sink.commit()
        self._target.publish()

    def __enter__(self) -> Self:
        self._target.__enter__()
        self._sink.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        try:
            self._sink.__exit__(*error)
        finally:
            self._target.abort()
