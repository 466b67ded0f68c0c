"""Reads pictures: one row each, sizes from headers, bytes only where they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch

import pyarrow as pa

from arrowsmith.errors import SourceError
from arrowsmith.plugin import BaseReader, RunContext, ScanRequest, Source, SourceGroup
from arrowsmith_image import SIDECARS
from arrowsmith_image.annotations import annotations_of
from arrowsmith_image.beside import Beside, Told, is_metadata, metadata_of
from arrowsmith_image.options import ReadOptions
from arrowsmith_image.probe import is_tar, is_zip, picture_format
from arrowsmith_image.rows import FIXED, Rows
from arrowsmith_image.samples import Sample, folder_label, grouped, is_picture, is_text, split_of
from arrowsmith_image.stores import Entry, FileStore, bounded, tar_entries, zip_entries

_SAMPLES = 256  # of one task
_LOOKED_AT = 200  # samples of a stream, to know its columns
_UNPACK = (
    f"Of an archive that can only be read front to end, the first {_LOOKED_AT} pictures say which"
    " columns there are: decompress it, or save it as a file"
)
_OVERHEAD = 1 << 20


class ImageReader(BaseReader):
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
        self._files = FileStore()
        self._held = min(options.max_bytes, max(ctx.memory_limit // 8, 1 << 20))
        self._listed: list[Sample | Source] = []  # a file is made a sample when its turn comes
        self._streams: list[Source] = []
        self._sidecars: list[Entry] = []
        for member in members:
            if is_picture(member.name):
                self._listed.append(member)
            else:
                self._sort(member)
        if not self._listed and not self._streams:
            raise SourceError(
                "holds no pictures", path=self._path, hint="are they in another place or format?"
            )
        self._sidecars = [entry for entry in self._sidecars if not self._is_empty(entry)]
        self._beside = self._told()
        self._rows = self._columns()

    # --- what is there ---------------------------------------------------------------------------

    def _sort(self, member: Source) -> None:
        """Take in a file that is not called as a picture."""
        entry = self._entry(member)
        head = entry.read(512)
        if is_zip(head):
            self._archive(zip_entries(member, self._ctx))
        elif not is_tar(head):
            own = not self._root or (picture_format(head) is not None and not _tells(member.name))
            (self._listed.append(member) if own else self._sidecars.append(entry))
        elif member.seekable:
            self._archive(tar_entries(member, self._ctx, 0))
        else:
            self._streams.append(member)

    def _is_empty(self, entry: Entry) -> bool:
        """Whether nothing can be told by a file; an empty text may say that there is no object."""
        if entry.size != 0 or entry.name.lower().endswith(".txt"):
            return False
        self._ctx.warn(f"{entry.path}: an empty file, left out")
        return True

    def _archive(self, entries: Iterable[Entry]) -> None:
        """Take in an archive: samples, and what tells of them from other places in it."""
        known = list(bounded(entries, self._path, self._ctx))
        samples = list(grouped(known, self._held))
        self._listed += samples
        taken = {id(entry) for one in samples for entry in (one.picture, *one.beside.values())}
        self._sidecars += [
            entry for entry in known if id(entry) not in taken or is_metadata(entry.name)
        ]

    def _entry(self, member: Source) -> Entry:
        name = _relative(member.path, self._root)
        return Entry(member.path, name, member.size, self._files, member)

    def _sample(self, one: Sample | Source) -> Sample:
        return one if isinstance(one, Sample) else Sample(self._entry(one))

    def _names(self) -> list[str]:
        return [
            one.picture.name if isinstance(one, Sample) else _relative(one.path, self._root)
            for one in self._listed
        ]

    def _told(self) -> Beside:
        """What files beside the pictures tell of them."""
        used: set[int] = set()
        tables: list[Told] = []
        if self._sidecars:
            names = self._names()
            tables = [
                *metadata_of(self._sidecars, names, self._ctx, used),
                *annotations_of(self._sidecars, names, self._options, self._ctx, used),
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
        samples = [one for one in self._listed if isinstance(one, Sample)]
        kinds = {kind: None for sample in samples for kind in sample.beside}
        folders = {name.rpartition("/")[0] for name in self._names()}
        for stream in self._streams:
            for _, sample in zip(range(_LOOKED_AT), self._streamed(stream), strict=False):
                kinds.update(dict.fromkeys(sample.beside))
                folders.add(sample.picture.name.rpartition("/")[0])
        names = [f"{folder}/" for folder in folders]  # what follows it tells nothing
        labels = self._options.labels
        labelled = labels == "folder"
        if labels == "auto":
            labelled = all(folder_label(name) is not None for name in names)
        splits = any(split_of(name) is not None for name in names)
        extra = [
            pa.field(kind, pa.string() if is_text(kind) else pa.binary())
            for kind in sorted(kinds)
            if kind and kind != "cls"
        ]
        return Rows(extra, self._beside, self._options, self._ctx, folders=labelled, splits=splits)

    def _streamed(
        self, stream: Source, left: Callable[[Entry], None] = lambda _: None
    ) -> Iterator[Sample]:
        return grouped(tar_entries(stream, self._ctx, self._held), self._held, left)

    def _checked(self, stream: Source) -> Iterator[Sample]:
        """The samples of a stream; what there is no column for is told, once each."""
        told: set[str] = set()

        def tell(what: str, entry: Entry) -> None:
            if what not in told:
                told.add(what)
                self._ctx.warn(f"{stream.path}: {what} ({entry.name}, say). {_UNPACK}")

        def left(entry: Entry) -> None:
            tell("members that belong to no key of a picture are passed over", entry)

        for sample in self._streamed(stream, left):
            for kind in sample.beside.keys() - self._rows.kinds:
                tell(f"there is no column for members '.{kind}', which begin late", sample.picture)
            if not self._rows.splits and split_of(sample.picture.name) is not None:
                tell("there is no column 'split' for folders that begin late", sample.picture)
            yield sample

    # --- the contract ----------------------------------------------------------------------------

    @property
    def schema(self) -> pa.Schema:
        return self._rows.schema

    def count(self) -> int | None:
        """Unknown before the headers are read: bad pictures are no rows."""
        return None

    def details(self) -> dict[str, int | str | list[str]]:
        """How many pictures there are, before any is looked at."""
        return {"pictures": len(self._listed)}

    def tasks(self, request: ScanRequest) -> Iterator[ImageTask]:
        """Some pictures each, of about ``batch_bytes``; an archive that only streams is one."""
        pending: list[Sample] = []
        size = 0
        first = 0
        most = min(_SAMPLES, request.batch_rows)  # of what waits for its turn, none is larger
        for number, one in enumerate(self._listed):
            sample = self._sample(one)
            own = _size(sample)
            if pending and (size + own > request.batch_bytes or len(pending) == most):
                yield ImageTask(pending, first, size, self._rows, request)
                pending, size, first = [], 0, number
            pending.append(sample)
            size += own
        if pending:
            yield ImageTask(pending, first, size, self._rows, request)
        for stream in self._streams:
            samples = self._checked(stream)
            size = 2 * request.batch_bytes + self._held
            yield ImageTask(samples, 0, size, self._rows, request)


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


def _tells(name: str) -> bool:
    """Whether a file of that name tells of pictures, and is none."""
    return any(fnmatch(name.lower(), pattern) for pattern in SIDECARS)


def _size(sample: Sample) -> int:
    sizes = [sample.picture.size, *(entry.size for entry in sample.beside.values())]
    return sum(size or 0 for size in sizes)


def _relative(path: str, root: str) -> str:
    root = root.rstrip("/") + "/"
    return path.removeprefix(root).lstrip("/") if root != "/" else path.rpartition("/")[2]
