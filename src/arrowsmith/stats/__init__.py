"""What a table's columns hold, from one pass over the rows: counts, bounds, moments, sketches."""

from __future__ import annotations

from arrowsmith.stats.column import ColumnSummary
from arrowsmith.stats.table import TableSummary, TableSummarySink

__all__ = ["ColumnSummary", "TableSummary", "TableSummarySink"]
