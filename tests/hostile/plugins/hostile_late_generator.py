from __future__ import annotations

from collections.abc import Iterator

from arrowsmith.plugin import ReaderSpec, hookimpl


@hookimpl
def arrowsmith_readers() -> Iterator[ReaderSpec]:
    yield ReaderSpec(name="late", impl="hostile_late_generator:Reader", extensions=(".late",))
    raise RuntimeError("raised after the first spec")
