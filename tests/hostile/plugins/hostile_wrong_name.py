from __future__ import annotations

from arrowsmith.plugin import ReaderSpec, hookimpl


@hookimpl
def arrowsmith_readers() -> list[ReaderSpec]:
    return [ReaderSpec(name="Wrong Name!", impl="hostile_wrong_name:Reader")]
