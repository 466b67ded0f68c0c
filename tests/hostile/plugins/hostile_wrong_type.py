from __future__ import annotations

from arrowsmith.plugin import ReaderSpec, SinkSpec, hookimpl


@hookimpl
def arrowsmith_readers() -> list[object]:
    return [
        ReaderSpec(name="wrongtype", impl="hostile_wrong_type:Reader"),
        SinkSpec(name="wrongtype", impl="hostile_wrong_type:Sink"),
    ]
