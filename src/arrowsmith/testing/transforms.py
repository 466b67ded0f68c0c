"""What every transform has to hold."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pytest

from arrowsmith.catalog import get_catalog
from arrowsmith.errors import ArrowsmithError, SchemaMismatch
from arrowsmith.plugin.options import build_options
from arrowsmith.plugin.protocols import (
    BoundTransform,
    FinishingTransform,
    Fitter,
    ProjectingTransform,
)
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
                self._fitter(schema) if self._is_fitted else self._bound(schema)
            except SchemaMismatch:
                continue
            except Exception as error:
                raise AssertionError(
                    f"bind() raises {error!r}, not SchemaMismatch, for\n{schema}"
                ) from error
            raise AssertionError(f"bind() takes a schema that does not fit:\n{schema}")

    def test_kind_is_as_the_spec_says(self) -> None:
        """The bound transform is of the kind that its spec declares; a fitted one has a fitter."""
        spec = self.spec
        assert isinstance(spec, TransformSpec)
        kind = self._bound().kind
        if spec.kind == "fitted" or self._is_fitted:
            both = spec.kind == "fitted" and self._is_fitted
            expect(both, f"the spec says {spec.kind}, and it has a fitter: {self._is_fitted}")
            expect(kind in ("stateless", "ordered"), f"once fitted, its kind is {kind}")
        else:
            expect(kind == spec.kind, f"the spec says {spec.kind}, the bound transform {kind}")

    def test_needed_columns_are_enough(self) -> None:
        """The step narrowed to what ``needed()`` names gives the same columns."""
        bound: Any = self._bound()
        if not isinstance(bound, ProjectingTransform):
            pytest.skip("it does not say which columns it needs (needed, narrowed)")
        whole = self._apply(self._bound(), cut(self.table, 65_536))
        for name in bound.schema.names:
            needed = bound.needed(frozenset([name]))
            columns = [n for n in self.table.column_names if n in needed]
            kept = self.table.select(columns or self.table.column_names[:1])
            step = bound.narrowed(kept.schema)
            got = self._apply(step, cut(kept, 65_536))
            what = f"{self.name} with the columns {kept.column_names}"
            expect(name in got.column_names, f"{what} lacks '{name}'")
            expect_same_table(got.select([name]), whole.select([name]), what)

    def test_state_is_plain(self) -> None:
        """What was learned is JSON, and bound again after that it does the same."""
        state = self._learned_or_skip()
        text = json.dumps(state, allow_nan=False)
        transform = self._made()
        batches = cut(self.table, 65_536)
        one = self._apply(transform.bind(self.table.schema, state), batches)
        other = self._apply(self._made().bind(self.table.schema, json.loads(text)), batches)
        expect_same_table(other, one, f"{self.name} with its state from JSON")

    def test_fit_adds_up(self) -> None:
        """Chunks of any sizes teach the same, up to rounding, and on any threads exactly so."""
        whole = self._learned_or_skip()
        for rows in (1, 7, 100):
            chunks = self._columns_of(cut(self.table, rows))
            state = self._learned(chunks)
            expect(_close(state, whole), f"{self.name} learned {state} from {rows} rows at a time,"
                   f" and {whole} from all at once")  # fmt: skip
            fitter = self._fitter(self.table.schema)
            with ThreadPoolExecutor(4) as pool:
                partials = list(pool.map(fitter.partial, chunks))
            for partial in partials:
                fitter.merge(partial)
            expect(fitter.state() == state, f"{self.name} learned something else on threads")

    def test_fit_of_no_rows(self) -> None:
        """Without rows there is a state, or an error that says so."""
        self._learned_or_skip()
        try:
            self._made().bind(self.table.schema, self._fitter(self.table.schema).state())
        except ArrowsmithError:
            return

    def test_unfit_state_is_refused(self) -> None:
        """``bind()`` raises an ``ArrowsmithError`` for a state that is none of its own."""
        self._learned_or_skip()
        wrong: list[dict[str, Any]] = [{}, {"columns": {}}, {"columns": None}]
        for state in wrong:
            try:
                self._made().bind(self.table.schema, state)
            except ArrowsmithError:
                continue
            except Exception as error:
                raise AssertionError(f"bind() raises {error!r} for the state {state}") from error
            raise AssertionError(f"bind() takes the state {state}")

    def test_threads_do_not_matter(self) -> None:
        """A pipeline gives the same rows in the same order for any number of threads."""
        whole = self._apply(self._bound(), cut(self.table, 65_536))
        for threads in (1, 2, 4):
            feed = TableFeed(self.table, 25)
            got = collect(feed, [(self.name, self.options)], threads)
            expect_same_table(got, whole, f"{self.name} on {threads} threads")

    @property
    def _is_fitted(self) -> bool:
        return hasattr(self._made(), "fitter")

    def _made(self) -> Any:
        options: Any = build_options(
            self.spec.options_class, self.options, owner=f"transform '{self.name}'"
        )
        return get_catalog().load(self.spec)(options, KitContext())

    def _fitter(self, schema: pa.Schema) -> Fitter:
        fitter: Fitter = self._made().fitter(schema)
        return fitter

    def _columns_of(self, batches: Sequence[pa.RecordBatch]) -> list[pa.RecordBatch]:
        """The columns that the fitter names, and no others."""
        wanted = self._fitter(self.table.schema).columns
        names = [name for name in self.table.column_names if name in wanted]
        return [batch.select(names or batch.schema.names[:1]) for batch in batches]

    def _learned(self, chunks: Iterable[pa.RecordBatch]) -> Mapping[str, Any]:
        fitter = self._fitter(self.table.schema)
        for chunk in chunks:
            fitter.merge(fitter.partial(chunk))
        return fitter.state()

    def _learned_or_skip(self) -> Mapping[str, Any]:
        if not self._is_fitted:
            pytest.skip("it is not fitted")
        return self._learned(self._columns_of(cut(self.table, 65_536)))

    def _bound(self, schema: pa.Schema | None = None) -> BoundTransform:
        schema = schema or self.table.schema
        made = self._made()
        if hasattr(made, "fitter"):
            bound: BoundTransform = made.bind(schema, self._learned_or_skip())
        else:
            bound = made.bind(schema)
        return bound

    def _apply(self, bound: BoundTransform, batches: Iterable[pa.RecordBatch]) -> pa.Table:
        made = [bound(batch) for batch in batches]
        if isinstance(bound, FinishingTransform):
            made += bound.finish()
        return table_of(made, bound.schema)


def _close(left: Any, right: Any) -> bool:
    """Whether two states are the same but for the rounding of floats."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_close(left[k], right[k]) for k in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(_close, left, right))
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-9)
    return bool(left == right)
