from __future__ import annotations

from arrowsmith.plugin import ReaderSpec, hookimpl


@hookimpl
def arrowsmith_readers(config: object) -> list[ReaderSpec]:
    return [ReaderSpec(name="wrongargs", impl="hostile_wrong_arguments:Reader")]
