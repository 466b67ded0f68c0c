"""From samples to record batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from arrowsmith.plugin import Reject, RunContext, ScanRequest
from arrowsmith_image.arrays import binaries, numbers, texts
from arrowsmith_image.beside import Beside
from arrowsmith_image.headers import Facts, facts_of
from arrowsmith_image.options import ReadOptions
from arrowsmith_image.pillow import BadPictureError
from arrowsmith_image.probe import picture_format
from arrowsmith_image.samples import Sample, folder_label, is_text, split_of
from arrowsmith_image.stores import Entry

FIXED = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("bytes", pa.binary(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("mode", pa.string(), nullable=False),
        pa.field("format", pa.string(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("frames", pa.int32()),
        pa.field("orientation", pa.int8()),
    ]
)
_HEAD = 64 << 10
_SPREAD = frozenset({"GIF", "WEBP", "TIFF", "AVIF"})  # what their headers tell is all over the file
_RAW = 4096  # bytes of a bad picture that go with its reject

Row = tuple[Sample, Facts, bytes, str | None]


class Rows:
    """Makes the rows of samples. Used by all workers at once.

    Args:
        extra: columns of members beside the pictures, named by their kind.
        beside: columns that other files give.
        folders: folders are labels.
        splits: there is a column ``split``.

    Attributes:
        schema: of all columns.
        kinds: of the members that have a column, or tell of a label.
        splits: there is a column ``split``.
    """

    def __init__(
        self,
        extra: list[pa.Field],
        beside: Beside,
        options: ReadOptions,
        ctx: RunContext,
        *,
        folders: bool,
        splits: bool,
    ) -> None:
        fields = list(FIXED) + [pa.field("split", pa.string())] * splits
        taken = {field.name for field in fields} | set(beside.names)
        self._extra = {_free(field.name, taken): field.name for field in extra}
        kinds = dict(zip(self._extra, (field.type for field in extra), strict=True))
        fields += [pa.field(name, kind) for name, kind in kinds.items()]
        self.schema = pa.schema([*fields, *beside.fields])
        self._beside = beside
        self._options = options
        self._ctx = ctx
        self._folders = folders
        self._told: dict[tuple[str, str], str] = {}  # members that are not UTF-8
        self.kinds = frozenset({"", "cls", *self._extra.values()})
        self.splits = splits

    def batches(
        self, samples: Iterable[Sample], first: int, request: ScanRequest
    ) -> Iterator[pa.RecordBatch]:
        """The rows of samples, the first of them number ``first`` of the input."""
        names = request.columns if request.columns is not None else tuple(self.schema.names)
        held: list[Row] = []
        size = 0
        for number, sample in enumerate(samples, first):
            self._ctx.check_cancelled()
            row = self._row(sample, number, names)
            if row is None:
                continue
            if held and (size + len(row[2]) > request.batch_bytes):
                yield self._batch(held, names)
                held, size = [], 0
            held.append(row)
            size += len(row[2]) if "bytes" in names else 0
            size += sum(sample.beside[kind].size or 0 for kind in sample.beside)
            if len(held) >= request.batch_rows:
                yield self._batch(held, names)
                held, size = [], 0
        if held:
            yield self._batch(held, names)

    def _row(self, sample: Sample, number: int, names: tuple[str, ...]) -> Row | None:
        """A row, or None for a bad picture, which goes to the rejects."""
        try:
            data, facts = self._looked_at(sample.picture, "bytes" in names, "frames" in names)
            cls = None
            if "label" in names and (entry := sample.beside.get("cls")) is not None:
                cls = self._text(entry, "cls", entry.whole(_RAW)).strip()
        except BadPictureError as error:
            picture = sample.picture
            which = "the picture" if picture.archive is None else f"the picture {picture.name!r}"
            self._ctx.reject(
                Reject(
                    source=picture.archive or picture.path,
                    record=number,
                    line=None,
                    offset=picture.offset,
                    column=None,
                    reason=f"{which} {error}",
                    raw=_beginning(picture),
                )
            )
            return None
        return sample, facts, data, cls

    def _looked_at(self, entry: Entry, keep: bool, frames: bool) -> tuple[bytes, Facts]:
        limit, pixels = self._options.max_bytes, self._options.max_pixels
        if entry.size is None:  # of a compressed file, for which nothing was reserved
            limit = min(limit, max(self._ctx.memory_limit // 8, 1 << 20))
        if keep or entry.size is None or entry.size <= _HEAD:
            data = entry.whole(limit)
            return data if keep else b"", facts_of(data, pixels, frames=frames)
        entry.check(limit)
        head = entry.read(_HEAD)
        if picture_format(head[:32]) not in _SPREAD:
            try:
                return b"", facts_of(head, pixels, frames=frames)
            except BadPictureError:
                pass  # a long profile stands before what matters, or it is damaged indeed
        return b"", facts_of(entry.whole(limit), pixels, frames=frames)

    def _batch(self, rows: list[Row], names: tuple[str, ...]) -> pa.RecordBatch:
        schema = pa.schema([self.schema.field(name) for name in names])
        arrays = [self._column(name, rows) for name in names]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _column(self, name: str, rows: list[Row]) -> pa.Array:
        if name == "path":
            return texts([row[0].picture.path for row in rows])
        if name == "bytes":
            return binaries([row[2] for row in rows])
        if name in ("mode", "format"):
            return texts([getattr(row[1], name) for row in rows])
        if name == "label":
            return texts([self._label(row) for row in rows])
        if name in FIXED.names:
            return numbers([getattr(row[1], name) for row in rows], FIXED.field(name).type)
        if name in self._beside.names:
            return self._beside.column(name, [row[0].picture.name for row in rows])
        if name in self._extra:
            return self._members(self._extra[name], rows)
        return texts([split_of(row[0].picture.name) for row in rows])

    def _label(self, row: Row) -> str | None:
        if row[3] is not None:
            return row[3]
        return folder_label(row[0].picture.name) if self._folders else None

    def _members(self, kind: str, rows: list[Row]) -> pa.Array:
        entries = [sample.beside.get(kind) for sample, *_ in rows]
        values = [None if entry is None else self._member(entry) for entry in entries]
        if not is_text(kind):
            return binaries(values)
        return texts(
            [
                None if entry is None or value is None else self._text(entry, kind, value)
                for entry, value in zip(entries, values, strict=True)
            ]
        )

    def _member(self, entry: Entry) -> bytes | None:
        try:
            return entry.whole(self._options.max_bytes)
        except BadPictureError as error:
            self._ctx.warn(f"{entry.path}: {error}; its column is null")
            return None

    def _text(self, entry: Entry, kind: str, value: bytes) -> str:
        """A member as text; of each archive and kind the first that is not UTF-8 is told."""
        try:
            return value.decode()
        except UnicodeDecodeError:
            archive = entry.archive or entry.path
            first = self._told.setdefault((archive, kind), entry.name)
            self._ctx.warn(
                f"{archive}: members '.{kind}' are not UTF-8 ({first}, say): what is none of it "
                "becomes U+FFFD"
            )
            return value.decode("utf-8", "replace")


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name = f"{name}_"
    taken.add(name)
    return name


def _beginning(entry: Entry) -> bytes:
    try:
        return entry.read(_RAW if entry.size is None else min(entry.size, _RAW))
    except BadPictureError:
        return b""
