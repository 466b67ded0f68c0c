"""Reads pictures: one row each, sizes from headers, bytes only where they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import pyarrow as pa

from arrowsmith.errors import SourceError
from arrowsmith.plugin import RunContext, ScanRequest, Source, SourceGroup, Split
from arrowsmith_image.annotations import annotations_of
from arrowsmith_image.beside import Beside, is_metadata, metadata_of
from arrowsmith_image.options import ReadOptions
from arrowsmith_image.probe import is_tar, is_zip
from arrowsmith_image.rows import FIXED, Rows
from arrowsmith_image.samples import Sample, folder_label, grouped, is_picture, is_text, split_of
from arrowsmith_image.stores import Entry, FileStore, tar_entries, zip_entries

_SAMPLES = 256  # of one task
_LOOKED_AT = 200  # samples of a stream, to know its columns
_OVERHEAD = 1 << 20


class ImageReader:
    """Pictures of a folder, of archives, or one alone.

    Columns: ``path``, ``bytes``, ``width``, ``height``, ``mode``, ``format``, ``label``,
    ``frames``, ``orientation``; ``split`` where folders tell; the columns of ``metadata`` files, of
    annotations, and of what goes by the same key in archives.
    """

    def __init__(self, source: Source | SourceGroup, options: ReadOptions, ctx: RunContext) -> None:
        self._options = options
        self._ctx = ctx
        self._root = source.path if isinstance(source, SourceGroup) else ""
        self._path = source.path
        members = source.members if isinstance(source, SourceGroup) else [source]
        self._samples: list[Sample] = []
        self._streams: list[Source] = []
        self._sidecars: list[Entry] = []
        store = FileStore()
        for member in members:
            name = _relative(member.path, self._root)
            entry = Entry(member.path, name, member.size, store, member)
            if is_picture(member.name):
                self._samples.append(Sample(entry))
            else:
                self._sort(member, entry)
        if not self._samples and not self._streams:
            raise SourceError(
                "holds no pictures", path=self._path, hint="are they in another place or format?"
            )
        self._beside = self._told()
        self._rows = self._columns()

    # --- what is there ---------------------------------------------------------------------------

    def _sort(self, member: Source, entry: Entry) -> None:
        """Take in a file that is not called as a picture."""
        head = entry.read(512)
        if is_zip(head):
            self._archive(zip_entries(member, self._ctx))
        elif not is_tar(head):
            alone = not self._root
            (self._samples.append(Sample(entry)) if alone else self._sidecars.append(entry))
        elif member.seekable:
            self._archive(tar_entries(member, self._ctx, 0))
        else:
            self._streams.append(member)

    def _archive(self, entries: Iterable[Entry]) -> None:
        known = list(entries)
        self._samples += grouped(known)
        self._sidecars += [entry for entry in known if is_metadata(entry.name)]

    def _told(self) -> Beside:
        """What files beside the pictures tell of them."""
        used: set[int] = set()
        names = [sample.picture.name for sample in self._samples]
        tables = [
            *metadata_of(self._sidecars, names, self._ctx, used),
            *annotations_of(self._sidecars, self._samples, self._options, self._ctx, used),
        ]
        left = [entry.path for entry in self._sidecars if id(entry) not in used]
        if left and self._options.annotations == "auto":
            more = f" and {len(left) - 3} more" if len(left) > 3 else ""
            self._ctx.warn(
                f"{self._path}: beside the pictures, but nothing that is used of them: "
                f"{', '.join(left[:3])}{more}"
            )
        return Beside(tables, taken=[*FIXED.names, "split"])

    def _columns(self) -> Rows:
        kinds = {kind: None for sample in self._samples for kind in sample.beside}
        names = [sample.picture.name for sample in self._samples]
        for stream in self._streams:
            for _, sample in zip(range(_LOOKED_AT), self._streamed(stream), strict=False):
                kinds.update(dict.fromkeys(sample.beside))
                names.append(sample.picture.name)
        labels = self._options.labels
        folders = labels == "folder"
        if labels == "auto":
            folders = all(folder_label(name) is not None for name in names)
        splits = any(split_of(name) is not None for name in names)
        extra = [
            pa.field(kind, pa.string() if is_text(kind) else pa.binary())
            for kind in sorted(kinds)
            if kind and kind != "cls"
        ]
        return Rows(extra, self._beside, self._options, self._ctx, folders=folders, splits=splits)

    def _streamed(self, stream: Source) -> Iterator[Sample]:
        return grouped(tar_entries(stream, self._ctx, self._options.max_bytes))

    # --- the contract ----------------------------------------------------------------------------

    @property
    def schema(self) -> pa.Schema:
        return self._rows.schema

    def count(self) -> int | None:
        """Unknown before the headers are read: bad pictures are no rows."""
        return None

    def splits(self, target: int) -> Iterable[Split]:
        """None: a reader divides its work into tasks."""
        return ()

    def details(self) -> dict[str, int | str | list[str]]:
        """How many pictures there are, before any is looked at."""
        return {"pictures": len(self._samples)}

    def scan(self, request: ScanRequest) -> Iterator[pa.RecordBatch]:
        left = request.limit
        for task in self.tasks(request):
            for batch in task.read():
                yield batch if left is None else batch.slice(0, left)
                if left is not None:
                    left -= batch.num_rows
                    if left <= 0:
                        return

    def tasks(self, request: ScanRequest) -> Iterator[ImageTask]:
        """Some pictures each, of about ``batch_bytes``; an archive that only streams is one."""
        pending: list[Sample] = []
        size = 0
        first = 0
        for number, sample in enumerate(self._samples):
            own = _size(sample)
            if pending and (size + own > request.batch_bytes or len(pending) == _SAMPLES):
                yield ImageTask(pending, first, size, self._rows, request)
                pending, size, first = [], 0, number
            pending.append(sample)
            size += own
        if pending:
            yield ImageTask(pending, first, size, self._rows, request)
        for stream in self._streams:
            samples = self._streamed(stream)
            yield ImageTask(samples, 0, 2 * request.batch_bytes, self._rows, request)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """The host owns the sources; pictures are closed one by one."""


@dataclass(frozen=True, slots=True)
class ImageTask:
    """Some pictures, read and looked at by one worker."""

    samples: Sequence[Sample] | Iterator[Sample]
    first: int
    size: int
    rows: Rows
    request: ScanRequest

    @property
    def cost(self) -> int:
        return 2 * self.size + _OVERHEAD

    @property
    def nbytes(self) -> int | None:
        return self.size if isinstance(self.samples, list) else None

    def read(self) -> Iterator[pa.RecordBatch]:
        return self.rows.batches(self.samples, self.first, self.request)


def _size(sample: Sample) -> int:
    sizes = [sample.picture.size, *(entry.size for entry in sample.beside.values())]
    return sum(size or 0 for size in sizes)


def _relative(path: str, root: str) -> str:
    root = root.rstrip("/") + "/"
    return path.removeprefix(root) if root != "/" else path.rpartition("/")[2]
