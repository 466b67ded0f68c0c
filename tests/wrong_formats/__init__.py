"""Formats with a defect each, beside one that is right, to test the contract kit with.

The format: a number a line. Its columns are the number and its text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from arrowsmith.plugin import (
    Head,
    Match,
    ReaderCapabilities,
    ReaderSpec,
    SinkCapabilities,
    SinkSpec,
    TransformSpec,
    hookimpl,
    option,
)

READERS = (
    "Numbers",
    "OtherSchema",
    "BorderLoser",
    "IgnoresBatchRows",
    "RaisesValueError",
    "WrongCount",
    "UnpicklableSplits",
    "LeavesFileOpen",
    "OneScanOnly",
    "WrongOffset",
    "DropsSilently",
    "FileOrderColumns",
    "OverPredicate",
    "LastRows",
    "NeedsOffsets",
    "NullsToZero",
    "OneThreadOnly",
    "LinesOfSplit",
    "IgnoresStreamErrors",
    "ForgetsSplit",
    "OtherWhenEmpty",
    "IgnoresPredicate",
    "SplitsOfProcess",
    "LiesOverFile",
    "GreedyAllocator",
    "SlurpsFile",
)
SINKS = (
    "NumbersSink",
    "PathWriter",
    "RandomBytes",
    "SwallowsErrors",
    "LateOpener",
    "WholeBuffers",
    "LeavesHandleOpen",
    "SwallowsInterrupt",
    "WritesBeside",
    "HoldsAll",
)
TRANSFORMS = (
    "Double",
    "OtherOutput",
    "CountsPerBatch",
    "FailsOnNoRows",
    "TakesAnything",
    "Ordered",
)


@dataclass(frozen=True, slots=True)
class Options:
    """One option, as the kit wants it."""

    base: int = option(10, help="of the numbers", min=2, max=36)


@dataclass(frozen=True, slots=True)
class SilentOptions:
    """An option that does not say what it is for."""

    base: int = 10


def probe(head: Head) -> Match:
    lines = head.head.split(b"\n")[:2]
    digits = all(line.isdigit() for line in lines if line)
    return Match.LIKELY if digits and lines[0] else Match.NO


def greedy_probe(head: Head) -> Match:
    return Match.LIKELY


def certain_probe(head: Head) -> Match:
    short = 0 < len(head.head) < 4 and not head.head[:1].isdigit()
    return Match.CERTAIN if short else probe(head)


def raising_probe(head: Head) -> Match:
    return Match.LIKELY if int(head.head.split(b"\n")[0]) >= 0 else Match.NO


CAPABILITIES = ReaderCapabilities(projection=True, predicate=True, split=True, count=True)


def reader(name: str, impl: str = "", **spec: object) -> ReaderSpec:
    return ReaderSpec(
        **{
            "name": name.lower(),
            "impl": f"wrong_formats.readers:{impl or name}",
            "options": Options,
            "summary": "numbers",
            "capabilities": CAPABILITIES,
            **spec,
        }
    )


@hookimpl
def arrowsmith_readers() -> Iterable[ReaderSpec]:
    yield from (reader(name) for name in READERS if name != "Numbers")
    yield reader("Numbers", extensions=(".numbers",), probe=probe)
    yield reader("GreedyProbe", "Numbers", probe=greedy_probe)
    yield reader("CertainProbe", "Numbers", probe=certain_probe)
    for name in ("count", "projection", "predicate"):
        denied = replace(CAPABILITIES, **{name: False})
        yield reader(f"undeclared{name}", "Numbers", capabilities=denied)
    for name in ("mapped", "ranges"):
        claimed = replace(CAPABILITIES, residency=name)
        yield reader(f"claims{name}", "Numbers", capabilities=claimed)
    yield reader("RaisingProbe", "Numbers", probe=raising_probe)
    yield reader("SilentOptions", "Numbers", options=SilentOptions)


@hookimpl
def arrowsmith_sinks() -> Iterable[SinkSpec]:
    def spec(name: str, impl: str, **more: bool) -> SinkSpec:
        return SinkSpec(
            name=name,
            impl=f"wrong_formats.sinks:{impl}",
            options=Options,
            summary="numbers",
            capabilities=SinkCapabilities(**more),
        )

    yield from (spec(name.lower(), name) for name in SINKS)
    yield spec("claimsparallel", "NumbersSink", parallel=True)
    yield spec("claimsappend", "NumbersSink", append=True)
    yield spec("numbers", "NumbersSink")
    yield spec("nullstozero", "NumbersSink")


@hookimpl
def arrowsmith_transforms() -> Iterable[TransformSpec]:
    for name in TRANSFORMS:
        yield TransformSpec(
            name=name.lower(), impl=f"wrong_formats.transforms:{name}", summary="a step"
        )
