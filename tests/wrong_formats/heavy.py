"""A spec module that imports what it should leave to the implementation."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from arrowsmith.plugin import ReaderSpec, hookimpl


@hookimpl
def arrowsmith_readers() -> Iterable[ReaderSpec]:
    summary = f"numbers, like {np.int64(1)}"
    return [ReaderSpec(name="heavy", impl="wrong_formats.readers:Numbers", summary=summary)]
