"""What reading a range needs to know, the same for all ranges of a scan."""

from __future__ import annotations

from dataclasses import dataclass

from arrowsmith.formats.csv.columns import Column
from arrowsmith.formats.csv.dialect import Dialect
from arrowsmith.formats.csv.locate import Locator
from arrowsmith.plugin.protocols import RunContext, Source


@dataclass(frozen=True, slots=True)
class Plan:
    """One scan.

    Attributes:
        names: of all columns in the file.
        read: the columns to read, in the order wanted; at least one, so that rows are counted.
        nulls: texts that are null where unquoted.
    """

    source: Source
    ctx: RunContext
    dialect: Dialect
    names: tuple[str, ...]
    read: tuple[Column, ...]
    nulls: tuple[str, ...]
    locator: Locator
