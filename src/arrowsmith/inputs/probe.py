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
    sources: Sequence[InputFile], spec: ReaderSpec | None, given: Mapping[str, Any]
) -> list[Chosen]:
    """A reader for each file: ``spec``, or what the content tells.

    Where a format is known for a suffix, the first file of that suffix stands for all of them.

    Raises:
        FormatError: a file's format cannot be settled.
        OptionError: an option that none of the formats knows, or a value that does not fit.
    """
    specs = _probe_all(sources) if spec is None else [(spec, None)] * len(sources)
    built = _options({found.name: found for found, _ in specs}, given)
    return [
        Chosen(source, found, built[found.name], like)
        for source, (found, like) in zip(sources, specs, strict=True)
    ]


def probe(source: InputFile) -> ReaderSpec:
    """The reader that recognises a file."""
    with source:
        head = Head(source.name, source.head(_HEAD), source.tail(_TAIL), source.size)
    return get_catalog().probe(head, path=source.path)


def _probe_all(sources: Sequence[InputFile]) -> list[tuple[ReaderSpec, str | None]]:
    """Each file's reader; of a format that gathers files, what tells of these belongs to them."""
    gathering = [spec for spec in get_catalog().readers().values() if spec.gathers]
    beside = {
        spec.name: {id(source) for source in sources if is_sidecar(source.name, spec)}
        for spec in gathering
    }
    tell = set().union(*beside.values())
    plain = [source for source in sources if id(source) not in tell]
    found = dict(zip(map(id, plain), _probe_each(plain), strict=True))
    for spec in gathering:
        if not any(chosen is spec for chosen, _ in found.values()):
            continue
        for source in sources:
            own = id(source) in beside[spec.name]
            if own or source.name.lower().endswith(spec.extensions):
                found[id(source)] = spec, None
    rest = [source for source in sources if id(source) not in found]
    found.update(zip(map(id, rest), _probe_each(rest), strict=True))
    return [found[id(source)] for source in sources]


def is_sidecar(name: str, spec: ReaderSpec) -> bool:
    """Whether a file of that name tells of others, if there are files of the format at all."""
    return bool(spec.sidecars) and _pattern(spec.sidecars).match(name.lower()) is not None


@cache
def _pattern(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, patterns)))


def _probe_each(sources: Sequence[InputFile]) -> list[tuple[ReaderSpec, str | None]]:
    known: dict[str, tuple[ReaderSpec, str]] = {}
    found: list[tuple[ReaderSpec, str | None]] = []
    for source in sources:
        suffix = f".{source.name.rpartition('.')[2]}".lower()
        if suffix in known:
            found.append(known[suffix])
            continue
        spec = probe(source)
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
