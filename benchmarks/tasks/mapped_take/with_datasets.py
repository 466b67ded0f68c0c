"""Map a CSV file that was decoded before, and take 1,000 of 10 million rows: Hugging Face."""

from __future__ import annotations

import sys
from pathlib import Path

import datasets
from timed import FOLDER, report

datasets.disable_progress_bars()
cache = Path(sys.argv[1]).resolve().parent / FOLDER / "datasets"
found = datasets.load_dataset(
    "csv", data_files=sys.argv[1], split="train", cache_dir=str(cache)
).with_format("arrow")
files = [entry["filename"] for entry in found.cache_files]


def take(rows: list[int]) -> list[int]:
    parts = [datasets.Dataset.from_file(name) for name in files]
    whole = datasets.concatenate_datasets(parts).with_format("arrow")
    return whole[rows]["id"].to_pylist()


report(take)
