"""Written and read again: the same table, or what the format's losses make of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from arrowsmith.catalog import get_catalog
from arrowsmith.dataset import open_dataset
from arrowsmith.plugin.specs import Loss, SinkSpec
from arrowsmith.plugin.types import families
from arrowsmith.testing.checks import expect, expect_same_table, quiet
from arrowsmith.testing.feed import TableFeed
from arrowsmith.testing.tables import run_to


class RoundTripContract:
    """Inherit it as ``class TestFooRoundTrip(RoundTripContract)``.

    Attributes:
        name: of the sink, and of the reader.
        table: rows to write.
        write_options, read_options: of both.

    Example:
        >>> class TestFooRoundTrip(RoundTripContract):
        ...     name = "foo"
        ...     table = pa.table({"a": pa.array(range(1000))})
    """

    name: str
    table: pa.Table
    write_options: Mapping[str, Any] = {}
    read_options: Mapping[str, Any] = {}

    def as_read(self, table: pa.Table) -> pa.Table:
        """What the format makes of a table. Override it where something is lost, and say so in the
        sink's ``losses``."""
        return table

    def test_rows_come_back(self, tmp_path: Path) -> None:
        """The whole table."""
        self._check(self.table, tmp_path, "the table")

    def test_one_row_comes_back(self, tmp_path: Path) -> None:
        """A single row, whichever."""
        for row in sorted({0, self.table.num_rows // 2, self.table.num_rows - 1}):
            self._check(self.table.slice(row, 1), tmp_path, f"row {row}")

    def test_nulls_come_back(self, tmp_path: Path) -> None:
        """A null in the first and last row of every column that may hold one."""
        few = self.table.slice(0, 5).combine_chunks()
        columns = [
            _null_at_both_ends(column) if field.nullable else column
            for field, column in zip(few.schema, few.columns, strict=True)
        ]
        self._check(pa.Table.from_arrays(columns, schema=few.schema), tmp_path, "with nulls")

    def test_no_rows_come_back(self, tmp_path: Path) -> None:
        """A file without rows keeps its columns, unless it is a file without a byte."""
        self._check(self.table.slice(0, 0), tmp_path, "no rows")

    def test_losses_are_told(self) -> None:
        """Where the table read differs from the one written, the sink's capabilities say why."""
        spec = get_catalog().sink(self.name)
        assert isinstance(spec, SinkSpec)
        losses, read = spec.capabilities.losses, self.as_read(self.table)
        if read.equals(self.table):
            return
        expect(losses, f"as_read() changes the table, but {self.name} has no losses")
        general = any(isinstance(loss, str) or not loss.types for loss in losses)
        for field, column in zip(self.table.schema, self.table.columns, strict=True):
            kept = field.name in read.column_names and read[field.name].equals(column)
            known = families(field.type)
            expect(
                kept or general or any(_concerns(loss, known) for loss in losses),
                f"as_read() changes column '{field.name}', but no loss of {self.name} is of"
                f" {field.type}",
            )

    def _check(self, table: pa.Table, folder: Path, what: str) -> None:
        extensions = get_catalog().sink(self.name).extensions
        path = folder / f"out{next(iter(extensions), '.' + self.name)}"
        run_to(TableFeed(table, 100), path, self.name, self.write_options, threads=2)
        if not path.stat().st_size:  # the host answers such a file before any reader sees it
            expect(not table.num_rows, f"{what}: {table.num_rows} rows become an empty file")
            return
        with quiet():
            got = open_dataset(path, format=self.name, budget="1GB", **self.read_options).to_table()
        expect_same_table(got, self.as_read(table), f"{what}, written and read again")


def _concerns(loss: Loss | str, known: frozenset[str]) -> bool:
    return isinstance(loss, str) or loss.concerns(known)


def _null_at_both_ends(column: pa.ChunkedArray) -> pa.ChunkedArray:
    null = pa.nulls(1, column.type)
    middle = column.slice(1, max(0, len(column) - 2)).chunks
    ends = min(len(column), 2)
    return pa.chunked_array([null, *middle, null][: len(middle) + ends], column.type)
