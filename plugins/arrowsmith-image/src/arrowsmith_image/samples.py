"""From files and members to samples, a row each: a picture and what goes by the same key.

WebDataset's convention (https://github.com/webdataset/webdataset): in an archive the key is the
name up to the first dot of its last part, and what follows the dot says what a member is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from arrowsmith.errors import DataError
from arrowsmith_image.probe import SUFFIXES
from arrowsmith_image.stores import Entry

SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "eval"), "test"),
}
_PLAIN = frozenset({"images", "image", "jpegimages", "imgs", "pictures", "data"})
_TEXTS = frozenset({"json", "txt", "caption"})
_KINDS = 256  # members of a key at most


@dataclass(slots=True)
class Sample:
    """A row to be.

    Attributes:
        picture: what is in the column ``bytes``.
        beside: other members of the same key, by what follows the key.
    """

    picture: Entry
    beside: dict[str, Entry] = field(default_factory=dict)


def keyed(name: str) -> tuple[str, str]:
    """Key and kind of a member. Parts of digits belong to the key, as in ``cat.12.jpg``.

    Example:
        >>> keyed("a/0001.seg.PNG"), keyed("cat.12.jpg")
        (('a/0001', 'seg.png'), ('cat.12', 'jpg'))
    """
    folder, slash, base = name.rpartition("/")
    stem, _, kind = base.partition(".")
    while kind[:1].isdigit():
        part, dot, rest = kind.partition(".")
        if not (dot and part.isdigit()):
            break
        stem, kind = f"{stem}.{part}", rest
    return folder + slash + stem, kind.lower()


def grouped(
    entries: Iterable[Entry], most: int, left: Callable[[Entry], None] = lambda _: None
) -> Iterator[Sample]:
    """Members of an archive by key: those of one key stand together. Keys without a picture have
    no row.

    Args:
        most: bytes that members of a key may hold, where an archive is read front to end.
        left: is given what belongs to no sample.

    Raises:
        DataError: a key has more members than any sample has.
    """
    key: str | None = None
    held: dict[str, Entry] = {}
    size = 0
    for entry in entries:
        own, kind = keyed(entry.name)
        if own != key:
            yield from _samples(held, left)
            key, held, size = own, {}, 0
        size += entry.held
        if size > most:
            entry.let_go()
        if held.setdefault(kind, entry) is not entry:  # the same name again
            if is_picture(entry.name):
                yield Sample(entry)  # a picture is never lost
            else:
                left(entry)
        elif len(held) > _KINDS:
            raise DataError(
                f"has more than {_KINDS} members of the key {own!r}",
                path=entry.archive or entry.path,
                hint="unpack it: in folders, names are not grouped",
            )
    yield from _samples(held, left)


def _samples(held: dict[str, Entry], left: Callable[[Entry], None]) -> Iterator[Sample]:
    """The sample of one key, if there is a picture of it."""
    pictures = [kind for kind in held if is_picture(f".{kind}")]
    if not pictures:
        for entry in held.values():
            left(entry)
        return
    first = min(pictures, key=lambda kind: kind.count("."))  # jpg before seg.png
    yield Sample(held[first], {kind: entry for kind, entry in held.items() if kind != first})


def is_picture(name: str) -> bool:
    """Whether a name has the suffix of a picture."""
    return name.lower().endswith(SUFFIXES)


def is_text(kind: str) -> bool:
    """Whether a member of that kind is text."""
    return kind.rpartition(".")[2] in _TEXTS


def split_of(name: str) -> str | None:
    """Train, val or test, where the first folder or the one behind ``images`` says so.

    Example:
        >>> split_of("images/train/a.jpg"), split_of("cats/a.jpg")
        ('train', None)
    """
    for part in name.lower().split("/")[:-1][:2]:
        if part in SPLITS:
            return SPLITS[part]
        if part not in _PLAIN:
            return None
    return None


def folder_label(name: str) -> str | None:
    """The folder that a picture lies in, if it is none of a split or of all pictures.

    Example:
        >>> folder_label("train/cat/a.jpg"), folder_label("train/a.jpg")
        ('cat', None)
    """
    parts = [part for part in name.split("/")[:-1] if part not in ("", ".", "..")]
    if parts and (parts[0].lower() in SPLITS or parts[0].lower() in _PLAIN):
        parts = parts[1:]
        if parts and parts[0].lower() in (SPLITS.keys() | _PLAIN):
            parts = parts[1:]
    return parts[-1] if parts else None
