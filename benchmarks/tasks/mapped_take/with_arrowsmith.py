"""Map a CSV file that was decoded before, and take 1,000 of 10 million rows: arrowsmith."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import arrowsmith
import arrowsmith.dataset.decoded

from timed import FOLDER, report  # isort: skip

os.environ["ARROWSMITH_CACHE"] = str(Path(sys.argv[1]).resolve().parent / FOLDER / "cache")
dataset = arrowsmith.open(sys.argv[1])
dataset.mapped().close()


def take(rows: list[int]) -> list[int]:
    return dataset.mapped().take(rows)["id"].to_pylist()


report(take)
