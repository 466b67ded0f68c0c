"""Scan an Arrow file, and take 1,000 of its 10 million rows: Polars."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl
from timed import decoded, report


def make(path: Path) -> None:
    pl.scan_csv(sys.argv[1], try_parse_dates=True).sink_ipc(path, compression="uncompressed")


path = decoded(sys.argv[1], ".polars.arrow", make)


def take(rows: list[int]) -> list[int]:
    taken = pl.scan_ipc(path).select(pl.all().gather(rows)).collect()
    return taken["id"].to_list()


report(take)
