"""A spec module that imports the implementation, and one that imports pandas when it is used."""

from __future__ import annotations

from collections.abc import Iterable

from arrowsmith.plugin import Head, Match, ReaderSpec, hookimpl
from wrong_formats import light


def probe(head: Head) -> Match:
    import numpy as np

    return Match.LIKELY if np.frombuffer(head.head, np.uint8).any() else Match.NO


@hookimpl
def arrowsmith_readers() -> Iterable[ReaderSpec]:
    return [
        ReaderSpec(name="early", impl=f"{light.__name__}:Reader", summary="numbers"),
        ReaderSpec(name="slow", impl="wrong_formats.slow:Numbers", summary="numbers"),
        ReaderSpec(
            name="heavyprobe", impl="wrong_formats.slow:Numbers", probe=probe, summary="numbers"
        ),
    ]
