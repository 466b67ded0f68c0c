from __future__ import annotations

from arrowsmith.plugin import Head, Match, ReaderSpec, hookimpl


def _raise(head: Head) -> Match:
    raise IndexError("probe read past the end")


def _exit(head: Head) -> Match:
    raise SystemExit(3)


def _nonsense(head: Head) -> Match:
    return "certainly"


@hookimpl
def arrowsmith_readers() -> list[ReaderSpec]:
    return [
        ReaderSpec(name="badprobe", impl="a:B", extensions=(".badprobe",), probe=_raise),
        ReaderSpec(name="exitprobe", impl="a:B", probe=_exit),
        ReaderSpec(name="oddprobe", impl="a:B", probe=_nonsense),
    ]
