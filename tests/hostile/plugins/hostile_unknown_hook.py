from __future__ import annotations

from arrowsmith.plugin import ReaderSpec, hookimpl


@hookimpl
def arrowsmith_readers() -> list[ReaderSpec]:
    return [ReaderSpec(name="newer", impl="hostile_unknown_hook:Reader", extensions=(".newer",))]


@hookimpl
def arrowsmith_teleporters() -> list[object]:
    return [object()]


def arrowsmith_sinks() -> list[object]:
    return []
