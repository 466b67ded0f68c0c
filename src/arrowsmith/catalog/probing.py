"""Which reader recognises a source, and which sink a path asks for.

Content beats name: magic is certain, a probe says how well its sample parses, a suffix is a hint,
a veto is final. Of readers that match equally well, the one that also has the suffix is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from arrowsmith.catalog.discovery import Plugin, cause
from arrowsmith.plugin.specs import Head, Match, ReaderSpec, SinkSpec

S = TypeVar("S", ReaderSpec, SinkSpec)

COMPRESSION_SUFFIXES = (".gz", ".zst", ".bz2", ".xz", ".lz4")


@dataclass(frozen=True, slots=True)
class Claim(Generic[S]):
    """A spec, the plugin that it comes from, and how well it matches: by content, then by name."""

    spec: S
    plugin: Plugin
    score: tuple[int, int]


def best_claims(
    readers: Iterable[tuple[ReaderSpec, Plugin]], head: Head
) -> Sequence[Claim[ReaderSpec]]:
    """The readers that match best: none, the one, or several that nothing sets apart."""
    claims = []
    for spec, plugin in readers:
        suffix = suffix_length(spec.extensions, head.name)
        match = _match(spec, plugin, head, bool(suffix))
        if match > Match.NO:
            claims.append(Claim(spec, plugin, (int(match), suffix)))
    return _best(claims)


def best_sinks(sinks: Iterable[tuple[SinkSpec, Plugin]], path: str) -> Sequence[Claim[SinkSpec]]:
    """The sinks of the path's longest known suffix, a compression suffix peeled off."""
    name = peeled(path)
    lengths = ((spec, plugin, suffix_length(spec.extensions, name)) for spec, plugin in sinks)
    return _best([Claim(spec, plugin, (0, length)) for spec, plugin, length in lengths if length])


def peeled(path: str) -> str:
    """The last part of a path in lower case, without a compression suffix.

    Example:
        >>> peeled("data/Out.CSV.gz")
        'out.csv'
    """
    name = path.replace("\\", "/").rsplit("/", 1)[-1].lower()
    for suffix in COMPRESSION_SUFFIXES:
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name


def suffix_length(extensions: Iterable[str], name: str) -> int:
    """The length of the longest of the extensions that the name ends with, 0 if none does."""
    name = name.lower()
    return max((len(ext) for ext in extensions if name.endswith(ext)), default=0)


def _best(claims: Sequence[Claim[S]]) -> Sequence[Claim[S]]:
    top = max((claim.score for claim in claims), default=None)
    return [claim for claim in claims if claim.score == top]


def _match(spec: ReaderSpec, plugin: Plugin, head: Head, has_suffix: bool) -> Match:
    match = Match.HINT if has_suffix else Match.NO
    if any(magic.matches(head.head, head.tail) for magic in spec.magic):
        match = Match.CERTAIN
    if spec.probe is not None:
        probed = _probe(spec, plugin, head)
        return probed if probed is Match.VETO else max(match, probed)
    return match


def _probe(spec: ReaderSpec, plugin: Plugin, head: Head) -> Match:
    """What the probe says; one that fails says NO, and its plugin gets a warning."""
    assert spec.probe is not None
    try:
        return Match(spec.probe(head))
    except (Exception, SystemExit) as error:
        plugin.warn(f"the probe of {spec.name!r} failed: {cause(error)}")
        return Match.NO
