"""What every contestant shares: the rows to take, and how opening and taking are timed.

Each prints the time from after its imports to the thousandth row as `seconds`, and the sum of the
ids taken, which is that of the numbers since ids count from 0. The decoded file is made by the
first run and found by the later ones.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path

ROWS, TAKEN = 10_000_000, 1000
FOLDER = ".mapped_take"


def numbers() -> list[int]:
    """The same thousand for everybody."""
    return random.Random(7).choices(range(ROWS), k=TAKEN)


def decoded(source: str, suffix: str, make: Callable[[Path], None]) -> Path:
    """The file of one contestant beside the source, made if it is not there yet."""
    path = Path(source).parent / FOLDER / f"{Path(source).stem}{suffix}"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        make(path)
    return path


def report(take: Callable[[list[int]], list[int]]) -> None:
    """Open, take, and print the figures; `take` answers the ids."""
    rows = numbers()
    began = time.perf_counter()
    ids = take(rows)
    seconds = time.perf_counter() - began
    if ids != rows:
        raise SystemExit("these are not the rows that were asked for")
    print(json.dumps({"seconds": seconds, "rows": len(ids), "sum": sum(ids)}))
