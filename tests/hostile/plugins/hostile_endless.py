from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from arrowsmith.plugin import ReaderSpec, hookimpl


@hookimpl
def arrowsmith_readers() -> Iterator[ReaderSpec]:
    for number in count():
        yield ReaderSpec(name=f"endless{number}", impl="hostile_endless:Reader")
