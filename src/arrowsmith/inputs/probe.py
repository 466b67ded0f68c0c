"""Which reader reads which file, and the options that it gets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from fnmatch import translate
from functools import cache
from typing import Any

from arrowsmith.catalog import get_catalog
from arrowsmith.errors import ArrowsmithError, FormatError, OptionError
from arrowsmith.location import InputFile
from arrowsmith.plugin.options import build_options, nearest_names
from arrowsmith.plugin.specs import Head, ReaderSpec

_HEAD, _TAIL = 64 << 10, 4 << 10

_Found = tuple[ReaderSpec, str | None]  # and the file of the same suffix that was probed instead


@dataclass(frozen=True, slots=True)
class Chosen:
    """A file and what reads it.

    Attributes:
        options: an instance of ``spec.options_class``.
        like: the path of the file of the same suffix that was probed instead of this one.
    """

    source: InputFile
    spec: ReaderSpec
    options: Any
    like: str | None = None

    def check(self) -> None:
        """Raise ``FormatError`` if it was taken for its neighbour's format and has another."""
        if self.like is None:
            return
        try:
            spec = probe(self.source)
        except ArrowsmithError:
            return
        if spec.name != self.spec.name:
            raise FormatError(
                f"is {spec.name}, though by its suffix it is {self.spec.name} as {self.like} is",
                path=self.source.path,
                hint="give it a suffix that fits",
            )


def choose(
    sources: Sequence[InputFile],
    spec: ReaderSpec | None,
    given: Mapping[str, Any],
    *,
    folder: bool = False,
) -> list[Chosen]:
    """A reader for each file: ``spec``, or what the content tells.

    Where a format is known for a suffix, the first file of that suffix stands for all of them.

    Args:
        folder: the files are what a directory holds. Then, where the most of them are of a format
            that gathers files, those of other formats and of none are left out.

    Raises:
        FormatError: a file's format cannot be settled.
        OptionError: an option that none of the formats knows, or a value that does not fit.
    """
    specs = _probe_all(sources, folder) if spec is None else [(spec, None)] * len(sources)
    built = _options({one[0].name: one[0] for one in specs if one is not None}, given)
    return [
        Chosen(source, one[0], built[one[0].name], one[1])
        for source, one in zip(sources, specs, strict=True)
        if one is not None
    ]


def probe(source: InputFile) -> ReaderSpec:
    """The reader that recognises a file."""
    with source:
        head = Head(source.name, source.head(_HEAD), source.tail(_TAIL), source.size)
    return get_catalog().probe(head, path=source.path)


def _probe_all(sources: Sequence[InputFile], folder: bool) -> list[_Found | None]:
    """Each file's reader; of a format that gathers files, what tells of these belongs to them.

    None for a file that is left out.
    """
    gathering = [spec for spec in get_catalog().readers().values() if spec.gathers]
    beside = {
        spec.name: {id(source) for source in sources if is_sidecar(source.name, spec)}
        for spec in gathering
    }
    tell = set().union(*beside.values())
    plain = [source for source in sources if id(source) not in tell]
    most = _majority(plain, gathering) if folder else None
    lenient = most is not None
    found = dict(zip(map(id, plain), _probe_each(plain, lenient=lenient), strict=True))
    for spec in gathering:
        if not any(one is not None and one[0] is spec for one in found.values()):
            continue
        for source in sources:
            own = id(source) in beside[spec.name]
            if own or source.name.lower().endswith(spec.extensions):
                found[id(source)] = spec, None
    rest = [source for source in sources if id(source) not in found]
    found.update(zip(map(id, rest), _probe_each(rest, lenient=lenient), strict=True))
    every = [found[id(source)] for source in sources]
    if any(one is not None and one[0] is most for one in every):
        return [one if one is not None and one[0] is most else None for one in every]
    for source, one in zip(sources, every, strict=True):
        if one is None:
            probe(source)  # which says why it has no reader
    return every


def _majority(sources: Sequence[InputFile], gathering: Sequence[ReaderSpec]) -> ReaderSpec | None:
    """The format that gathers files and whose suffixes more than half of the files have."""
    for spec in gathering:
        own = sum(source.name.lower().endswith(spec.extensions) for source in sources)
        if 2 * own > len(sources):
            return spec
    return None


def is_sidecar(name: str, spec: ReaderSpec) -> bool:
    """Whether a file of that name tells of others, if there are files of the format at all."""
    return bool(spec.sidecars) and _pattern(spec.sidecars).match(name.lower()) is not None


@cache
def _pattern(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, patterns)))


def _probe_each(sources: Sequence[InputFile], *, lenient: bool) -> list[_Found | None]:
    """The reader of each; if it is ``lenient``, None for those that have none."""
    known: dict[str, _Found] = {}
    found: list[_Found | None] = []
    for source in sources:
        suffix = f".{source.name.rpartition('.')[2]}".lower()
        if suffix in known:
            found.append(known[suffix])
            continue
        try:
            spec = probe(source)
        except FormatError:
            if not lenient:
                raise
            found.append(None)
            continue
        if suffix in spec.extensions:
            known[suffix] = spec, source.path
        found.append((spec, None))
    return found


def _options(specs: Mapping[str, ReaderSpec], given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of each format: of several formats, those that it knows."""
    if len(specs) == 1:
        [spec] = specs.values()
        return {spec.name: build_options(spec.options_class, given, owner=f"reader '{spec.name}'")}
    known = {
        name: {field.name for field in fields(spec.options_class)} for name, spec in specs.items()
    }
    everything = set().union(*known.values())
    for key in given:
        if key.replace("-", "_") not in everything:
            near = nearest_names(key.replace("-", "_"), everything)
            guess = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
            raise OptionError(
                f"none of the formats {', '.join(specs)} has an option {key!r}",
                hint=f"{guess}see arrowsmith formats NAME",
            )
    return {
        name: build_options(
            spec.options_class,
            {key: value for key, value in given.items() if key.replace("-", "_") in known[name]},
            owner=f"reader '{name}'",
        )
        for name, spec in specs.items()
    }
