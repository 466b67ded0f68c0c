"""What contestants share: the size, and the facts of the batches that they decoded."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

SIZE, BATCH = 224, 64
_STRIDE = 1009  # a prime, so that all channels and places are looked at


def files() -> list[Path]:
    """The pictures of the folder named on the command line."""
    return sorted(Path(sys.argv[1]).glob("*/*.jpg"))


def looked_at(batch: np.ndarray) -> tuple[int, int, float]:
    """Pictures, values, and the sum of the values as one in many of them tells it."""
    some = batch.reshape(-1)[::_STRIDE]
    return len(batch), batch.size, float(some.mean()) * batch.size


def print_facts(looks: Iterable[tuple[int, int, float]]) -> None:
    """Add up what was looked at and print it as JSON."""
    rows, values, total = map(sum, zip(*looks, strict=True))
    facts: dict[str, Any] = {"count": values, "level": total / values}
    print(json.dumps({"rows": rows, "columns": {"image": facts}}))
