"""The verbs of a dataset: each gives a new dataset and reads nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Self

import pyarrow as pa

from arrowsmith.errors import OptionError
from arrowsmith.pipeline import plan, state
from arrowsmith.pipeline.fit import Learned
from arrowsmith.pipeline.plan import Plan, Verb

Path = str | os.PathLike[str]


class Verbs:
    """What a ``Dataset`` can have done to its rows."""

    verbs: tuple[Verb, ...]
    learned: Learned

    def _with(self, verbs: tuple[Verb, ...]) -> Self:
        """The dataset with these verbs."""
        raise NotImplementedError

    def _learn(self) -> Plan:
        """Have all fitted steps learn."""
        raise NotImplementedError

    def _then(self, verb: Verb) -> Self:
        return self._with((*self.verbs, verb))

    def _core(self, transform: str, /, **options: Any) -> Self:
        return self._then(plan.core(transform, options))

    # --- columns ---------------------------------------------------------------------------------

    def select(self, *columns: str) -> Self:
        """Keep these columns, in this order."""
        return self._then(plan.select(columns))

    def drop(self, *columns: str) -> Self:
        """Leave these columns out."""
        return self._core("drop", columns=columns)

    def rename(self, names: Mapping[str, str]) -> Self:
        """Rename columns: ``{"old": "new"}``."""
        return self._then(plan.rename(names))

    def cast(self, columns: Mapping[str, str | pa.DataType]) -> Self:
        """Convert columns: ``{"id": "int32"}``. A value that does not fit is a ``DataError``."""
        return self._then(plan.cast(columns))

    def with_column(self, name: str, expression: Any) -> Self:
        """Compute a column behind the others, or in the place of the one of that name.

        Args:
            name: of the column.
            expression: text such as ``"price * quantity"``, a ``pyarrow.compute.Expression``, or a
                function from ``RecordBatch`` to ``Array``.
        """
        return self._core("with_column", name=name, expression=expression)

    def fill_null(self, values: Mapping[str, Any]) -> Self:
        """Put values in the place of nulls: ``{"score": 0}``."""
        return self._core("fill_null", values=values)

    def fill_forward(self, *columns: str) -> Self:
        """Put the last value before it in the place of a null; the first nulls stay."""
        return self._core("fill_forward", columns=columns)

    def flatten(self, *columns: str, separator: str = ".", recursive: bool = True) -> Self:
        """Make columns of the fields of structs, of these or of all: ``a`` gives ``a.b``."""
        return self._core("flatten", columns=columns, separator=separator, recursive=recursive)

    # --- rows ------------------------------------------------------------------------------------

    def filter(self, condition: Any) -> Self:
        """Keep the rows for which a condition is true.

        Args:
            condition: text such as ``"score > 0.5 and lang = 'en'"``, or a
                ``pyarrow.compute.Expression``.
        """
        return self._then(plan.where(condition))

    def limit(self, rows: int) -> Self:
        """Keep the first ``rows`` rows; nothing behind them is read."""
        return self._then(plan.limit(rows))

    def sample(
        self, fraction: float | None = None, *, rows: int | None = None, seed: int = 0
    ) -> Self:
        """Keep a random share of the rows, or so many rows, in their order.

        The same seed draws the same rows, whatever the threads and batches.

        Raises:
            OptionError: neither ``fraction`` nor ``rows`` is given, or both.
        """
        if (fraction is None) == (rows is None):
            raise OptionError("sample takes a fraction or a number of rows")
        if rows is None:
            return self._core("sample", fraction=fraction, seed=seed)
        return self._core("sample_rows", rows=rows, seed=seed)

    # --- functions and transforms by name --------------------------------------------------------

    def map(
        self,
        function: Callable[[pa.RecordBatch], pa.RecordBatch],
        schema: pa.Schema | None = None,
    ) -> Self:
        """Apply a function from batch to batch, on any worker thread.

        Args:
            function: must give the same rows however the input is cut into batches.
            schema: of its output; by default what it gives for an empty batch.
        """
        return self._then(plan.map_batches(function, schema))

    def transform(self, name: str, /, **options: Any) -> Self:
        """Apply a transform of the core or a plugin, by name, see ``arrowsmith transforms``.

        Example:
            >>> import arrowsmith
            >>> ds = arrowsmith.open("in.csv").transform("min_max_scale", columns=["id"])
            >>> ds.to_table()["id"].to_pylist()
            [0.0, 0.5, 1.0]
        """
        return self._then(plan.transform(name, options))

    # --- what fitted steps have learned ----------------------------------------------------------

    def fitted(self) -> list[dict[str, Any]]:
        """What each fitted step has learned, in order, as JSON values; read now if need be.

        Example:
            >>> import arrowsmith
            >>> ds = arrowsmith.open("in.csv").transform("ordinal", columns=["id"])
            >>> ds.fitted()[0]["state"]["columns"]["id"]["values"]
            [1, 2, 3]
        """
        state.check_fitted(self.verbs)
        self._learn()
        steps: list[dict[str, Any]] = state.document(self.verbs, self.learned)["steps"]
        return steps

    def save_state(self, path: Path, *, overwrite: bool = False) -> None:
        """Write what the fitted steps have learned to a JSON file; they learn now if need be.

        Raises:
            OptionError: no step is fitted.
            TargetExists: the file is there and ``overwrite`` is not set.
        """
        state.check_fitted(self.verbs)
        self._learn()
        state.save_state(path, self.verbs, self.learned, overwrite=overwrite)

    def load_state(self, path: Path) -> Self:
        """The dataset with what its fitted steps have learned elsewhere: no pass is made for it.

        Raises:
            OptionError: the state is of another chain of fitted steps, or of other options.
            DataError: the file is no saved state.
        """
        return self._with(tuple(state.load_state(path, self.verbs)))
