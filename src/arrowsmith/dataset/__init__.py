"""``Dataset``: a lazy chain of verbs over files of one or more formats."""

from __future__ import annotations

from arrowsmith.dataset.dataset import Dataset
from arrowsmith.dataset.opening import open_dataset

__all__ = ["Dataset", "open_dataset"]
