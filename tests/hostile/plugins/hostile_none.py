from __future__ import annotations

from arrowsmith.plugin import hookimpl


@hookimpl
def arrowsmith_readers() -> None:
    return None
