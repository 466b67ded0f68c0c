from __future__ import annotations

from arrowsmith.plugin import ReaderSpec, hookimpl


@hookimpl
def arrowsmith_readers() -> list[ReaderSpec]:
    return [
        ReaderSpec(name="twin", impl="hostile_two_entries:Reader", extensions=(".twin",)),
        ReaderSpec(name="twin2", impl="hostile_two_entries:Reader", extensions=(".twin2",)),
    ]
