"""What every transform has to hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pytest

from arrowsmith.catalog import get_catalog
from arrowsmith.errors import SchemaMismatch
from arrowsmith.plugin.options import build_options
from arrowsmith.plugin.protocols import BoundTransform
from arrowsmith.plugin.specs import TransformSpec
from arrowsmith.testing.checks import KitContext, expect, expect_same_table, table_of
from arrowsmith.testing.feed import TableFeed, collect, cut
from arrowsmith.testing.plugins import PluginContract


class TransformContract(PluginContract):
    """Inherit it as ``class TestBar(TransformContract)``.

    Attributes:
        name: the transform's, as users type it after ``--transform``.
        table: rows to transform; several hundred test most.
        options: of the transform.
        expected: what becomes of ``table``, or None.
        wrong_schemas: schemas that ``bind()`` has to refuse with ``SchemaMismatch``.

    Example:
        >>> class TestBar(TransformContract):
        ...     name = "bar"
        ...     table = pa.table({"a": pa.array(range(1000))})
        ...     options = {"column": "a"}
        ...     wrong_schemas = [pa.schema([("b", pa.int64())])]
    """

    table: pa.Table
    expected: pa.Table | None = None
    wrong_schemas: Sequence[pa.Schema] = ()
    _kind = "transform"

    def test_rows_are_as_expected(self) -> None:
        """``table`` becomes ``expected``."""
        if self.expected is None:
            pytest.skip("no table is expected (expected)")
        bound = self._bound()
        expect_same_table(self._apply(bound, cut(self.table, 65_536)), self.expected, self.name)

    def test_schema_is_known_before_rows(self) -> None:
        """``bind()`` gives the schema that each batch then has."""
        bound = self._bound()
        expect(isinstance(bound.schema, pa.Schema), f"bound.schema is {bound.schema!r}")
        for batch in cut(self.table, 10):
            got = bound(batch)
            expect(isinstance(got, pa.RecordBatch), f"a batch becomes {type(got).__name__}")
            expect(
                got.schema.equals(bound.schema, check_metadata=True),
                f"a batch has another schema than bind() said:\n{got.schema}\n"
                f"expected\n{bound.schema}",
            )
            got.validate(full=True)

    def test_batch_bounds_do_not_matter(self) -> None:
        """The rows are the same however they are cut into batches."""
        whole = self._apply(self._bound(), cut(self.table, 65_536))
        for rows in (1, 3, 100):
            got = self._apply(self._bound(), cut(self.table, rows))
            expect_same_table(got, whole, f"{self.name} over batches of {rows} rows")

    def test_no_rows(self) -> None:
        """A batch without rows is fine, before, between and behind others."""
        none = pa.RecordBatch.from_arrays(
            [pa.array([], field.type) for field in self.table.schema], schema=self.table.schema
        )
        bound = self._bound()
        got = bound(none)
        expect(got.schema.equals(bound.schema), f"a batch of no rows becomes\n{got.schema}")
        batches = cut(self.table, max(1, self.table.num_rows // 2))
        mixed = [none, *(part for batch in batches for part in (batch, none))]
        whole = self._apply(self._bound(), cut(self.table, 65_536))
        got_table = self._apply(self._bound(), mixed)
        expect_same_table(got_table, whole, f"{self.name} with batches of no rows")

    def test_wrong_schema_is_refused(self) -> None:
        """``bind()`` raises ``SchemaMismatch`` before any row flows."""
        if not self.wrong_schemas:
            pytest.skip("no schemas to be refused are given (wrong_schemas)")
        for schema in self.wrong_schemas:
            try:
                self._bound(schema)
            except SchemaMismatch:
                continue
            except Exception as error:
                raise AssertionError(
                    f"bind() raises {error!r}, not SchemaMismatch, for\n{schema}"
                ) from error
            raise AssertionError(f"bind() takes a schema that does not fit:\n{schema}")

    def test_kind_is_as_the_spec_says(self) -> None:
        """The bound transform is of the kind that its spec declares."""
        spec = self.spec
        assert isinstance(spec, TransformSpec)
        kind = self._bound().kind
        expect(kind == spec.kind, f"the spec says {spec.kind}, the bound transform {kind}")

    def test_threads_do_not_matter(self) -> None:
        """A pipeline gives the same rows in the same order for any number of threads."""
        whole = self._apply(self._bound(), cut(self.table, 65_536))
        for threads in (1, 2, 4):
            feed = TableFeed(self.table, 25)
            got = collect(feed, [(self.name, self.options)], threads)
            expect_same_table(got, whole, f"{self.name} on {threads} threads")

    def _bound(self, schema: pa.Schema | None = None) -> BoundTransform:
        options: Any = build_options(
            self.spec.options, self.options, owner=f"transform '{self.name}'"
        )
        transform = get_catalog().load(self.spec)(options, KitContext())
        return transform.bind(schema or self.table.schema)

    def _apply(self, bound: BoundTransform, batches: Iterable[pa.RecordBatch]) -> pa.Table:
        return table_of(map(bound, batches), bound.schema)
