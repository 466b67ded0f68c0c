"""Probing: a reader recognises its own files, leaves others alone, and survives any bytes."""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Collection, Iterator, Mapping

import pytest

from arrowsmith.catalog import get_catalog
from arrowsmith.errors import FormatError
from arrowsmith.plugin.specs import Head, Match, ReaderSpec
from arrowsmith.testing.checks import expect
from arrowsmith.testing.plugins import PluginContract
from arrowsmith.testing.samples import foreign_samples, installed_samples

_HEAD, _TAIL = 64 << 10, 4 << 10


class ProbeContract(PluginContract):
    """Checks of a reader's magic, probe and extensions.

    Attributes:
        samples: the bytes of small files by name; see ``ReaderContract``.
        also_reads: names of :func:`~arrowsmith.testing.samples.foreign_samples` that this reader
            reads, too.
    """

    samples: Mapping[str, bytes]
    also_reads: Collection[str] = ()
    _kind = "reader"

    def test_own_files_are_recognised(self) -> None:
        """The catalog chooses this reader for its samples."""
        self._needs_probe()
        for name, data in self.samples.items():
            try:
                found = get_catalog().probe(head_of(name, data)).name
            except FormatError as error:
                found = f"no reader ({error})"
            expect(found == self.name, f"{name} is taken for {found}, not for {self.name}")

    def test_other_files_are_left_alone(self) -> None:
        """Neither magic nor probe claims a file of another format."""
        for kind, (name, data) in foreign_samples().items():
            if kind == self.name or kind in self.also_reads:
                continue
            match = own_match(self._reader_spec(), head_of(name, data))
            expect(
                match <= Match.NO,
                f"the {self.name} reader claims a {kind} file ({name}): {match.name}",
            )

    def test_others_are_never_claimed_for_certain(self) -> None:
        """Nothing of a file that any other installed format writes, and no part of it, is CERTAIN.

        A sample that parses is LIKELY; CERTAIN is for bytes that no other format has.
        """
        files = {**foreign_samples(), **installed_samples()}
        for kind, (name, data) in files.items():
            if kind == self.name or kind in self.also_reads:
                continue
            for length in _lengths(data):
                match = own_match(self._reader_spec(), head_of(name, data[:length]))
                expect(
                    match < Match.CERTAIN,
                    f"the {self.name} reader is certain of the first {length} of {len(data)} bytes"
                    f" of a {kind} file ({name})",
                )

    def test_probe_survives_any_bytes(self) -> None:
        """No bytes make the probe raise, and it always answers with a ``Match``."""
        for head in self._odd_heads():
            where = f"a probe of {len(head.head)} bytes named {head.name!r}"
            try:
                match = own_match(self._reader_spec(), head)
            except Exception as error:
                raise AssertionError(
                    f"{where} raises {error!r}; they begin {head.head[:40]!r}"
                ) from (error)
            expect(isinstance(match, Match), f"{where} gives {match!r}, not a Match")

    def _odd_heads(self) -> Iterator[Head]:
        chance = random.Random(11)
        others = (*foreign_samples().values(), *installed_samples().values())
        for name, data in [*self.samples.items(), *others]:
            for length in _lengths(data):
                yield head_of(name, data[:length])
            noisy = bytearray(data)
            for _ in range(20 if data else 0):
                noisy[chance.randrange(len(noisy))] = chance.randrange(256)
                yield head_of(name, bytes(noisy))
        for length in (1, 100, 5000):
            yield Head(f"x.{self.name}", chance.randbytes(length), b"", None)
        yield Head("", b"", b"", 0)

    def _reader_spec(self) -> ReaderSpec:
        assert isinstance(self.spec, ReaderSpec)
        return self.spec

    def _needs_probe(self) -> None:
        spec = self._reader_spec()
        if not (spec.magic or spec.probe or spec.extensions):
            pytest.skip(f"{self.name} is used by name only")


def _lengths(data: bytes) -> list[int]:
    size = len(data)
    return sorted({0, 1, 2, 3, 4, 5, 6, 8, 10, 13, 40, size // 2, max(size - 1, 0), size})


def head_of(name: str, data: bytes) -> Head:
    """What the host shows a probe of a file."""
    if data.startswith(b"\x1f\x8b\x08"):
        try:
            data = gzip.decompress(data)  # compression is peeled before any probe sees a byte
        except (OSError, EOFError, zlib.error):
            return Head(name, b"", b"", None)
        return Head(name, data[:_HEAD], b"", None)
    return Head(name, data[:_HEAD], data[-_TAIL:], len(data))


def own_match(spec: ReaderSpec, head: Head) -> Match:
    """What magic and probe make of a file; its suffix does not count."""
    match = Match.NO
    if any(magic.matches(head.head, head.tail) for magic in spec.magic):
        match = Match.CERTAIN
    if spec.probe is None:
        return match
    probed = spec.probe(head)
    return probed if probed is Match.VETO else max(match, probed)
