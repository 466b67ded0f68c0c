"""Columns, conditions and pieces asked for together, nothing found, and what was not declared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from arrowsmith.plugin.protocols import ColumnStats, Reader, Split
from arrowsmith.testing.checks import expect, expect_same_table, table_of
from arrowsmith.testing.conditions import Above, conditions
from arrowsmith.testing.opening import WHOLE, SampleContract, scanned


@dataclass(frozen=True, slots=True)
class Never:
    """A condition that no row meets. Implements :class:`arrowsmith.plugin.Predicate`."""

    column: str

    @property
    def columns(self) -> frozenset[str]:
        return frozenset({self.column})

    def mask(self, batch: pa.RecordBatch) -> pa.BooleanArray:
        return pa.array(np.zeros(batch.num_rows, np.bool_))

    def may_match(self, stats: Mapping[str, ColumnStats]) -> bool:
        return False

    def __str__(self) -> str:
        return f"{self.column} is what it never is"


class RequestContract(SampleContract):
    """Checks of requests that ask for several things; part of ``ReaderContract``."""

    def test_requests_combine(self, tmp_path: Path) -> None:
        """Columns, condition, split and batch size at once give what each gives by itself."""
        self._needs_two()
        for name, path in self._files(tmp_path):
            middle = {one.column: one for one in conditions(self._whole(path))}
            with self._opened(path) as reader:
                for split in self._pieces(reader, path):
                    full = table_of(scanned(reader, split=split), reader.schema)
                    for condition in middle.values():
                        self._check_combined(reader, split, full, condition, name)

    def test_nothing_matches(self, tmp_path: Path) -> None:
        """Where no row meets the condition, batches, if any, have the columns asked for."""
        can = self._reader_spec().capabilities
        for name, path in self._files(tmp_path):
            with self._opened(path) as reader:
                never = Never(reader.schema.names[0])
                columns = tuple(reader.schema.names[:1]) if can.projection else None
                wanted = reader.schema if columns is None else pa.schema([reader.schema.field(0)])
                for split in self._pieces(reader, path):
                    for batch in scanned(reader, split=split, columns=columns, predicate=never):
                        same = batch.schema.equals(wanted)
                        expect(same, f"{name} where nothing matches: a batch has the schema\n"
                               f"{batch.schema}\nexpected\n{wanted}")  # fmt: skip

    def test_declared_predicate_leaves_rows_out(self, tmp_path: Path) -> None:
        """A reader that declares ``predicate`` passes over rows that no condition meets."""
        if not self._reader_spec().capabilities.predicate:
            pytest.skip(f"{self.name} leaves filtering to the runner")
        found = []
        for _, path in self._files(tmp_path):
            rows = self._whole(path).num_rows
            with self._opened(path) as reader:
                never = Never(reader.schema.names[0])
                found.append((sum(b.num_rows for b in scanned(reader, predicate=never)), rows))
        expect(
            any(got < rows for got, rows in found),
            "the capability 'predicate' is set, but all rows of all samples come whatever the"
            " condition is",
        )

    def test_undeclared_capabilities_are_absent(self, tmp_path: Path) -> None:
        """What the capabilities deny is not done: the host would not make use of it, or twice."""
        can = self._reader_spec().capabilities
        for name, path in self._files(tmp_path):
            whole = self._whole(path)
            with self._opened(path) as reader:
                count, last = reader.count(), tuple(whole.column_names[-1:])
                expect(
                    can.count or count is None,
                    f"{name}: count() gives {count}, but the capability 'count' is not set",
                )
                if not can.projection:
                    got = table_of(scanned(reader, columns=last), whole.schema)
                    what = f"{name} with columns={last}, though 'projection' is not set"
                    expect_same_table(got, whole, what)
                if not can.predicate:
                    batches = scanned(reader, predicate=Never(last[0]))
                    what = f"{name} with a condition, though 'predicate' is not set"
                    expect_same_table(table_of(batches, whole.schema), whole, what)

    # --- inside ----------------------------------------------------------------------------------

    def _needs_two(self) -> None:
        can = self._reader_spec().capabilities
        if can.projection + can.predicate + can.split < 2:
            pytest.skip(f"{self.name} has fewer than two of projection, predicate and split")

    def _pieces(self, reader: Reader, path: Path) -> list[Split | None]:
        if not self._reader_spec().capabilities.split:
            return [None]
        return [None, *reader.splits(max(1, path.stat().st_size // 3))]

    def _check_combined(
        self, reader: Reader, split: Split | None, full: pa.Table, condition: Above, name: str
    ) -> None:
        can = self._reader_spec().capabilities
        columns = tuple(dict.fromkeys((full.column_names[-1], condition.column)))
        request = replace(WHOLE, split=split, batch_rows=50)
        request = replace(request, columns=columns) if can.projection else request
        request = replace(request, predicate=condition) if can.predicate else request
        batches = list(reader.scan(request))
        kept = [batch.filter(condition.mask(batch)) for batch in full.to_batches()]
        wanted = table_of(kept, full.schema)
        wanted = wanted.select(list(columns)) if can.projection else wanted
        got = [batch.filter(condition.mask(batch)) for batch in batches]
        what = f"{name}, {split or 'whole'}, columns={request.columns}, where {condition}"
        most = max((batch.num_rows for batch in batches), default=0)
        expect(most <= 50, f"{what}: a batch has {most} rows where 50 were asked for")
        expect_same_table(table_of(got, wanted.schema), wanted, what)
